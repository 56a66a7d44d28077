"""Our kernel of a case: called from Python, and n times inside nopython code; and how right its answer is."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numba
import numpy as np
from case import Case
from layer_cases import Product
from limits import Arrays, error_ratio, slack

import fastnn
from fastnn.bench.measuring import Run, seconds_of
from fastnn.bench.turns import Timed
from fastnn.simd.machine import peak_rounds
from fastnn.simd.peak import fma_peak

WAYS = ("python", "nopython")
# Of one call that shows the peak: some 10 us.
PEAK_FLOPS = 2e6


class Answers:
    """What is right for a case, computed once, and how far from it each answer may be."""

    def __init__(self, case: Case, inputs: Arrays) -> None:
        wide = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in inputs.items()}
        self._expected = case.reference(wide)
        limits = case.limits(wide, self._expected)
        self._limits = {name: slack(case.dtype) * limit for name, limit in limits.items()}

    def residual(self, outputs: Arrays) -> float:
        """The largest error over its limit, of the outputs that have one. ValueError: none has."""
        judged = outputs.keys() & self._limits.keys()
        return max(error_ratio(outputs[name], self._expected[name], self._limits[name]) for name in judged)


@lru_cache
def repeated(kernel: Any) -> Any:
    """n calls of a kernel in nopython code, as a user's own function makes them."""

    @numba.njit(nogil=True)
    def run(calls, *arguments):
        for _ in range(calls):
            kernel(*arguments)

    return run


def residual(case: Case, inputs: Arrays, answers: Answers) -> float:
    """Of one call on outputs that hold NaN; both ways make the same call."""
    return answers.residual(case.run(inputs))


def ways(case: Case, inputs: Arrays) -> dict[str, Run]:
    """A Run of each way, on the same arrays."""
    outputs = case.outputs(inputs)
    call: Any = case.bind(inputs, outputs)
    from_python = call
    if isinstance(case, Product):
        from_python = partial(fastnn.matmul, inputs["x"], inputs["w"], transpose_x=case.form == "TN",
                              transpose_w=case.form == "NT", out=outputs["y"])  # fmt: skip
    return {"python": _from_python(from_python), "nopython": lambda calls: repeated(call.func)(calls, *call.args)}


def peak(threads: int, case: Case) -> tuple[Timed, float]:
    """Times calls of some PEAK_FLOPS multiply-adds in registers; and how many FLOPs, exactly, one has."""
    buffer, flops = peak_rounds(threads, np.dtype(case.dtype))
    rounds = int(PEAK_FLOPS / (flops * threads))

    def run(calls: int) -> None:
        fma_peak(buffer, calls * rounds)

    return partial(seconds_of, run), flops * threads * rounds


def _from_python(call: Callable[[], Any]) -> Run:
    def run(calls: int) -> None:
        for _ in range(calls):
            call()

    return run
