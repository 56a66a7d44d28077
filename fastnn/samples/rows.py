"""Rows as a network takes them, made of what is kept when a call needs them.

Bytes take a quarter of float32. To make numbers of them costs 0.5 ns a pixel, of 130 that a step of LeNet-5 takes on an
Emerald Rapids.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.learning.held import MadeRows
from fastnn.samples.augmenting import Augmentation
from fastnn.tables import Scaling

# The largest byte, which becomes 1.
LEVELS = 255
# What stands behind the end of a sequence for fastnn.Masking: further from 0 than what is standardised.
FILLER = 2**20


class Rows(MadeRows):
    """Of x (N, *shape), bytes or numbers of `dtype`: bytes from 0 to 1, then each of the last axis scaled; FILLER where
    a number is NaN.

    augmentation: of images, in training alone.
    """

    def __init__(
        self, x: NDArray[Any], scaling: Scaling, dtype: np.dtype[Any], augmentation: Augmentation | None = None
    ) -> None:
        self.shape = len(x), math.prod(x.shape[1:])
        self.dtype = dtype
        self._x, self._scaling, self._augmentation = x, scaling, augmentation
        self._scales = bool(scaling.means.any() or (scaling.scales != 1).any())

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return self._made(self._x[rows])

    def for_steps(self, order: NDArray[np.int64], step: int, batch: int) -> NDArray[Any]:
        x = self._x[order]
        return self._made(x if self._augmentation is None else self._augmentation.of_steps(x, step, batch))

    def _made(self, x: NDArray[Any]) -> NDArray[Any]:
        """A copy."""
        made = x.astype(self.dtype)
        if x.dtype == np.uint8:
            made /= LEVELS
        if self._scales:
            made -= self._scaling.means.astype(self.dtype)
            made /= self._scaling.scales.astype(self.dtype)
        if x.dtype != np.uint8:
            np.copyto(made, FILLER, where=np.isnan(made))
        return made.reshape(len(made), -1)


def scaling_of(x: NDArray[Any]) -> Scaling:
    """Each of the last axis of x (N, ..., F) to mean 0 and deviation 1; bytes count from 0 to 1, NaN does not count."""
    flat = x.reshape(-1, x.shape[-1])
    if x.dtype != np.uint8:
        flat = flat[~np.isnan(flat[:, 0])]
    if not len(flat):
        return Scaling.none(x.shape[-1])
    found = Scaling.of(flat)
    levels = LEVELS if x.dtype == np.uint8 else 1
    constant = flat.min(axis=0) == flat.max(axis=0)  # becomes 0 whatever it is divided by
    return Scaling(found.means / levels, np.where(constant, 1.0, found.scales / levels))
