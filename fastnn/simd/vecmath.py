"""exp, log, tanh, sigmoid, erf and their kin: branch-free, so that a loop over them uses whole vectors.

Argument reductions follow Cody and Waite and fdlibm; the polynomials are those of fits.py. Subnormal results are kept,
NaN propagates, limits are exact. Errors in ulp against NumPy's correctly rounded vectors and mpmath are asserted in
tests/test_vecmath.py. All are inlined: a call in a loop would keep it scalar.
"""

from __future__ import annotations

import math

import numpy as np

from fastnn.compiler.jit import by_dtype, kernel
from fastnn.simd.fits import erf_fit, exp_fit, log_fit, log_wide_fit, tail_fit
from fastnn.simd.scalar import (
    binade,
    exponent_bias,
    fma,
    polynomial,
    power_of_low_bits,
    rounder,
    significand,
)

f4, f8 = np.float32, np.float64

# ln 2 in two parts, the first with trailing zeros so that n * part is exact (fdlibm); log2(e).
LN2_4 = f4(0.693359375), f4(-2.12194440e-4), f4(math.log2(math.e))
LN2_8 = f8(6.93147180369123816490e-01), f8(1.90821492927058770002e-10), f8(math.log2(math.e))
# The arguments beyond which exp is 0 and inf.
RANGE_4, RANGE_8 = (f4(-104), f4(89)), (f8(-746), f8(710))
# The least normal number; the exponent of the power of two that lifts every subnormal above it, and that power.
TINY_4, TINY_8 = (f4(2.0**-126), f4(25), f4(2.0**25)), (f8(2.0**-1022), f8(54), f8(2.0**54))
# exp of a negative number is computed 2**64 times too large, a normal number always, and then scaled.
DOWN = 64

_ln2 = by_dtype(lambda x: LN2_4, lambda x: LN2_8)
_range = by_dtype(lambda x: RANGE_4, lambda x: RANGE_8)
_tiny = by_dtype(lambda x: TINY_4, lambda x: TINY_8)


@kernel(inlined=True)
def _reduce(x, up):
    """2**(n + up) and exp(r) - 1, where x = n ln 2 + r and |r| <= ln(2)/2."""
    ln2_high, ln2_low, log2_e = _ln2(x)
    whole = rounder(x) + exponent_bias(x) + up
    t = fma(x, log2_e, whole)
    n = t - whole
    r = fma(-n, ln2_low, fma(-n, ln2_high, x))
    return power_of_low_bits(t), fma(r * r, polynomial(r, exp_fit(x)), r)


@kernel(inlined=True)
def exp_nonpositive(x):
    """e**x for x <= 0, at three quarters of the cost of exp."""
    least, _ = _range(x)
    scale, fraction = _reduce(least if x < least else x, type(x)(DOWN))
    return fma(scale, fraction, scale) * type(x)(2.0**-DOWN)


@kernel(inlined=True)
def exp(x):
    """e**x."""
    least, most = _range(x)
    bounded = least if x < least else (most if x > most else x)
    # Upwards by way of half the result: 2**128 (2**1024) itself is no number.
    down = bounded < type(x)(0)
    scale, fraction = _reduce(bounded, type(x)(DOWN) if down else type(x)(-1))
    return fma(scale, fraction, scale) * (type(x)(2.0**-DOWN) if down else type(x)(2))


@kernel(inlined=True)
def expm1(x):
    """e**x - 1 for |x| <= 60, with full relative accuracy near 0."""
    scale, fraction = _reduce(x, type(x)(0))
    return fma(scale, fraction, scale - type(x)(1))


@kernel(inlined=True)
def tanh(x):
    """Hyperbolic tangent: t / (t + 2) with t = expm1(2|x|); 1 in both precisions beyond 20."""
    size = abs(x)
    bounded = type(x)(20) if size > type(x)(20) else size
    t = expm1(bounded + bounded)
    magnitude = t / (t + type(x)(2))
    return math.copysign(magnitude, x)


@kernel(inlined=True)
def sigmoid(x):
    """1 / (1 + exp(-x)), by exp(-|x|), which does not overflow."""
    e = exp_nonpositive(-abs(x))
    return (type(x)(1) if x >= type(x)(0) else e) / (type(x)(1) + e)


@kernel(inlined=True)
def log(x):
    """Natural logarithm; -inf at 0, NaN below (fdlibm's form: f - (f^2/2 - s (f^2/2 + R)))."""
    zero = type(x)(0)
    tiny, lift, factor = _tiny(x)
    small = x < tiny
    lifted = x * factor if small else x
    n = binade(lifted) - (lift if small else zero)
    f = significand(lifted) - type(x)(1)
    s = f / (f + type(x)(2))
    t = s * s
    half_square = type(x)(0.5) * f * f
    ln2_high, ln2_low, _ = _ln2(x)
    tail = fma(s, fma(t, polynomial(t, log_fit(x)), half_square), n * ln2_low)
    finite = fma(n, ln2_high, f - (half_square - tail))
    regular = finite if x < type(x)(math.inf) else x
    return regular if x > zero else (type(x)(-math.inf) if x == zero else type(x)(math.nan))


@kernel(inlined=True)
def log1p(x):
    """log(1 + x) for |x| <= 1: the rounding of 1 + x is put back to first order."""
    one = type(x)(1)
    u = one + x
    return log(u) + (x - (u - one)) / (one if u == type(x)(0) else u)


@kernel(inlined=True)
def log1p_exp_nonpositive(x):
    """log(1 + e**x) for x <= 0: 2 atanh(e / (2 + e))."""
    e = exp_nonpositive(x)
    s = e / (type(x)(2) + e)
    t = s * s
    return fma(s * t, polynomial(t, log_wide_fit(x)), s + s)


@kernel(inlined=True)
def normal_tail(size):
    """exp(-a^2/2) and the mass of the normal distribution beyond a >= 0, erfc(a / sqrt(2)) / 2."""
    bell = exp_nonpositive(type(size)(-0.5) * size * size)
    slope, fit = tail_fit(size)
    t = type(size)(1) / fma(slope, size, type(size)(1))
    return bell, bell * polynomial(t, fit)


@kernel(inlined=True)
def erf(x):
    """The error function: an odd polynomial up to 0.85, beyond it 1 less both tails of the normal distribution."""
    size = abs(x)
    inner = fma(size, polynomial(x * x, erf_fit(x)), size)
    _, tail = normal_tail(size * type(x)(math.sqrt(2)))
    outer = type(x)(1) - (tail + tail)
    return math.copysign(inner if size < type(x)(0.85) else outer, x)
