"""The process of one value of a constant: python benchmarks/tuning_worker.py CHANGE THREADS

    {"do": "prepare", "kind": ..., "about": {...}}     -> {"residual": error of the first call over its limit}
    {"do": "time", "phase": "call", "calls": n}        -> {"seconds": ...}

CHANGE is that of tuned.variant, as text. On one thread the seconds are the processor's, in which others that want its
core have no part. See fastnn.bench.peers.worker.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import Any

import comparison  # noqa: F401  the cases of the tests can be imported from here on
from tuned.variant import Change, make_at_import


class Worker:
    """Holds one workload at a time."""

    def __init__(self, threads: int) -> None:
        self._clock = time.process_time if threads == 1 else time.perf_counter

    def prepare(self, kind: str, about: dict[str, Any]) -> dict[str, float]:
        from tuned.workloads import calls_of, of_request

        case = of_request(kind, about)
        inputs = case.inputs()
        outputs = case.outputs(inputs)
        self._run = calls_of(case, inputs, outputs)
        self._run(1)
        residual = case.residual(inputs, outputs)
        if not residual <= 1:
            raise ValueError(f"{case}: error over limit, against the reference: {residual:.3g}")
        return {"residual": residual}

    def time(self, phase: str, calls: int) -> dict[str, float]:
        from fastnn.bench.measuring import seconds_of

        return {"seconds": seconds_of(self._run, calls, self._clock)}


def main(change: str, threads: int) -> None:
    make_at_import(Change.of_text(change))
    from fastnn.bench.peers.worker import serve

    serve(partial(Worker, threads))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
