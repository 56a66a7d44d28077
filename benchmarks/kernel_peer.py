"""The process of a peer that makes single operations: python benchmarks/kernel_peer.py NAME THREADS

    {"do": "prepare", "op": ..., "about": {...}, "inputs": FILE, "outputs": FILE}   -> {"how": ...} or {"skipped": why}
    {"do": "time", "phase": "call", "calls": n}                                     -> {"seconds": ...}

The files are made by numpy.savez and hold arrays by the names of tests/case.py. See fastnn.bench.peers.worker.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from comparison.operation import NotOffered, Operation

from fastnn.bench.peers.worker import serve

# Module of each peer, and the arguments of its Library beside the number of threads.
LIBRARIES: dict[str, tuple[str, dict[str, Any]]] = {
    "numpy": ("comparison.numpy_operations", {}),
    "torch": ("comparison.torch_operations", {"compiled": False}),
    "torch_compiled": ("comparison.torch_operations", {"compiled": True}),
    "jax": ("comparison.jax_operations", {}),
}


class Worker:
    """Holds one operation at a time."""

    def __init__(self, name: str, threads: int) -> None:
        module, options = LIBRARIES[name]
        self._library = import_module(module).Library(threads, **options)
        self._operation: Operation | None = None

    def prepare(self, op: str, about: dict[str, Any], inputs: str, outputs: str) -> dict[str, str]:
        self._operation = None  # frees the arrays of the last
        with np.load(inputs) as arrays:
            given = dict(arrays)
        try:
            operation: Operation = self._library.operation(op, given, about)
            answer = operation.read(operation.call())
        except NotOffered as reason:
            return {"skipped": str(reason)}
        np.savez(outputs, allow_pickle=False, **answer)
        self._operation = operation
        return {"how": operation.how}

    def time(self, phase: str, calls: int) -> dict[str, float]:
        assert self._operation is not None
        call = self._operation.call
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return {"seconds": time.perf_counter() - start}


if __name__ == "__main__":
    serve(partial(Worker, sys.argv[1], int(sys.argv[2])))
