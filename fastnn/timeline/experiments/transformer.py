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


def run(starts: int = 10, length: int = LENGTH) -> Run:
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
    medians = {name: float(np.median(every)) if every else float(MOST) for name, every in done.items()}
    work = {name: work_of(network, int(medians[name]) * ROWS, ROWS) for name, network in networks.items()}
    serial = {"transformer": int(printed("2017", "serial steps")), "recurrent, with attention": length}
    ours, theirs = (work[name].training_flops for name in kinds)
    steps, cost = medians["transformer"] / medians["recurrent, with attention"], ours / theirs
    return Run(
        title=f"Without recurrence {length} digits are written backwards after {medians['transformer']:.0f} steps, "
        f"with it after {medians['recurrent, with attention']:.0f}",
        comparisons=(
            Comparison(
                what=f"training steps to {ENOUGH:.0%}, divided by those of the recurrent one", ours=steps, high=1
            ),
            Comparison(
                what=f"FLOPs to {ENOUGH:.0%}, divided by those of the recurrent one", ours=cost, high=1,
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
            f"The paper's transformer costs a fraction of what others did. At {length} digits ours takes {steps:.2f} "
            f"times the steps of the recurrent network and {cost:.2f} times its FLOPs: the claim is not met "
            "at this size."
        ) if max(steps, cost) > 1 else "",
        numbers={"steps": needed},
    )  # fmt: skip
