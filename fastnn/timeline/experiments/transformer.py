"""2017: the same task without recurrence: how many steps and FLOPs, and how much of it has to wait for the rest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastnn.demo.attention import ROWS
from fastnn.demo.display.demonstration import Table
from fastnn.networks.network import Network
from fastnn.timeline.experiments.found import Comparison, Run, Spread
from fastnn.timeline.experiments.reversing import ENOUGH, EVERY, learned, recurrent, transformer
from fastnn.timeline.experiments.starts import work_of
from fastnn.timeline.papers.milestones import printed

LENGTH, MOST = 12, 700
# Of the other's FLOPs, at most this is called a fraction.
FRACTION = 0.5


def run(starts: int = 20, length: int = LENGTH) -> Run:
    """Of one length of sequences, until nearly all of their digits are right."""
    kinds: dict[str, Callable[[int], Network]] = {
        "transformer": lambda seed: transformer(length, seed),
        "recurrent, with attention": lambda seed: recurrent(length, False, seed),
    }
    needed = {
        name: [learned(make(seed), length, MOST, seed, watched=True).needed for seed in range(starts)]
        for name, make in kinds.items()
    }
    done = {name: [float(steps) for steps in every if steps] for name, every in needed.items()}
    networks = {name: make(0) for name, make in kinds.items()}
    medians = {name: float(np.median([steps or MOST for steps in every])) for name, every in needed.items()}
    work = {name: work_of(network, int(medians[name]) * ROWS, ROWS) for name, network in networks.items()}
    serial = {"transformer": int(printed("2017", "serial steps")), "recurrent, with attention": length}
    ours, theirs = (work[name].training_flops for name in kinds)
    return Run(
        title=f"Without recurrence {length} digits are written backwards after {medians['transformer']:.0f} steps, "
        f"with it after {medians['recurrent, with attention']:.0f}",
        comparisons=(
            Comparison(
                what=f"FLOPs to {ENOUGH:.0%}, divided by those of the recurrent one", ours=ours / theirs, high=FRACTION,
                note="the paper: a fraction of the cost",
            ),
        ),
        blocks=(
            f"Both read {length} digits and write them backwards, in batches of {ROWS}, until {ENOUGH:.0%} of held-out "
            f"digits are right, which is looked at every {EVERY} steps.",
            Table(
                columns=("network", "parameters", "one after the other", "training steps", "FLOPs"),
                rows=tuple(
                    (
                        name, f"{work[name].parameters:,}", str(serial[name]), f"{medians[name]:,.0f}",
                        f"{work[name].training_flops:.2e}",
                    )
                    for name in kinds
                ),
            ),
            Spread(
                what=f"Steps of the transformer to {ENOUGH:.0%}", unit="steps", values=tuple(done["transformer"]),
                starts=starts,
            ),
            f"A layer of attention computes its {length} positions at once, a recurrent one after another. How long "
            "each takes is not compared here.",
        ),
        sample=f"{starts} starts",
        work=work["transformer"],
        fails=(
            f"The paper's transformer costs a fraction of what others did. At {length} digits ours takes "
            f"{ours / theirs:.2f} times the FLOPs of the recurrent network, in {medians['transformer']:.0f} steps to "
            f"its {medians['recurrent, with attention']:.0f}: the claim is not met at this size."
        ) if ours / theirs > FRACTION else "",
        numbers={"steps": needed},
    )  # fmt: skip
