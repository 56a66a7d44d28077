"""Networks that a machine is timed with, and what is kept of that."""

from __future__ import annotations

import json
import math
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from machine_documents import machine_document
from processes import run_python

import fastnn
from fastnn import cost
from fastnn.bench.calibration import kept, layered, networks
from fastnn.bench.calibration.layered import cases_of
from fastnn.bench.calibration.networks import LADDER_BATCHES, MOST_RUNG
from fastnn.bench.ladder import LADDER
from fastnn.layers import describe_layer
from fastnn.simd import machine
from fastnn.study.layered import FAMILIES, Family, LayeredCall
from fastnn.study.machine_model import Observation
from fastnn.study.work import Call

THREADS = sorted({1, fastnn.get_num_threads()})


# Networks -------------------------------------------------------------------------------------------------------------


def test_networks_are_the_same_every_time_and_more_of_them_go_on() -> None:
    assert networks.networks(40) == networks.networks(40)
    assert networks.networks(60)[: len(networks.networks(40))] == networks.networks(40)
    drawn = networks.networks(100)[-100:]
    # The first after the ladder: other ones would be another calibration.
    assert drawn[:3] == [
        ((3, 13, 13, 13, 13, 13, 2), 160),
        ((85, 314, 87, 1306, 571, 2, 762, 3, 314, 7, 793, 9), 14),
        ((5, 5, 5), 66),
    ]


def test_networks_hold_the_ladder_at_each_batch() -> None:
    found = networks.networks(10)
    rungs = [rung for rung in LADDER if rung.params <= MOST_RUNG]
    assert len(rungs) == len(LADDER) - 1
    assert found[: len(found) - 10] == [(rung.sizes, batch) for rung in rungs for batch in LADDER_BATCHES]


def test_drawn_networks_keep_to_the_limits_and_come_near_them() -> None:
    drawn = networks.networks(300)[-300:]
    for sizes, batch in drawn:
        assert 2 <= sizes[0] <= networks.MOST_WIDTH
        assert 2 <= sizes[-1] <= networks.MOST_WIDTH
        assert all(2 <= width <= networks.MOST_WIDTH for width in sizes[1:-1])
        assert 3 <= len(sizes) <= networks.MOST_LAYERS + 2
        assert 1 <= batch <= networks.MOST_BATCH
        weights = cost.parameter_count(sizes) - sum(sizes[1:])
        assert weights <= networks.MOST_PARAMETERS
        assert 3 * weights * batch <= networks.MOST_MACS
    assert max(len(sizes) for sizes, _ in drawn) == networks.MOST_LAYERS + 2
    assert {batch for _, batch in drawn} >= {1, 2, 3}
    assert max(batch for _, batch in drawn) > networks.MOST_BATCH / 2
    assert max(cost.parameter_count(sizes) for sizes, _ in drawn) > networks.MOST_PARAMETERS / 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_are_timed_in_both_phases_at_a_pace(dtype: str) -> None:
    advanced: list[int] = []
    before = numba.get_num_threads()
    cases = [((3, 4, 2), 5), ((6, 5, 3), 1)]
    started = time.perf_counter()
    found = networks.observe(cases, THREADS, dtype, 0.002, lambda: advanced.append(1))
    elapsed = time.perf_counter() - started
    assert [each.call for each in found] == [
        Call(sizes, batch, threads, phase, np.dtype(dtype).itemsize)
        for sizes, batch in cases
        for threads in THREADS
        for phase in ("forward", "step")
    ]
    assert len(advanced) == 2
    assert numba.get_num_threads() == before
    # Seconds of one call each, of the many that were made.
    assert 0 < sum(each.seconds for each in found) < elapsed
    for each in found:
        assert each.seconds > 0
        assert each.pace > 1e8


def test_of_three_passes_the_middle_counts_and_how_far_the_last_was_from_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the pace of each: 4, 2 and 3 s at the pace of the first."""
    passes = iter([(4.0, 1e9), (1.0, 2e9), (3.0, 1e9)])

    def observed(*_: Any) -> list[Observation]:
        return [Observation(Call((3, 2), 1, 1, "forward"), *next(passes))]

    monkeypatch.setattr(networks, "_observed", observed)
    (found,) = networks.observe([((3, 2), 1)], [1], "float32", 0.0, lambda: None)
    assert (found.seconds, found.pace) == (3.0, 1e9)
    assert found.again == pytest.approx(math.log(3 / 4))


class Recorder:
    """A network and its trainer that only remember their batches."""

    def __init__(self, *sizes: int, **options: Any) -> None:
        self.seen: list[tuple[str, tuple[int, ...], float]] = []

    def trainer(self, optimizer: Any, batch: int) -> Recorder:
        return self

    def forward(self, x: Any) -> None:
        self.seen.append(("forward", x.shape, float(x.sum())))

    def step(self, x: Any, labels: Any) -> float:
        assert labels.shape == x.shape[:1]
        assert set(labels) <= {0, 1, 2}
        self.seen.append(("step", x.shape, float(x.sum())))
        return 0.0


def test_a_call_is_on_the_next_of_some_random_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same one again and again would stay in the nearest cache."""
    recorder = Recorder()
    monkeypatch.setattr(networks.fastnn, "mlp", lambda *sizes, **options: recorder)
    for phase, run in networks._runs((4, 8, 3), 10, "float32").items():
        recorder.seen.clear()
        run(networks.BATCHES)
        run(1)
        assert {(name, shape) for name, shape, _ in recorder.seen} == {(phase, (10, 4))}
        sums = [total for _, _, total in recorder.seen]
        assert len(set(sums)) == networks.BATCHES
        assert sums[-1] == sums[0]


# Networks of other layers -------------------------------------------------------------------------------------------


every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@every_family
def test_networks_of_a_family_are_the_same_every_time_and_of_no_other(family: Family) -> None:
    cases = cases_of(family, 40)
    assert cases_of(family, 60)[:40] == cases
    assert len(set(cases)) == 40
    assert cases_of(family, 5, seed=1) != cases[:5]
    for network, batch in cases:
        assert network.family is family
        assert layered.LEAST_MACS < layered.step_macs(network, batch) < layered.MOST_MACS


@every_family
def test_networks_of_a_family_have_all_of_its_layers(family: Family) -> None:
    has = {type(operation.layer).__name__ for network, _ in cases_of(family, 40) for operation in network.operations}
    expected = {
        "transformers": {"Embedding", "LayerNorm", "Dense", "Add"},
        "images": {"Conv2d", "BatchNorm", "MaxPool2d", "AvgPool2d", "GlobalAvgPool2d", "Add", "Dense", "Activation"},
        "sequences": {"Embedding", "Dense"},
    }
    assert has >= expected[family.name]
    if family.name == "sequences":
        cells = {type(layer).__name__ for network, _ in cases_of(family, 40) for layer in network.layers}
        assert cells >= {"RNN", "GRU", "LSTM"}


@every_family
def test_networks_of_a_family_are_timed_in_both_phases_at_a_pace(family: Family) -> None:
    advanced: list[int] = []
    cases = sorted(cases_of(family, 16), key=lambda case: layered.step_macs(*case))[:2]
    found = layered.observe_layered(cases, THREADS, "float32", lambda: advanced.append(1), 0.002)
    assert [each.call for each in found] == [
        LayeredCall(network, batch, threads, phase)
        for network, batch in cases
        for threads in THREADS
        for phase in ("forward", "step")
    ]
    assert len(advanced) == 2
    assert all(0 < each.seconds < 1 and each.pace > 1e8 for each in found)
    kept_call = json.loads(json.dumps(found[0].as_dict()))["call"]
    assert kept_call["network"]["layers"] == [describe_layer(layer) for layer in cases[0][0].layers]


# Kept -----------------------------------------------------------------------------------------------------------------


def test_what_was_kept_comes_back_for_its_dtype_only(cache: Path) -> None:
    assert kept.kept("float32") is None
    document = machine_document()
    kept.keep(document, "float32")
    assert kept.kept("float32") == document
    assert kept.kept("float64") is None
    assert [file.name for file in cache.iterdir()] == ["machine-float32.json"]
    assert kept.model(document).predict(Call((3, 4, 2), 1, 1, "step")).median > 0


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        (machine, "caches", lambda: {"L1d": 1, "L2": 2, "L3": 3}),
        (machine, "_cpu_model", lambda: "Another"),
        (kept, "kernels", lambda: "4567"),
        (kept, "counting", lambda: "another way"),
    ],
)
def test_what_was_measured_on_another_machine_or_with_other_kernels_is_not_given_back(
    cache: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, value: Any
) -> None:
    kept.keep(machine_document(), "float32")
    assert kept.kept("float32") is not None
    monkeypatch.setattr(place, name, value)
    assert kept.kept("float32") is None


def test_kernels_have_the_same_name_before_and_after_they_run() -> None:
    """In a process of its own, where none has run: what it measures would be of no use to the next one."""
    source = """
import json
import fastnn
from fastnn.bench.calibration import kept
from fastnn.bench.calibration.networks import observe
before = kept.kernels()
observe([((3, 4, 2), 5), ((20, 30, 10), 64)], [1], "float32", 0.001, lambda: None)
print(json.dumps([before, kept.kernels()]))
"""
    before, after = run_python(source)
    assert before == after


def test_a_kernel_that_is_bound_late_is_part_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept.kernels()
    late = [each for each in kept.KERNELS if each[0].__qualname__ == "rectangle"]
    assert len(late) == 1
    monkeypatch.setattr(kept, "KERNELS", [each for each in kept.KERNELS if each is not late[0]])
    assert kept.kernels() != before


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe", b"[1, 2]", b"{}", b'{"schema": "fastnn-bench/1"}', b'{"schema": "fastnn-machine/1"}',
        json.dumps({**machine_document(), "model": {}}).encode(),
        json.dumps({**machine_document(), "date": 5}).encode(),
    ],
)  # fmt: skip
def test_a_broken_file_is_as_none(cache: Path, content: bytes) -> None:
    (cache / "machine-float32.json").write_bytes(content)
    assert kept.kept("float32") is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"schema": "fastnn-bench/1"}, "is fastnn-bench/1; expected fastnn-machine/1, of `fastnn machine --json`"),
        ({"schema": "fastnn-machine/2"}, "is fastnn-machine/2; expected fastnn-machine/1"),
        ({}, "is no document of fastnn; expected"),
        ([], "is no document of fastnn; expected"),
        ({"schema": "fastnn-machine/1", "date": "today", "identity": {}}, "lacks machine, ceilings, model"),
    ],
)
def test_documents_of_other_schemas_are_refused(tmp_path: Path, document: Any, message: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message):
        kept.read(file)
    with pytest.raises(ValueError, match="cannot be read"):
        kept.read(tmp_path / "none.json")


def test_two_processes_at_once_leave_one_whole_file(cache: Path) -> None:
    documents = [machine_document() | {"date": f"2026-01-0{day}"} for day in range(1, 9)]
    with ThreadPool(8) as pool:
        pool.map(lambda document: kept.keep(document, "float32"), documents)
    assert kept.kept("float32") in documents
    assert len(list(cache.iterdir())) == 1


def test_a_place_that_cannot_be_written_loses_no_measurement(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (cache / "machine-float32.json").mkdir()
    kept.keep(machine_document(), "float32")
    assert "what was measured is not kept" in capsys.readouterr().err
    assert kept.kept("float32") is None


def test_the_name_of_how_work_is_counted_changes_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept.counting() == kept.counting()
    names = {kept.counting()}
    sources = (
        "layered.py", "layered_model.py", "layered_work.py", "convolution_work.py", "recurrence_work.py", "span.py",
        "work.py", "products.py", "lowering.py", "columns.py", "walk.py", "tape/operations.py", "rows.py", "dense.py",
        "gradient.py", "sizes.py", "batch_norm.py", "matmul.py", "blocks.py", "few_rows.py", "host.py", "tile.py",
    )  # fmt: skip
    for source in sources:
        monkeypatch.setattr(kept, "getsource", lambda module, source=source: str(module.__file__).replace(source, ""))
        names.add(kept.counting())
    assert len(names) == 1 + len(sources)
