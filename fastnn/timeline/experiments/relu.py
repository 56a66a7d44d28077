"""2012: units that rectify against tanh, in a small network of windows, to the same error; and what dropout does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn import data
from fastnn.demo.display.demonstration import Table
from fastnn.layers import Activation, Conv2d, Dense, Dropout, Flatten, MaxPool2d
from fastnn.learning.optimizers import SGD, Momentum
from fastnn.networks.network import Network
from fastnn.timeline.experiments.found import Comparison, Run, Spread
from fastnn.timeline.experiments.starts import work_of
from fastnn.timeline.papers.milestones import printed

KINDS = ("relu", "tanh")
# Each kind is given the rate with which it is fastest, as in the paper.
RATES, BATCH, ERROR = (0.05, 0.1, 0.2, 0.4), 32, 0.25
LEARNED, EVERY, MOST = 1_200, 2, 600
EPOCHS, RATE, MOMENTUM = 20, 0.02, 0.9


def run(starts: int = 8, ladder: int = 3) -> Run:
    steps = {kind: fastest(kind, starts) for kind in KINDS}
    medians = {kind: float(np.median(values)) for kind, values in steps.items()}
    times = medians["tanh"] / medians["relu"]
    shares = {name: _ladder(layers, ladder) for name, layers in LADDER.items()}
    names = list(LADDER)
    return Run(
        title=f"On small digits tanh needs {times:.1f} times the steps of relu to {ERROR:.0%} error, not six",
        comparisons=(
            Comparison(
                what="times as many steps with tanh", ours=times, published=printed("2012", "relu against tanh"),
                low=2, high=10, note="the paper's is of CIFAR-10",
            ),
            Comparison(
                what="held-out errors with windows, divided by those without",
                ours=(1 - shares[names[1]]) / (1 - shares[names[0]]), high=1,
            ),
            Comparison(
                what="held-out errors with relu and dropout, divided by those of dense tanh",
                ours=(1 - shares[names[-1]]) / (1 - shares[names[0]]), high=0.9,
            ),
        ),
        blocks=(
            f"Two layers of windows and a dense one on {LEARNED:,} digits of 8 x 8 pixels, plain descent in batches of "
            f"{BATCH}, each kind at the best of {len(RATES)} rates, until {ERROR:.0%} of what it learns from is wrong.",
            *(
                Spread(
                    what=f"Steps to {ERROR:.0%} with {kind}", unit="steps", values=tuple(values), starts=starts
                )
                for kind, values in steps.items()
            ),
            Table(
                columns=("network", "held-out digits right"),
                rows=tuple((name, f"{share:.2%}") for name, share in shares.items()),
            ),
        ),
        sample=f"{starts} starts a rate; {ladder} of each network of the table",
        work=work_of(_network(LADDER[names[-1]], 0), EPOCHS * LEARNED, BATCH),
        fails=(
            "Six times was measured on CIFAR-10, with four layers of windows; its photographs lie in no package. On "
            f"digits, with two, it is {times:.1f}: this experiment does not repeat the claim."
        ) if times < 5 else "",
        numbers={"steps": steps, "right": shares},
    )  # fmt: skip


def _windows(kind: str, dropout: float = 0.0) -> list[Any]:
    function, dropped = Activation(kind), [Dropout(dropout)] if dropout else []
    images: list[Any] = [Conv2d(16, 3, padding="same"), function, MaxPool2d(2), Conv2d(32, 3, padding="same"), function]
    return [*images, MaxPool2d(2), Flatten(), *dropped, Dense(64, kind), *dropped, Dense(10)]


LADDER: dict[str, Sequence[Any]] = {
    "dense, tanh": [Flatten(), Dense(128, "tanh"), Dense(64, "tanh"), Dense(10)],
    "windows, tanh": _windows("tanh"),
    "windows, relu": _windows("relu"),
    "windows, relu, dropout": _windows("relu", 0.25),
}


def _network(layers: Sequence[Any], seed: int) -> Network:
    return Network((8, 8, 1), list(layers), seed=seed)


def _digits(seed: int) -> tuple[Any, Any, Any, Any]:
    """Images and labels to learn from, and those held out."""
    digits = data.load("digits")
    order = np.random.default_rng(seed).permutation(len(digits.x))
    x, y = digits.x[order].reshape(-1, 8, 8, 1), digits.y[order]
    return x[:LEARNED], y[:LEARNED], x[LEARNED:], y[LEARNED:]


def fastest(kind: str, starts: int) -> list[float]:
    """Steps of each start, at the rate whose median is the smallest."""
    found = [[steps_to(kind, rate, seed) for seed in range(starts)] for rate in RATES]
    return min(found, key=lambda values: float(np.median(values)))


def steps_to(kind: str, rate: float, seed: int) -> float:
    """Steps until ERROR of the digits that it learns from is wrong; MOST where it is not by then."""
    x, y, _, _ = _digits(seed)
    trainer: Any = _network(_windows(kind), seed).trainer(SGD(rate), batch=BATCH)
    held, rng = trainer.hold(x, y), np.random.default_rng(seed)
    for made in range(0, MOST, EVERY):
        if trainer.network.evaluate(held).hits >= (1 - ERROR) * len(x):
            return float(max(made, 1))
        trainer.epoch(held, rng.integers(0, len(x), EVERY * BATCH))
    return float(MOST)


def _ladder(layers: Sequence[Any], starts: int) -> float:
    """Held-out digits that are right, the mean of some starts."""
    return float(np.mean([_right(layers, seed) for seed in range(starts)]))


def _right(layers: Sequence[Any], seed: int) -> float:
    x, y, others, labels = _digits(seed)
    network = _network(layers, seed)
    network.fit(x, y, epochs=EPOCHS, batch=BATCH, optimizer=Momentum(RATE, MOMENTUM), seed=seed)
    return network.accuracy(others, labels)
