"""ONNX operators on each channel of rows, or on each of their numbers, which have a constant for it; see
onnx_operators.py. Channels may stand first or last there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.interchange.onnx_constants import sliced
from fastnn.interchange.onnx_walk import End, Node, Walk
from fastnn.layers import Channels, ChannelSums, Scale, UnitBias

Array = NDArray[Any]


def _constant(walk: Walk, node: Node) -> Array | None:
    """The one constant, of more than a number, or of one for the one channel; without axes of 1 before the others. The
    data is settled then."""
    given = [index for index, value in enumerate(node.inputs) if isinstance(value, np.ndarray)]
    if len(given) != 1 or len(node.inputs) != 2:
        return None
    values = node.constant(given[0])
    if values.ndim == 0 or (values.size == 1 and walk.chain.width != 1):
        return None
    walk.settle(node.names[1 - given[0]])
    while values.ndim > 1 and values.shape[0] == 1:
        values = values[0]
    return values


def _of_channels(walk: Walk, values: Array) -> tuple[Array, bool] | None:
    """Where a constant has a number for each channel, these, and whether channels come first there."""
    shape, first = walk.chain.shape, walk.chain.axes.channels_first
    if shape is None or (walk.order and not walk.features_last):
        return None
    if values.shape == (shape[-1],) and not (first and len(shape) > 1):
        return values, False
    around = len(shape) - 1
    if not around or walk.order or first is False or values.shape != (values.size, *around * (1,)):
        return None
    if values.size != (shape[-1] if first else shape[0]):
        return None
    if first is None:
        walk.chain.turn()
    return values.reshape(-1), True


def _of_numbers(walk: Walk, values: Array) -> tuple[Array, bool] | None:
    """The same of each number of a row."""
    shape, first = walk.chain.shape, bool(walk.chain.axes.channels_first)
    if shape is None or walk.order:
        return None
    values = np.moveaxis(values, 0, -1) if first and values.ndim > 1 else values
    return (values, first) if values.shape == shape else None


def scaled(walk: Walk, node: Node) -> End | None:
    """A product with a number for each channel; None where it is another product."""
    values = _constant(walk, node)
    if values is None:
        return None
    found = _of_channels(walk, values)
    if found is None:
        raise ValueError(f"it multiplies by a constant of shape {values.shape}; expected one number for each channel")
    weight, first = found
    walk.chain.layer(Scale(), {"weight": weight}, channelwise=first)
    return walk.grown()


def added(walk: Walk, node: Node) -> End | None:
    """A sum with a number for each channel, or for each number of a row; None where it is another sum."""
    values = _constant(walk, node)
    if values is None:
        return None
    found = _of_channels(walk, values)
    if found is not None and (walk.chain.add_to_channels(found[0]) or walk.chain.add_bias(found[0])):
        return walk.grown()
    whole = _of_numbers(walk, values)
    if whole is not None:
        walk.chain.layer(UnitBias(), {"bias": whole[0]}, channelwise=whole[1])
    elif found is not None:
        walk.chain.layer(Scale(), {"weight": np.ones_like(found[0]), "bias": found[0]}, channelwise=found[1])
    else:
        width = walk.chain.width
        raise ValueError(f"it adds a constant of shape {values.shape}; expected a bias ({width},), or one for a row")
    return walk.grown()


def channels(walk: Walk, taken: Array) -> End:
    """Those channels of the end, in that order; numbers below 0 count from the last."""
    shape, axes = walk.chain.shape, walk.chain.axes
    if shape is None or axes.order is not None:
        raise ValueError("it takes features of a row whose shape is not known, or of images that were flattened")
    numbers = np.arange(shape[-1])[taken]
    walk.chain.layer(Channels(tuple(numbers.tolist())), channelwise=bool(axes.channels_first))
    return walk.grown()


def channels_sliced(walk: Walk, node: Node) -> End:
    """Every so many channels from one on."""
    walk.settle(node.names[0])
    (axis, part), *others = sliced(node)
    if others or not walk.is_of_features(axis):
        raise ValueError(f"it takes a part of axis {axis}; expected one of the features, or channels, alone")
    assert walk.chain.width is not None
    return channels(walk, np.arange(walk.chain.width)[part])


def summed(walk: Walk, node: Node) -> End | None:
    """A product that adds up each channel to one of fewer, a number for each, which is no weight; None of another."""
    weight, shape = node.constant(1), walk.chain.shape
    if weight.ndim != 2 or shape is None or weight.shape[0] != shape[-1] or weight.shape[0] <= weight.shape[1]:
        return None
    one_each = np.isin(weight, (0, 1)).all() and (weight.sum(axis=1) == 1).all() and weight.any(axis=0).all()
    if not one_each or not walk.features_last or walk.chain.axes.order is not None:
        return None
    walk.settle(node.names[0])
    walk.chain.layer(ChannelSums(tuple(weight.argmax(axis=1).tolist())))
    return walk.grown()
