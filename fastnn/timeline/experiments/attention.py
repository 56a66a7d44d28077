"""2014: a sequence passes through one vector, or is attended to, and grows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnn.demo.attention import ROWS, looks
from fastnn.demo.display.demonstration import Table
from fastnn.report.picture import Axis, Picture, Series
from fastnn.timeline.experiments.found import Comparison, Run
from fastnn.timeline.experiments.reversing import learned, recurrent
from fastnn.timeline.experiments.starts import work_of
from fastnn.timeline.papers.milestones import printed

LENGTHS, STEPS = (4, 8, 12, 16), 400
WAYS = {"one vector": True, "attention": False}


def run(starts: int = 5, lengths: tuple[int, ...] = LENGTHS, steps: int = STEPS) -> Run:
    found = {
        way: [
            [learned(recurrent(length, one, seed), length, steps, seed) for seed in range(starts)] for length in lengths
        ]
        for way, one in WAYS.items()
    }
    right = {way: np.array([[start.right for start in each] for each in of]) for way, of in found.items()}
    means = {way: each.mean(axis=1) for way, each in right.items()}
    network = found["attention"][-1][0].network
    looked = [looks(each.network, lengths[-1], seed) for seed, each in enumerate(found["attention"][-1])]
    beside = np.abs(np.argmax(looked, axis=2) - np.arange(lengths[-1])[::-1])
    bleu = printed("2014", "BLEU with attention") / printed("2014", "BLEU from one vector")
    lost = {way: float(each[0] - each[-1]) for way, each in means.items()}
    return Run(
        title=f"{lengths[-1]} digits backwards: {means['one vector'][-1]:.0%} right from one vector, "
        f"{means['attention'][-1]:.0%} with attention",
        comparisons=(
            Comparison(
                what="right with attention, divided by that from one vector",
                ours=float(means["attention"][-1] / means["one vector"][-1]), published=bleu, low=1.5,
                note="the paper's is of BLEU, in translation",
            ),
            Comparison(
                what=f"lost from {lengths[0]} to {lengths[-1]} digits, from one vector", ours=lost["one vector"],
                low=0.3, percent=True,
            ),
            Comparison(
                what="the same, with attention", published=0, ours=lost["attention"], high=0.05, percent=True,
                note="the paper: flat in length",
            ),
            Comparison(
                what="digits for which it looks most at the mirrored one, or the next", low=0.9, percent=True,
                ours=float(np.mean(beside <= 1)), note="nobody told it where",
            ),
        ),
        blocks=(
            f"One GRU reads, another writes; both networks have {network.parameter_count:,} "
            f"parameters and see {steps:,} batches of {ROWS} sequences. They differ in what the second attends to: the "
            "last state of the first, or all of them.",
            _picture(lengths, right),
            Table(
                columns=("digits", *WAYS),
                rows=tuple(
                    (str(length), *(f"{means[way][place]:.1%}" for way in WAYS))
                    for place, length in enumerate(lengths)
                ),
            ),
        ),
        sample=f"{starts} starts",
        work=work_of(network, steps * ROWS, ROWS),
        numbers={
            "lengths": list(lengths), "right": {way: each.tolist() for way, each in right.items()},
            "looks": looked[0].tolist(),
        },
    )  # fmt: skip


def _picture(lengths: tuple[int, ...], right: dict[str, NDArray[np.float64]]) -> Picture:
    return Picture(
        family="attention-timeline", title="Digits right by length: mean, least and most of the starts",
        x=Axis(title="digits", plain=True), y=Axis(title="right", percent=True),
        series=tuple(
            Series(
                name=way, kind="linked", colour=1 - number, x=tuple(float(length) for length in lengths),
                y=tuple(each.mean(axis=1)), low=tuple(each.min(axis=1)), high=tuple(each.max(axis=1)),
            )
            for number, (way, each) in enumerate(right.items())
        ),
    )  # fmt: skip
