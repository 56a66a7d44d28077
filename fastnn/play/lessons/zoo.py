"""Four kinds of network of one size, on the same digits: what each is good at, has, does, and takes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from fastnn import data
from fastnn.demo.convnets import as_rows, convolutions
from fastnn.demo.digits import split_rows
from fastnn.layers import GRU, Dense, Flatten, LayerNorm, PositionEmbedding, Slice, TransformerBlock
from fastnn.networks.network import Network
from fastnn.play.lessons.timed import seconds_of_a_step
from fastnn.play.lessons.trained import RATE, SEED, optimizer_choice, optimizer_of
from fastnn.play.session.fields import Choice, Settings
from fastnn.play.session.lesson import Lesson
from fastnn.play.session.measured import PAUSE, Measured
from fastnn.play.session.run import Run

SIDE, CLASSES, BATCH = 28, 10, 32
WIDEST = 1024


def _feed_forward(width: int, **how: Any) -> Network:
    return Network(SIDE * SIDE, [Dense(width, "relu"), Dense(CLASSES)], **how)


def _convolutional(width: int, **how: Any) -> Network:
    """width: filters of the first layer."""
    return Network((SIDE, SIDE, 1), [*convolutions(SIDE, width), Flatten(), Dense(CLASSES)], **how)


def _recurrent(width: int, **how: Any) -> Network:
    return Network((SIDE, SIDE), [GRU(width, return_sequences=False), Dense(CLASSES)], **how)


def _transformer(width: int, **how: Any) -> Network:
    """Of four heads, whose width is a multiple of theirs."""
    blocks: list[Any] = [TransformerBlock(4, causal=False) for _ in range(2)]
    end: list[Any] = [LayerNorm(), Slice(-1), Flatten(), Dense(CLASSES)]
    return Network((SIDE, SIDE), [Dense(4 * width), PositionEmbedding(SIDE), *blocks, *end], **how)


KINDS: dict[str, Callable[..., Network]] = {
    "feed-forward": _feed_forward, "convolutional": _convolutional, "recurrent": _recurrent,
    "transformer": _transformer,
}  # fmt: skip
# What it is, what it is good at, what it is not, and which of them fastnn has by name.
ABOUT = {
    "feed-forward": (
        "all numbers of the image at once, each by weights of its own", "tables, and whatever has no order",
        "it does not know that pixels are neighbours, and grows with its input", "mlp",
    ),
    "convolutional": (
        "a small window, by the same weights everywhere", "images: it finds everywhere what it has learned anywhere",
        "it sees what is far apart only after many layers", "LeNet5, SimpleChainsLeNet, KerasConvNet, ResNet, AlexNet",
    ),
    "recurrent": (
        "one row after the other, with a memory (a GRU)", "sequences of any length, a step at a time, in little memory",
        "its steps wait for one another, however large the machine, and it forgets", "RNN, LSTM, GRU, CharRNN",
    ),
    "transformer": (
        "all rows from each row (two blocks of four heads)", "language: all of a sequence at once, however far apart",
        "its attention grows with the square of the length, and it wants many examples",
        "GPT, TransformerBlock, EncoderDecoder",
    ),
}  # fmt: skip
SIZES = {"5,000": 5_000, "20,000": 20_000, "80,000": 80_000}
FIELDS = {
    "kind": Choice(label="Which one learns", default="convolutional", options=tuple(KINDS)),
    "size": Choice(label="Parameters, about", default="20,000", options=tuple(SIZES)),
    "optimizer": optimizer_choice("adam"),
    "rate": replace(RATE, default=0.003),
    "seed": SEED,
}


@cache
def width_of(kind: str, size: int) -> int:
    """With which it has as nearly as possible so many parameters."""

    def parameters(width: int) -> int:
        return KINDS[kind](width, initialize=False).parameter_count

    first = 1 + bisect_left(range(1, WIDEST), size, key=parameters)
    return min((max(1, first - 1), first), key=lambda width: abs(parameters(width) - size))


def network_of(kind: str, settings: Settings) -> Network:
    return KINDS[kind](width_of(kind, SIZES[settings["size"]]), seed=settings["seed"])


def texts() -> dict[str, Any]:
    return {"about": ABOUT, "batch": BATCH, "counted": "of digits held out"}


def answer(settings: Settings) -> dict[str, Any]:
    """Of each, as built: counts, and what a step took just now."""
    return {"kinds": {kind: _counted(network_of(kind, settings)) for kind in KINDS}}


def _counted(network: Network) -> dict[str, Any]:
    cost = network.cost(BATCH)
    return {
        "parameters": network.parameter_count, "macs": network.cost(1).forward.macs, "step_flops": cost.total.flops,
        "seconds": seconds_of_a_step(network, BATCH),
    }  # fmt: skip


def begin(settings: Settings) -> Measured:
    digits = data.mnist()
    split = split_rows(len(digits.x), settings["seed"])
    network = network_of(settings["kind"], settings)
    x, test = (as_rows(network, digits.x[rows]) for rows in (split.train, split.test))
    run = Run(network, x, digits.y[split.train], optimizer_of(settings), BATCH, settings["seed"])
    about = {"kind": settings["kind"]}
    return Measured(run, (test, digits.y[split.test]), settings["optimizer"], pause=PAUSE, about=about)


def adjust(measured: Measured, settings: Settings) -> None:
    measured.run.set_rate(settings["rate"])


LESSON = Lesson(
    fields=FIELDS, texts=texts, answer=answer, begin=begin, adjust=adjust, adjusts=frozenset({"rate"}),
    answers_to=frozenset({"size"}),
)  # fmt: skip
