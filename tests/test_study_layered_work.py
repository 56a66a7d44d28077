"""Terms of networks of any layers: multiply-adds are those of fastnn.cost, and spans and threads share them."""

from __future__ import annotations

from typing import Any

import pytest

from fastnn.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool2d,
    MaxPool2d,
    Residual,
)
from fastnn.networks.models import gpt_layers
from fastnn.networks.network import Network
from fastnn.simd.host import UNIT
from fastnn.study.layered import Layered, LayeredCall
from fastnn.study.layered_work import terms
from fastnn.study.machine_model import MachineModel
from fastnn.study.products import FORMS, Terms

LANES = UNIT.bytes // 4
# A machine whose vectors' multiply-adds take what registers take, and nothing else any time.
COUNTS = {f"{form}, multiply-adds": 2.0 * LANES for form in FORMS.values()}
COUNTING = MachineModel("float32", (2**15, 2**20), 1.0, COUNTS, {})
# Filters and units that fill vectors of any family, and rows that fill tiles.
HEAD = (Flatten(), Dense(48))
IMAGE = (18, 18, 16)
BATCH = 8


def counted(call: LayeredCall) -> Terms:
    return terms(call, COUNTING)


def multiply_adds(found: Terms) -> float:
    """Of whole vectors."""
    return found["products"] / 2 + found.get("windows, multiply-adds", 0.0) * LANES + found.get("attention", 0.0)


def convolutional(*layers: Any, shape: tuple[int, ...] = IMAGE) -> Layered:
    return Layered((*layers, *HEAD), shape)


@pytest.mark.parametrize(
    "network",
    [
        convolutional(Conv2d(32, 3), Conv2d(48, 3)),
        convolutional(Conv2d(32, 5, 2), Conv2d(32, (1, 2))),
        convolutional(Conv2d(32, 3, padding=1), Conv2d(16, 3, padding="same")),
        convolutional(Conv2d(64, 3, groups=2), Conv2d(64, 3, groups=4), shape=(18, 18, 32)),
        convolutional(Conv2d(32, 3, dilation=2), Conv2d(32, 3, dilation=(1, 3))),
        convolutional(Conv1d(32, 3), Conv1d(32, 3), shape=(34, 16)),
        Layered((RNN(64), Dense(48)), (20, 48)),
        Layered((GRU(64), Dense(48)), (20, 48)),
        Layered((GRU(64, reset_after=False), LSTM(48, bidirectional=True), Dense(48)), (20, 48)),
        Layered((LSTM(64, layers=2, return_sequences=False), Dense(48)), (20, 48)),
        Layered((*gpt_layers(96, 16, 1, 64, 2, bias=False),), (16,)),
    ],
    ids=lambda network: "-".join(type(layer).__name__ for layer in network.layers),
)
@pytest.mark.parametrize("phase", ["forward", "step"])
def test_multiply_adds_are_those_of_the_cost(network: Layered, phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("convolution_work.UNDER_WAY", "recurrence_work.LINE"):  # nothing is multiplied meanwhile
        monkeypatch.setattr(f"fastnn.study.{name}", 0)
    cost = Network(network.shape, network.layers, seed=0).cost(BATCH, "adamw")
    macs = cost.forward.macs if phase == "forward" else cost.total.macs
    found = counted(LayeredCall(network, BATCH, 1, phase))
    assert multiply_adds(found) == pytest.approx(macs, rel=1e-12)
    assert not any(name.endswith("scalar multiply-adds") for name in found)


@pytest.mark.parametrize("phase", ["forward", "step"])
def test_a_channel_for_itself_is_multiplied_in_whole_vectors(phase: str) -> None:
    for channels, filled in ((2 * LANES, 2 * LANES), (LANES + 1, 2 * LANES)):
        network = convolutional(Conv2d(channels, 3, groups=channels), shape=(9, 9, channels))
        macs = BATCH * 7 * 7 * 9 * filled
        # The gradient of the images is not wanted.
        assert counted(LayeredCall(network, BATCH, 1, phase))["depthwise"] == macs * (1 + (phase == "step"))


LOCAL = convolutional(Conv2d(32, 3), Conv2d(48, 3))


def windows_of(batch: int, threads: int) -> float:
    return counted(LayeredCall(LOCAL, batch, threads, "step"))["windows, multiply-adds"]


def test_threads_take_spans_and_wait_for_the_last() -> None:
    span = LayeredCall(LOCAL, 10_000, 1, "step").span
    assert windows_of(2 * span, 2) == windows_of(span, 1)
    assert windows_of(3 * span, 2) == windows_of(2 * span, 1)
    assert windows_of(3 * span, 1) == 3 * windows_of(span, 1)
    assert windows_of(span + 1, 2) == windows_of(span, 1)
    alone = counted(LayeredCall(LOCAL, 3 * span, 1, "step"))
    found = counted(LayeredCall(LOCAL, 3 * span, 2, "step"))
    assert (alone["threads started"], found["threads started"]) == (0, 1)
    assert found["regions"] == alone["regions"] == 0
    assert found["spans"] == 3 * LOCAL.graph.parameter_count


def test_threads_share_the_layers_of_one_span() -> None:
    one, two = (counted(LayeredCall(LOCAL, 1, threads, "step")) for threads in (1, 2))
    # Rows of places forward, stripes of the rows of windows of the weights' gradients, and rows of pixels.
    assert one["windows, multiply-adds"] / 2 < two["windows, multiply-adds"] < one["windows, multiply-adds"]
    assert (one["regions"], two["regions"]) == (0, 5)
    assert two["spans"] == two["threads started"] == 0
    assert two["values that change cores"] > 0


def test_a_sequence_is_an_image_of_one_row() -> None:
    for threads in (1, 2):
        one, two = (
            counted(LayeredCall(Layered((layer, Flatten(), Dense(3)), shape), 4, threads, "step"))
            for layer, shape in ((Conv1d(16, 3), (64, 8)), (Conv2d(16, (1, 3)), (1, 64, 8)))
        )
        assert one == two


def test_threads_share_stripes_of_the_gradient_of_a_window_of_one_pixel() -> None:
    network = Layered((Conv2d(192, 1), Flatten(), Dense(3)), (14, 14, 256))
    one, two = (counted(LayeredCall(network, 4, threads, "step")) for threads in (1, 2))
    assert two["windows, multiply-adds"] == one["windows, multiply-adds"] / 2


def test_threads_share_rows_of_what_is_no_product() -> None:
    network = Layered((Conv2d(16, 1), BatchNorm(), Activation("relu"), MaxPool2d(2), Flatten(), Dense(3)), (32, 32, 16))
    one, two = (counted(LayeredCall(network, 32, threads, "step")) for threads in (1, 2))
    for name in ("norms, step", "pools", "pools, gradients"):
        assert two[name] == one[name] / 2
    assert two["elementwise"] < one["elementwise"]
    assert two["regions"] - one["regions"] >= 5 + 2 * 2


def test_recurrent_rows_are_shared_and_one_row_is_not() -> None:
    network = Layered((LSTM(128, return_sequences=False), Dense(10)), (64, 16))
    for batch, ratio in ((8, 2), (1, 1)):
        one, two = (counted(LayeredCall(network, batch, threads, "forward")) for threads in (1, 2))
        assert one["rows of steps"] == ratio * two["rows of steps"]
        assert two["regions"] == (ratio == 2)


def test_what_is_no_product_is_as_the_cost_says() -> None:
    layers = Conv2d(LANES, 3), BatchNorm(), Residual(Conv2d(LANES, 3, padding=1)), MaxPool2d(2), AvgPool2d(2)
    network = Layered((*layers, GlobalAvgPool2d(), *HEAD), (18, 18, 3))
    found = counted(LayeredCall(network, BATCH, 1, "step"))
    places = 16 * 16 * LANES
    assert found["norms, step"] == BATCH * places
    # The first two see each number once, and the last those that are left.
    assert found["pools"] == found["pools, gradients"] == BATCH * (places + places // 4 + places // 16)
    assert found["pools, windows"] == BATCH * (64 + 16 + 1)
    assert found["elementwise"] == BATCH * 3 * places  # what Residual adds, and both biases' gradients


def test_sums_that_wait_and_weights_beyond_the_nearest_cache_are_told() -> None:
    pixel = Layered((Conv2d(LANES, 1), *HEAD), (1, 1, 48))
    windows = counted(LayeredCall(pixel, 1, 1, "forward"))["windows, multiply-adds"]
    assert windows == 48 * 8  # of one vector, where eight could be under way
    for units, times_over in ((LANES, 1), (256, 3)):  # a row of states, and a line for each of its multiply-adds
        network = Layered((RNN(units),), (11, 16))
        found, none = (
            counted(LayeredCall(each, 1, 1, "forward")) for each in (network, network._replace(shape=(1, 16)))
        )
        steps = found["products"] - none["products"]
        assert steps == pytest.approx(2 * 10 * units * (units * times_over + 16), rel=0.02)  # and those of the inputs
    odd, even = (counted(LayeredCall(Layered((RNN(units),), (11, 16)), 1, 1, "forward")) for units in (17, 32))
    assert (odd["cells, straddling"], even["cells, straddling"]) == (11 * 17, 0)
