"""`fastnn machine`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from bench_rows import private_words
from click.testing import CliRunner, Result
from machine_documents import made_up_time

import fastnn
from fastnn import cli
from fastnn.bench.calibration import command, kept
from fastnn.bench.calibration.layered import Case
from fastnn.bench.calibration.networks import Network
from fastnn.study.layered import LayeredCall
from fastnn.study.layered_model import Observed
from fastnn.study.machine_model import Observation
from fastnn.study.work import Call

THREADS = sorted({1, fastnn.get_num_threads()})


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


@pytest.fixture
def measurements(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Networks of the calibration take made-up times at once; the dtype of each calibration."""
    made: list[str] = []

    def observe(
        cases: Sequence[Network], threads: Sequence[int], dtype: str, seconds: float, advance: Callable[[], object]
    ) -> list[Observation]:
        made.append(dtype)
        for _ in cases:
            advance()
        itemsize = np.dtype(dtype).itemsize
        called = [
            Call(sizes, batch, count, phase, itemsize)
            for sizes, batch in cases
            for count in threads
            for phase in ("forward", "step")
        ]
        return [Observation(call, made_up_time(call), 1e11, math.log(1.1)) for call in called]

    def observe_layered(
        cases: Sequence[Case], threads: Sequence[int], dtype: str, advance: Callable[[], object]
    ) -> list[Observed]:
        for _ in cases:
            advance()
        itemsize = np.dtype(dtype).itemsize
        calls = [
            LayeredCall(network, batch, count, phase, itemsize)
            for network, batch in cases
            for count in threads
            for phase in ("forward", "step")
        ]
        return [Observed(call, 1e-6 * call.batch / call.threads, 1e11) for call in calls]

    monkeypatch.setattr(command, "observe", observe)
    monkeypatch.setattr(command, "observe_layered", observe_layered)
    monkeypatch.setattr(command, "EFFORTS", {"fast": (20, 0.0), "normal": (30, 0.0)})
    monkeypatch.setattr(command, "CEILING_SECONDS", {"fast": 0.01, "normal": 0.01})
    return made


def test_machine_shows_what_was_measured(measurements: list[str]) -> None:
    result = invoke("machine", "--fast")
    assert result.exit_code == 0, result.output
    assert "measuring this machine and 124 networks on it, once" in result.stderr
    for words in ("cpu:", "L1d", "multiply-adds", "triad in DRAM", "float32, 1 thread", "reading the clock",
                  "predicting a training step of networks on 1 thread:", "44 calls, each left out", "--anew",
                  "the same call timed again, within minutes: 10.0% off in the median"):  # fmt: skip
        assert words in result.stdout


def test_machine_measures_once_for_each_dtype_until_it_is_told_to_again(measurements: list[str]) -> None:
    first, second = invoke("machine", "--fast"), invoke("machine")
    assert first.exit_code == second.exit_code == 0
    assert second.stdout == first.stdout
    assert "measuring" not in second.stderr
    assert measurements == ["float32"]
    invoke("machine", "--fast", "--dtype", "float64")
    assert measurements == ["float32", "float64"]
    assert "measuring this machine and 158 networks" in invoke("machine", "--anew").stderr
    assert measurements == ["float32", "float64", "float32"]
    invoke("machine")
    assert len(measurements) == 3


def test_machine_writes_its_document_to_stdout_or_a_file(measurements: list[str], tmp_path: Path) -> None:
    printed = invoke("machine", "--fast", "--json", "-")
    file = tmp_path / "new" / "machine.json"
    written = invoke("machine", "--json", str(file))
    assert printed.exit_code == written.exit_code == 0
    assert f"written: {file}" in written.stderr
    document = json.loads(printed.stdout)
    assert kept.read(file) == document
    assert (document["schema"], document["effort"]) == ("fastnn-machine/1", "fast")
    assert [(each["threads"], each["dtype"]) for each in document["ceilings"]] == [(n, "float32") for n in THREADS]
    assert document["machine"]["cores_logical"] >= 1
    assert document["identity"] == kept.identity()
    assert {(each["phase"], each["threads"]) for each in document["model"]["errors"]} == {
        (phase, count) for phase in ("forward", "step") for count in THREADS
    }
    assert private_words(printed.stdout) == []


@needs.full_disk
def test_a_full_disk_is_one_line_and_what_was_measured_is_kept(measurements: list[str]) -> None:
    result = invoke("machine", "--fast", "--json", str(needs.FULL))
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr
    assert "No space left on device" in result.stderr
    assert invoke("machine", "--json", "-").exit_code == 0
    assert measurements == ["float32"]


def test_where_nothing_is_kept_machine_measures_every_time_and_says_so(
    measurements: list[str], monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(kept, "CACHE_DIRECTORY", "")
    for _ in range(2):
        result = invoke("machine", "--fast")
        assert result.exit_code == 0
        assert "no cache directory keeps that for the next time" in result.stderr
    assert len(measurements) == 2
    assert list(cache.iterdir()) == []


def test_a_place_for_the_document_that_is_none_is_refused_before_anything_is_measured(
    measurements: list[str], tmp_path: Path
) -> None:
    result = invoke("machine", "--json", str(tmp_path))
    assert result.exit_code == 2
    assert "it is a folder" in result.stderr
    assert measurements == []


def test_plain_python_is_not_measured(measurements: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DISABLED", True)
    result = invoke("machine", "--fast")
    assert result.exit_code == 2
    assert "NUMBA_DISABLE_JIT=1 runs plain Python" in result.stderr
    assert measurements == []


def test_an_interrupted_measurement_exits_130_and_leaves_what_was_kept(
    measurements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = invoke("machine", "--fast", "--json", "-").stdout

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "observe", interrupt)
    result = invoke("machine", "--anew")
    assert result.exit_code == 130
    assert "interrupted; nothing is kept" in result.stderr
    assert invoke("machine", "--json", "-").stdout == before


def test_sizes_and_units_are_told_in_words() -> None:
    assert command._in_words("caches", {"L1d": 32 * 2**10, "L3": 64 * 2**20, "L2": None}) == (
        "L1d 32 KiB, L3 64 MiB, L2 unknown"
    )
    assert command._in_words("cores_logical", 4) == "4"
