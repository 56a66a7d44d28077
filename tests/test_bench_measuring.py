"""The measuring protocol, on a clock that only moves when it is told to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fastnn.bench import measuring
from fastnn.bench.measuring import Budget, Measurement, median_interval

Seconds = Callable[[int], float]


class Machine:
    """Calls that take what `seconds(call)` says; reading the clock is free."""

    def __init__(self, seconds: Seconds) -> None:
        self.now, self.calls, self.seconds = 0.0, 0, seconds
        self.blocks: list[int] = []

    def clock(self) -> float:
        return self.now

    def run(self, calls: int) -> None:
        self.blocks.append(calls)
        for _ in range(calls):
            self.now += self.seconds(self.calls)
            self.calls += 1


def measured(seconds: Seconds, budget: float = 1.5, timer_s: float = 5e-8) -> tuple[Measurement, Machine]:
    fake = Machine(seconds)
    return measuring.measure(fake.run, Budget(budget), timer_s, fake.clock), fake


def test_a_steady_call_is_measured_exactly_and_ends_early() -> None:
    result, fake = measured(lambda call: 1e-5)
    assert result.median == pytest.approx(1e-5, rel=1e-9)
    assert result.iqr == pytest.approx(0, abs=1e-12)
    assert len(result.times) == measuring.LEAST_BLOCKS
    assert fake.now < 0.5
    assert result.verdict == "ok"


@pytest.mark.parametrize("timer_s", [5e-8, 1e-6])
def test_the_clock_takes_less_than_a_ten_thousandth_of_a_block(timer_s: float) -> None:
    result, _ = measured(lambda call: 3e-7, timer_s=timer_s)
    assert 2 * timer_s <= 1.0001e-4 * result.calls * result.median


def test_slow_first_calls_are_warm_up_and_no_time() -> None:
    result, _ = measured(lambda call: 0.05 if call < 3 else 1e-4)
    assert max(result.times) == pytest.approx(1e-4, rel=1e-6)


def test_a_first_call_longer_than_the_patience_leaves_no_block_of_one_call() -> None:
    """Kernels that are loaded from disk: 30 ms, and 1 us a call from then on."""
    result, _ = measured(lambda call: 0.03 if call == 0 else 1e-6, budget=0.1)
    assert result.calls > 400
    assert result.median == pytest.approx(1e-6)


def test_warm_up_lasts_until_the_last_calls_agree() -> None:
    result, fake = measured(lambda call: 0.01 * (1 + 0.8**call), budget=20)
    assert max(result.times) / min(result.times) < 1 + 2 * measuring.AGREEMENT
    assert len(fake.blocks) > len(result.times) + measuring.AGREEING_BLOCKS


def test_a_noisy_call_uses_its_budget_and_says_that_it_is_noisy() -> None:
    rng = np.random.default_rng(0)
    result, fake = measured(lambda call: 0.01 * rng.choice([1.0, 1.2]), budget=1.0)
    assert 0.9 < fake.now < 1.2
    assert result.verdict == "noisy"
    result, _ = measured(lambda call: 0.01 * rng.choice([1.0, 2.0]), budget=1.0)
    assert result.verdict == "very noisy"


def test_a_call_longer_than_the_budget_is_measured_three_times() -> None:
    result, _ = measured(lambda call: 2.0)
    assert len(result.times) == measuring.FEWEST_BLOCKS
    assert result.calls == 1


def test_spread_decides_the_verdict() -> None:
    def with_spread(share: float) -> Measurement:
        return Measurement((1 - share / 2, 1 - share / 2, 1.0, 1 + share / 2, 1 + share / 2), 1)

    assert with_spread(0.02).spread == pytest.approx(0.02)
    verdicts = [with_spread(share).verdict for share in (0.04, 0.099, 0.11, 0.24, 0.26)]
    assert verdicts == ["ok", "ok", "noisy", "noisy", "very noisy"]
    assert with_spread(0.2).min == pytest.approx(0.9)


def test_the_interval_of_a_median_holds_it_in_19_of_20_samples() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(2000):
        median, low, high = median_interval(rng.exponential(1.0, 15).tolist())
        assert low <= median <= high
        held += low <= np.log(2) <= high
    assert 0.94 < held / 2000 < 0.995


def test_few_values_give_their_whole_range() -> None:
    assert median_interval([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    assert median_interval([5.0]) == (5.0, 5.0, 5.0)
