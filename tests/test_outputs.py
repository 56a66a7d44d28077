"""Outputs that are no regular files, that fill up, or that are private; and a terminal that shows little."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import needs
import numpy as np
import pytest

from fastnn import mlp
from fastnn.edge.atomic import descriptor_of, is_file, replacing, write_atomically

PREDICT = ["predict", "gpt2"]
ROOT = Path(__file__).parents[1]
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


PROGRAM = "from fastnn.cli import main; main(prog_name='fastnn')"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True, timeout=300, env={**os.environ, **environment},
    )  # fmt: skip


def read_pipe(pipe: Path, found: list[bytes]) -> threading.Thread:
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    reader.start()
    return reader


@needs_pipes
def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    found: list[bytes] = []
    reader = read_pipe(tmp_path / "pipe", found)
    write_atomically(tmp_path / "pipe", b"content")
    reader.join(30)
    assert found == [b"content"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@needs_pipes
def test_a_model_goes_through_a_pipe(tmp_path: Path) -> None:
    network, found = mlp(3, 4, 2, seed=1), []
    reader = read_pipe(tmp_path / "pipe", found)
    network.save(tmp_path / "pipe")
    reader.join(30)
    network.save(tmp_path / "file.safetensors")
    assert found == [(tmp_path / "file.safetensors").read_bytes()]


@needs_pipes
def test_a_command_writes_to_a_pipe_once(tmp_path: Path) -> None:
    found: list[bytes] = []
    reader = read_pipe(tmp_path / "pipe", found)
    assert run("bench", "--sizes", "3-4-2", "--fast", "--json", str(tmp_path / "pipe")).returncode == 0
    reader.join(30)
    assert json.loads(found[0])["benchmarks"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_stdout_has_other_names(name: str) -> None:
    if not Path(name).exists():
        pytest.skip(f"needs {name}")
    finished = run(*PREDICT, "--json", name)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["models"][0]["params"] == 124_439_808


def test_what_is_open_already_is_written_where_its_other_writers_are(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("wb") as log:
        log.write(b"before ")
        log.flush()
        place = f"/dev/fd/{log.fileno()}"
        if not Path(place).exists():
            pytest.skip("needs /dev/fd")
        assert (descriptor_of(place), is_file(place)) == (log.fileno(), False)
        write_atomically(place, b"within ")
        log.write(b"after")
    assert file.read_bytes() == b"before within after"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_private_file_stays_private(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "private"
    file.write_bytes(b"old")
    file.chmod(mode)
    with replacing(file) as replaced:
        made = next(each for each in tmp_path.iterdir() if each != file)
        assert stat.S_IMODE(made.stat().st_mode) == mode
        replaced.write(b"new")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new", mode)


@needs.full_disk
@pytest.mark.parametrize(
    "arguments",
    [
        [*PREDICT, "--json", str(needs.FULL)],
        ["report", str(sorted((ROOT / "bench_results").glob("*zen5*steps.json"))[0]), "-o", str(needs.FULL)],
        ["demo", "neuron", "--json", str(needs.FULL)],
        ["train", "spam", "--epochs", "1", "-o", str(needs.FULL)],
        ["bench", "--sizes", "3-4-2", "--fast", "--threads", "1", "--json", str(needs.FULL)],
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_a_full_disk_is_one_line_and_a_status(arguments: list[str], tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "fastnn", *arguments], capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert finished.returncode in (1, 2)
    assert "Traceback" not in finished.stderr
    assert "Error: " in finished.stderr
    assert "No space left on device" in finished.stderr


@needs.full_disk
@pytest.mark.parametrize("arguments", [PREDICT, ["--help"], [*PREDICT, "--json", "-"]])
def test_a_full_stdout_is_one_line_and_a_status(arguments: list[str]) -> None:
    with needs.FULL.open("wb") as full:
        finished = subprocess.run(
            [sys.executable, "-m", "fastnn", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=300
        )
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_numbers_come_out_whatever_a_terminal_shows(encoding: str) -> None:
    finished = run("predict", "gpt2", "--hardware", "h100", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert finished.returncode == 0, finished.stderr
    assert b"124,439,808" in finished.stdout


def test_predictions_are_utf_8_whatever_a_terminal_shows(tmp_path: Path) -> None:
    rows = "size,stadt\n" + "".join(f"{i},{name}\n" for i, name in enumerate(["Köln", "Bern"] * 20))
    (tmp_path / "t.csv").write_text(rows, encoding="utf-8")
    model = str(tmp_path / "m.safetensors")
    assert run("train", str(tmp_path / "t.csv"), "--epochs", "1", "-o", model).returncode == 0
    finished = run("predict-on", model, str(tmp_path / "t.csv"), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert finished.returncode == 0, finished.stderr
    assert set(finished.stdout.decode().split()) <= {"prediction", "Köln", "Bern"}


def test_a_user_without_a_home_is_told_that_nothing_is_kept(tmp_path: Path) -> None:
    program = """
import pwd, warnings
def unknown(number): raise KeyError(f"getpwuid(): uid not found: {number}")
pwd.getpwuid = unknown
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    import fastnn
from fastnn.compiler.jit import CACHE_DIRECTORY
print(CACHE_DIRECTORY == "", any("every process will compile them anew" in str(each.message) for each in told))
"""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=120,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert found.stdout.split() == ["True", "True"], found.stderr
    assert list(tmp_path.iterdir()) == []


def complete(words: str) -> str:
    found = run(_FASTNN_COMPLETE="bash_complete", COMP_WORDS=f"fastnn {words}", COMP_CWORD=str(len(words.split())))
    return found.stdout.decode()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("train pen", "file,pen"), ("train di", "plain,digits"), ("evaluate m.safetensors pen", "file,pen"),
        ("predict gpt", "plain,gpt2"), ("predict my", "file,my"), ("bench --json r", "file,r"),
        ("predict-on -o r", "file,r"), ("demo neu", "plain,neuron"), ("predict --hardware h1", "plain,h100"),
        ("train spam -o m", "file,m"), ("train spam --optimizer ad", "plain,adam"),
    ],
)  # fmt: skip
def test_a_shell_completes_names_and_files(words: str, offered: str) -> None:
    assert offered in complete(words).splitlines()


def test_results_are_as_they_were_where_writing_fails(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_bytes(b"old")
    with pytest.raises(TypeError), replacing(file) as replaced:
        replaced.write("no bytes")  # type: ignore[arg-type]
    assert file.read_bytes() == b"old"
    assert np.array_equal(list(tmp_path.iterdir()), [file])
