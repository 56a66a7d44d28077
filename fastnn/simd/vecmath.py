"""exp, log, tanh, sigmoid, log1p: branch-free, so that a loop over them uses whole vectors; erf through libm.

Argument reductions follow Cody and Waite and fdlibm; polynomial coefficients are Chebyshev fits made with mpmath, with
the error of each fit beside it. Subnormal results are kept, NaN propagates, limits are exact. Errors in ulp against
NumPy's correctly rounded vectors are asserted in tests/test_vecmath.py.
"""

from __future__ import annotations

import math

import numpy as np

from fastnn._jit import by_dtype, kernel
from fastnn.simd.scalar import exponent, fma, nearest, power_of_two

f4, f8 = np.float32, np.float64

# ln 2 in two parts, the first with trailing zeros so that n * part is exact (fdlibm); log2(e); the arguments beyond
# which exp is 0 and inf.
EXP_4 = (f4(0.693359375), f4(-2.12194440e-4), f4(math.log2(math.e)), f4(-104.0), f4(89.0))
EXP_8 = (f8(6.93147180369123816490e-01), f8(1.90821492927058770002e-10), f8(math.log2(math.e)), f8(-746.0), f8(710.0))

# (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2: absolute error 7e-8 and 1.2e-16, times r^2 <= 0.12.
E4 = tuple(
    f4(c) for c in (0.5, 0.16666573381900846, 0.041666550110305124, 0.0083637738744055735, 0.0013926926614021906)
)
E8 = tuple(f8(c) for c in (
    0.5000000000000001128, 0.16666666666666667534, 0.041666666666620638584, 0.0083333333333297934996,
    0.0013888888918939167785, 0.00019841269864380513295, 2.4801518641395993583e-5, 2.7557266418612303703e-6,
    2.76213386691429238e-7, 2.5101346928350340198e-8))  # fmt: skip
# (2 atanh(s) - 2s) / s^3 in s^2, for log on [sqrt(1/2), sqrt(2)]: absolute error 1.2e-9 and 2.2e-18, times s^3.
L4 = tuple(f4(c) for c in (0.6666666654988317655, 0.40000125594554367, 0.2855039695961801, 0.23341943388714561))
L8 = tuple(f8(c) for c in (
    0.66666666666666666448, 0.40000000000000941266, 0.28571428570764450117, 0.22222222400547757297,
    0.18181794700897799585, 0.15386290534658991988, 0.13267418596474883398, 0.13100721383503491392))  # fmt: skip
# The least normal number, and the power of two that lifts every subnormal above it.
TINY_4, TINY_8 = (f4(2.0**-126), f4(25)), (f8(2.0**-1022), f8(54))


def _exp_tail_4(r):
    return fma(fma(fma(fma(E4[4], r, E4[3]), r, E4[2]), r, E4[1]), r, E4[0])


def _exp_tail_8(r):
    low = fma(fma(fma(fma(E8[4], r, E8[3]), r, E8[2]), r, E8[1]), r, E8[0])
    high = fma(fma(fma(fma(E8[9], r, E8[8]), r, E8[7]), r, E8[6]), r, E8[5])
    square = r * r
    return fma(square * square * r, high, low)


def _log_tail_4(t):
    return fma(fma(fma(L4[3], t, L4[2]), t, L4[1]), t, L4[0])


def _log_tail_8(t):
    low = fma(fma(fma(L8[3], t, L8[2]), t, L8[1]), t, L8[0])
    high = fma(fma(fma(L8[7], t, L8[6]), t, L8[5]), t, L8[4])
    square = t * t
    return fma(square * square, high, low)


_exp_tail = by_dtype(_exp_tail_4, _exp_tail_8)
_log_tail = by_dtype(_log_tail_4, _log_tail_8)
_exp_constants = by_dtype(lambda x: EXP_4, lambda x: EXP_8)
_tiny = by_dtype(lambda x: TINY_4, lambda x: TINY_8)


@kernel
def _reduce(x):
    """n and exp(r) - 1, where x = n ln 2 + r and |r| <= ln(2)/2."""
    ln2_high, ln2_low, log2_e, _, _ = _exp_constants(x)
    n = nearest(x * log2_e)
    r = fma(-n, ln2_low, fma(-n, ln2_high, x))
    return n, fma(r * r, _exp_tail(r), r)


@kernel
def exp(x):
    """e**x."""
    _, _, _, least, most = _exp_constants(x)
    bounded = least if x < least else (most if x > most else x)
    n, fraction = _reduce(bounded)
    # Two factors, since 2**n alone would leave the range of normal numbers where the result need not.
    half = nearest(n * type(x)(0.5))
    return (type(x)(1) + fraction) * power_of_two(half) * power_of_two(n - half)


@kernel
def expm1(x):
    """e**x - 1 for |x| <= 60, with full relative accuracy near 0."""
    n, fraction = _reduce(x)
    scale = power_of_two(n)
    return fma(scale, fraction, scale - type(x)(1))


@kernel
def tanh(x):
    """Hyperbolic tangent: t / (t + 2) with t = expm1(2|x|); 1 in both precisions beyond 20."""
    size = abs(x)
    bounded = type(x)(20) if size > type(x)(20) else size
    t = expm1(bounded + bounded)
    magnitude = t / (t + type(x)(2))
    return math.copysign(magnitude, x)


@kernel
def sigmoid(x):
    """1 / (1 + exp(-x)), by exp(-|x|), which does not overflow."""
    e = exp(-abs(x))
    return (type(x)(1) if x >= type(x)(0) else (e if x == x else x)) / (type(x)(1) + e)


@kernel
def log(x):
    """Natural logarithm; -inf at 0, NaN below (fdlibm's form: f - (f^2/2 - s (f^2/2 + R)))."""
    one = type(x)(1)
    tiny, lift = _tiny(x)
    small = x < tiny
    lifted = x * power_of_two(lift) if small else x
    n = exponent(lifted)
    # By way of [2, 4): at the largest numbers 2**-n itself would be subnormal.
    m = lifted * power_of_two(one - n)
    upper = m > type(x)(2 * math.sqrt(2))
    m = m * (type(x)(0.25) if upper else type(x)(0.5))
    n = (n + one if upper else n) - (lift if small else type(x)(0))
    f = m - one
    s = f / (f + type(x)(2))
    t = s * s
    half_square = type(x)(0.5) * f * f
    ln2_high, ln2_low, _, _, _ = _exp_constants(x)
    tail = fma(s, half_square + t * _log_tail(t), n * ln2_low)
    finite = fma(n, ln2_high, f - (half_square - tail))
    regular = finite if x < type(x)(math.inf) else x
    return regular if x > type(x)(0) else (type(x)(-math.inf) if x == type(x)(0) else type(x)(math.nan))


@kernel
def log1p(x):
    """log(1 + x) for |x| <= 1: the rounding of 1 + x is put back to first order."""
    one = type(x)(1)
    u = one + x
    return log(u) + (x - (u - one)) / (one if u == type(x)(0) else u)


@kernel
def erf(x):
    """The error function, by the C library's."""
    return type(x)(math.erf(x))
