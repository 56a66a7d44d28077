"""Convolutions and pooling over images.

B images, C channels, O filters, K L the sides of a window, Y X sides of the input, H W places of a window along them, s
bytes of a number.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastnn.cost.counts import Cost, Formula, evaluate, whole_sizes

# Every filter is a product of C K K terms at each place, plus a bias (Dumoulin & Visin 2016, arXiv 1603.07285).
# A window of K L pixels; backward the same products once for the weight, and once for the images.
CONV2D = Formula(macs="B·H·W·C·K·L·O", bytes="s·B·C·Y·X + s·C·K·L·O + s·B·H·W·O")
CONV2D_BIAS = Formula(flops_elementwise="B·H·W·O", bytes="s·O")
CONV2D_WEIGHT = Formula(macs="B·H·W·C·K·L·O", bytes="s·B·C·Y·X + s·C·K·L·O + s·B·H·W·O")
CONV2D_BIAS_GRADIENT = Formula(flops_elementwise="B·H·W·O - O", bytes="s·O")
CONV2D_INPUT = Formula(macs="B·H·W·C·K·L·O", bytes="s·B·C·Y·X + s·C·K·L·O + s·B·H·W·O")
CONVOLUTION = Formula(
    macs="B·H·W·C·K·K·O", flops_elementwise="B·H·W·O", bytes="s·B·C·Y·X + s·C·K·K·O + s·O + s·B·H·W·O"
)


def places(side: int, window: int, stride: int = 1, padding: int = 0) -> int:
    """Places that a window takes along a side. ValueError: it does not fit."""
    if stride < 1 or window < 1 or window > side + 2 * padding:
        raise ValueError(f"a window of {window} with stride {stride} does not fit a side of {side}")
    return (side + 2 * padding - window) // stride + 1


def convolution_forward(
    batch: int, channels: int, filters: int, window: int, sides: tuple[int, int], stride: int = 1, padding: int = 0,
    itemsize: int = 4,
) -> Cost:  # fmt: skip
    """Images (B, C, Y, X) under O filters (C, K, K) with biases: reads images and filters, writes (B, O, H, W)."""
    batch, channels, filters, itemsize = whole_sizes(batch=batch, channels=channels, filters=filters, itemsize=itemsize)
    height, width = (places(side, window, stride, padding) for side in sides)
    return CONVOLUTION.cost(
        B=batch, C=channels, O=filters, K=window, Y=sides[0], X=sides[1], H=height, W=width, s=itemsize
    )


def convolution_parameters(channels: int, filters: int, window: int) -> int:
    """Of O filters (C, K, K) and their biases."""
    channels, filters, window = whole_sizes(channels=channels, filters=filters, window=window)
    return evaluate("C·K·K·O + O", {"C": channels, "O": filters, "K": window})


def convolution(letters: Mapping[str, int], *, bias: bool) -> Cost:
    """Of a layer with windows of any sides: reads images, filters and biases, writes what comes out. Zeros of a border
    are multiplied, and count. letters: B, C, Y, X, H, W, K, L, O and s, see above."""
    return (CONV2D + CONV2D_BIAS if bias else CONV2D).cost(**letters)


def convolution_backward(letters: Mapping[str, int], *, bias: bool, input_gradient: bool) -> Cost:
    """The gradients of the filters and biases, and of the images where they are wanted."""
    found = (CONV2D_WEIGHT + CONV2D_BIAS_GRADIENT if bias else CONV2D_WEIGHT).cost(**letters)
    return found + CONV2D_INPUT.cost(**letters) if input_gradient else found
