"""Scalar functions of the CPU's kernels, for the device: the same source, over the device's exp, log, tanh and erf.

The functions of fastnn.kernels are written over those of fastnn.simd, which spell out what the CPU needs for whole
vectors. Each of these has a twin here by the same name, from CUDA's own library; everything above them is shared.
"""

from __future__ import annotations

import math
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

from fastnn.cuda.target import SIMULATED, cuda, device
from fastnn.simd import vecmath


def _elementary(name: str) -> Any:
    """A function of math, which the target has for both types; the simulator calls NumPy's, which knows inf and NaN."""
    function = getattr(np if SIMULATED else math, name)

    def quiet(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(x)

    return quiet if SIMULATED else device(lambda x: function(x))


exp, expm1, log, log1p, tanh = (_elementary(name) for name in ("exp", "expm1", "log", "log1p", "tanh"))


@device
def log1p_exp_nonpositive(x):  # type: ignore[no-untyped-def]
    """log(1 + e**x) for x <= 0."""
    return log1p(exp(x))


@device
def erf(x):  # type: ignore[no-untyped-def]
    """The error function."""
    return type(x)(math.erf(x))


@device
def normal_tail(size):  # type: ignore[no-untyped-def]
    """exp(-a^2/2) and the mass of the normal distribution beyond a >= 0."""
    half, root = type(size)(0.5), type(size)(math.sqrt(0.5))
    return exp(-half * size * size), half * type(size)(math.erfc(size * root))


@device
def _fused_multiply_add(a, b, c):  # type: ignore[no-untyped-def]
    return cuda.fma(a, b, c)


@device
def _multiply_add(a, b, c):  # type: ignore[no-untyped-def]
    return a * b + c


fma = _multiply_add if SIMULATED else _fused_multiply_add

TWINS = {
    "exp": exp, "exp_nonpositive": exp, "expm1": expm1, "log": log, "log1p": log1p, "tanh": tanh, "erf": erf,
    "log1p_exp_nonpositive": log1p_exp_nonpositive, "normal_tail": normal_tail, "fma": fma,
}  # fmt: skip


@cache
def shared(function: Any) -> Any:
    """The device's version of a scalar function of the CPU, with all that it calls."""
    plain = getattr(function, "py_func", function)
    names = {name: plain.__globals__[name] for name in plain.__code__.co_names if name in plain.__globals__}
    theirs = {name: _for_device(name, value) for name, value in names.items()}
    copy = FunctionType(plain.__code__, theirs | {"__builtins__": __builtins__}, plain.__name__, plain.__defaults__)
    return device(copy)


def _for_device(name: str, value: Any) -> Any:
    if name in TWINS:
        return TWINS[name]
    ours = getattr(getattr(value, "py_func", value), "__module__", "") or ""
    return shared(value) if callable(value) and ours.startswith("fastnn.") else value


sigmoid = shared(vecmath.sigmoid)
