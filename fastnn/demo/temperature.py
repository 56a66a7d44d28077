"""Temperature: the same logits, sharper or flatter, and what sampling makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import click
import numpy as np
from numpy.typing import NDArray

from fastnn.demo.display.demonstration import Demonstration, Section, Table, decimal
from fastnn.demo.parameters import NUMBERS, SEED
from fastnn.edge.checks import as_number
from fastnn.functional import softmax
from fastnn.report.picture import Axis, Picture, Series

OPTIONS = (
    click.Option(["--logits"], type=NUMBERS, default="2,1,0.5,0,-1", show_default=True, help="One number a choice."),
    click.Option(["--temperatures"], type=NUMBERS, default="0,0.5,1,2", show_default=True),
    click.Option(["--samples"], type=click.IntRange(min=1), default=1000, show_default=True, help="Draws at each."),
    SEED,
)

# Beyond it their differences would overflow.
LARGEST = 1e100


def show(logits: Sequence[float], temperatures: Sequence[float], samples: int, seed: int) -> Demonstration:
    """Temperature: softmax of logits / T, its entropy, and samples of it.

    T = 0 always takes the largest logit, T = 1 leaves the probabilities as they were learned, and a large T makes all
    choices alike.
    """
    if len(logits) < 2:
        raise ValueError("logits holds one number; expected at least two choices")
    for name, values, least in (("logits", logits, -LARGEST), ("temperatures", temperatures, 0.0)):
        for value in values:
            as_number(value, f"one of {name}", least, LARGEST)
    rng = np.random.default_rng(seed)
    shares = {float(each): probabilities(logits, each) for each in temperatures}
    drawn = {each: draw(share, samples, rng) for each, share in shares.items()}
    entropies = {each: entropy(share) for each, share in shares.items()}
    return Demonstration(
        title=f"One set of {len(logits)} logits at {len(shares)} temperatures",
        sections=(
            Section("Probabilities: softmax(logits / T)", (table(logits, shares, "{:.4f}"), picture(logits, shares))),
            Section(
                f"{samples:,} samples at each", (table(logits, drawn, "{:d}"), f"Drawn with the seed {seed}."),
            ),
            Section(
                "Entropy",
                (
                    Table(
                        columns=("T", "entropy, nats", "choices that would be as uncertain"),
                        rows=tuple(
                            (decimal(each), f"{value:.4f}", f"{np.exp(value):.2f}") for each, value in entropies.items()
                        ),
                    ),
                    f"At most ln {len(logits)} = {np.log(len(logits)):.4f}, when all are alike.",
                ),
            ),
        ),
        numbers={
            "logits": list(logits), "seed": seed, "samples": samples,
            "temperatures": [
                {"temperature": each, "probabilities": shares[each].tolist(), "entropy": entropies[each],
                 "counts": drawn[each].tolist()}
                for each in shares
            ],
        },
    )  # fmt: skip


def probabilities(logits: Sequence[float], temperature: float) -> NDArray[np.float64]:
    found: NDArray[np.float64] = softmax(np.array([logits], np.float64), temperature=temperature)[0]
    return found


def draw(shares: NDArray[np.float64], samples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each was chosen: where a uniform number falls among the running sums."""
    edges = np.cumsum(shares)
    chosen = np.searchsorted(edges, rng.uniform(0, edges[-1], samples), side="right")
    return np.bincount(chosen, minlength=len(shares))


def entropy(shares: NDArray[np.float64]) -> float:
    """-sum p ln p, where 0 ln 0 is 0."""
    some = shares[shares > 0]
    return float(abs(-np.sum(some * np.log(some))))


def table(logits: Sequence[float], found: dict[float, NDArray[np.float64]] | dict[float, NDArray[np.int64]],
          cell: str) -> Table:  # fmt: skip
    return Table(
        columns=("logit", *(f"T = {decimal(each)}" for each in found)),
        rows=tuple(
            (decimal(logit), *(cell.format(values[place]) for values in found.values()))
            for place, logit in enumerate(logits)
        ),
    )


def picture(logits: Sequence[float], shares: dict[float, NDArray[np.float64]]) -> Picture:
    order = np.argsort(logits, kind="stable").tolist()
    return Picture(
        family="temperature", title="Probability by logit", x=Axis(title="logit", plain=True),
        y=Axis(title="probability", percent=True),
        series=tuple(
            Series(
                name=f"T = {decimal(each)}", kind="linked", colour=colour, x=tuple(logits[at] for at in order),
                y=tuple(float(share[at]) for at in order),
            )
            for colour, (each, share) in enumerate(shares.items())
        ),
    )  # fmt: skip
