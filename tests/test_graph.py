"""Networks that are no chain: branches side by side, layers used twice, values that several read, and their room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_networks import DTYPES, Array, normal, poison

import fastnn
from fastnn import Concatenate, Dense, Dropout, LayerNorm, Network, Residual, RMSNorm, Shared, cost
from fastnn.kernels.dropout import NO_KEY
from fastnn.layers import Graph, Parameter
from fastnn.layers.residual import Add
from fastnn.learning.training import FUSED_PARAMETERS
from fastnn.lowering.blocks import Allocator, Lifetime
from fastnn.tape import loss_and_gradient_with

NETWORKS: dict[str, list[Any]] = {
    "branches": [Dense(6, "tanh"), Concatenate(Dense(4, "gelu"), [Dense(5), RMSNorm()], []), Dense(3)],
    "branches at once": [Concatenate([], Dense(4, "silu"), [Residual(LayerNorm())]), Dense(3)],
    "branches in branches": [Dense(5), Concatenate([Concatenate([], Dense(2, "tanh")), Dense(3)], []), Dense(3)],
    "three readers": [Dense(6, "tanh"), Residual(Concatenate(Dense(2), Dense(4))), Concatenate([], [], []), Dense(3)],
    "blocks at once": [Dense(6), Residual(Residual(Residual(Dense(6, "tanh")))), Dense(3)],
    "a layer twice": [Dense(6, "tanh"), Dense(6, "gelu"), Shared("1"), Dense(3)],
    "a layer five times": [Dense(6), LayerNorm(), Dense(6, "tanh"), Shared("1"), Shared("2"), Shared("2"), Dense(3)],
    "a shared branch": [Dense(4), Concatenate([Dense(4, "tanh")], [Shared("1.0.0"), Dense(2)]), Dense(3)],
}


def built(name: str, dtype: str = "float64") -> Network:
    net = Network(7, NETWORKS[name], dtype=dtype, seed=1)
    rng = np.random.default_rng(2)
    for values in net.named_parameters.values():
        values += rng.normal(0, 0.2, values.shape)
    return net


def data(rows: int, dtype: str = "float64") -> tuple[Array, Array]:
    return normal(rows, 7).astype(dtype), np.arange(rows) % 3


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_is_that_of_central_differences(name: str) -> None:
    net, (x, y) = built(name), data(5)
    named = net.named(net.gradient(x, y))
    for parameter, values in net.named_parameters.items():
        for at in np.ndindex(values.shape):
            before, losses = values[at], []
            for moved in (before + 1e-5, before - 1e-5):
                values[at] = moved
                losses.append(net.loss(x, y))
            values[at] = before
            slope = (losses[0] - losses[1]) / 2e-5
            assert named[parameter][at] == pytest.approx(slope, rel=1e-6, abs=1e-8), (parameter, at)


def gradient_of(net: Network, keep: bool, byte: int | None, x: Array, y: Array) -> bytes:
    plan = net.plan(len(x), keep=keep)
    workspace, gradient = plan.workspace(), np.zeros_like(net.parameters)
    poison(workspace, byte)
    loss_and_gradient_with(plan.tape, net.parameters, gradient, x, y, workspace, NO_KEY)
    return gradient.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_rooms_that_are_used_twice_give_the_bits_of_rooms_that_are_kept(name: str, dtype: str) -> None:
    net, (x, y) = built(name, dtype), data(9, dtype)
    found = {gradient_of(net, keep, byte, x, y) for keep in (False, True) for byte in (0x00, 0xFF, None)}
    assert len(found) == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_it_comes_back_from_a_file_and_from_a_pickle(name: str, tmp_path: Path) -> None:
    net, (x, _) = built(name), data(4)
    net.save(tmp_path / "net")
    for other in (fastnn.load(tmp_path / "net"), net.copy()):
        assert other(x).tobytes() == net(x).tobytes()
        assert list(other.named_parameters) == list(net.named_parameters)
        assert repr(other) == repr(net)


@pytest.mark.parametrize("rows", [11, 300, 1300])
@pytest.mark.parametrize("name", NETWORKS)
def test_any_number_of_rows_and_threads_give_the_bits_of_one_batch(name: str, rows: int) -> None:
    net, (x, y) = built(name, "float32"), data(rows, "float32")
    assert net(x).tobytes() == b"".join(net(x[at : at + 7]).tobytes() for at in range(0, rows, 7))
    threads, found = fastnn.get_num_threads(), set()
    for count in (1, threads):
        fastnn.set_num_threads(count)
        found.add(net.gradient(x, y).tobytes())
    fastnn.set_num_threads(threads)
    assert len(found) == 1


# Layers that are used twice -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [6, 60])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", fastnn.Momentum(0.1, l2=0.1, clip_norm=0.5)])
def test_what_is_shared_moves_once_a_step(optimizer: Any, units: int) -> None:
    """As two layers that begin alike, whose gradients are added by hand; below and above what goes unfused."""
    layers = [Dense(units, "tanh"), Dense(units, "tanh")]
    tied = Network(7, [*layers, Shared("1"), Dense(3)], dtype="float64", seed=1)
    apart = Network(7, [*layers, Dense(units, "tanh"), Dense(3)], dtype="float64", seed=1)
    assert (tied.parameters.size >= FUSED_PARAMETERS) == (units == 60)
    for name, values in tied.named_parameters.items():
        apart.named_parameters[name][...] = values
    for kind in ("weight", "bias"):
        apart.named_parameters[f"2.{kind}"][...] = tied.named_parameters[f"1.{kind}"]
    x, y = data(9)
    trainer = tied.trainer("sgd", 9)
    trainer.gradient(x, y)
    found, separate = tied.named(trainer.grads), apart.named(apart.gradient(x, y))
    for kind in ("weight", "bias"):
        both = separate[f"1.{kind}"] + separate[f"2.{kind}"]
        np.testing.assert_allclose(found[f"1.{kind}"], both, rtol=1e-12, atol=1e-15)
    stepped, applied = tied.copy().trainer(optimizer, 9), tied.copy().trainer(optimizer, 9)
    for _ in range(3):
        assert stepped.step(x, y) == applied.gradient(x, y)
        applied.apply()
    assert stepped.params.tobytes() == applied.params.tobytes()


def test_what_is_shared_counts_once_and_computes_each_time() -> None:
    once, twice = (Network(6, [Dense(6, "tanh"), *more, Dense(3)], seed=0) for more in ([], [Shared("0")]))
    assert twice.parameter_count == once.parameter_count
    assert list(twice.named_parameters) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert twice.cost(4).forward.macs == once.cost(4).forward.macs + 4 * 36
    assert "1 shared tanh" in twice.summary()
    own = Network(6, [Dense(6, "tanh"), Dense(6, "tanh"), Dense(3)], seed=0).cost(4).backward
    assert twice.cost(4).backward == own + cost.copy(36 + 6) + cost.addition(36 + 6)


# Rooms ----------------------------------------------------------------------------------------------------------------


def test_what_is_shared_waits_in_room_of_its_own_size() -> None:
    """And not in that of all parameters, most of which are another layer's here."""
    alone, twice = (
        Network(8, [Dense(8, "tanh"), *more, Dense(3000, "relu"), Dense(3)], seed=0) for more in ([], [Shared("0")])
    )
    assert twice.layout.size == alone.layout.size > 30_000
    assert twice.plan(4).workspace_size - alone.plan(4).workspace_size < 1_000


def test_a_deep_network_infers_in_the_room_of_two_values() -> None:
    net = Network(64, [Dense(64, "relu")] * 40, seed=0)
    plan, kept = (net.plan(100, gradients=False, keep=keep) for keep in (False, True))
    assert kept.workspace_size - plan.workspace_size == 38 * 64 * 100
    trained, all_kept = (net.plan(100, keep=keep) for keep in (False, True))
    assert all_kept.workspace_size - trained.workspace_size > 35 * 64 * 100


def test_blocks_that_live_at_one_time_never_overlap() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        begins = rng.integers(0, 30, 20)
        blocks = [Lifetime(int(rng.integers(1, 200)), int(at), int(at + rng.integers(0, 9))) for at in begins]
        allocator = Allocator(4)
        allocator.place(blocks, keep=False)
        assert all(block.offset % 16 == 0 for block in blocks)
        assert max(block.offset + block.elements for block in blocks) <= allocator.size
        for index, block in enumerate(blocks):
            for other in blocks[:index]:
                apart = block.offset >= other.offset + other.elements or other.offset >= block.offset + block.elements
                assert apart or not block.meets(other)
        peak = max(sum(-(-b.elements // 16) * 16 for b in blocks if b.first <= step <= b.last) for step in range(40))
        assert peak <= allocator.size <= 1.3 * peak


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Network(3, [Dense(2), Shared("5")]), ValueError, r"layer 1 is Shared\('5'\); .* earlier layer, of 0"),
        (lambda: Network(3, [Shared("0")]), ValueError, "expected an earlier layer, of none"),
        (lambda: Network(3, [Dense(2), Shared("0")]), ValueError,
         r"shares its weight of shape \(2, 2\) with '0.weight', which has shape \(3, 2\)"),
        (lambda: Network(3, [Residual(Dense(3)), Shared("0")]), ValueError, r"Shared\('0'\), which is a Residual"),
        (lambda: Concatenate(Dense(2)), ValueError, r"Concatenate\(\) has 1 branches"),
        (lambda: Network(3, [Concatenate(Dense(2), "Dense")]), TypeError, r"layer 0\.1\.0 is 'Dense'; expected"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(build: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


class Tying(Dense):
    def parameters(self, *shapes: Any) -> dict[str, Parameter]:
        return {"weight": Parameter((2, 2), tied_to="9.weight"), "bias": Parameter((self.units,))}


def test_a_tie_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"layer 0 shares its weight .* with '9.weight', which no layer before it has"):
        Graph((3,)).add("0", Tying(2), 0)


@dataclass(frozen=True)
class Branching:
    """A container that is wrong: fault says how."""

    fault: str

    def build(self, graph: Graph, name: str, source: int) -> int:
        graph.enter()
        first = graph.chain([Dense(4, "tanh")], source, f"{name}.0.")
        second = graph.chain([Dense(4, "tanh")], source, f"{name}.{0 if self.fault == 'name' else 1}.")
        if self.fault == "reads one":
            return second
        if self.fault == "ends early":
            return first
        return graph.add(name, Sum((0, 1)), first, second)


class Sum(Add):
    def __init__(self, passes: tuple[int, ...]) -> None:
        object.__setattr__(self, "passes", passes)


class Bias(Sum):
    def parameters(self, *shapes: Any) -> dict[str, Parameter]:
        return {"bias": Parameter(shapes[0])}


@pytest.mark.parametrize("more", [[], [Dense(3)]])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("name", r"there is a layer 1\.0\.0 already"),
        ("reads one", r"nothing reads what layer 1\.0\.0 gives"),
        ("ends early", r"nothing reads what layer 1\.1\.0 gives"),
        ("passes both", r"layer 1 passes its gradient to the inputs \[0, 1\]; expected one"),
    ],
)
def test_a_container_that_makes_no_graph_is_refused(fault: str, message: str, more: list[Any]) -> None:
    """Each of these gave gradients that were wrong."""
    with pytest.raises(ValueError, match=message):
        Network(4, [Dense(4), Branching(fault), *more], loss="mse")


def test_a_layer_with_parameters_passes_no_gradient() -> None:
    with pytest.raises(ValueError, match="expected one, of a layer without parameters"):
        Graph((3,)).add("0", Bias((0,)), 0, 0)


def test_dropout_draws_by_its_place_and_not_by_the_rows_of_a_tape() -> None:
    """A block of which nothing is trained before it has a row less than one of which something is."""
    net = Network(6, [Residual(Dropout(0.5), Dense(6)), Dense(3)], dtype="float64", seed=0)
    numbers = [operation.number for operation in net.operations]
    assert numbers == [2, 3, 4, 5]
