"""2018: a network that has learned to go on with sequences, without labels, needs few labels to say what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.demo.display.demonstration import Table
from fastnn.layers import GRU, Dense, Embedding, Flatten, Slice
from fastnn.learning.optimizers import Adam, Cosine
from fastnn.networks.network import Network
from fastnn.report.picture import Axis, Picture, Series
from fastnn.timeline.experiments.found import Comparison, Run
from fastnn.timeline.experiments.starts import work_of

# Sequences are of ten kinds: each is a chain of its own, in which one of SYMBOLS follows another by chance.
KINDS, SYMBOLS, LENGTH, SHARPNESS = 10, 12, 32, 0.3
WIDTH, UNITS = 32, 64
STEPS, BATCH, RATE = 800, 64, 5e-3
LABELS, FINE_STEPS, FINE_BATCH, FINE_RATE, TESTED = (10, 100, 1_000), 200, 32, 3e-3, 1_000
# Of the rate, for what has been pre-trained.
SLOWER = 0.1

# Names of the parameters of all layers but the last begin so.
BODY = ("0.", "1.")
Ids = NDArray[np.int64]


class Tuned(NamedTuple):
    """Shares of sequences whose kind is found, of those that it never saw, by number of labels."""

    pretrained: tuple[float, ...]
    scratch: tuple[float, ...]


def run(starts: int = 2, steps: int = STEPS) -> Run:
    found = [tuned(seed, steps) for seed in range(starts)]
    ours = np.array(found).mean(axis=0)
    first, last = ours[:, 0], ours[:, -1]
    return Run(
        title=f"With {LABELS[0]} labels {first[0]:.0%} are right after pre-training, {first[1]:.0%} without",
        comparisons=(
            Comparison(
                what=f"right with {LABELS[0]} labels, pre-trained", ours=float(first[0]), low=0.5, percent=True
            ),
            Comparison(
                what=f"right with {LABELS[0]} labels, divided by that from scratch",
                ours=float(first[0] / first[1]), low=1.5
            ),
            Comparison(
                what=f"right with {LABELS[-1]:,} labels, divided by that from scratch",
                ours=float(last[0] / last[1]), low=0.98,
                note="where labels are plenty, less is gained",
            ),
        ),
        blocks=(
            f"Sequences of {LENGTH} of {SYMBOLS} symbols are of {KINDS} kinds, in each of which other symbols follow "
            f"one another. A GRU with {_network(0, SYMBOLS).parameter_count:,} parameters first learns to say what "
            f"comes next, for {steps:,} steps and without a label; then, with a new last layer, the kind, from a few "
            f"that are labelled, the first layers at {SLOWER} of the rate. The same network learns that from scratch.",
            _picture(ours),
            Table(
                columns=("labels", "pre-trained", "from scratch"),
                rows=tuple(
                    (f"{labels:,}", *(f"{each:.1%}" for each in pair))
                    for labels, pair in zip(LABELS, ours.T, strict=True)
                ),
            ),
            "The paper's own scores need its data; this is what they claim, in small.",
        ),
        sample=f"{starts} starts",
        work=work_of(_network(0, SYMBOLS), steps * BATCH, BATCH),
        numbers={"labels": list(LABELS), "pretrained": ours[0].tolist(), "scratch": ours[1].tolist()},
    )  # fmt: skip


def _body() -> list[Any]:
    return [Embedding(SYMBOLS, WIDTH), GRU(UNITS)]


def _network(seed: int, outputs: int, whole: bool = False) -> Network:
    """Says what comes next at each position; or, of the whole sequence, one of the outputs."""
    last: list[Any] = [Slice(-1), Flatten()] if whole else []
    return Network(LENGTH, [*_body(), *last, Dense(outputs)], seed=seed)


def chains(rng: np.random.Generator) -> NDArray[np.float64]:
    """(KINDS, SYMBOLS, SYMBOLS): which symbol follows which, with what probability."""
    return rng.dirichlet(np.full(SYMBOLS, SHARPNESS), (KINDS, SYMBOLS))


def sequences(rng: np.random.Generator, rows: int, which: NDArray[np.float64]) -> tuple[Ids, Ids]:
    """(rows, LENGTH + 1) and their kinds (rows,)."""
    kinds, sums = rng.integers(0, KINDS, rows), which.cumsum(axis=2)
    found = np.empty((rows, LENGTH + 1), np.int64)
    found[:, 0] = rng.integers(0, SYMBOLS, rows)
    for at in range(LENGTH):
        drawn = rng.random((rows, 1)) > sums[kinds, found[:, at]]
        found[:, at + 1] = np.minimum(drawn.sum(axis=1), SYMBOLS - 1)
    return found, kinds


def tuned(seed: int, steps: int, labels: Sequence[int] = LABELS) -> Tuned:
    rng = np.random.default_rng(seed)
    which = chains(rng)
    base = _network(seed, SYMBOLS)
    trainer = base.trainer(Adam(RATE, schedule=Cosine(steps)), batch=BATCH)
    unlabelled, _ = sequences(rng, 200 * BATCH, which)
    held = trainer.hold(unlabelled[:, :-1], unlabelled[:, 1:])
    trainer.epoch(held, rng.integers(0, len(unlabelled), steps * BATCH))
    test = sequences(rng, TESTED, which)
    shares: tuple[list[float], list[float]] = ([], [])
    for many in labels:
        known = _labelled(rng, many, which)
        for share, begin in zip(shares, (base, None), strict=True):
            share.append(_fine_tuned(seed, begin, known, test))
    return Tuned(tuple(shares[0]), tuple(shares[1]))


def _labelled(rng: np.random.Generator, labels: int, which: NDArray[np.float64]) -> tuple[Ids, Ids]:
    """As many of each kind."""
    x, kinds = sequences(rng, 20 * labels + 200, which)
    some = np.concatenate([np.flatnonzero(kinds == kind)[: labels // KINDS] for kind in range(KINDS)])
    return x[some], kinds[some]


def _fine_tuned(seed: int, base: Network | None, known: tuple[Ids, Ids], test: tuple[Ids, Ids]) -> float:
    """Right answers of a network that begins as base, its last layer apart, or anew."""
    network = _network(seed + 100, KINDS, whole=True)
    if base is not None:
        for name, values in base.named_parameters.items():
            if name.startswith(BODY):
                network.named_parameters[name][:] = values
    rng = np.random.default_rng(seed)
    rates = {} if base is None else {f"{part}*": SLOWER for part in BODY}
    trainer = network.trainer(Adam(FINE_RATE, rates=rates), batch=FINE_BATCH)
    held = trainer.hold(known[0][:, 1:], known[1])
    trainer.epoch(held, rng.integers(0, len(known[0]), FINE_STEPS * FINE_BATCH))
    return network.accuracy(test[0][:, 1:], test[1])


def _picture(ours: NDArray[np.float64]) -> Picture:
    return Picture(
        family="pretraining", title="Kinds that are found, by the number of labels",
        x=Axis(title="labels", log=True), y=Axis(title="right", percent=True),
        series=tuple(
            Series(name=name, kind="linked", colour=colour, x=tuple(map(float, LABELS)), y=tuple(map(float, shares)))
            for colour, (name, shares) in enumerate(zip(("pre-trained", "from scratch"), ours, strict=True))
        ),
    )  # fmt: skip
