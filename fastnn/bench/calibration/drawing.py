"""Sizes of networks that are drawn."""

from __future__ import annotations

import math

import numpy as np


def size(rng: np.random.Generator, least: int, most: int) -> int:
    """As often of one order of magnitude as of another."""
    return round(float(np.exp(rng.uniform(np.log(least), np.log(most)))))


def width(rng: np.random.Generator, least: int, most: int) -> int:
    """As people choose them: every other one is a power of two."""
    if rng.random() < 0.5:
        return size(rng, least, most)
    return int(2 ** rng.integers(math.ceil(math.log2(least)), math.floor(math.log2(most)) + 1))
