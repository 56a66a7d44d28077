"""Ctrl-C at random moments of `fit` and `fastnn train`, each in a process of its own, forked, so that none compiles.

python tests/interruptions.py 50 prints what test_interruptions.py asserts.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import kills
import numpy as np

from fastnn import Network, mlp
from fastnn.train.checkpoint import Checkpoint

# A fit of half a second, in steps of 30 us, several hundred of them in a call.
ROWS, BATCH, EPOCHS = 6_000, 8, 3
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((ROWS, 64)).astype(np.float32), RNG.integers(0, 10, ROWS)


def network() -> Network:
    return mlp(64, 96, 96, 10, seed=1)


def digest(found: Network) -> str:
    return hashlib.blake2b(found.parameters.tobytes(), digest_size=8).hexdigest()


def fit(found: Network) -> None:
    found.fit(X, Y, epochs=EPOCHS, batch=BATCH, seed=2, optimizer="sgd", progress=False)


def wholes() -> tuple[set[str], float]:
    """Digests of the parameters after each whole step, and the seconds that the fit takes."""
    found = network()
    begun = time.perf_counter()
    fit(found)
    seconds, last = time.perf_counter() - begun, digest(found)
    again = network()
    trainer, seen = again.trainer("sgd", BATCH), {digest(again)}
    rng, order = np.random.default_rng(2), np.arange(ROWS)
    for _ in range(EPOCHS):
        rng.shuffle(order)
        for at in range(0, ROWS, BATCH):
            trainer.step(X[order[at : at + BATCH]], Y[order[at : at + BATCH]])
            seen.add(digest(again))
    assert last in seen, "the steps made here are not those of fit"
    return seen, seconds


def interrupted_fit(after: float) -> tuple[str, float]:
    """Digest of the parameters that a fit left, SIGINT after so many seconds, and the seconds until it was over."""
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until the child is where it may be interrupted
    child = os.fork()
    if not child:
        status = 70
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            found = network()
            try:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
                fit(found)
            except KeyboardInterrupt:
                status = 130
            else:
                status = 0
            os.write(writer, digest(found).encode())
        finally:
            os._exit(status)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    os.close(writer)
    time.sleep(after)
    asked = time.perf_counter()
    os.kill(child, signal.SIGINT)
    _, status = os.waitpid(child, 0)
    waited = time.perf_counter() - asked
    with os.fdopen(reader, "rb") as file:
        return (file.read().decode() if os.waitstatus_to_exitcode(status) in (0, 130) else "failed"), waited


def interrupted_train(folder: Path, after: float) -> tuple[int, bool, float]:
    """Exit status of `fastnn train`, whether its checkpoint is whole, or is not there yet, and the seconds."""
    child = kills.start(folder)
    time.sleep(after)
    asked = time.perf_counter()
    os.kill(child, signal.SIGINT)
    _, status = os.waitpid(child, 0)
    waited, checkpoint = time.perf_counter() - asked, folder / "run.checkpoint"
    whole = not checkpoint.exists() or Checkpoint.read(checkpoint).parameters.size > 0
    return os.waitstatus_to_exitcode(status), whole, waited


def report(count: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    seen, seconds = wholes()
    fits = [interrupted_fit(rng.uniform(0, seconds)) for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        trains, failures = [], []
        for index in range(count):
            place = Path(folder) / str(index)
            place.mkdir()
            trains.append(interrupted_train(place, rng.uniform(0.05, kills.LONGEST + kills.AFTER_CHECKPOINT)))
            failures += [file.read_text() for file in place.glob(kills.FAILURE)]
    return {
        "fits": count, "whole steps": sum(found in seen for found, _ in fits),
        "longest wait": max(waited for _, waited in fits), "statuses": sorted({status for status, _, _ in trains}),
        "whole checkpoints": sum(whole for _, whole, _ in trains), "longest end": max(each[2] for each in trains),
        "failures": failures,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(report(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0), indent=1))
