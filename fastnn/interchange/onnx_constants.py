"""ONNX operators on constants, as exporters make shapes and states of zeros by them; see onnx_operators.py.

A shape is an array of whole numbers, with None for the number of rows, which a file leaves open.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.interchange.onnx_walk import Node

Array = NDArray[Any]
# Numbers of a constant that is made: tables and states are less, and a malicious file could ask for any number.
MOST_NUMBERS = 2**26


def axes_of(node: Node) -> list[int]:
    """An attribute once, an input since opset 13."""
    given = node.optional(1) if len(node.names) > 1 else node.attributes.get("axes", ())
    return [int(axis) for axis in (() if given is None else given)]


def _require_few(*shape: int) -> None:
    if prod(shape) > MOST_NUMBERS:
        raise ValueError(f"it makes a constant of the shape {shape}; expected at most {MOST_NUMBERS:,} numbers")


def _gather(node: Node) -> Array:
    (values, indices), axis = node.inputs, node.attributes.get("axis", 0)
    _require_few(indices.size, values.size // max(values.shape[axis], 1))
    return np.asarray(np.take(values, indices.astype(np.int64), axis=axis))


def _concat(node: Node) -> Array:
    _require_few(sum(values.size for values in node.inputs))
    return np.concatenate(node.inputs, axis=node.attributes["axis"])


def _product(node: Node) -> Array:
    _require_few(*np.broadcast_shapes(*(values.shape for values in node.inputs)))
    return np.asarray(node.inputs[0] * node.inputs[1])


def sliced(node: Node) -> list[tuple[int, slice]]:
    """Of each axis that it takes a part of, which."""
    if len(node.inputs) == 1:  # before opset 10
        starts, ends = (node.attributes[name] for name in ("starts", "ends"))
        axes, steps = node.attributes.get("axes", range(len(starts))), [1] * len(starts)
    else:
        starts, ends = node.inputs[1:3]
        axes = node.inputs[3] if len(node.inputs) > 3 and node.names[3] else range(len(starts))
        steps = node.inputs[4] if len(node.inputs) > 4 else [1] * len(starts)
    parts = zip(axes, starts, ends, steps, strict=True)
    return [(int(axis), slice(int(start), int(end), int(step))) for axis, start, end, step in parts]


def _slice(node: Node) -> Array:
    values = node.inputs[0]
    taken = [slice(None)] * values.ndim
    for axis, part in sliced(node):
        taken[axis] = part
    return np.asarray(values[tuple(taken)])


def _sized(values: Array, shape: Array) -> Array:
    """Broadcast, with one row where their number is open."""
    wanted = np.broadcast_shapes(values.shape, tuple(1 if size is None else int(size) for size in shape))
    _require_few(*wanted)
    return np.broadcast_to(values, wanted)


def _constant_of_shape(node: Node) -> Array:
    value = node.attributes.get("value", np.zeros(1, np.float32))
    return _sized(value.reshape(()), node.inputs[0])


def _squeeze(node: Node) -> Array:
    return np.asarray(np.squeeze(node.inputs[0], tuple(axes_of(node)) or None))


def _reshape(node: Node) -> Array:
    return np.asarray(node.inputs[0].reshape(tuple(node.inputs[1].tolist())))


FOLDED: dict[str, Callable[[Node], Array]] = {
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Unsqueeze": lambda node: np.expand_dims(node.inputs[0], tuple(axes_of(node))),
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Expand": lambda node: _sized(*node.inputs),
    "ConstantOfShape": _constant_of_shape,
}
# Of whole numbers alone, as shapes are; a product of weights is no layer.
OF_SHAPES: dict[str, Callable[[Node], Array]] = {
    "Mul": _product,
    "Cast": lambda node: node.inputs[0],
}
WHOLE_NUMBERS = {6, 7}


def folded(node: Node) -> Array | None:
    """What an operator makes of constants; None where it is none of these, or takes data."""
    given = [value for value, name in zip(node.inputs, node.names, strict=True) if name]
    if not given or not all(isinstance(value, np.ndarray) for value in given):
        return None
    whole = given[0].dtype.kind in "iO" and node.attributes.get("to", 7) in WHOLE_NUMBERS
    operator = (FOLDED | OF_SHAPES if whole else FOLDED).get(node.op)
    return None if operator is None else operator(node)
