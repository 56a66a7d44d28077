"""2014: a sequence passes through one vector, or is attended to, and grows."""

from __future__ import annotations

import numpy as np

from fastnn.demo.attention import ROWS, looks
from fastnn.demo.display.demonstration import Table
from fastnn.report.picture import Axis, Picture, Series
from fastnn.timeline.experiments.found import Comparison, Run
from fastnn.timeline.experiments.reversing import Reversed, learned, recurrent
from fastnn.timeline.experiments.starts import work_of
from fastnn.timeline.papers.milestones import printed

LENGTHS, STEPS = (4, 8, 12, 16), 400
WAYS = {"one vector": True, "attention": False}


def run(lengths: tuple[int, ...] = LENGTHS, steps: int = STEPS, seed: int = 0) -> Run:
    found = {
        way: [learned(recurrent(length, one, seed), length, steps, seed) for length in lengths]
        for way, one in WAYS.items()
    }
    last = {way: each[-1] for way, each in found.items()}
    looked = looks(last["attention"].network, lengths[-1], seed)
    beside = np.abs(looked.argmax(axis=1) - np.arange(lengths[-1])[::-1])
    bleu = printed("2014", "BLEU with attention") / printed("2014", "BLEU from one vector")
    lost = {way: each[0].right - each[-1].right for way, each in found.items()}
    return Run(
        title=f"{lengths[-1]} digits backwards: {last['one vector'].right:.0%} right from one vector, "
        f"{last['attention'].right:.0%} with attention",
        comparisons=(
            Comparison(
                what="with attention, by that from one vector", ours=last["attention"].right / last["one vector"].right,
                published=bleu, low=1.5, note="the paper's is of BLEU, in translation",
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
            f"One GRU reads, another writes; both networks have {last['attention'].network.parameter_count:,} "
            f"parameters and see {steps:,} batches of {ROWS} sequences. They differ in what the second attends to: the "
            "last state of the first, or all of them.",
            _picture(lengths, found),
            Table(
                columns=("digits", *WAYS),
                rows=tuple(
                    (str(length), *(f"{found[way][place].right:.1%}" for way in WAYS))
                    for place, length in enumerate(lengths)
                ),
            ),
        ),
        work=work_of(last["attention"].network, steps * ROWS, ROWS),
        numbers={
            "lengths": list(lengths), "right": {way: [each.right for each in of] for way, of in found.items()},
            "looks": looked.tolist(),
        },
    )  # fmt: skip


def _picture(lengths: tuple[int, ...], found: dict[str, list[Reversed]]) -> Picture:
    return Picture(
        family="attention-timeline", title="Digits right, by length",
        x=Axis(title="digits", plain=True), y=Axis(title="right", percent=True),
        series=tuple(
            Series(
                name=way, kind="linked", colour=1 - number, x=tuple(float(length) for length in lengths),
                y=tuple(each.right for each in of),
            )
            for number, (way, of) in enumerate(found.items())
        ),
    )  # fmt: skip
