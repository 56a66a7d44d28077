"""benchmarks/compare_kernels.py: what it writes is whole and right, and what is wrong or missing is named."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from case import Case
from click.testing import CliRunner, Result

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import compare_kernels
from comparison import groups, ours, peers, run, tables
from comparison.operation import NotOffered

from fastnn.bench.measuring import Budget
from fastnn.bench.peers.process import Process
from fastnn.bench.turns import in_turn, ratio
from fastnn.simd import machine
from fastnn.simd.machine import Ceilings, Level

SMALL: dict[str, Any] = {
    "SQUARES": (8, 64), "TRANSPOSED_SQUARES": (64,), "LAYERS": ((12, 7),), "BATCHES": (1, 5), "VECTORS": (333,),
    "SOFTMAX": ((5, 10),), "CROSS_ENTROPY": ((7, 3),), "PARAMETERS": (1000,),
    "CONVOLUTIONS": ((2, 6, 3, 5, 3, 2, 1), (2, 5, 4, 6, 3, 1, 0)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, sizes in SMALL.items():
        monkeypatch.setattr(groups, name, sizes)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(compare_kernels.main, [str(argument) for argument in arguments])


def compared(tmp_path: Path, *arguments: str) -> tuple[Result, dict[str, Any]]:
    file = tmp_path / "kernels.json"
    result = invoke("--json", file, "--fast", "--threads", "1", *arguments)
    return result, json.loads(file.read_text())


def small_case(group: str) -> Case:
    return groups.select([group])[0][1]


def test_a_run_writes_right_rows_and_names_peers_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: name if name == "numpy" else None)
    result, document = compared(tmp_path, "--only", "products,vector,softmax,optimizers,convolutions")
    assert result.exit_code == 0, result.output
    assert document["schema"] == run.SCHEMA
    assert set(document["context"]["absent"]) == {"torch", "torch_compiled", "jax"}
    assert "jax is left out: jax is not installed" in result.stderr
    assert {ceilings["dtype"] for ceilings in document["context"]["ceilings"]} == {"float32", "float64"}
    assert [row["name"] for row in document["rows"]] == [groups.title(c) for _, c in groups.select([*groups.GROUPS])]
    for row in document["rows"]:
        assert 0 <= row["residual"] <= 1
        assert row["floor_s"] > 0
        ceiling = next(each for each in document["context"]["ceilings"] if each["dtype"] == row["dtype"])
        peak = row["peak_flops_per_s"] if row["group"] in ("products", "convolutions") else ceiling["flops_per_s"]
        assert 0.1 < peak / ceiling["flops_per_s"] < 2, "the peak beside a product is another than that of before"
        for timing in (*row["ours"].values(), *row["peers"].values()):
            assert 0 < timing["min_s"] <= timing["median_s"]
            assert timing["peak_fraction"] == pytest.approx(row["flops"] / timing["median_s"] / peak)
        assert set(row["ours"]) == set(ours.WAYS)
        assert ("numpy" in row["absent"]) == (row["group"] == "convolutions")
        for interval in row["peers"].get("numpy", {"ratio": {}})["ratio"].values():
            assert 0 < interval["low"] <= interval["median"] <= interval["high"]
    for heading in ("products, float64, 1 thr", "NN 8x8x8", "exp 333", "softmax 5x10", "adamw 1,000", "against"):
        assert heading in result.stderr
    assert result.stdout == ""


def test_a_wrong_kernel_is_refused_and_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(groups.Function.LOOPS, "exp", groups.erf_of)
    result, document = compared(tmp_path, "--only", "vector", "--peers", "numpy")
    assert result.exit_code == 1
    wrong, *right = document["rows"]
    assert (wrong["name"], wrong["verdict"]) == ("exp 333", "refused")
    assert wrong["residual"] > 1
    assert wrong["ours"] == wrong["peers"] == {}
    assert "against the reference" in result.stderr
    assert all(row["verdict"] != "refused" for row in right)


@pytest.mark.parametrize("name", peers.NAMES)
def test_a_peer_does_the_same_work(name: str) -> None:
    needs.package(peers.package(name))
    with peers.peers([name], 1) as found:
        for _, case in groups.select([*groups.GROUPS]):
            inputs = case.inputs()
            ready, absent = found.prepare(case, inputs, ours.Answers(case, inputs))
            if name == "torch_compiled":
                reasons = "functions and softmax only", "of the limit", "torch.compile fails here"
                assert ready or any(reason in absent[name] for reason in reasons)
            else:
                offered = case.op != "convolution" or name != "numpy"
                assert offered == (name in ready), absent
                assert not offered or ready[name].residual <= peers.SLACK
            for peer in ready.values():
                started = time.perf_counter()
                took = peer.timed(3)
                assert 0 < took < time.perf_counter() - started


def test_a_peer_with_another_answer_is_left_out_and_serves_the_next_case(monkeypatch: pytest.MonkeyPatch) -> None:
    case = small_case("products")
    inputs = case.inputs()
    with peers.peers(["numpy"], 1) as found:
        other = {"x": inputs["x"] + 1}
        assert "of the limit" in found.prepare(case, inputs | other, ours.Answers(case, inputs))[1]["numpy"]
        assert "numpy" in found.prepare(case, inputs, ours.Answers(case, inputs))[0]


def test_a_peer_whose_process_ends_is_named_and_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    case = small_case("products")
    inputs = case.inputs()
    answers = ours.Answers(case, inputs)
    with peers.peers(["numpy"], 1) as found, monkeypatch.context() as broken:
        broken.setattr(peers, "WORKER", ("-c", "pass"))
        assert "its process ended" in found.prepare(case, inputs, answers)[1]["numpy"]
        broken.undo()
        assert "numpy" in found.prepare(case, inputs, answers)[0]


def test_a_peer_that_ends_while_it_is_timed_refuses_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(process: Process, phase: str, calls: int) -> float:
        process._process.kill()
        return float(process.ask(do="time", phase=phase, calls=calls)["seconds"])

    monkeypatch.setattr(Process, "time", killed)
    monkeypatch.setitem(groups.GROUPS, "vector", lambda: iter([groups.Function(name="exp", n=100)]))
    result, document = compared(tmp_path, "--only", "vector", "--peers", "numpy")
    assert result.exit_code == 1
    assert [row["verdict"] for row in document["rows"]] == ["refused"]


def test_a_row_that_beats_its_floor_raises_the_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    def ceilings(rate: float) -> Ceilings:
        return Ceilings(1, "float32", rate, 5e-8, 2e-7, (Level("DRAM", float("inf"), 1000, {"copy": rate}),))

    monkeypatch.setattr(machine, "measure", lambda threads, dtype, seconds: ceilings(4e9))
    report = run.Report(run.Settings([], [1], [], {}), {("float32", 1): ceilings(1e9)})
    for seconds in (2.0, 0.5):
        timing = {"median_s": seconds}
        counts = {"flops": 10**9, "bytes_min": 10**9, "working_set": 10**9}
        report.add({"dtype": "float32", "threads": 1, **counts, "ours": {"nopython": timing}, "peers": {}})
    assert [row["floor_s"] for row in report.rows] == [0.25, 0.25]
    assert [row["ours"]["nopython"]["floor_fraction"] for row in report.rows] == [0.125, 0.5]
    assert report.rows[0]["ours"]["nopython"]["gflops"] == 0.5


def test_scipy_is_asked_for_by_name_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from comparison import numpy_operations

    monkeypatch.setattr(numpy_operations, "find_spec", lambda name: None)
    with pytest.raises(NotOffered, match="SciPy is not installed"):
        numpy_operations.elementwise(np.ones(3, np.float32), "gelu")


def test_whole_steps_are_those_of_the_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def recorded(*files: Any, **options: Any) -> int:
        asked.append((files, options))
        return 1

    monkeypatch.setattr(compare_kernels, "run_bench", recorded)
    arguments = ("--only", "steps", "--threads", "1", "--max-params", "1e8", "--peers", "numpy,torch_compiled")
    assert invoke("--json", tmp_path / "x.json", *arguments).exit_code == 1
    ((files, options),) = asked
    assert files == (str(tmp_path / "x-steps.json"), None)
    assert options["batches"] == (1, 32, 256)
    assert (options["threads"], options["max_params"], options["peers"]) == ((1,), 1e8, "numpy")


def test_the_rows_done_before_an_interruption_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = run._row

    def interrupted(group: str, case: Case, *rest: Any) -> Any:
        if groups.title(case) == "NT 64x64x64":
            raise KeyboardInterrupt
        return rows(group, case, *rest)

    monkeypatch.setattr(run, "_row", interrupted)
    result, document = compared(tmp_path, "--only", "products", "--peers", "numpy")
    assert result.exit_code == 130
    assert [row["name"] for row in document["rows"]] == ["NN 8x8x8", "NN 64x64x64"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "layers"], "--only: 'layers' is unknown; expected some of products"),
        (["--peers", "keras"], "--peers: 'keras' is unknown; expected some of numpy, torch, torch_compiled, jax"),
        (["--threads", "4096"], "--threads is 4096"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = invoke("--json", tmp_path / "x.json", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a system that pins processes")
def test_one_thread_is_pinned_and_set_free() -> None:
    before = os.sched_getaffinity(0)
    with run.pinned(1):
        assert len(os.sched_getaffinity(0)) == 1
    with run.pinned(2):
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before


def test_contestants_take_turns_and_ratios_are_of_pairs() -> None:
    order: list[str] = []

    def timed(name: str, seconds: float, calls: int) -> float:
        order.append(name)
        return seconds * calls

    names = {"a": 1e-3, "b": 2e-3, "c": 4e-3}
    contestants: list[Callable[[int], float]] = [partial(timed, name, each) for name, each in names.items()]
    measured = in_turn(contestants, Budget(0.001), 1e-8)
    assert order[-6:] == ["a", "a", "b", "b", "c", "c"]  # each runs some calls before it is timed
    assert [m.median for m in measured] == pytest.approx(list(names.values()))
    assert ratio(measured[2], measured[0])["median"] == pytest.approx(4)


def test_repeated_calls_are_made_in_nopython_code() -> None:
    case = small_case("vector")
    inputs = case.inputs()
    outputs = case.outputs(inputs)
    call: Any = case.bind(inputs, outputs)
    ours.repeated(call.func)(3, *call.args)
    assert ours.Answers(case, inputs).residual(outputs) <= 1
    assert ours.repeated(call.func) is ours.repeated(call.func)


def test_the_sum_counts_who_is_ahead_by_the_interval() -> None:
    def row(name: str, median: float, low: float, high: float) -> dict[str, Any]:
        python = {"median": median, "low": low, "high": high}
        ratio = {"python": python, "nopython": {"median": 2 * median}}
        return {"group": "g", "dtype": "d", "threads": 1, "name": name, "peers": {"p": {"ratio": ratio}}}

    (line,) = tables.summary([row("won", 4.0, 3.0, 5.0), row("level", 1.0, 0.9, 1.1), row("lost", 0.25, 0.2, 0.5)])
    assert line["mean"] == pytest.approx({"python": 1.0, "nopython": 2.0})
    assert (line["rows"], line["ahead"], line["behind"], line["worst_name"]) == (3, 1, 1, "lost")


def test_a_case_of_each_title_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real sizes
    cases = [case for _, case in groups.select([*groups.GROUPS])]
    assert len({(groups.title(case), case.dtype) for case in cases}) == len(cases)
    assert all(json.dumps(asdict(case)) for case in cases)
