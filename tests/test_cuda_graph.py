"""Steps on the device as graphs: recorded once, replayed for all that follow."""

from __future__ import annotations

import gc
import sys
import weakref
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from device_cases import assert_close, data, pair

from fastnn import SGD
from fastnn.cuda import graph, run
from fastnn.cuda.trainer import CudaTrainer

pytestmark = pytest.mark.usefixtures("quick_turns")


def test_steps_on_rows_that_stay_are_recorded_once_and_then_replayed(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "MANY", 2)
    launched: list[int] = []
    step = run.Run.step

    def noted(self: run.Run, data: run.Data, rows: int, clips: bool) -> None:
        launched.append(rows)
        step(self, data, rows, clips)

    monkeypatch.setattr(run.Run, "step", noted)
    host, device = pair(3, 2, dtype="float64")
    x, y = data(3, 2, "cross_entropy", rows=9)
    rule = SGD(0.1, clip_norm=0.1 if path == "fused" else None)
    ours, theirs = (network.trainer(rule, 2) for network in (device, host))
    held = ours.hold(x, y)
    # One step of four full ones by its own launches, then graphs of two and of one; and the last, short one.
    for seed, expected in enumerate([[2, 2, 2, 2, 1], [1], []]):
        order = np.random.default_rng(seed).permutation(9)
        assert ours.epoch(*held, order).loss == pytest.approx(theirs.epoch(x, y, order).loss, rel=1e-12)
        assert launched == expected
        launched.clear()
    assert ours.steps == 15
    assert_close(device.parameters, host.parameters)
    # Other rows, or an order that finds no room, make new ones.
    order = np.tile(np.arange(9), 2)
    for rows in (held, ours.hold(-x, y)):
        assert ours.epoch(*rows, order).rows == 18
        assert launched
        launched.clear()


def test_rows_of_the_host_do_not_stay_and_others_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    _, device = pair(3, 2, dtype="float64")
    x, y = data(3, 2, "cross_entropy", rows=9)
    trainer = device.trainer(SGD(0.1), 2)
    held = trainer.hold(x, y)
    trainer.epoch(*held, np.arange(9))
    kept = weakref.ref(held[0])
    del held
    assert kept() is not None
    uploaded = []
    monkeypatch.setattr(trainer, "hold", lambda *rows: uploaded.append(kept()) or CudaTrainer.hold(trainer, *rows))
    trainer.epoch(x, y, np.arange(9))
    gc.collect()
    assert uploaded == [None]  # gone before others came
    assert trainer._laid is None
    assert trainer._replay._data is None


def test_no_more_graphs_are_kept_than_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MOST_GRAPHS", 2)
    host, device = pair(3, 2, dtype="float64")
    x, y = data(3, 2, "cross_entropy", rows=9)
    ours, theirs = device.trainer(SGD(0.1), 9), host.trainer(SGD(0.1), 9)
    held = ours.hold(x, y)
    for rows in (9, 8, 7, 6, 9, 8, 7, 6):
        ours.epoch(*held, np.arange(rows))
        theirs.epoch(x, y, np.arange(rows))
        assert len(ours._replay._graphs) <= 2
    assert_close(device.parameters, host.parameters)


@pytest.mark.parametrize("recorder", ["none", "fails"])
def test_steps_are_launched_one_by_one_where_nothing_records(recorder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def start_recording() -> None:
        if recorder == "fails":
            raise RuntimeError("no capture")

    monkeypatch.setattr(graph, "start_recording", start_recording)
    host, device = pair(3, 2, dtype="float64")
    x, y = data(3, 2, "cross_entropy", rows=8)
    ours, theirs = device.trainer(SGD(0.1), 2), host.trainer(SGD(0.1), 2)
    with (
        pytest.warns(RuntimeWarning, match="one by one: no graph, no capture") if recorder == "fails" else nullcontext()
    ):
        ours.epoch(*ours.hold(x, y), np.arange(8))
    theirs.epoch(x, y, np.arange(8))
    assert ours.steps == 4
    assert_close(device.parameters, host.parameters)


def test_a_device_records_on_a_stream_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the calls that cuda.core has: tests/test_cuda_compiles.py asks for their names."""
    said: list[Any] = []

    class Builder:
        stream = "its stream"

        def begin_building(self) -> Builder:
            said.append("begin")
            return self

        def end_building(self) -> Builder:
            said.append("end")
            return self

        def complete(self) -> Any:
            return SimpleNamespace(launch=said.append)

    device = SimpleNamespace(set_current=lambda: said.append("current"), create_graph_builder=Builder)
    core = SimpleNamespace(Device=lambda number: device, Stream=SimpleNamespace(from_handle=lambda handle: handle))
    monkeypatch.setattr(graph, "SIMULATED", False)
    monkeypatch.setattr(graph, "cuda", SimpleNamespace(get_current_device=lambda: SimpleNamespace(id=0)))
    monkeypatch.setitem(sys.modules, "cuda", SimpleNamespace(core=core))
    monkeypatch.setitem(sys.modules, "cuda.core", core)
    recorder = graph.start_recording()
    assert recorder.stream == "its stream"
    start = recorder.end()
    assert said == ["current", "begin", "end"]
    start()
    assert said[3:] == [0]
    monkeypatch.setitem(sys.modules, "cuda.core", None)
    assert graph.start_recording() is None
