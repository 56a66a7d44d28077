"""Trainings that are killed and resumed, each in a process of its own: forked, so that none compiles or imports.

python tests/kills.py 20 prints what test_train_resume.py asserts.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import fastnn
from fastnn.cli import main

EPOCHS = 1500
OPTIONS = ["--layers", "16-8", "--epochs", str(EPOCHS), "--schedule", "cosine", "--warmup", "5", "--clip-norm", "1",
           "--label-smoothing", "0.1", "--dropout", "0.1", "--threads", "1", "--checkpoint-seconds", "0"]  # fmt: skip
# Reading digits takes 20 ms here, and an epoch 1 ms. Every second kill waits for a checkpoint first, however busy the
# machine is; the others may come while data are read.
LONGEST, AFTER_CHECKPOINT = 0.15, 0.05
# Where a child that ends by an exception of its own says which.
FAILURE = "failure.txt"


def files(folder: Path) -> list[str]:
    places = {"-o": "model.safetensors", "--checkpoint": "run.checkpoint", "--history": "run.jsonl"}
    return [text for flag, name in places.items() for text in (flag, str(folder / name))]


def start(folder: Path, *more: str) -> int:
    """The id of a process that trains."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until the child is where it may be interrupted
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        return child
    status = 70
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        status = status_of(["train", "digits", *OPTIONS, *files(folder), *more])
    except KeyboardInterrupt:  # before the command listens or behind it, where Python itself would end with this status
        status = 130
    except BaseException:
        (folder / FAILURE).write_text(traceback.format_exc())
    finally:
        os._exit(status)


def status_of(arguments: list[str]) -> int:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def killed(folder: Path, kills: int, rng: random.Random) -> list[int]:
    """Trains to the end through so many kills at random moments; epochs done at each."""
    done = []
    while True:
        child = start(folder, "--resume")
        if len(done) < kills:
            if len(done) % 2:
                wait_for_checkpoint(folder)
            time.sleep(rng.uniform(0, AFTER_CHECKPOINT if len(done) % 2 else LONGEST))
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return done
        done.append(epochs_of(folder))


def wait_for_checkpoint(folder: Path) -> None:
    """Until another one is written, or the training must have ended."""
    before, until = checkpoint_time(folder), time.perf_counter() + 20
    while checkpoint_time(folder) == before and time.perf_counter() < until:
        time.sleep(0.001)


def checkpoint_time(folder: Path) -> int:
    file = folder / "run.checkpoint"
    return file.stat().st_mtime_ns if file.exists() else 0


def epochs_of(folder: Path) -> int:
    history = folder / "run.jsonl"
    return history.read_bytes().count(b"\n") if history.exists() else 0


def history_without_times(folder: Path) -> list[Any]:
    lines = [json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines()]
    timed = ("seconds", "samples_per_s", "gflops")
    return [{name: value for name, value in line.items() if name not in timed} for line in lines]


def interrupted(folder: Path, after: int) -> int:
    """Exit status of a training that is asked to stop after so many epochs, by Ctrl-C."""
    child = start(folder)
    while epochs_of(folder) < after:
        time.sleep(0.001)
    os.kill(child, signal.SIGINT)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def report(kills: int, seed: int) -> dict[str, Any]:
    fastnn.set_num_threads(1)
    fastnn.mlp(64, 16, 8, 10).fit([[0.5] * 64] * 4, [0, 1, 2, 3], epochs=1)  # loads the kernels, starts no thread
    with tempfile.TemporaryDirectory() as name:
        whole, parts, stopped = (Path(name, each) for each in ("whole", "parts", "stopped"))
        for folder in (whole, parts, stopped):
            folder.mkdir()
        assert os.waitpid(start(whole), 0)[1] == 0
        done = killed(parts, kills, random.Random(seed))
        status = interrupted(stopped, after=30)
        at, kept = epochs_of(stopped), (stopped / "model.safetensors").read_bytes()
        assert os.waitpid(start(stopped, "--resume"), 0)[1] == 0
        model = (whole / "model.safetensors").read_bytes()
        return {
            "kills": len(done),
            "epochs_at_kills": done,
            "same_model": (parts / "model.safetensors").read_bytes() == model,
            "same_history": history_without_times(whole) == history_without_times(parts),
            "epochs": epochs_of(parts),
            "files": sorted(path.name for path in parts.iterdir()),
            "interrupted": {
                "status": status,
                "epochs": at,
                "kept_a_model": len(kept) == len(model) and kept != model,
                "same_model": (stopped / "model.safetensors").read_bytes() == model,
            },
        }


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # behind an ampersand it is ignored
    print(json.dumps(report(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
