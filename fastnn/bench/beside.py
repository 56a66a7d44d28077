"""A peer's rows beside ours: it starts from our weights, its losses must agree, then each phase is timed in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from fastnn.bench.case import Case
from fastnn.bench.measuring import Budget, Measurement, seconds_of
from fastnn.bench.peers.process import PeerFailed, Process
from fastnn.bench.peers.registry import GENERATE, PEERS
from fastnn.bench.rows import Row, describe, times, under
from fastnn.bench.turns import in_turn, ratio, settling
from fastnn.lowering import is_joint
from fastnn.simd.machine import Ceilings, thread_limit

# First losses agree to this, relative: they differ by rounding alone.
AGREEMENT = {"float32": 1e-4, "float64": 1e-10}


def compare(case: Case, name: str, rows: Sequence[Row], ceilings: Ceilings, budget: Budget) -> Iterator[Row]:
    """The peer's row beside each of ours that it can be compared with, the ratio put into ours. Raises PeerFailed."""
    comparable = [row for row in rows if row["phase"] in PEERS[name].phases and row["verdict"] != "refused"]
    if not comparable:
        return
    with thread_limit(case.threads), prepared(name, case) as (process, first_calls):
        for row in comparable:
            phase = row["phase"]
            contestants = [partial(seconds_of, case.run(phase)), partial(process.time, phase)]
            ours, theirs = in_turn(contestants, budget, ceilings.timer_s, settling(case.threads))
            about = {"peer": name, "compile_s": first_calls[phase], "ratio": ratio(theirs, ours)}
            row.setdefault("ratio_to", {})[name] = about["ratio"]
            yield _peer_row(case, phase, theirs, about, ceilings)


@contextmanager
def prepared(name: str, case: Case) -> Iterator[tuple[Process, Mapping[str, float]]]:
    """A peer's process with the case's initial weights and batches, and the seconds of its first call of each phase.

    PeerFailed: a first loss of its is another than ours.
    """
    # Compilers that a peer started may outlive it for a moment, and write.
    with tempfile.TemporaryDirectory(prefix="fastnn-", ignore_cleanup_errors=True) as folder:
        process = Process(name, case.threads, variables=_caches(folder))
        try:
            answer = _prepare(process, Path(folder) / "case.npz", case)
            case.restart()
            inferred = case.network.loss(*case.batches[0]) if is_joint(case.network.operations) else None
            stepped = case.trainer.step(*case.batches[0])
            for phase, theirs in answer["losses"].items():
                ours = inferred if phase == "forward" and inferred is not None else stepped
                if not abs(theirs - ours) <= AGREEMENT[case.dtype] * abs(ours):
                    raise PeerFailed(f"{name}: its first loss is {theirs:.9g}, ours {ours:.9g} ({phase})")
            yield process, answer["seconds"]
        finally:
            process.close()


def _caches(folder: str) -> dict[str, str]:
    """What PyTorch compiled in earlier runs is not found: a first call is that of a new architecture."""
    return {"TORCHINDUCTOR_CACHE_DIR": str(Path(folder) / "inductor")}


def _prepare(process: Process, file: Path, case: Case) -> Mapping[str, Mapping[str, float]]:
    """The peer's answer to the initial weights and the batches, which go through the file."""
    arrays = dict(case.network.named(case.initial))
    arrays |= {"x": np.stack([x for x, _ in case.batches]), "y": np.stack([y for _, y in case.batches])}
    np.savez(file, allow_pickle=False, **arrays)
    optimizer, heads = case.trainer.optimizer, case.rung.heads
    phases = [phase for phase in PEERS[process.name].phases if heads or phase != GENERATE]
    answer = process.ask(
        do="prepare", file=str(file), heads=heads, phases=phases, optimizer=optimizer.name,
        learning_rate=optimizer.learning_rate,
        description=case.description,
    )  # fmt: skip
    file.unlink()
    return answer


def _peer_row(case: Case, phase: str, measured: Measurement, about: Row, ceilings: Ceilings) -> Row:
    """about: what stands in a peer's row beside counts and times."""
    unknown = dict.fromkeys(("residual", "loss_first", "loss_last"))
    known = unknown | about | {"verdict": measured.verdict}
    return under(describe(case, phase) | times(case, phase, measured) | known, ceilings)
