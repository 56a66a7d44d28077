"""Sizes of networks that are drawn."""

from __future__ import annotations

import numpy as np


def size(rng: np.random.Generator, least: int, most: int) -> int:
    """As often of one order of magnitude as of another."""
    return round(float(np.exp(rng.uniform(np.log(least), np.log(most)))))
