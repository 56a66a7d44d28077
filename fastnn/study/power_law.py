"""How a quantity grows with the number of parameters: an overhead, and a power of them that may break once.

    power                y = c N^p
    overhead             y = a + c N^p
    overhead, broken     y = a + c N^p up to N_b, and from there on c N_b^p (N / N_b)^q

Fitted by least squares of the logarithm (Levenberg-Marquardt), since what is left is in proportion to y: networks of as
many parameters differ in shape. A law of more numbers is taken where the F test of both sums of squares says, at 5 %,
that chance does not explain what it gains (Draper & Smith 1998, chapter 24). Intervals are those of Student's t with
the curvature at the minimum (Bates & Watts 1988, section 2.3): of exponents, of the logarithm of overheads and break
points, and of that of the curve at any N.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

Vector = NDArray[np.float64]

SIGNIFICANCE = 0.05
CONFIDENCE = 0.95
# Beyond the numbers of a law, points that say how far it is off.
LEAST_FREEDOM = 2
# A sum of squares this small, relative to the points, is rounding: nothing is left to explain.
EXACT = 1e-16
# Sizes of steps in the logarithms for derivatives.
STEP = 1e-6


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Regime:
    """Sizes from `begin` (the first has none) to `end` (the last has none), over which y grows as N^exponent.

    exponent: None of an overhead, which does not grow.
    """

    begin: Estimate | None
    end: Estimate | None
    exponent: Estimate | None


@dataclass(frozen=True)
class Kind:
    """A law by its numbers: those of value(theta, log N) in the logarithm, and where to begin looking for them."""

    name: str
    numbers: int
    log_value: Callable[[Vector, Vector], Vector]
    starts: Callable[[Vector, Vector], Iterator[list[float]]]
    makes_sense: Callable[[Vector, Vector], bool] = lambda theta, x: True


def _power(theta: Vector, x: Vector) -> Vector:
    return np.asarray(theta[0] + theta[1] * x)


def _overhead(theta: Vector, x: Vector) -> Vector:
    return np.asarray(np.logaddexp(theta[2], theta[0] + theta[1] * x))


def _broken(theta: Vector, x: Vector) -> Vector:
    grown = theta[0] + theta[1] * x + theta[3] * np.maximum(x - theta[4], 0.0)
    return np.asarray(np.logaddexp(theta[2], grown))


def _lines(x: Vector, y: Vector) -> Iterator[list[float]]:
    """Through all points, and through the last ones, where an overhead is small."""
    for first in (0, len(x) // 2):
        if x[first] == x[-1]:  # networks of one size have no slope
            continue
        slope, start = np.polyfit(x[first:], y[first:], 1)
        yield [float(start), float(slope)]


def _with_overhead(x: Vector, y: Vector) -> Iterator[list[float]]:
    for line in _lines(x, y):
        yield [*line, float(y.min())]
        yield [*line, float(y.min()) - 1.0]


def _with_break(x: Vector, y: Vector) -> Iterator[list[float]]:
    unbroken, _ = _minimum(OVERHEAD, x, y)
    for at in x[2:-2]:
        for change in (-0.3, 0.3):
            yield [*unbroken, change, float(at)]


def _grows(theta: Vector, x: Vector) -> bool:
    """With a falling power the overhead would be what large networks cost: one slow network, and the others alike."""
    return bool(theta[1] > 0)


def _breaks_within(theta: Vector, x: Vector) -> bool:
    """Between the points, and where the power is larger than the overhead already."""
    return _grows(theta, x) and bool(max(x[1], _crossing(theta)) < theta[4] < x[-2])


def _crossing(theta: Vector) -> float:
    """log N at which the power is as large as the overhead."""
    return float((theta[2] - theta[0]) / theta[1])


POWER = Kind("power", 2, _power, _lines)
OVERHEAD = Kind("overhead", 3, _overhead, _with_overhead, _grows)
BROKEN = Kind("overhead, broken", 5, _broken, _with_break, _breaks_within)
KINDS = POWER, OVERHEAD, BROKEN


@dataclass(frozen=True)
class PowerLaw:
    """kind of law and its numbers: log c, p, log a, q - p, log N_b, as far as it has them. scatter: standard deviation
    of log y. covariance: of the numbers. freedom: points beyond them."""

    kind: Kind
    theta: Vector
    covariance: Vector
    scatter: float
    freedom: int

    def at(self, parameters: Sequence[float]) -> list[Estimate]:
        """The curve at these N."""
        x = np.log(parameters)
        rows = _jacobian(self.kind, self.theta, x)
        middle = self.kind.log_value(self.theta, x)
        spread = self._t * np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", rows, self.covariance, rows), 0.0))
        return [
            _exponential(Estimate(float(m), float(m - s), float(m + s))) for m, s in zip(middle, spread, strict=True)
        ]

    @property
    def exponents(self) -> list[Estimate]:
        """Of N, one after the other."""
        first = np.zeros(len(self.theta))
        first[1] = 1.0
        if self.kind is not BROKEN:
            return [self._combination(first)]
        second = first.copy()
        second[3] = 1.0
        return [self._combination(first), self._combination(second)]

    @property
    def overhead(self) -> Estimate | None:
        """What the smallest network costs already."""
        if self.kind is POWER:
            return None
        direction = np.zeros(len(self.theta))
        direction[2] = 1.0
        return _exponential(self._combination(direction))

    @property
    def breaks(self) -> list[Estimate]:
        """N at which the power is as large as the overhead, and at which the exponent changes."""
        found = []
        if self.kind is not POWER:
            crossing = _crossing(self.theta)
            direction = np.zeros(len(self.theta))
            direction[:3] = np.array([-1.0, -crossing, 1.0]) / self.theta[1]
            found.append(_exponential(self._combination(direction, at=crossing)))
        if self.kind is BROKEN:
            direction = np.zeros(len(self.theta))
            direction[4] = 1.0
            found.append(_exponential(self._combination(direction)))
        return found

    @property
    def regimes(self) -> list[Regime]:
        """In the order of N."""
        edges = [None, *self.breaks, None]
        exponents = self.exponents if self.kind is POWER else [None, *self.exponents]
        return [
            Regime(begin, end, exponent) for begin, end, exponent in zip(edges[:-1], edges[1:], exponents, strict=True)
        ]

    @property
    def _t(self) -> float:
        return float(t_distribution.ppf((1 + CONFIDENCE) / 2, self.freedom))

    def _combination(self, direction: Vector, at: float | None = None) -> Estimate:
        """Of the numbers along a direction, or of a function with that gradient and value."""
        value = float(direction @ self.theta) if at is None else at
        spread = self._t * math.sqrt(max(float(direction @ self.covariance @ direction), 0.0))
        return Estimate(value, value - spread, value + spread)


def _exponential(logarithm: Estimate) -> Estimate:
    """Within what a float holds, as JSON has no infinity."""
    value, low, high = (
        math.exp(min(max(each, -700.0), 700.0)) for each in (logarithm.value, logarithm.low, logarithm.high)
    )
    return Estimate(value, low, high)


def fit(parameters: Sequence[float], values: Sequence[float]) -> PowerLaw:
    """The simplest law that explains the values, all positive.

    ValueError: fewer than five different N, which it takes to tell an overhead from a small power.
    """
    x, y = np.log(np.asarray(parameters, float)), np.log(np.asarray(values, float))
    order = np.argsort(x)
    x, y = x[order], y[order]
    if len(np.unique(x)) < OVERHEAD.numbers + LEAST_FREEDOM:
        raise ValueError(f"a law takes {OVERHEAD.numbers + LEAST_FREEDOM} networks of different size")
    best, least = POWER, _minimum(POWER, x, y)
    for kind in KINDS[1:]:
        freedom = len(x) - kind.numbers
        if freedom < LEAST_FREEDOM or least[1] <= EXACT * len(x):
            break
        found = _minimum(kind, x, y)
        if _is_gain(least[1], found[1], kind.numbers - best.numbers, freedom, len(x)):
            best, least = kind, found
    return _law(best, *least, x)


def _minimum(kind: Kind, x: Vector, y: Vector) -> tuple[Vector, float]:
    """Numbers with the least sum of squares, and that sum: infinite where none make sense."""
    found = [
        least_squares(lambda theta: kind.log_value(theta, x) - y, start, method="lm", max_nfev=2000)
        for start in kind.starts(x, y)
    ]
    squares = [2 * float(each.cost) if kind.makes_sense(each.x, x) else math.inf for each in found]
    best = int(np.argmin(squares))
    return np.asarray(found[best].x), squares[best]


def _is_gain(before: float, after: float, more: int, freedom: int, points: int) -> bool:
    if after >= before:
        return False
    statistic = (before - after) / more / max(after / freedom, EXACT * points)
    return bool(f_distribution.sf(statistic, more, freedom) < SIGNIFICANCE)


def _law(kind: Kind, theta: Vector, squares: float, x: Vector) -> PowerLaw:
    freedom = len(x) - kind.numbers
    rows = _jacobian(kind, theta, x)
    covariance = np.linalg.pinv(rows.T @ rows) * squares / freedom
    return PowerLaw(kind, theta, covariance, float(np.sqrt(squares / freedom)), freedom)


def _jacobian(kind: Kind, theta: Vector, x: Vector) -> Vector:
    """Derivatives of the curve by its numbers, a row a point."""
    columns = []
    for index in range(len(theta)):
        step = np.zeros(len(theta))
        step[index] = STEP
        columns.append((kind.log_value(theta + step, x) - kind.log_value(theta - step, x)) / (2 * STEP))
    return np.stack(columns, axis=1)
