"""The command line: what goes to stdout and what to stderr, exit codes, files that survive a kill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from bench_rows import private_words
from click.testing import CliRunner, Result

import fastnn
from fastnn import cli, data, reference
from fastnn.bench import command, compiling, ladder, measuring, results, rows, warmup
from fastnn.bench.case import Case
from fastnn.bench.measuring import Budget, Measurement
from fastnn.compiler.jit import CACHE_DIRECTORY, compile_clock
from fastnn.simd import machine

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-W", "error", "-m", "fastnn"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in (str(ROOT), *sys.path) if path)}
ALL = fastnn.get_num_threads()


def fastnn_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=300, check=False
    )


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


@pytest.fixture(scope="module")
def finished() -> subprocess.CompletedProcess[str]:
    fastnn_command("bench", "--sizes", "3-4-2", "--fast", "--threads", "1")  # compiles, where nothing did yet
    return fastnn_command("bench", "--sizes", "3-4-2", "--fast", "--json", "-")


def test_bench_prints_a_document_that_keeps_the_contract_and_nothing_else(finished: Any) -> None:
    assert finished.returncode == 0, finished.stderr
    document = json.loads(finished.stdout)
    results.validate(document)
    rows = document["benchmarks"]
    threads = [1, ALL] if ALL > 1 else [1]
    assert [(row["threads"], row["phase"]) for row in rows] == [
        (count, phase) for count in threads for phase in ("forward", "step", "epoch")
    ]
    for row in rows:
        assert (row["name"], row["params"], row["batch"], row["data"]) == ("3-4-2", 26, 32, "spam")
        assert row["loss_last"] < row["loss_first"]
        assert row["residual"] < 0.5
        assert row["compile_s"] == 0
    assert [each["threads"] for each in document["context"]["ceilings"]] == threads


def test_bench_shows_people_a_table_on_stderr(finished: Any) -> None:
    assert "GFLOP/s" in finished.stderr
    assert "3-4-2" in finished.stderr
    assert "compiling" not in finished.stderr
    assert "generated mails" in finished.stderr


def test_a_document_names_no_user_and_no_host(finished: Any) -> None:
    assert private_words(finished.stdout) == []


def test_a_warm_fast_run_compiles_nothing_and_measures_each_row_once_within_its_budget(
    finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes it a matter of seconds, of which 0.2 are for a row and 0.15 for the ceilings of a thread count."""
    given: list[float] = []

    def measure(run: Any, budget: Budget, timer_s: float) -> Measurement:
        given.append(budget.seconds)
        return measuring.measure(run, budget, timer_s)

    def ceilings(threads: int, dtype: str, seconds: float) -> machine.Ceilings:
        given.append(seconds)
        return measure_machine(threads, dtype, seconds)

    measure_machine = machine.measure
    monkeypatch.setattr(rows, "measure", measure)
    monkeypatch.setattr(machine, "measure", ceilings)
    with compile_clock() as clock:
        assert invoke("bench", "--sizes", "3-4-2", "--fast", "--threads", "1").exit_code == 0
    assert clock.count == 0
    assert sorted(given) == [0.15, 0.2, 0.2, 0.2]


def test_without_json_the_table_goes_to_stdout() -> None:
    result = invoke("bench", "--sizes", "3-4-2", "--fast", "--threads", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].split()[:3] == ["network", "params", "phase"]
    assert "network" not in result.stderr
    assert "multiply-adds measured" in result.stderr


def test_options_take_several_values_at_once_or_one_by_one(tmp_path: Path) -> None:
    arguments = ["--sizes", "3-4-2", "3-4-4-2", "--batch", "1", "8", "--threads", "1", "--optimizer", "adamw"]
    file = tmp_path / "new" / "a.json"
    result = invoke(
        "bench", *arguments, "--dtype", "float64", "--fast", "--json", str(file), "--out", str(tmp_path / "out")
    )
    assert result.exit_code == 0, result.output
    document = json.loads(file.read_text())
    results.validate(document)
    rows = document["benchmarks"]
    assert {(row["name"], row["batch"]) for row in rows} == {(n, b) for n in ("3-4-2", "3-4-4-2") for b in (1, 8)}
    assert {(row["dtype"], row["optimizer"]) for row in rows} == {("float64", "adamw")}
    (other,) = (tmp_path / "out").iterdir()
    assert json.loads(other.read_text()) == document
    assert str(other) in result.stderr.replace("\n", "")


@pytest.mark.parametrize(
    ("args", "repeated"),
    [
        (["--a", "1", "2", "--b", "3"], ["--a", "1", "--a", "2", "--b", "3"]),
        (["--a", "1", "--a", "2"], ["--a", "1", "--a", "2"]),
        (["--json", "-", "--a", "1"], ["--json", "-", "--a", "1"]),
        (["--json", "x", "y"], ["--json", "x", "y"]),
    ],
)
def test_names_of_repeatable_options_are_repeated(args: list[str], repeated: list[str]) -> None:
    assert cli._repeat_names(args, {"--a", "--b"}) == repeated


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "3-x-2"], "such as 3-4-2"),
        (["--sizes", "64-16-2"], "end the sizes in at least 10"),
        (["--sizes", "5-4-1"], "end the sizes in at least 2"),
        (["--max-params", "10"], "the smallest, 3-4-2, has 26"),
        (["--batch", "0"], "--batch"),
        (["--threads", "100000"], "this machine has"),
        (["--dtype", "float16"], "float32"),
        (["--optimizer", "lion"], "adamw"),
        (["--peers", "keras"], "numpy, torch, torch-compile, jax, sklearn, onnxruntime"),
        (["--sizes", "784-2000000x3-10"], "GiB"),
        (["extra"], "extra"),
        (["--json", "."], "it is a folder"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_bad_usage_exits_2_and_says_what_to_do(arguments: list[str], message: str) -> None:
    result = invoke("bench", *arguments, "--fast")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_file_that_cannot_be_written_is_bad_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = invoke("bench", "--sizes", "3-4-2", "--fast", "--json", str(tmp_path / "file" / "a.json"))
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


def test_missing_data_is_bad_usage_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "find_spec", lambda name: None)
    ladder._load.cache_clear()
    result = invoke("bench", "--sizes", "64-16-10", "--fast")
    assert result.exit_code == 2
    assert "pip install scikit-learn" in result.stderr


def test_a_peer_that_is_not_installed_is_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "missing", lambda name: [name] if name == "torch" else [])
    result = invoke("bench", "--sizes", "3-4-2", "--fast", "--threads", "1", "--peers", "torch,numpy", "--json", "-")
    assert result.exit_code == 0, result.output
    assert "torch is left out: torch not installed; pip install" in result.stderr
    rows = json.loads(result.stdout)["benchmarks"]
    results.validate(json.loads(result.stdout))
    assert [row.get("peer") for row in rows] == [None, None, None, "numpy", "numpy"]
    assert set(rows[1]["ratio_to"]) == {"numpy"}


def test_a_peer_that_fails_is_told_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnn.bench.beside.AGREEMENT", {"float32": -1.0})
    result = invoke("bench", "--sizes", "3-4-2", "--fast", "--threads", "1", "--peers", "numpy", "--json", "-")
    assert result.exit_code == 1
    assert "refused, numpy: its first loss" in result.stderr
    assert len(json.loads(result.stdout)["benchmarks"]) == 3


def test_a_refused_row_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    right = reference.loss.cross_entropy
    monkeypatch.setattr(
        reference.loss, "cross_entropy", lambda logits, y: (right(logits, y)[0] + 1, right(logits, y)[1])
    )
    result = invoke("bench", "--sizes", "3-4-2", "--fast", "--threads", "1", "--json", "-")
    assert result.exit_code == 1
    assert {row["verdict"] for row in json.loads(result.stdout)["benchmarks"]} == {"refused"}
    assert "refused: 3-4-2" in result.stderr


def test_an_interrupted_run_keeps_its_rows_and_exits_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    train = Case.train

    def interrupt_second(self: Case) -> tuple[float, float]:
        if self.rung.name == "3-4-4-2":
            raise KeyboardInterrupt
        return train(self)

    monkeypatch.setattr(Case, "train", interrupt_second)
    file = tmp_path / "a.json"
    result = invoke("bench", "--sizes", "3-4-2", "3-4-4-2", "--fast", "--threads", "1", "--json", str(file))
    assert result.exit_code == 130
    assert "interrupted" in result.stderr
    assert {row["name"] for row in json.loads(file.read_text())["benchmarks"]} == {"3-4-2"}
    assert "3-4-2" in result.stdout


def test_ctrl_c_before_a_command_is_found_exits_130_as_one_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.main, "parse_args", interrupted)
    result = invoke("bench")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize("interruption", [True, False])
def test_ctrl_c_while_a_compiled_module_is_loaded_is_no_error_of_it(
    monkeypatch: pytest.MonkeyPatch, interruption: bool
) -> None:
    def loading(*_: Any) -> None:
        raise ImportError("initialization failed") from (KeyboardInterrupt() if interruption else ValueError())

    monkeypatch.setattr(cli.main, "parse_args", loading)
    result = invoke("bench")
    if interruption:
        assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    else:
        assert isinstance(result.exception, ImportError)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_run_leaves_a_readable_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    process = subprocess.Popen(
        [*COMMAND, "bench", "--sizes", "3-4-2", "--batch", *map(str, range(1, 40)), "--fast", "--json", str(file)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        seen = 0
        while seen < 3 and process.poll() is None and time.monotonic() < deadline:
            # Each look is at a whole document, also while it is being replaced.
            if file.exists():
                document = json.loads(file.read_text())
                results.validate(document)
                seen = len(document["benchmarks"])
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    document = json.loads(file.read_text())
    results.validate(document)
    assert 3 <= len(document["benchmarks"]) < 6 * 39


def test_compiling_is_announced_once_and_timed() -> None:
    said: list[str] = []
    with compiling.announced(said.append) as clock:
        for _ in range(2):
            clock.on_start(None)
            clock.on_end(None)
    assert len(said) == 2
    kept = r", once: up to about [1-9]\d*0 s on this machine" if CACHE_DIRECTORY else "; no cache directory .*"
    assert re.fullmatch(rf"compiling kernels{kept} \.\.\.", said[0])
    assert said[1].startswith("compiled 2 kernels in"), "what it measured counts as no kernel"
    said.clear()
    with compiling.announced(said.append):
        pass
    assert said == []


def test_warmup_leaves_nothing_to_compile() -> None:
    result = invoke("warmup")
    assert result.exit_code == 0, result.output
    for part in warmup.PARTS:
        assert part in result.stderr
    again = invoke("warmup")
    assert "0 kernels compiled" in again.stderr


def test_version_and_help() -> None:
    assert invoke("--version").stdout == f"fastnn {fastnn.__version__}\n"
    for option in ("--sizes", "--max-params", "--batch", "--threads", "--dtype", "--optimizer", "--fast", "--rigorous",
                   "--peers", "--json", "--out"):  # fmt: skip
        assert option in invoke("bench", "--help").stdout
