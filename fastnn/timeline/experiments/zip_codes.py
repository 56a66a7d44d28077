"""1989: LeCun's network, weight by weight, on digits of 16 x 16 pixels; and as many weights without windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import data
from fastnn.demo.display.demonstration import Table
from fastnn.layers import Dense, Flatten, ScaledTanh
from fastnn.learning.optimizers import SGD
from fastnn.networks.lecun import SPREAD, LeCun1989
from fastnn.networks.network import Network
from fastnn.timeline.experiments.found import Comparison, Run
from fastnn.timeline.experiments.starts import work_of
from fastnn.timeline.papers.milestones import printed

SIDE, LEARNED, RATE = 16, 4_000, 0.03
# Of the dense network, which has about as many weights: 256-36-10.
HIDDEN = 36
# Units of the network, each with a bias, which the paper counts as a connection.
BIASED = 12 * 8 * 8 + 12 * 4 * 4 + 30 + 10


def run(starts: int = 3) -> Run:
    passes = int(printed("1989", "passes"))
    made = {"windows": lambda seed: LeCun1989(seed=seed), "dense": dense}
    digits = data.mnist()
    errors = {name: [error(make(seed), seed, passes) for seed in range(starts)] for name, make in made.items()}
    means = {name: np.mean(values, axis=0) for name, values in errors.items()}
    windows, plain = LeCun1989(), dense(0)
    return Run(
        title=f"After {passes} passes {means['windows'][1]:.1%} of held-out digits are wrong, {means['dense'][1]:.1%} "
        "by as many weights without windows",
        comparisons=(
            Comparison(
                what="parameters", ours=windows.parameter_count, published=printed("1989", "parameters"), low=9760,
                high=9760,
            ),
            Comparison(
                what="connections, biases counted", ours=windows.cost(1).forward.macs + BIASED,
                published=printed("1989", "connections"), low=64_000, high=65_000,
            ),
            Comparison(
                what="held-out digits wrong", ours=float(means["windows"][1]), published=printed("1989", "test error"),
                low=0.02, high=0.08, percent=True, note="other digits: see below",
            ),
            Comparison(
                what="errors divided by those of a dense network", high=0.9,
                ours=float(means["windows"][1] / means["dense"][1]), note=f"{plain.parameter_count:,} parameters",
            ),
        ),
        blocks=(
            f"The zip codes are not public. These are {digits.description}, shrunk to {SIDE} x {SIDE}: {LEARNED:,} to "
            f"learn from, where the paper had 7,291, the others held out; {starts} starts, one digit a step, plain "
            "descent, where the paper had a kind of Newton's method.",
            Table(
                columns=("network", "parameters", "multiply-adds", "wrong of those learned", "wrong of those held out"),
                rows=tuple(
                    (
                        name, f"{net.parameter_count:,}", f"{net.cost(1).forward.macs:,}",
                        *(f"{value:.2%}" for value in means[name])
                    )
                    for name, net in (("windows", windows), ("dense", plain))
                ),
            ),
        ),
        sample=f"{starts} starts",
        work=work_of(windows, passes * LEARNED, 1),
        numbers={"errors": {name: np.array(values).tolist() for name, values in errors.items()}},
    )  # fmt: skip


def dense(seed: int) -> Network:
    squashed = ScaledTanh()
    layers: list[Any] = [Flatten(), Dense(HIDDEN, initializer=SPREAD), squashed]
    layers += [Dense(10, initializer=SPREAD), squashed]
    return Network((SIDE, SIDE, 1), layers, loss="mse", seed=seed)


def shrunk(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 784) to (N, 16, 16, 1) between -1 and 1: each pixel the mean of the part of the image that it covers."""
    side = int(images.shape[1] ** 0.5)
    edges = np.arange(SIDE + 1) * side / SIDE
    pixels = np.arange(side)
    covers = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    covers = covers.clip(0, 1)
    covers /= covers.sum(axis=1, keepdims=True)
    small = covers @ images.reshape(-1, side, side) @ covers.T
    return np.asarray(2 * small - 1, np.float32)[..., None]


def error(network: Network, seed: int, passes: int) -> tuple[float, float]:
    """Shares that are wrong of those that it learned from, and of those held out."""
    digits = data.mnist()
    order = np.random.default_rng(seed).permutation(len(digits.x))
    x, y = shrunk(digits.x[order]), digits.y[order]
    targets = np.where(np.arange(10) == y[:, None], 1.0, -1.0).astype(np.float32)
    trainer = network.trainer(SGD(RATE), batch=1)
    held, rng = trainer.hold(x[:LEARNED], targets[:LEARNED]), np.random.default_rng(seed)
    for _ in range(passes):
        trainer.epoch(held, rng.permutation(LEARNED))
    wrong = network(x).argmax(axis=1) != y
    return float(wrong[:LEARNED].mean()), float(wrong[LEARNED:].mean())
