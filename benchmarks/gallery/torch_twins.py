"""The process of the gallery's twins: python benchmarks/gallery/torch_twins.py torch THREADS, told by JSON lines

    {"do": "prepare", "example": ..., "way": ..., "inputs": FILE, "answer": FILE}   -> {"first_call_s": ...}
    {"do": "time", "phase": "call", "calls": n}                                     -> {"seconds": ...}

A twin does an example's simulation from the same networks and states. Its ways, where they apply:

    loop       step by step, with nn.Sequential (and torch.optim), as it is usually written
    bare       step by step, without modules, tensors made ahead, numbers read through NumPy's views of them
    batched    all simulations of a call at once, a row each
    compiled   that by torch.compile, as many steps in one graph as pay

The files are made by numpy.savez and numpy.save. See fastnn.bench.peers.worker.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from importlib import import_module

import numpy as np
import torch

from fastnn.bench.peers.worker import serve


class Worker:
    """Holds one twin at a time."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def prepare(self, example: str, way: str, inputs: str, answer: str) -> dict[str, float]:
        """The first call, which may compile, and its answer."""
        begin = time.perf_counter()
        with np.load(inputs) as arrays:
            self._call = import_module(f"twins.{example}").WAYS[way](dict(arrays))
        np.save(answer, self._call(), allow_pickle=False)
        return {"first_call_s": time.perf_counter() - begin}

    def time(self, phase: str, calls: int) -> dict[str, float]:
        begin = time.perf_counter()
        for _ in range(calls):
            self._call()
        return {"seconds": time.perf_counter() - begin}


if __name__ == "__main__":
    serve(partial(Worker, int(sys.argv[2])))
