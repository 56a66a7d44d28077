"""Some channels of rows, and sums of some: x (..., C), y (..., J)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..example import Example, bare

Array = npt.NDArray[Any]


def sums(p: Mapping[str, Array], x: Array, channels: Sequence[int]) -> Array:
    """Channel of y after channel."""
    parts = [x[..., [to == c for to in channels]].sum(axis=-1) for c in range(max(channels) + 1)]
    y: Array = np.stack(parts, axis=-1) + p["bias"]
    return y


EXAMPLES = (
    Example(
        lambda of: of.Channels([2, 0, 2, 3]),
        lambda p, x: x[..., [2, 0, 2, 3]],
        [lambda p, x: x[..., [0, 2, 2, 3]], lambda p, x: np.take(x, [2, 0, 2, 2], -1)],
        ((4,), (3, 5), (2, 3, 4)),
    ),
    Example(
        lambda of: of.ChannelSums([1, 0, 1, 2]),
        lambda p, x: sums(p, x, [1, 0, 1, 2]),
        # As if they were those that come; the last of each; no bias.
        [
            lambda p, x: x[..., [1, 0, 1]] + p["bias"],
            lambda p, x: x[..., [1, 2, 3]] + p["bias"],
            lambda p, x: sums(bare(p), x, [1, 0, 1, 2]),
        ],
        ((4,), (3, 4), (2, 3, 4)),
    ),
)
