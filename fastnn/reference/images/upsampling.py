"""Images made larger by whole factors: x (B, H, W, C), y (B, F H, G W, C)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..example import Example

Array = npt.NDArray[Any]
Pair = tuple[int, int]
IMAGES = ((2, 3, 4), (4, 4, 2))


def nearest(x: Array, factors: Pair) -> Array:
    return x.repeat(factors[0], axis=1).repeat(factors[1], axis=2)


def _shares(side: int, factor: int, shift: float = 0.5) -> Array:
    """(F side, side): what each place has of each pixel, by the distance of their centres, of those within a pixel."""
    places = (np.arange(factor * side) + shift) / factor - shift
    places = np.clip(places, 0, side - 1)
    shares: Array = np.maximum(1 - abs(places[:, None] - np.arange(side)), 0)
    return shares


def bilinear(x: Array, factors: Pair, shift: float = 0.5) -> Array:
    down, across = (_shares(side, factor, shift) for side, factor in zip(x.shape[1:3], factors, strict=True))
    y: Array = np.einsum("ph,qw,bhwc->bpqc", down, across, x)
    return y


EXAMPLES = (
    Example(
        lambda of: of.Upsample2d(2),
        lambda p, x: nearest(x, (2, 2)),
        # The image as tiles.
        [lambda p, x: np.tile(x, (1, 2, 2, 1))],
        IMAGES,
    ),
    Example(
        lambda of: of.Upsample2d((1, 3)),
        lambda p, x: nearest(x, (1, 3)),
        [lambda p, x: np.roll(nearest(x, (1, 3)), 1, axis=2)],
        ((2, 3, 4), (3, 2, 2)),
    ),
    Example(
        lambda of: of.Upsample2d((3, 2), "bilinear"),
        lambda p, x: bilinear(x, (3, 2)),
        # Between corners in place of centres; the nearest.
        [lambda p, x: bilinear(x, (3, 2), 0.0), lambda p, x: nearest(x, (3, 2))],
        ((2, 3, 4), (3, 2, 1), (4, 4, 2)),
    ),
    Example(lambda of: of.Upsample2d((1, 4), "bilinear"), lambda p, x: bilinear(x, (1, 4)), shapes=((1, 3, 5),)),
)
