"""benchmarks/tuning.py: a variant is what runs, made-up times are judged, and status 1 says that a neighbour wins."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import needs
import pytest
from click.testing import CliRunner, Result
from processes import ROOT, run_python

sys.path.append(str(ROOT / "benchmarks"))

import tuning
from tuned import judging, sittings
from tuned.constants import CONSTANTS, Constant, place_of
from tuned.variant import Change, make_at_import

from fastnn.bench.measuring import Measurement
from fastnn.bench.peers.process import PeerFailed
from fastnn.simd.host import UNIT

# What every process of these tests begins with.
CHANGED = f"""
import sys
sys.path.append({str(ROOT / "benchmarks")!r})
from tuned.variant import Change, make_at_import
make_at_import(Change.of_text({{change!r}}))
"""


def in_process(change: Change | None, source: str, **environment: str) -> Any:
    return run_python(CHANGED.format(change="null" if change is None else change.as_text()) + source, **environment)


# Variants -------------------------------------------------------------------------------------------------------------

# The late kernels that a product of as many rows as a vector has lanes binds, and what it comes to.
BOUND = """
import json
import numpy as np
from fastnn.compiler import late
from fastnn.products.matmul import NT, rectangle
from fastnn.simd.host import UNIT
m, n, k = UNIT.bytes // 4, 128, 128
x, w, y, none = np.ones(m * k, "f"), np.ones(n * k, "f"), np.empty(m * n, "f"), np.empty(0, "f")
rectangle(NT, 0, m, 0, n, y, n, x, k, w, k, none, np.empty(2**16, "f"), m, n, k)
bound = [wanted.function for wanted, words in late._words.items() if words[0].value]
print(json.dumps({"bound": bound, "right": bool((y == k).all())}))
"""


@needs.compiled_kernels
def test_a_variant_changes_which_kernels_run() -> None:
    """Rows that are few go to few_rows; kernels that are bound late see the constant, and none is taken from the disk
    that was compiled with another."""
    lanes = UNIT.bytes // 4
    in_force = in_process(None, BOUND)
    variant = in_process(Change("fastnn.products.matmul", "FEW_ROWS_NT", None, lanes), BOUND)
    assert in_force["right"]
    assert variant["right"]
    assert [each["bound"].count("few_rows") for each in (in_force, variant)] == [0, 1]
    assert [each["bound"].count("swapped") for each in (in_force, variant)] == [1, 0]


def test_a_variant_is_in_every_module_that_has_a_copy() -> None:
    imports = "from fastnn.kernels import dense; from fastnn.products import matmul; "
    copies = imports + "print([matmul.FEW_ROWS_NN, dense.FEW_ROWS_NN])"
    assert in_process(Change("fastnn.products.matmul", "FEW_ROWS_NN", None, 77), copies) == [77, 77]


def test_a_familys_field_is_changed_before_anything_follows_from_it() -> None:
    followers = "from fastnn.simd import host; from fastnn.kernels import dense; print([host.TERMS, *dense.TALL_CHUNK])"
    place = place_of(UNIT)
    assert in_process(Change(*place, "panel_terms", 40), followers) == [40, *UNIT.tall_chunk]
    assert in_process(Change(*place, "tall_chunk", (8, 16)), followers)[1:] == [8, 16]


def test_a_change_that_comes_too_late_is_refused() -> None:
    with pytest.raises(ImportError, match=r"fastnn\.products\.matmul is there already"):
        make_at_import(Change("fastnn.products.matmul", "FEW_ROWS_NN", None, 1))


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_has_neighbours_and_each_decides_something(name: str) -> None:
    constant = CONSTANTS[name]
    assert constant.others
    for value in constant.others:
        assert any(constant.decides(value, case) for case in constant.cases), value
        assert Change.of_text(constant.change(value).as_text()) == constant.change(value)


def test_a_descent_is_what_the_reference_says() -> None:
    residuals = """
import comparison
from tuned.workloads import calls_of, of_request
found = []
for about in ({"b": 2, "i": 3, "o": 5}, {"b": 3, "i": 12, "o": 8}):
    case = of_request("descent", about)
    inputs = case.inputs()
    outputs = case.outputs(inputs)
    calls_of(case, inputs, outputs)(1)
    found.append(case.residual(inputs, outputs))
print(found)
"""
    assert all(0 < residual <= 1 for residual in in_process(None, residuals, NUMBA_DISABLE_JIT="1"))


# Judging --------------------------------------------------------------------------------------------------------------


def judged(theirs: Sequence[float], ours: Sequence[float]) -> judging.Row:
    return judging.beside(Measurement(tuple(theirs), 1), Measurement(tuple(ours), 1))


def test_a_constant_loses_by_the_whole_interval_and_by_the_least_times() -> None:
    ours = [1.0] * 20
    assert judging.loses(judged([0.8] * 20, ours))
    assert not judging.loses(judged([0.95] * 20, ours))
    assert not judging.loses(judged([1.3] * 20, ours))
    wide = judged([0.8] * 11 + [1.0] * 9, ours)
    assert wide["median"] == 0.8
    assert not judging.loses(wide)
    disturbed = judged([0.8] * 20, [0.8, *ours[1:]])
    assert disturbed["high"] < 0.9
    assert not judging.loses(disturbed)


def test_short_calls_may_lie_elsewhere_in_every_process() -> None:
    scale = judging.SHORT / 10
    assert not judging.loses(judged([0.85 * scale] * 20, [scale] * 20))
    assert judging.loses(judged([0.75 * scale] * 20, [scale] * 20))


def test_a_mean_is_geometric_and_surer_than_its_parts() -> None:
    row = {"median": 0.5, "low": 0.25, "high": 1.0, "least": 0.5}
    found = judging.mean([row] * 4)
    assert found == pytest.approx({"median": 0.5, "low": 0.5 / 2**0.5, "high": 0.5 * 2**0.5, "least": 0.5})
    assert judging.mean([row, row | {"median": 2.0, "high": 4.0}])["median"] == pytest.approx(1)


# The command ----------------------------------------------------------------------------------------------------------

IN_FORCE_S = 1e-3
NAME = "FEW_ROWS_NN"


class MadeUp:
    """A process that tells so many seconds a call."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def ask(self, **request: Any) -> None:
        if self.seconds <= 0:
            raise PeerFailed("made up: its process ended")

    def time(self, phase: str, calls: int) -> float:
        return self.seconds * calls


@pytest.fixture
def run_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Result, dict[str, Any]]]:
    """Runs the command on made-up seconds by value, a dict a sitting."""

    def run(*sittings_: dict[Any, float]) -> tuple[Result, dict[str, Any]]:
        left = list(sittings_)

        @contextmanager
        def workers(constant: Constant, values: Sequence[Any], cache: Path) -> Iterator[tuple[MadeUp, list[MadeUp]]]:
            seconds = left.pop(0)
            yield MadeUp(IN_FORCE_S), [MadeUp(seconds.get(value, IN_FORCE_S)) for value in values]

        monkeypatch.setattr(sittings, "workers", workers)
        file = tmp_path / "tuning.json"
        result = CliRunner().invoke(tuning.main, ["--only", NAME, "--fast", "--json", str(file)])
        assert left == []
        return result, json.loads(file.read_text()) if file.exists() else {}

    return run


FASTER = CONSTANTS[NAME].others[0]


def test_a_neighbour_that_is_clearly_faster_ends_with_status_1(run_with: Any) -> None:
    result, document = run_with({FASTER: 0.5 * IN_FORCE_S}, {FASTER: 0.8 * IN_FORCE_S})
    assert result.exit_code == 1
    assert f"more than 10% slower than a neighbour: {NAME} to {FASTER}\n" in result.stderr
    (row,) = document["constants"]
    assert [each["value"] for each in row["neighbours"]] == CONSTANTS[NAME].others
    found = {each["value"]: each for each in row["neighbours"]}
    assert [value for value, each in found.items() if each["loses"]] == [FASTER]
    assert found[FASTER]["mean"]["median"] == pytest.approx(0.8), "the second sitting stands"
    assert len(found[FASTER]["cases"]) == sum(CONSTANTS[NAME].decides(FASTER, case) for case in CONSTANTS[NAME].cases)
    assert f"{CONSTANTS[NAME].in_force}, in force" in result.stdout
    assert "geometric mean" in result.stdout
    assert "0.8 [0.8, 0.8] 0.8" in result.stdout


@pytest.mark.parametrize("share", [0.95, 1.5])
def test_a_constant_that_is_as_fast_as_its_neighbours_ends_with_status_0(run_with: Any, share: float) -> None:
    result, document = run_with({value: share * IN_FORCE_S for value in CONSTANTS[NAME].others})
    assert result.exit_code == 0, result.output
    assert not any(each["loses"] for each in document["constants"][0]["neighbours"])


def test_what_wins_in_one_sitting_only_has_not_won(run_with: Any) -> None:
    assert run_with({FASTER: 0.5 * IN_FORCE_S}, {FASTER: IN_FORCE_S})[0].exit_code == 0


def test_a_process_that_fails_is_named_and_ends_with_status_1(run_with: Any) -> None:
    result, _ = run_with({FASTER: 0.0})
    assert result.exit_code == 1
    assert f"{NAME}: made up: its process ended" in result.stderr


def test_what_is_no_constant_is_refused() -> None:
    result = CliRunner().invoke(tuning.main, ["--only", "PI"])
    assert result.exit_code == 2
    assert "--only: 'PI' is unknown; expected some of FEW_ROWS_NN" in result.stderr
