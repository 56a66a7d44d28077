"""Convolution of images: a window of x times the weight at each place.

x (B, H, W, C), w (KH, KW, C, O), y (B, P, Q, O). padding: pixels above, below, left and right.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .example import Example

Array = npt.NDArray[Any]
Pair = tuple[int, int]


def conv2d(
    x: Array, w: Array, b: Any = 0.0, stride: Pair = (1, 1), padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1), groups: int = 1,
) -> Array:  # fmt: skip
    """Place by place."""
    x = np.pad(x, ((0, 0), *padding, (0, 0)))
    reach = [(w.shape[axis] - 1) * dilation[axis] + 1 for axis in (0, 1)]
    down, across = ((x.shape[axis + 1] - reach[axis]) // stride[axis] + 1 for axis in (0, 1))
    y: Array = np.zeros((len(x), down, across, w.shape[3]), x.dtype)
    channels, filters = (np.split(np.arange(count), groups) for count in (x.shape[3], w.shape[3]))
    for p, q in np.ndindex(down, across):
        top, left = p * stride[0], q * stride[1]
        window = x[:, top : top + reach[0] : dilation[0], left : left + reach[1] : dilation[1]]
        for seen, made in zip(channels, filters, strict=True):
            y[:, p, q, made] = np.tensordot(window[..., seen], w[..., made], 3)
    y += b
    return y


def layer(
    stride: Pair = (1, 1), padding: tuple[Pair, Pair] = ((0, 0), (0, 0)), dilation: Pair = (1, 1), groups: int = 1
) -> Any:  # fmt: skip
    return lambda p, x: conv2d(x, p["weight"], p.get("bias", 0.0), stride, padding, dilation, groups)


def conv1d(
    p: Mapping[str, Array], x: Array, stride: Pair, padding: int, dilation: int = 1, groups: int = 1
) -> Array:  # fmt: skip
    """Of sequences as images of one row."""
    b = p.get("bias", 0.0)
    return conv2d(x[:, None], p["weight"][None], b, stride, ((0, 0), (padding, padding)), (1, dilation), groups)[:, 0]


def turned(p: Mapping[str, Array], x: Array) -> Array:
    """A true convolution, whose windows are turned round."""
    return conv2d(x, p["weight"][::-1, ::-1], p["bias"])


SAME = ((1, 1), (1, 1))
EXAMPLES = (
    Example(lambda of: of.Conv2d(5, (2, 3)), layer(), [turned], ((5, 6, 3), (2, 3, 1))),
    Example(
        lambda of: of.Conv2d(4, 3, padding=1, bias=False),
        layer(padding=SAME),
        [lambda p, x: conv2d(np.roll(x, 1, axis=1), p["weight"], padding=SAME)],
        ((5, 4, 2),),
    ),
    Example(
        lambda of: of.Conv2d(3, (3, 2), stride=(2, 1), padding=(0, 1)),
        layer((2, 1), ((0, 0), (1, 1))),
        [lambda p, x: layer((2, 1), ((0, 0), (1, 1)))(p, x[:, ::-1])],
        ((7, 5, 2),),
    ),
    Example(
        lambda of: of.Conv2d(2, (3, 1), padding="same"),
        layer(padding=((1, 1), (0, 0))),
        [lambda p, x: conv2d(x, np.swapaxes(p["weight"], 0, 1), p["bias"], padding=((0, 0), (1, 1)))],
        ((5, 4, 3),),
    ),
    Example(
        lambda of: of.Conv2d(3, (2, 3), padding=(1, 2), dilation=(1, 2)),
        layer(padding=((1, 1), (2, 2)), dilation=(1, 2)),
        [layer(padding=SAME)],
        ((5, 6, 2),),
    ),
    Example(
        lambda of: of.Conv2d(6, (3, 2), stride=(3, 2), padding=1, dilation=(2, 3), groups=2),
        layer((3, 2), ((1, 1), (1, 1)), (2, 3), 2),
        [lambda p, x: layer((3, 2), ((1, 1), (1, 1)), (2, 3), 2)(p, x[..., ::-1])],
        ((6, 6, 4),),
    ),
    Example(
        lambda of: of.Conv2d(4, 3, padding=1, groups=4),
        layer(padding=SAME, groups=4),
        [lambda p, x: layer(padding=SAME, groups=4)(p, np.roll(x, 1, axis=3))],
        ((4, 5, 4),),
    ),
    Example(
        lambda of: of.Conv1d(4, 3, stride=2, padding=1),
        lambda p, x: conv1d(p, x, (1, 2), 1),
        [lambda p, x: conv1d({**p, "weight": p["weight"][::-1]}, x, (1, 2), 1)],
        ((7, 3),),
    ),
    Example(
        lambda of: of.Conv1d(4, 2, dilation=2, groups=2, bias=False),
        lambda p, x: conv1d(p, x, (1, 1), 0, 2, 2),
        [lambda p, x: conv1d(p, x[..., ::-1], (1, 1), 0, 2, 2)],
        ((6, 4),),
    ),
)
