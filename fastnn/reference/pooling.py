"""Max and average pooling of images, and flattening.

B images, C channels: x (B, H, W, C), y (B, P, Q, C), dx and dy of their shapes. window, stride, padding: pairs, down
and across. Window (p, q) begins at pixel p * stride - padding; what lies outside of the image is not there.
"""

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from .example import Example

Array = npt.NDArray[Any]
Pair = tuple[int, int]


def _places(side: int, window: int, stride: int, padding: int) -> list[slice]:
    """What each window along a side has of it."""
    begins = range(-padding, side + padding - window + 1, stride)
    return [slice(max(begin, 0), min(begin + window, side)) for begin in begins]


def _windows(x: Array, window: Pair, stride: Pair, padding: Pair) -> Iterator[tuple[int, int, slice, slice]]:
    """p, q, and the rows and columns of pixels of each window."""
    down, across = (_places(*side) for side in zip(x.shape[1:3], window, stride, padding, strict=True))
    return ((p, q, rows, columns) for p, rows in enumerate(down) for q, columns in enumerate(across))


def _pixels(block: Array) -> list[Array]:
    """Of a window (B, h, w, C), row by row: (B, C) each."""
    return [block[:, row, column] for row in range(block.shape[1]) for column in range(block.shape[2])]


def _assembled(values: Mapping[tuple[int, int], Array]) -> Array:
    down, across = (last + 1 for last in max(values))
    return np.stack([np.stack([values[p, q] for q in range(across)], axis=1) for p in range(down)], axis=1)


def max_pool2d(x: Array, window: Pair, stride: Pair, padding: Pair = (0, 0)) -> Array:
    """The largest of each window."""
    parts = _windows(x, window, stride, padding)
    return _assembled({(p, q): reduce(np.maximum, _pixels(x[:, rows, columns])) for p, q, rows, columns in parts})


def max_pool2d_backward(dy: Array, x: Array, window: Pair, stride: Pair, padding: Pair = (0, 0)) -> Array:
    """To the first of a window that is its largest."""
    dx = np.zeros_like(x)
    for p, q, rows, columns in _windows(x, window, stride, padding):
        block = x[:, rows, columns]
        images, _, width, channels = block.shape
        winners = np.argmax(block.reshape(images, -1, channels), axis=1)
        for b, c in np.ndindex(images, channels):
            down, across = divmod(int(winners[b, c]), width)
            dx[b, rows.start + down, columns.start + across, c] += dy[b, p, q, c]
    return dx


def avg_pool2d(x: Array, window: Pair, stride: Pair, padding: Pair = (0, 0), count_padding: bool = True) -> Array:
    """The mean of each window, over all its pixels or those inside."""
    means = {}
    for p, q, rows, columns in _windows(x, window, stride, padding):
        pixels = _pixels(x[:, rows, columns])
        means[p, q] = reduce(np.add, pixels) / (window[0] * window[1] if count_padding else len(pixels))
    return _assembled(means)


def avg_pool2d_backward(
    dy: Array, shape: tuple[int, ...], window: Pair, stride: Pair, padding: Pair = (0, 0), count_padding: bool = True
) -> Array:  # fmt: skip
    """shape: of x."""
    dx = np.zeros(shape, dy.dtype)
    for p, q, rows, columns in _windows(dx, window, stride, padding):
        block = dx[:, rows, columns]
        pixels = window[0] * window[1] if count_padding else block.shape[1] * block.shape[2]
        for row, column in np.ndindex(block.shape[1:3]):
            block[:, row, column] += dy[:, p, q] / pixels
    return dx


IMAGES = ((5, 6, 3), (4, 7, 1))
EXAMPLES = (
    Example(
        lambda of: of.MaxPool2d(2),
        lambda p, x: max_pool2d(x, (2, 2), (2, 2)),
        [lambda p, x: avg_pool2d(x, (2, 2), (2, 2)), lambda p, x: max_pool2d(x, (2, 2), (1, 1))],
        IMAGES,
    ),
    Example(
        lambda of: of.MaxPool2d((3, 2), stride=(1, 2), padding=(1, 0)),
        lambda p, x: max_pool2d(x, (3, 2), (1, 2), (1, 0)),
        # With zeros outside.
        [lambda p, x: max_pool2d(np.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0))), (3, 2), (1, 2))],
        IMAGES,
    ),
    Example(
        lambda of: of.AvgPool2d(3, stride=2, padding=1),
        lambda p, x: avg_pool2d(x, (3, 3), (2, 2), (1, 1)),
        [lambda p, x: avg_pool2d(x, (3, 3), (2, 2), (1, 1), count_padding=False)],
        IMAGES,
    ),
    Example(
        lambda of: of.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        lambda p, x: avg_pool2d(x, (3, 3), (2, 2), (1, 1), count_padding=False),
        [lambda p, x: avg_pool2d(x, (3, 3), (2, 2), (1, 1))],
        IMAGES,
    ),
    Example(
        lambda of: of.MaxPool1d(3, stride=2, padding=1),
        lambda p, x: max_pool2d(x[:, None], (1, 3), (1, 2), (0, 1))[:, 0],
        [lambda p, x: avg_pool2d(x[:, None], (1, 3), (1, 2), (0, 1))[:, 0]],
        ((7, 3),),
    ),
    Example(
        lambda of: of.AvgPool1d(2, count_include_pad=False, padding=1),
        lambda p, x: avg_pool2d(x[:, None], (1, 2), (1, 2), (0, 1), count_padding=False)[:, 0],
        [lambda p, x: avg_pool2d(x[:, None], (1, 2), (1, 2), (0, 1))[:, 0]],
        ((6, 3),),
    ),
    Example(
        lambda of: of.GlobalAvgPool2d(),
        lambda p, x: x.mean(axis=(1, 2), keepdims=True),
        [lambda p, x: x.max(axis=(1, 2), keepdims=True)],
        IMAGES,
    ),
    Example(
        lambda of: of.Flatten(),
        lambda p, x: x.reshape(len(x), -1),
        # Channels first.
        [lambda p, x: np.moveaxis(x, -1, 1).reshape(len(x), -1)],
        ((3, 2, 4),),
    ),
)
