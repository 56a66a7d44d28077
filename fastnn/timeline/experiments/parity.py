"""1986: the parity of four bits, by four hidden units, from many starts and first weights of several sizes."""

from __future__ import annotations

import numpy as np

from fastnn.demo.display.demonstration import Table
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
from fastnn.timeline.experiments.found import Comparison, Run, Spread, within_twice
from fastnn.timeline.experiments.starts import SQUARES, Sweeps, descent, draw, work_of
from fastnn.timeline.papers.milestones import printed

BITS = 4
RATE, MOMENTUM = 0.5, 0.9
# First weights are ours; targets are 0.9 and 0.1.
BOUNDS, USUAL = (0.3, 1.0), 1.0
LEARNED, MOST = 0.4, 6_000
INPUTS = np.array([[int(bit) for bit in f"{number:0{BITS}b}"] for number in range(2**BITS)], np.float64)
TARGETS = (INPUTS.sum(axis=1, keepdims=True) % 2) * 0.8 + 0.1


def run(starts: int = 100) -> Run:
    """Patterns one after the other, a step each."""
    by_bound = {bound: sweeps_of(bound, starts) for bound in BOUNDS}
    usual = by_bound[USUAL]
    spread = Spread(
        what="Sweeps until all sixteen are on their side", unit="sweeps", starts=starts, values=tuple(usual),
        published=printed("1986", "parity presentations"),
    )  # fmt: skip
    return Run(
        title=f"The parity of four bits is learned from {len(usual)} of {starts} starts, the median after "
        f"{spread.median:,.0f} sweeps",
        comparisons=(
            within_twice("sweeps, the median", spread.median, printed("1986", "parity presentations")),
            Comparison(what="starts that learn it", ours=spread.share, low=0.8, percent=True),
        ),
        blocks=(
            f"4-4-1 sigmoid units, rate {RATE} as printed, momentum {MOMENTUM}, a step a pattern, targets 0.9 and "
            f"0.1, until every output is within {LEARNED} of its target. First weights from -{USUAL:g} to {USUAL:g}:",
            spread,
            "And from smaller first weights:",
            Table(
                columns=("first weights within", "starts that learn it", "sweeps, the median"),
                rows=tuple(
                    (f"{bound:g}", f"{len(values)} of {starts}", f"{np.median(values):,.0f}" if values else "-")
                    for bound, values in by_bound.items()
                ),
            ),
        ),
        sample=f"{starts} starts",
        work=work_of(_network(), int(16 * spread.median), 1),
        fails=(
            f"{starts - len(usual)} of {starts} starts have not learned it after {MOST:,} sweeps. What first "
            "weights and targets the paper's run had is not known here, so it is not repeated exactly."
        ) if len(usual) < starts else "",
        numbers={"sweeps": {f"{bound:g}": values for bound, values in by_bound.items()}},
    )  # fmt: skip


def _network() -> Network:
    return mlp(BITS, BITS, 1, activation="sigmoid", output_activation="sigmoid", loss=SQUARES, dtype="float64")


def sweeps_of(bound: float, starts: int) -> list[float]:
    """Of those that learn it."""
    found = []
    for seed in range(starts):
        sweeps = Sweeps(draw(_network(), bound, seed), descent(RATE, MOMENTUM), INPUTS, TARGETS, batch=1)
        if sweeps.until(lambda each: each.within(LEARNED), MOST):
            found.append(float(sweeps.made))
    return found
