"""1986: two hidden units learn whether six bits are the same backwards, and how their weights stand to each other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastnn.demo.display.demonstration import Table, decimal
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
from fastnn.timeline.experiments.found import Comparison, Run, Spread, within_twice
from fastnn.timeline.experiments.starts import SQUARES, Array, Sweeps, descent, draw, work_of
from fastnn.timeline.papers.milestones import printed

BITS, HIDDEN, BOUND = 6, 2, 0.3
RATE, MOMENTUM = 0.1, 0.9
# An output is learned within this of its target: ours, as is when to give up.
LEARNED, MOST = 0.1, 8_000
# Weights settle after the outputs have.
SETTLING = 4_000
SMALLER_RATE, GENTLE_STARTS = 0.03, 20
# Of the middle and the largest weight to the smallest: 1 : 2 : 4, and 2 : 3 : 4.
PRINTED_CODE = printed("1986", "symmetry weights: middle"), printed("1986", "symmetry weights: largest")
OTHER_CODE = 1.5, 2.0
# Of a ratio of weights.
NEAR = 0.05
# What is saturated does not come back: all eight symmetric inputs answered 0 make E = 8 / 2.
STUCK = 4.0


class Start(NamedTuple):
    """sweeps: 0 where it failed. error: E at the end. ratios: of the middle and the largest weight to the smallest, the
    mean of the hidden units; mirrored: the largest |w + w'| of a mirrored pair divided by the largest weight."""

    sweeps: int
    error: float
    ratios: tuple[float, float]
    mirrored: float
    weights: tuple[float, ...]


def run(starts: int = 100) -> Run:
    found = [learned(seed) for seed in range(starts)]
    done = [each for each in found if each.sweeps]
    spread = Spread(
        what="Sweeps until all 64 are learned", unit="sweeps", starts=starts,
        values=tuple(float(each.sweeps) for each in done), published=printed("1986", "symmetry sweeps"),
    )  # fmt: skip
    ratios = np.array([each.ratios for each in done])
    typical = min(done, key=lambda each: abs(each.sweeps - spread.median))
    told, numbers = _failures(found, ratios)
    return Run(
        title=f"Mirror symmetry is learned from {len(done)} of {starts} starts, the median after "
        f"{spread.median:,.0f} sweeps",
        comparisons=_compared(done, spread, ratios),
        blocks=(
            f"6-2-1 sigmoid units, all 64 inputs a sweep, rate {RATE}, momentum {MOMENTUM}, first weights and biases "
            f"from -{BOUND} to {BOUND}, as printed.",
            spread,
            _weights(typical),
            "A unit adds to 0 for whatever is the same backwards, and for nothing else, as no two sums of 1, 2 and 4 "
            "are alike.",
        ),
        sample=f"{starts} starts", work=work_of(_network(), int(64 * spread.median), 64),
        fails=told if len(done) < starts else "", numbers=numbers | {"ratios": ratios.tolist()},
    )  # fmt: skip


def _compared(done: list[Start], spread: Spread, ratios: Array) -> tuple[Comparison, ...]:
    middle, largest = (float(np.median(ratios[:, place])) for place in (0, 1))
    return (
        within_twice("sweeps, the median", spread.median, printed("1986", "symmetry sweeps")),
        Comparison(what="starts that learn it", ours=spread.share, low=0.8, percent=True),
        *(
            Comparison(
                what=f"the {name} weight divided by the smallest, the median", ours=ours, published=code,
                low=code * (1 - NEAR), high=code * (1 + NEAR),
            )
            for name, ours, code in zip(("middle", "largest"), (middle, largest), PRINTED_CODE, strict=True)
        ),
        Comparison(
            what=f"1 : 2 : 4 within {NEAR:.0%}, of those that learn it", published=1, low=1, high=1, percent=True,
            ours=float(np.mean(_near(ratios, PRINTED_CODE))),
        ),
        Comparison(
            what="mirrored weights that do not cancel, of the largest", published=0,
            ours=float(np.median([each.mirrored for each in done])), high=0.01,
        ),
    )  # fmt: skip


def _near(ratios: Array, code: tuple[float, float]) -> list[bool]:
    """Which starts have these weights."""
    return [bool((np.abs(each / code - 1) < NEAR).all()) for each in ratios]


def _failures(found: list[Start], ratios: Array) -> tuple[str, dict[str, Any]]:
    """What does not come out as printed, and what does where something is changed."""
    starts, learned_it = len(found), _learned(found)
    stuck = sum(not each.sweeps and abs(each.error - STUCK) < 0.1 for each in found)
    some = range(min(starts, GENTLE_STARTS))
    gentle = [learned(seed, rate=SMALLER_RATE, most=4 * MOST) for seed in some]
    unbiased = [learned(seed, biases=False) for seed in some]
    told = (
        f"The printed rate fails from {starts - learned_it} of {starts} starts, {stuck} of which answer 0 always "
        f"(E = {STUCK:.1f}) and stay there. At a rate of {SMALLER_RATE} {_learned(gentle)} of {len(gentle)} learn "
        f"it; where biases begin at 0 {_learned(unbiased)} of {len(unbiased)} do, at the printed rate. And of those "
        f"that learn it {np.mean(_near(ratios, PRINTED_CODE)):.0%} have the weights 1 : 2 : 4; "
        f"{sum(_near(ratios, OTHER_CODE))} find 2 : 3 : 4, which the paper does not show."
    )
    return told, {
        "stuck": stuck, "smaller_rate": {"starts": len(gentle), "succeeded": _learned(gentle)},
        "biases_at_0": {"starts": len(unbiased), "succeeded": _learned(unbiased)},
    }  # fmt: skip


def inputs() -> tuple[Array, Array]:
    x = np.array([[int(bit) for bit in f"{number:0{BITS}b}"] for number in range(2**BITS)], np.float64)
    return x, (x == x[:, ::-1]).all(axis=1, keepdims=True).astype(np.float64)


def _network() -> Network:
    return mlp(
        BITS, HIDDEN, 1, activation="sigmoid", output_activation="sigmoid", loss=SQUARES, dtype="float64"
    )  # fmt: skip


def _learned(starts: list[Start]) -> int:
    return sum(bool(each.sweeps) for each in starts)


def learned(seed: int, rate: float = RATE, most: int = MOST, biases: bool = True) -> Start:
    """biases: whether they begin as the weights do, and not at 0."""
    x, y = inputs()
    network = draw(_network(), BOUND, seed)
    if not biases:
        for name, values in network.named_parameters.items():
            values *= not name.endswith("bias")
    sweeps = Sweeps(network, descent(rate, MOMENTUM), x, y, len(x))
    done = sweeps.until(lambda each: each.within(LEARNED), most)
    needed = sweeps.made if done else 0
    if done:
        sweeps.go(SETTLING)
    weights = sweeps.network.named_parameters["0.weight"]
    half = BITS // 2
    sizes = np.sort(np.abs(weights[:half]), axis=0)
    ratios = (sizes[1:] / sizes[0]).mean(axis=1)
    mirrored = np.abs(weights[:half] + weights[::-1][:half]).max() / np.abs(weights).max()
    return Start(
        needed, sweeps.error, (float(ratios[0]), float(ratios[1])), float(mirrored), tuple(weights.T.ravel())
    )  # fmt: skip


def _weights(start: Start) -> Table:
    rows = np.array(start.weights).reshape(HIDDEN, BITS)
    return Table(
        columns=("unit", *(f"bit {bit + 1}" for bit in range(BITS))),
        rows=tuple((str(unit + 1), *(decimal(weight, 2) for weight in row)) for unit, row in enumerate(rows)),
    )
