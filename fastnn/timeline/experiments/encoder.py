"""1986: eight inputs pass through three units, which find a code of three bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnn.demo.display.demonstration import Table, decimal
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
from fastnn.timeline.experiments.found import Comparison, Run, Spread
from fastnn.timeline.experiments.starts import SQUARES, Array, Sweeps, descent, draw, work_of
from fastnn.timeline.papers.milestones import printed

SIZES = (8, 3, 8)
RATE, MOMENTUM, BOUND, MOST = 0.25, 0.9, 0.5, 4_000
# Targets are 0.9 and 0.1, so that nothing has to be reached at infinity; an output is learned on its side by this.
TARGETS, LEARNED = np.eye(8) * 0.8 + 0.1, 0.1


class Start(NamedTuple):
    """sweeps: 0 where it failed. code: of each input, the hidden units (8, 3)."""

    sweeps: int
    code: Array


def run(starts: int = 100) -> Run:
    found = [learned(seed) for seed in range(starts)]
    done = [each for each in found if each.sweeps]
    spread = Spread(
        what="Sweeps until all eight are learned", unit="sweeps", starts=starts,
        values=tuple(float(each.sweeps) for each in done),
    )  # fmt: skip
    distinct = [len({tuple(row) for row in np.rint(each.code)}) for each in done]
    between = float(np.mean([np.mean(np.abs(each.code - 0.5) < 0.25) for each in done]))
    whole = float(np.mean(np.array(distinct) == len(TARGETS)))
    typical = min(done, key=lambda each: abs(each.sweeps - spread.median))
    return Run(
        title=f"Eight inputs are learned through three units from {len(done)} of {starts} starts; in {whole:.0%} of "
        "them the codes are three bits",
        comparisons=(
            Comparison(what="starts that learn it", ours=spread.share, low=0.9, high=1, percent=True),
            Comparison(
                what="distinct codes when rounded, the median", ours=float(np.median(distinct)),
                published=printed("1986", "encoder codes"), low=8, high=8,
            ),
            Comparison(
                what="starts whose eight rounded codes all differ", ours=whole, published=1, low=1, high=1, percent=True
            ),
        ),
        blocks=(
            f"8-3-8 sigmoid units, rate {RATE}, momentum {MOMENTUM}, all eight a sweep, targets 0.9 and 0.1, first "
            f"weights from -{BOUND} to {BOUND}.",
            spread,
            Table(
                columns=("input", "unit 1", "unit 2", "unit 3"),
                rows=tuple(
                    (str(number + 1), *(decimal(value, 2) for value in row)) for number, row in enumerate(typical.code)
                ),
            ),
            f"Of the hidden values {between:.0%} lie between 1/4 and 3/4; the code that the paper shows has some of "
            "1/2, too (from memory).",
        ),
        sample=f"{starts} starts",
        work=work_of(_network(), int(8 * spread.median), 8),
        fails=(
            f"Rounded to bits all eight codes differ in {whole:.0%} of the starts only; in the others a unit stands "
            "halfway for some inputs, and two inputs differ in how far."
        ) if min(distinct) < 8 else "",
        numbers={"distinct": distinct},
    )  # fmt: skip


def _network() -> Network:
    return mlp(*SIZES, activation="sigmoid", output_activation="sigmoid", loss=SQUARES, dtype="float64")


def learned(seed: int) -> Start:
    sweeps = Sweeps(draw(_network(), BOUND, seed), descent(RATE, MOMENTUM), np.eye(8), TARGETS, batch=8)
    done = sweeps.until(lambda each: each.within(LEARNED), MOST)
    named = sweeps.network.named_parameters
    code = 1 / (1 + np.exp(-(named["0.weight"] + named["0.bias"])))
    return Start(sweeps.made if done else 0, code)
