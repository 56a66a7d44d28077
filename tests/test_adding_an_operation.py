"""docs/adding-an-operation.md: what stands there is an operation, from outside of fastnn, that all its checks pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from pages import module_of_page

import fastnn
from fastnn.extending import register_layer
from fastnn.testing import CHECKS, Case

SHAPES = ("6", "3x6")

pytestmark = needs.jit


@pytest.mark.parametrize(
    ("name", "kind", "error", "message"),
    [("dense", fastnn.Dropout, ValueError, "'dense' is Dense in files"), ("mine", dict, TypeError, "no dataclass")],
)
def test_names_in_files_are_one_layers(name: str, kind: type, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        register_layer(name, kind)
    register_layer("dense", fastnn.Dense)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page's code as a module."""
    with module_of_page("adding-an-operation.md", tmp_path_factory.mktemp("example"), "gate_of_the_page") as module:
        yield module


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("shape", range(2), ids=SHAPES)
def test_the_operation_of_the_page_is_right(shape: int, name: str, example: Any) -> None:
    check: Callable[[Case], None] = CHECKS[name]
    check(example.CASES[shape])


def test_it_learns_and_is_kept(example: Any, tmp_path: Path) -> None:
    """What another with parameters nearby computes."""
    net, rng = (
        fastnn.Network(6, [example.Gated((fastnn.Dense(6, "tanh"),))], loss="mse", seed=0),
        np.random.default_rng(0),
    )
    teacher, x = net.copy(), rng.normal(size=(400, 6)).astype("float32")
    teacher.parameters += rng.normal(0, 0.3, teacher.parameters.shape)
    y = teacher(x)
    before = net.loss(x, y)
    net.fit(x, y, epochs=300, batch=32, optimizer=fastnn.Adam(0.01), seed=0)
    assert net.loss(x, y) < 0.01 * before
    assert "0 gated" in net.summary()
    net.save(tmp_path / "net")
    assert fastnn.load(tmp_path / "net")(x).tobytes() == net(x).tobytes()
    assert [name for name in net.named_parameters if name.startswith("0.")] == [
        "0.0.weight", "0.0.bias", "0.weight", "0.bias",
    ]  # fmt: skip
