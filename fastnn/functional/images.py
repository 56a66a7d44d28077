"""Convolution of images as a function."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.edge.checks import as_contiguous, as_numeric, dtype_of
from fastnn.kernels.convolution.border import place_in_border
from fastnn.kernels.convolution.forward import convolution_forward
from fastnn.layers.convolution import Conv2d
from fastnn.layers.images.sides import Pair


def conv2d(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, *, stride: int | Pair = 1,
    padding: int | Pair | str = 0, dilation: int | Pair = 1, groups: int = 1,
) -> NDArray[Any]:  # fmt: skip
    """Windows of x times weight, and bias: x (B, H, W, C), weight (KH, KW, C / groups, O), bias (O,); (B, P, Q, O).

    stride, padding, dilation, groups: of fastnn.Conv2d. Computed in float64 where an array is, else in float32.
    ValueError, TypeError: shapes that do not fit.
    """
    images, w = as_numeric(x, "x"), as_numeric(weight, "weight")
    b = np.zeros(0, images.dtype) if bias is None else as_numeric(bias, "bias")
    if images.ndim != 4 or w.ndim != 4:
        raise ValueError(
            f"x and weight have shapes {images.shape} and {w.shape}; expected (B, H, W, C), (KH, KW, D, O)"
        )
    layer = Conv2d(w.shape[3], w.shape[:2], stride, padding, bias is not None, dilation=dilation, groups=groups)
    shape = images.shape[1:]
    y_shape = layer.output_shape(shape)
    if layer.parameters(shape)["weight"].shape != w.shape or b.shape not in ((w.shape[3],), (0,)):
        expected = layer.parameters(shape)["weight"].shape
        raise ValueError(f"weight and bias have shapes {w.shape} and {b.shape}; expected {expected} and {w.shape[3:]}")
    dtype = dtype_of(images, w, b)
    arrays = [as_contiguous(array, dtype).reshape(-1) for array in (images, w, b)]
    of, padded = layer.sizes(len(images), shape), arrays[0]
    if (of.height, of.width) != shape[:2]:
        padded = np.empty(of.images * of.height * of.width * of.channels, dtype)
        place_in_border(
            padded, arrays[0], of.images, (of.height, of.width), shape[:2], layer.begins(shape), of.channels
        )
    y = np.empty((len(images), *y_shape), dtype)
    convolution_forward(y.reshape(-1), padded, *arrays[1:], of)
    return y
