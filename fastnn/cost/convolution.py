"""Convolutions and pooling over images.

B images, C channels, D of them under a filter, O filters, K L the sides of a window, Y X sides of the input, H W places
of a window along them, s bytes of a number.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastnn.cost.counts import Cost, Formula, evaluate, whole_sizes

# Every filter is a product of D K L terms at each place, plus a bias (Dumoulin & Visin 2016, arXiv 1603.07285).
# Backward the same products once for the weight, and once for the images: of images, filters and places, two are read
# and the third is written.
PRODUCTS = Formula(macs="B·H·W·D·K·L·O", bytes="s·B·C·Y·X + s·D·K·L·O + s·B·H·W·O")
BIAS = Formula(flops_elementwise="B·H·W·O", bytes="s·O")
BIAS_GRADIENT = Formula(flops_elementwise="B·H·W·O - O", bytes="s·O")


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
    letters = {
        "B": batch, "C": channels, "D": channels, "O": filters, "K": window, "L": window, "Y": sides[0], "X": sides[1],
    }  # fmt: skip
    return convolution(letters | {"H": height, "W": width, "s": itemsize}, bias=True)


def convolution_parameters(channels: int, filters: int, window: int) -> int:
    """Of O filters (C, K, K) and their biases."""
    channels, filters, window = whole_sizes(channels=channels, filters=filters, window=window)
    return evaluate("C·K·K·O + O", {"C": channels, "O": filters, "K": window})


def convolution(letters: Mapping[str, int], *, bias: bool) -> Cost:
    """Of a layer with windows of any sides: reads images, filters and biases, writes what comes out. Zeros of a border
    are multiplied, and count. letters: B, C, D, Y, X, H, W, K, L, O and s, see above."""
    return (PRODUCTS + BIAS if bias else PRODUCTS).cost(**letters)


def convolution_backward(letters: Mapping[str, int], *, bias: bool, input_gradient: bool) -> Cost:
    """The gradients of the filters and biases, and of the images where they are wanted."""
    found = (PRODUCTS + BIAS_GRADIENT if bias else PRODUCTS).cost(**letters)
    return found + PRODUCTS.cost(**letters) if input_gradient else found
