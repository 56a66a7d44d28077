"""How rows, tiles and gradients are shared among the blocks of a GPU, and where they lie."""

from __future__ import annotations

import pytest
from device_cases import assert_close, data, pair

from fastnn import SGD, Dense, Network, mlp
from fastnn.cuda import fused_run, memory, room, run
from fastnn.cuda.geometry import GEOMETRY, GPU
from fastnn.tape import columns

# Simulated numbers are NumPy's, which warns where a device has inf and NaN.
pytestmark = [
    pytest.mark.usefixtures("quick_turns"),
    pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning"),
]


def test_more_rows_than_the_blocks_take_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_run, "BLOCKS_EACH", 1)
    host, device = pair(2, 3, 2, dtype="float64")
    rows = 3 * GEOMETRY.fused_rows[0] * run.description()["multiprocessors"] + 1
    x, y = data(2, 2, "cross_entropy", rows=rows)
    assert device.trainer(batch=rows).path == "fused"
    assert_close(device.gradient(x, y), host.gradient(x, y))


@pytest.mark.parametrize("tile", [0, 1])
def test_tiles_of_both_sizes_give_the_same_numbers(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large ones where there are enough of them for every multiprocessor, else small ones."""
    monkeypatch.setattr(memory, "room_for", lambda *_: None)
    monkeypatch.setattr(run, "description", lambda: {"multiprocessors": 1 if tile == 0 else 1000})
    host, device = pair(9, 11, 3, dtype="float64")
    x, y = data(9, 3, "cross_entropy", rows=10)
    trainer = device.trainer(SGD(0.1), 10)
    assert trainer._run.products(10, 11) is trainer._run.kernels.products[tile]
    assert_close(trainer.forward(x), host(x))
    trainer.gradient(x, y)
    assert_close(trainer.grads, host.gradient(x, y))


def test_blocks_have_fewer_rows_where_a_batch_would_leave_multiprocessors_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "G", GPU)
    for units, rows in ((16, 32), (64, 32), (128, 16)):  # all that fit 48 kB
        network = mlp(units, units, units, units, 10)
        found = [room.room_for(network, capacity, 132) for capacity in (1, 132 * 8, 132 * 16, 132 * 32)]
        assert [each.rows for each in found if each] == [8, 8, 16, rows]
        assert all(each.shared_bytes <= GPU.shared_bytes for each in found if each)
    assert room.room_for(mlp(128, 129, 2), 32, 132) is None


def test_the_gradient_of_a_layers_input_takes_the_place_of_that_input() -> None:
    network = Network(3, [Dense(4, "relu"), Dense(5, "gelu"), Dense(2)])
    tape, end = room._laid_out(network.plan(1).tape, 3, 8)
    first, second, last = tape[1:4]
    assert second[columns.DINPUT] == second[columns.INPUT] == first[columns.OUTPUT] == first[columns.PRE]
    assert last[columns.DINPUT] == second[columns.OUTPUT] != second[columns.PRE]  # which gelu's slope is of
    assert last[columns.DOUTPUT] != last[columns.OUTPUT]
    assert (first[columns.DINPUT], end) == (-1, 8 * (3 + 4 + 5 + 5 + 2 + 2))


def test_parts_of_a_gradient_stay_within_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside as many as it takes to use each multiprocessor."""
    parts = []
    for limit in (0, 2**30):
        monkeypatch.setattr(fused_run, "PARTS_BYTES", limit)
        trainer = mlp(3, 4, 2, device="cuda").trainer(batch=1000)
        parts.append(trainer._run._blocks)
    least = fused_run.BLOCKS_EACH * run.description()["multiprocessors"]
    rows = trainer._run._room.rows
    assert parts == [least, least * GEOMETRY.fused_rows[0] // rows]


def test_layers_wider_than_a_thread_keeps_and_without_bias(path: str) -> None:
    wide = GEOMETRY.across * GEOMETRY.fused_columns[-1] + 1
    layers = [Dense(wide, "relu", bias=False), Dense(wide - 2, "tanh"), Dense(2)]
    host = Network(wide + 1, layers, dtype="float64", seed=0)
    x, y = data(wide + 1, 2, "cross_entropy", rows=5)
    assert_close(host.to("cuda").gradient(x, y), host.gradient(x, y))
