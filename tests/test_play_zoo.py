"""The page of four kinds of network: of one size, counted from what is built."""

from __future__ import annotations

from pathlib import Path

import pytest
from sessions import Heard

import fastnn
from fastnn import data
from fastnn.demo.convnets import as_rows
from fastnn.demo.digits import split_rows
from fastnn.play.lessons.zoo import ABOUT, KINDS, SIZES, network_of, width_of


@pytest.mark.parametrize("size", SIZES.values(), ids=[*SIZES])
@pytest.mark.parametrize("kind", KINDS)
def test_all_are_of_one_size_as_nearly_as_a_width_makes_it(kind: str, size: int) -> None:
    width = width_of(kind, size)
    counts = [KINDS[kind](each, initialize=False).parameter_count for each in (width - 1, width, width + 1) if each]
    here = KINDS[kind](width, initialize=False).parameter_count
    assert min(abs(each - size) for each in counts) == abs(here - size)
    assert abs(here / size - 1) < 0.15


def test_counts_are_those_of_the_networks() -> None:
    heard = Heard("zoo", settings={"size": "5,000"})
    answer = heard.word("answer")["kinds"]
    assert list(answer) == list(KINDS) == list(ABOUT)
    for kind, told in answer.items():
        network = network_of(kind, {"size": "5,000", "seed": 0})
        assert told["parameters"] == sum(each.size for each in network.named_parameters.values())
        assert told["macs"] == network.cost(1).forward.macs
        assert told["step_flops"] == network.cost(32).total.flops
        assert 0 < told["seconds"] < 1
    # What a convolution uses at every place a dense layer uses once.
    assert answer["feed-forward"]["macs"] < answer["feed-forward"]["parameters"]
    assert all(answer[kind]["macs"] > 20 * answer[kind]["parameters"] for kind in ("convolutional", "recurrent"))
    heard.session.take(None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_one_that_is_chosen_learns_as_by_fit(kind: str, tmp_path: Path) -> None:
    heard = Heard("zoo", settings={"kind": kind, "size": "5,000", "seed": 2})
    heard.do("train", until=94)
    heard.word("paused")
    digits, network = data.mnist(), network_of(kind, {"size": "5,000", "seed": 2})
    rows = split_rows(len(digits.x), 2).train
    network.fit(
        as_rows(network, digits.x[rows]), digits.y[rows], epochs=1, batch=32, optimizer=fastnn.Adam(0.003), seed=2
    )
    network.save(tmp_path / "fitted.safetensors")
    assert heard.word("words")["steps_of_epoch"] == 94
    assert heard.file("safetensors") == (tmp_path / "fitted.safetensors").read_bytes()
    heard.session.take(None)
