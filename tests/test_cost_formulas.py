"""The text of a formula against the numbers of its cost, and how texts are read."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from fastnn import cost
from fastnn.cost import Cost, Formula, evaluate, put_in

# Draws whole numbers, 1 at the least.
Draw = Callable[[], int]
COUNTED: dict[str, Callable[[Draw], Cost]] = {
    "product": lambda n: cost.product(n(), n(), n(), n()),
    "softmax": lambda n: cost.softmax(n(), n(), n()),
    "dropout": lambda n: cost.dropout(n(), n()),
    "addition": lambda n: cost.addition(n(), n()),
    "copy": lambda n: cost.copy(n(), n()),
    "convolution": lambda n: cost.convolution_forward(n(), n(), n(), 3, (n() + 2, n() + 2), itemsize=n()),
    "attention": lambda n: cost.attention_products(n(), n(), n(), n(), n()),
    **{
        f"forward {name}": lambda n, name=name: cost.activation_forward(name, n(), n())
        for name in cost.ACTIVATION_VALUE
    },
    **{
        f"backward {name}": lambda n, name=name: cost.activation_backward(name, n(), n())
        for name in cost.ACTIVATION_VALUE
    },
    **{
        f"{way.__name__} {name} {bias}": lambda n, way=way, name=name, bias=bias:
        way(n(), n(), n(), name, n(), bias=bias)
        for way in (cost.dense_forward, cost.dense_backward) for name in cost.ACTIVATION_VALUE
        for bias in (True, False)
    },
    **{f"loss {name}": lambda n, loss=loss: loss(n(), n(), n()) for name, loss in cost.LOSSES.items()},
    **{f"update {name}": lambda n, name=name: cost.update(name, n(), n()) for name in cost.UPDATES},
    **{
        f"norm {centred} {wanted}": lambda n, centred=centred, wanted=wanted:
        cost.norm_backward(n(), n(), n(), wanted, centred=centred)
        for centred in (True, False) for wanted in (True, False)
    },
    **{
        f"norm {centred}": lambda n, centred=centred: cost.norm_forward(n(), n(), n(), centred=centred)
        for centred in (True, False)
    },
}  # fmt: skip


def by_hand(text: str) -> int:
    """What Python makes of a text with its numbers put in."""
    return int(eval(text.replace("·", "*").replace(",", "") or "0"))


@pytest.mark.parametrize("name", COUNTED)
def test_the_text_with_numbers_put_in_is_the_number(name: str) -> None:
    rng = np.random.default_rng(len(name))
    for _ in range(5):
        found = COUNTED[name](lambda: int(rng.integers(1, 2000)))
        assert found.formula is not None
        assert found.letters is not None
        for count in ("macs", "flops_elementwise", "flops", "transcendentals", "bytes"):
            text = put_in(getattr(found.formula, count), found.letters)
            assert not re.search("[A-Za-z]", text)
            assert by_hand(text) == getattr(found, count)


def test_a_sum_of_operations_has_numbers_and_no_formula() -> None:
    total = cost.dense_forward(2, 3, 4) + cost.dense_forward(2, 4, 5)
    assert total == Cost(2 * 12 + 2 * 20, 2 * 4 + 2 * 5, 0, 4 * (6 + 12 + 4 + 8 + 8 + 20 + 5 + 10))
    assert (total.formula, total.letters) == (None, None)


def test_a_formula_reads_as_it_is_computed() -> None:
    letters = {"B": 32, "O": 1000, "s": 4}
    assert put_in("2·B·O + O·(B-1) - s·O", letters) == "2·32·1,000 + 1,000·31 - 4·1,000"
    assert evaluate("2·B·O + O·(B-1) - s·O", letters) == 64_000 + 31_000 - 4_000
    assert evaluate("O·(B-1)", {"B": 0, "O": 5}) == 0
    assert evaluate("", {}) == 0


def test_formulas_add_up_text_by_text() -> None:
    found = Formula("B·I·O", bytes="s·B") + Formula("B·I·O", "B·O")
    assert found == Formula("B·I·O + B·I·O", "B·O", "", "s·B")
    assert found.flops == "2·B·I·O + 2·B·I·O + B·O"


def test_a_letter_without_a_number_is_an_error() -> None:
    with pytest.raises(KeyError):
        Formula("B·I").cost(B=1)


@pytest.mark.parametrize(
    ("side", "window", "stride", "padding"), [(7, 3, 1, 0), (7, 3, 2, 1), (8, 2, 2, 0), (5, 5, 1, 2)]
)
def test_a_convolution_is_the_product_of_its_patches(side: int, window: int, stride: int, padding: int) -> None:
    """As many multiply-adds as rows of patches (im2col) times the matrix of filters."""
    images, channels, filters = 2, 3, 5
    padded = np.zeros((images, channels, side + 2 * padding, side + 2 * padding))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(2, 3))[:, :, ::stride, ::stride]
    _, _, height, width, _, _ = patches.shape
    terms = channels * window * window
    found = cost.convolution_forward(images, channels, filters, window, (side, side), stride, padding)
    assert found.macs == cost.product(images * height * width, filters, terms).macs
    assert found.flops_elementwise == images * height * width * filters
    numbers = images * channels * side * side + filters * terms + filters + images * filters * height * width
    assert found.bytes == 4 * numbers
    assert cost.convolution_parameters(channels, filters, window) == filters * terms + filters


def test_attention_is_two_products() -> None:
    """Of 3 sequences: 7 queries by 5 keys of 16 numbers, then weights by values."""
    scores, sums = cost.product(7, 5, 16), cost.product(7, 16, 5)
    assert cost.attention_products(3, 7, 5, 16).macs == 3 * (scores.macs + sums.macs)
    assert cost.attention_products(3, 7, 5, 16).bytes == 4 * 3 * (2 * 7 * 16 + 2 * 5 * 16)


def test_a_window_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 5 with stride 1 does not fit a side of 3"):
        cost.places(3, 5)
