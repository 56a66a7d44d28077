"""The law of growth: made data give back their numbers, intervals hold as often as they say, chance adds no regime."""

from __future__ import annotations

import numpy as np
import pytest

from fastnn.study.power_law import BROKEN, OVERHEAD, POWER, fit

SIZES = np.geomspace(26, 1e8, 12)
LADDER_SIZES = np.array([26, 46, 1_210, 9_610, 101_770, 669_706, 2_913_290, 10_020_874])


def with_scatter(values: np.ndarray, seed: int, scatter: float = 0.1) -> np.ndarray:
    return values * np.exp(np.random.default_rng(seed).normal(0, scatter, values.size))


def test_a_power_is_found_exactly() -> None:
    law = fit(SIZES, 3 * SIZES**1.25)
    assert law.kind is POWER
    assert law.exponents[0].value == pytest.approx(1.25, abs=1e-9)
    assert [each.value for each in law.at([100.0])] == pytest.approx([3 * 100**1.25])
    assert law.overhead is None
    assert law.breaks == []
    assert [(regime.begin, regime.end) for regime in law.regimes] == [(None, None)]


def test_an_overhead_its_break_and_the_exponent_above_are_found() -> None:
    law = fit(SIZES, 1.5e-6 + 2e-10 * SIZES)
    assert law.kind is OVERHEAD
    assert law.overhead is not None
    assert law.overhead.value == pytest.approx(1.5e-6, rel=1e-6)
    assert law.exponents[0].value == pytest.approx(1, abs=1e-6)
    assert law.breaks[0].value == pytest.approx(1.5e-6 / 2e-10, rel=1e-5)
    flat, growth = law.regimes
    assert flat.exponent is None
    assert flat.end == law.breaks[0]
    assert growth.begin == law.breaks[0]


def test_a_second_regime_is_found_where_there_is_one() -> None:
    values = 1e-6 + 1e-10 * np.where(SIZES < 1e5, SIZES, 1e5 * (SIZES / 1e5) ** 1.5)
    law = fit(SIZES, with_scatter(values, 0, 0.01))
    assert law.kind is BROKEN
    assert [each.value for each in law.exponents] == pytest.approx([1, 1.5], abs=0.05)
    assert law.breaks[1].low < 1e5 < law.breaks[1].high
    assert law.breaks[1].value == pytest.approx(1e5, rel=0.3)


def test_intervals_hold_as_often_as_they_say() -> None:
    """95 % of them, within what chance allows in 200 repetitions: the exponent, the overhead, the break, the curve."""
    values = 1.5e-6 + 2e-10 * SIZES
    held = []
    for seed in range(200):
        law = fit(SIZES, with_scatter(values, seed))
        if law.kind is OVERHEAD:
            at = law.at([5000.0])[0]
            assert law.overhead is not None
            held.append([
                law.exponents[0].low < 1 < law.exponents[0].high,
                law.overhead.low < 1.5e-6 < law.overhead.high,
                law.breaks[0].low < 7500 < law.breaks[0].high,
                at.low < 1.5e-6 + 2e-10 * 5000 < at.high,
            ])  # fmt: skip
    assert len(held) > 0.85 * 200
    shares = np.mean(held, axis=0)
    assert np.all(shares > 0.9), shares
    assert np.all(shares < 0.995), shares


@pytest.mark.parametrize("points", [8, 12])
def test_chance_adds_a_regime_about_as_rarely_as_the_test_says(points: int) -> None:
    sizes = np.geomspace(26, 1e8, points)
    powers = sum(fit(sizes, with_scatter(1e-10 * sizes, seed)).kind is not POWER for seed in range(100))
    assert powers <= 0.12 * 100
    broken = sum(fit(sizes, with_scatter(1.5e-6 + 2e-10 * sizes, seed)).kind is BROKEN for seed in range(100))
    assert broken <= 0.15 * 100


def test_the_order_of_the_points_and_the_unit_of_the_values_do_not_matter() -> None:
    values = with_scatter(1.5e-6 + 2e-10 * SIZES, 3)
    law, other = fit(SIZES, values), fit(SIZES[::-1], 1e6 * values[::-1])
    assert other.exponents[0].value == pytest.approx(law.exponents[0].value, rel=1e-6)
    assert law.overhead is not None
    assert other.overhead is not None
    assert other.overhead.value == pytest.approx(1e6 * law.overhead.value, rel=1e-5)


def test_one_slow_network_before_others_alike_is_no_growth() -> None:
    """An overhead and a falling power fit these best, but then the overhead is what large networks cost."""
    law = fit(SIZES[:6], [10e-6, 9e-6, 9.02e-6, 8.99e-6, 9e-6, 9.01e-6])
    assert law.kind is POWER
    assert law.exponents[0].low < 0 < law.exponents[0].high


@pytest.mark.parametrize(("overhead", "seed"), [(1e-5, 45), (1e-5, 113), (1e-4, 5)])
def test_breaks_are_in_the_order_of_size(overhead: float, seed: int) -> None:
    """Of these the best broken law has a break that the overhead hides."""
    law = fit(LADDER_SIZES, with_scatter(overhead + 1e-10 * LADDER_SIZES, seed))
    breaks = [each.value for each in law.breaks]
    assert breaks
    assert breaks == sorted(breaks)


def test_networks_of_one_size_have_no_slope_and_no_warning() -> None:
    sizes = np.array([26, 46, 121, 1210, 9610, 9610, 9610, 9610, 9610, 9610])
    assert fit(sizes, with_scatter(1e-10 * sizes, 0)).kind is POWER


def test_a_curve_beyond_what_a_float_holds_stays_finite() -> None:
    law = fit(SIZES[:5], [1e-6, 3e-3, 1e-6, 3e-3, 1e-6])
    assert all(np.isfinite([each.value, each.low, each.high]).all() for each in law.at([26.0, 1e300]))


def test_fewer_than_five_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="5 networks of different size"):
        fit([1, 1, 2, 3, 4], [1.0, 1.0, 2.0, 3.0, 4.0])
