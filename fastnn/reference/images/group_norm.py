"""Group norm: x, y (B, ..., C), in groups of channels over all places; w, b (C,)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..example import Example

Array = npt.NDArray[Any]
IMAGES = ((2, 3, 4), (3, 1, 8))


def normal(x: Array, groups: int, epsilon: float = 1e-5) -> Array:
    """Group after group."""
    y = np.empty_like(x)
    for channels in np.split(np.arange(x.shape[-1]), groups):
        for image, part in enumerate(x[..., channels]):
            centre = part - np.sum(part) / part.size
            y[image][..., channels] = centre / np.sqrt(np.sum(centre * centre) / part.size + epsilon)
    return y


def affine(p: Mapping[str, Array], values: Array) -> Array:
    y: Array = values * p["weight"] + p["bias"]
    return y


def _interleaved(x: Array, groups: int) -> Array:
    """With every so many channels in a group."""
    order = np.arange(x.shape[-1]).reshape(-1, groups).T.ravel()
    return normal(x[..., order], groups)[..., np.argsort(order)]


def _place_by_place(x: Array, groups: int) -> Array:
    """With the statistics of each place."""
    rows = x.reshape(-1, 1, x.shape[-1])
    return normal(rows, groups).reshape(x.shape)


EXAMPLES = (
    Example(
        lambda of: of.GroupNorm(2),
        lambda p, x: affine(p, normal(x, 2)),
        [lambda p, x: affine(p, _interleaved(x, 2)), lambda p, x: affine(p, _place_by_place(x, 2))],
        (*IMAGES, (6, 4)),
    ),
    Example(
        lambda of: of.GroupNorm(1, epsilon=0.1, affine=False),
        lambda p, x: normal(x, 1, 0.1),
        [lambda p, x: normal(x, 1), lambda p, x: normal(x, x.shape[-1], 0.1)],
        IMAGES,
    ),
    Example(
        lambda of: of.InstanceNorm2d(),
        lambda p, x: normal(x, x.shape[-1]),
        [lambda p, x: normal(x, 1)],
        ((2, 3, 4), (4, 2, 3)),
    ),
    Example(
        lambda of: of.InstanceNorm2d(affine=True),
        lambda p, x: affine(p, normal(x, x.shape[-1])),
        [lambda p, x: normal(x, x.shape[-1])],
        ((2, 3, 4),),
    ),
)
