"""The vector mathematics: units in the last place against correctly rounded values, limits, and packed instructions."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import mpmath  # type: ignore[import-untyped]
import needs
import numpy as np
import pytest
from case import DTYPES
from limits import ULPS, Array, least, slack, unit

from fastnn.compiler import jit as _jit
from fastnn.compiler.jit import kernel
from fastnn.kernels import activation
from fastnn.kernels.activation import NAMES, activation_forward
from fastnn.simd import vecmath
from fastnn.simd.host import UNIT

FUNCTIONS = ("exp", "log", "log1p", "expm1", "tanh", "sigmoid", "erf")
# In ulp; log1p and expm1, which serve softplus and elu, within theirs.
LIMITS = {"exp": 2, "log": 2, "log1p": 4, "expm1": 4, "tanh": 4, "sigmoid": 4, "erf": 2, "softplus": 4, "silu": 6}
BITS = {"float32": np.int32, "float64": np.int64}


@kernel
def fill(y, x, which):  # type: ignore[no-untyped-def]
    """y = FUNCTIONS[which](x)"""
    for i in range(x.size):
        if which == 0:
            y[i] = vecmath.exp(x[i])
        elif which == 1:
            y[i] = vecmath.log(x[i])
        elif which == 2:
            y[i] = vecmath.log1p(x[i])
        elif which == 3:
            y[i] = vecmath.expm1(x[i])
        elif which == 4:
            y[i] = vecmath.tanh(x[i])
        elif which == 5:
            y[i] = vecmath.sigmoid(x[i])
        else:
            y[i] = vecmath.erf(x[i])


def evaluate(name: str, x: Array) -> Array:
    y = np.full_like(x, np.nan)
    if name in FUNCTIONS:
        fill(y, x, FUNCTIONS.index(name))
    else:
        activation_forward(y, x, NAMES.index(name), 0.0)
    return y


@cache
def published(name: str) -> dict[str, tuple[Array, Array]]:
    """Arguments and correctly rounded values that NumPy ships to test itself, by dtype."""
    path = Path(np.__file__).parent / "_core" / "tests" / "data" / f"umath-validation-set-{name}.csv"
    if not path.exists():
        pytest.skip("needs the data that NumPy tests itself with")
    rows = [row for row in csv.reader(path.read_text().splitlines()) if row and row[0].startswith("np.float")]
    table = {}
    for dtype, bits in (("float32", np.uint32), ("float64", np.uint64)):
        words = [(int(row[1], 16), int(row[2], 16)) for row in rows if row[0] == f"np.{dtype}"]
        argument, value = np.array(words, bits).T.copy().view(dtype)
        table[dtype] = argument, value
    return table


def in_documented_range(name: str, x: Array) -> Array:
    """exp, log and tanh take anything."""
    bound = {"log1p": 1.0, "expm1": 60.0}.get(name, np.inf)
    inside: Array = (np.abs(x) <= bound) if np.isfinite(bound) else np.ones(x.shape, bool)
    return inside


def ordinal(x: Array) -> Array:
    """Whole numbers that neighbouring floats differ in by 1, and equal ones by 0."""
    magnitude = np.abs(x).view(BITS[str(x.dtype)]).astype(object)
    ordinals: Array = np.where(np.signbit(x), -magnitude, magnitude)
    return ordinals


def report(name: str, dtype: str, worst: float, limit: float) -> None:
    print(f"{name} {dtype}: {worst:.2f} ulp of {limit}{' (above half)' if worst > limit / 2 else ''}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "log1p", "expm1"])
def test_function_is_within_its_ulps_of_the_correctly_rounded_value(name: str, dtype: str) -> None:
    x, expected = published(name)[dtype]
    inside = in_documented_range(name, x)
    x, expected = x[inside].copy(), expected[inside].copy()
    assert len(x) > 50
    y = evaluate(name, x)
    numbers = np.isfinite(expected)
    same = (y == expected) | (np.isnan(y) & np.isnan(expected))
    assert same[~numbers].all(), x[~numbers & ~same]
    worst = max(abs(ordinal(y[numbers]) - ordinal(expected[numbers])))
    report(name, dtype, worst, LIMITS[name])
    assert worst <= LIMITS[name]


def gelu(z: Any) -> Any:
    return z * mpmath.ncdf(z)


def gelu_tanh(z: Any) -> Any:
    return z / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (z + mpmath.mpf("0.044715") * z**3)))


def logistic(z: Any) -> Any:
    return 1 / (1 + mpmath.exp(-z))


EXACT: dict[str, Callable[[Any], Any]] = {
    "exp": mpmath.exp, "log": mpmath.log, "log1p": mpmath.log1p, "expm1": mpmath.expm1, "tanh": mpmath.tanh,
    "sigmoid": logistic, "erf": mpmath.erf, "silu": lambda z: z * logistic(z), "gelu": gelu, "gelu_tanh": gelu_tanh,
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
}  # fmt: skip


def arguments(name: str, dtype: str, count: int) -> Array:
    """Both signs and every magnitude in the documented range."""
    rng = np.random.default_rng(len(name))
    smallest, largest = (-44, 3) if dtype == "float32" else (-322, 3)
    largest = np.log10(float(np.finfo(dtype).max)) if name == "log" else largest
    x = rng.choice([-1.0, 1.0], count) * 10.0 ** rng.uniform(smallest, largest, count)
    x[::2] = rng.normal(size=x[::2].size) * 4
    x = np.abs(x) if name == "log" else x
    x = x.astype(dtype)
    return np.ascontiguousarray(x[in_documented_range(name, x) & (x != 0)])


def ulp_errors(name: str, x: Array) -> tuple[Array, Array]:
    """Errors in ulp and in absolute value, against mpmath at 40 digits."""
    y = evaluate(name, x)
    with mpmath.workdps(40 if x.dtype == np.float32 else 60):
        exact = [EXACT[name](mpmath.mpf(float(value))) for value in x]
        error = np.array([abs(float(mpmath.mpf(float(found)) - value)) for found, value in zip(y, exact, strict=True)])
        rounded = np.array([float(value) for value in exact])
    most = float(np.finfo(x.dtype).max)
    assert (np.isinf(y) == (np.abs(rounded) > most)).all()
    numbers = np.abs(rounded) <= most
    ulp = np.spacing(np.abs(np.where(numbers, rounded, 0.0)).astype(x.dtype)).astype(np.float64)
    return np.where(numbers, error / ulp, 0.0), np.where(numbers, error, 0.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXACT)
def test_function_is_within_its_ulps_of_mpmath(name: str, dtype: str) -> None:
    x = arguments(name, dtype, 1200)
    ulps, absolute = ulp_errors(name, x)
    limit, size = LIMITS.get(name) or ULPS[name], np.abs(x).astype(np.float64)
    if name.startswith("gelu"):  # it cancels below 0: 4 u |x| in place of 8 ulp
        ulps = np.where(x < 0, 8 * absolute / np.maximum(4 * unit(dtype) * size, least(dtype)), ulps)
    if name == "silu":  # below -87 (float32) and -708 its factor sigmoid is subnormal, good to 4 of its own ulp
        ulps = np.where(absolute <= 4 * least(dtype) * size, 0.0, ulps)
    report(name, dtype, ulps.max(), limit)
    assert ulps.max() <= limit, x[ulps.argmax()]


@pytest.mark.parametrize("name", [name for name in EXACT if name not in ("gelu", "gelu_tanh", "silu")])
def test_function_is_within_its_ulps_on_every_float16(name: str) -> None:
    x = np.arange(2**16, dtype=np.uint16).view(np.float16)
    x = x[np.isfinite(x)].astype(np.float64)
    x = x[in_documented_range(name, x)]
    if name in ("log", "log1p"):
        x = x[x > (0 if name == "log" else -1)]
    x = np.ascontiguousarray(x)
    # In float64 they are good to a few 2^-53, which float32 does not see.
    expected = evaluate(name, x)
    y = evaluate(name, x.astype(np.float32)).astype(np.float64)
    numbers = np.abs(expected) <= np.finfo(np.float32).max
    assert np.array_equal(np.isinf(y), ~numbers)
    y, expected = y[numbers], expected[numbers]
    worst = np.max(np.abs(y - expected) / np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64))
    report(name, "float16 values", worst, LIMITS[name])
    assert worst <= LIMITS[name]


INF, NAN = math.inf, math.nan


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", [0.0, -0.0, INF, -INF, NAN, 1e4, -1e4], [1.0, 1.0, INF, 0.0, NAN, INF, 0.0]),
        ("log", [1.0, 0.0, -0.0, INF, -1.0, -INF, NAN], [0.0, -INF, -INF, INF, NAN, NAN, NAN]),
        ("log1p", [0.0, -0.0, -1.0, NAN], [0.0, -0.0, -INF, NAN]),
        ("expm1", [0.0, NAN], [0.0, NAN]),
        ("tanh", [0.0, -0.0, INF, -INF, NAN, 1e4, -1e4], [0.0, -0.0, 1.0, -1.0, NAN, 1.0, -1.0]),
        ("sigmoid", [0.0, -0.0, INF, -INF, NAN, 1e4, -1e4], [0.5, 0.5, 1.0, 0.0, NAN, 1.0, 0.0]),
        ("erf", [0.0, -0.0, INF, -INF, NAN], [0.0, -0.0, 1.0, -1.0, NAN]),
    ],
)
def test_special_values_are_exact(name: str, x: list[float], expected: list[float], dtype: str) -> None:
    y = evaluate(name, np.array(x, dtype))
    np.testing.assert_array_equal(y, np.array(expected, dtype))
    if name in ("tanh", "erf"):
        assert np.signbit(y[:2]).tolist() == [False, True]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_stays_nan_whatever_it_carries(name: str, dtype: str) -> None:
    """Low bits of a NaN must not be taken for an exponent."""
    quiet = np.array([np.nan], dtype).view(BITS[dtype])
    x = np.concatenate([quiet | payload for payload in (1, 3, 127, 255)]).view(dtype)
    assert np.isnan(evaluate(name, np.concatenate([x, -x]))).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_subnormal_numbers_are_kept(dtype: str) -> None:
    tiny = np.array([1, 3, 1000, 2**20 + 1], dtype) * np.finfo(dtype).smallest_subnormal
    for name in ("tanh", "expm1", "log1p"):
        assert np.array_equal(evaluate(name, tiny), tiny), name
        assert np.array_equal(evaluate(name, -tiny), -tiny), name
    # Results below the least normal number, and logarithms of them.
    power = -740 if dtype == "float64" else -100
    assert 0 < evaluate("exp", np.array([power], dtype))[0] < np.finfo(dtype).tiny
    assert 0 < evaluate("sigmoid", np.array([power], dtype))[0] < np.finfo(dtype).tiny
    logarithms = np.log(tiny.astype(np.float64))
    np.testing.assert_allclose(evaluate("log", tiny), logarithms, rtol=slack(dtype) * 4 * unit(dtype))


def registers(dtype: str) -> str:
    """A fused multiply-add of whole vectors, in assembly."""
    if UNIT.name == "neon":
        return rf"fmla\s+v\d+\.{'4s' if dtype == 'float32' else '2d'}"
    return rf"vfn?m(add|sub)\d+p{'s' if dtype == 'float32' else 'd'}\s.*%{'zmm' if UNIT.bytes == 64 else 'ymm'}"


# A call of the C library's functions, directly or through a register that was given their address.
LIBRARY = r"\b(exp|expm1|log|log1p|tanh|erf|erfc|pow)f?\b"

with_fma = pytest.mark.skipif(
    UNIT.name == "baseline", reason="needs an instruction for fused multiply-add, without which loops stay scalar"
)


def code_of(dispatcher: Any) -> str:
    """Its assembly without the directives, which name what is not called."""
    assembly: str = dispatcher.inspect_asm(dispatcher.signatures[0])
    return "\n".join(line for line in assembly.splitlines() if not line.startswith("\t."))


def assembly(function: Callable[..., Any], dtype: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a loop over a function of one number."""
    monkeypatch.setattr(_jit, "CACHE_DIRECTORY", "")  # numba shows no assembly of kernels that come from the cache

    def loop(y, x):  # type: ignore[no-untyped-def]
        for i in range(x.size):
            y[i] = function(x[i])

    compiled = kernel(loop)
    compiled(np.empty(64, dtype), np.ones(64, dtype))
    return code_of(compiled)


TRANSCENDENTAL = {
    **{name: getattr(vecmath, name) for name in ("exp", "exp_nonpositive", "expm1", "log", "log1p", "erf")},
    **{name: getattr(activation, name) for name in ("sigmoid", "tanh", "gelu", "gelu_tanh", "silu", "softplus")},
    **{f"{name}'": getattr(activation, f"{name}_derivative") for name in ("gelu", "gelu_tanh", "silu", "softplus")},
}


@needs.compiled_kernels
@with_fma
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TRANSCENDENTAL)
def test_a_loop_over_the_function_takes_whole_vectors(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = assembly(TRANSCENDENTAL[name], dtype, monkeypatch)
    assert re.search(registers(dtype), code), f"{name} {dtype}: no multiply-add of whole vectors"
    assert not re.search(LIBRARY, code), f"{name} {dtype} calls the C library"


@needs.compiled_kernels
@with_fma
def test_a_loop_that_calls_the_library_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    @kernel(inlined=True)
    def erf_of_the_library(x):  # type: ignore[no-untyped-def]
        return type(x)(math.erf(x))

    code = assembly(erf_of_the_library, "float64", monkeypatch)
    assert re.search(LIBRARY, code)
    assert not re.search(registers("float64"), code)


@needs.compiled_kernels
@with_fma
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_loops_of_activation_forward_take_whole_vectors(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_jit, "CACHE_DIRECTORY", "")
    forward = kernel(activation._forward_chunk.py_func)
    forward(np.empty(64, dtype), np.ones(64, dtype), activation.EXP, np.dtype(dtype).type(0))
    code = code_of(forward)
    # A division of whole vectors in each that divides.
    divide = rf"fdiv\s+v\d+\.{'4s' if dtype == 'float32' else '2d'}" if UNIT.name == "neon" else r"vdivp[sd]\s.*%[zy]mm"
    dividing = ("sigmoid", "tanh", "gelu", "gelu_tanh", "silu", "softplus", "log", "erf")
    assert len(re.findall(divide, code)) >= len(dividing)
    assert not re.search(LIBRARY, code)
