"""A sequence is written backwards: by a decoder that sees one vector of it, and by one that attends to all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from fastnn.demo.display.demonstration import Demonstration, Drawing, Section, Table
from fastnn.demo.gpt import shaded
from fastnn.demo.inside_gpt import shares
from fastnn.demo.looking_inside import values
from fastnn.demo.parameters import NUMBERS, SEED
from fastnn.layers import Dense, Embedding, EncoderDecoder, LayerNorm, PositionEmbedding, Slice, TransformerBlock
from fastnn.learning.optimizers import Adam, Cosine
from fastnn.networks.network import Network
from fastnn.report.picture import Axis, Picture, Series

OPTIONS = (
    click.Option(["--lengths"], type=NUMBERS, default="4,8,16,24", show_default=True, help="Of the sequences, digits."),
    click.Option(["--steps"], type=click.IntRange(min=1), default=800, show_default=True, help="Of 64 sequences each."),
    SEED,
)

DIGITS, BEGIN = 10, 10
WIDTH, HEADS, ROWS, RATE, TESTED = 32, 4, 64, 3e-3, 200
LONGEST = 64
WAYS = {"one vector": True, "attention": False}

Array = NDArray[Any]


class Learned(NamedTuple):
    """right: share of the digits of sequences that it never saw; whole: share of sequences."""

    length: int
    way: str
    network: Network
    right: float
    whole: float


def show(lengths: Sequence[float], steps: int, seed: int) -> Demonstration:
    """Attention: a sequence of digits is written backwards, from one vector of it or from all of its positions.

    What one vector holds does not grow with the sequence; what attention sees does. The digits that are right by
    length, what each costs, and where the decoder looks while it writes.
    """
    for each in lengths:
        if each not in range(2, LONGEST + 1):
            raise ValueError(f"one of lengths is {each:g}; expected whole numbers from 2 to {LONGEST}")
    every = sorted({int(each) for each in lengths})
    found = [learned(length, way, steps, seed) for length in every for way in WAYS]
    by_way = {way: [each for each in found if each.way == way] for way in WAYS}
    last = {way: each[-1] for way, each in by_way.items()}
    looked = looks(last["attention"].network, every[-1], seed)
    return Demonstration(
        title=f"{every[-1]} digits backwards: {last['one vector'].right:.0%} right from one vector, "
        f"{last['attention'].right:.0%} with attention",
        sections=(
            Section(
                "Two networks that differ in one layer",
                (
                    f"Each reads a sequence by a transformer block, and writes by another, one digit after the other; "
                    f"{steps:,} steps of {ROWS} sequences, drawn anew. One decoder sees what stands at the last "
                    f"position that was read, {WIDTH} numbers; the other attends to all positions.",
                    _table(found),
                    _picture(by_way),
                ),
            ),
            Section(
                "Where the second looks",
                (
                    "A row is a digit that it writes, a column one that it has read; the darker, the more. What is to "
                    "be written next lies one place further to the left, which nobody told it.",
                    Drawing(tuple(shaded(row).ljust(every[-1]) for row in looked)),
                ),
            ),
        ),
        numbers={
            "networks": [
                {
                    "length": each.length, "way": each.way, "parameters": each.network.parameter_count,
                    "macs": each.network.cost(1).forward.macs, "right": each.right, "whole": each.whole,
                }
                for each in found
            ],
            "looks": looked.tolist(), "steps": steps, "seed": seed,
        },
    )  # fmt: skip


def network(length: int, one_vector: bool, seed: int) -> Network:
    """Reads `length` digits and writes as many, of rows that hold both."""
    read: list[Any] = [TransformerBlock(HEADS, causal=False), *([Slice(-1)] if one_vector else [])]
    both = EncoderDecoder(length, read, [TransformerBlock(HEADS, cross=True)])
    begin: list[Any] = [Embedding(DIGITS + 1, WIDTH, 0.02), PositionEmbedding(2 * length)]
    return Network(2 * length, [*begin, both, LayerNorm(), Dense(DIGITS)], seed=seed)


def sequences(rng: np.random.Generator, rows: int, length: int) -> tuple[Array, Array]:
    """Digits, then what begins the writing and all of it but the last; and what is written: the digits backwards."""
    read = rng.integers(0, DIGITS, (rows, length))
    written = read[:, ::-1]
    begin = np.full((rows, 1), BEGIN)
    return np.hstack([read, begin, written[:, :-1]]), np.ascontiguousarray(written)


def learned(length: int, way: str, steps: int, seed: int) -> Learned:
    net, rng = network(length, WAYS[way], seed), np.random.default_rng(seed)
    trainer: Any = net.trainer(Adam(RATE, schedule=Cosine(steps)), batch=ROWS)
    for _ in range(steps):
        trainer.step(*sequences(rng, ROWS, length))
    x, y = sequences(rng, TESTED, length)
    right = written_by(net, x, length) == y
    return Learned(length, way, net, float(right.mean()), float(right.all(axis=1).mean()))


def written_by(net: Network, x: Array, length: int) -> Array:
    """What it writes by itself: each digit follows from those that it wrote."""
    x = x.copy()
    x[:, length + 1 :] = 0
    for at in range(length - 1):
        x[:, length + 1 + at] = net.predict(x)[:, at]
    return net.predict(x)


def looks(net: Network, length: int, seed: int) -> NDArray[np.float64]:
    """(written, read): shares of the attention to what was read, the mean of the heads, of one sequence."""
    x, _ = sequences(np.random.default_rng(seed), 1, length)
    found = {name: each[0].astype(np.float64) for name, each in values(net, x).items()}
    (name,) = (name.removesuffix(".q") for name in found if name.endswith(".q"))
    q, kv = found[f"{name}.q"], found[f"{name}.kv"]
    q, k = (each[:, :WIDTH].reshape(len(each), HEADS, -1) for each in (q, kv))
    return np.asarray(shares(q, k, np.ones((len(q), len(k)), bool)).mean(axis=0))


def _table(found: Sequence[Learned]) -> Table:
    return Table(
        columns=("digits", "it sees", "parameters", "multiply-adds a sequence", "digits right", "sequences right"),
        rows=tuple(
            (
                str(each.length), each.way, f"{each.network.parameter_count:,}",
                f"{each.network.cost(1).forward.macs:,}", f"{each.right:.1%}", f"{each.whole:.1%}",
            )
            for each in found
        ),
    )  # fmt: skip


def _picture(by_way: dict[str, list[Learned]]) -> Picture:
    series = [
        Series(
            name=way, kind="linked", colour=colour, x=tuple(float(each.length) for each in found),
            y=tuple(100 * each.right for each in found),
        )
        for colour, (way, found) in enumerate(by_way.items())
    ]  # fmt: skip
    return Picture(
        family="attention", title="Digits right, of 100, by length", x=Axis(title="digits", plain=True),
        y=Axis(title="digits right, %", plain=True), series=tuple(series),
    )  # fmt: skip
