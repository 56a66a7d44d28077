"""ONNX operators that move, merge and drop axes of the data: what they leave is the same rows; see onnx_operators.py.

Where the axes of a tensor are others than those of the rows here, as around recurrent layers, its end has their order
in letters: N rows, T positions, D directions, F features, which is (N, T, D F) here; 1 one row, as which some exporters
have sequences that are pooled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.interchange.axes import CHANNELS_FIRST, CHANNELS_LAST
from fastnn.interchange.formula import parts_of
from fastnn.interchange.onnx_constants import axes_of
from fastnn.interchange.onnx_walk import End, Node, Walk
from fastnn.layers import Flatten

# Of rows as they are here, with what is channels first of sequences.
ROWS, POSITIONS, CHANNELS, COLUMNS = "NF", "NTF", "NFT", "FN"
# Channels of images of one row, and of one column.
ONE_SIDE = ("NF1T", "NFT1")


def order_of(walk: Walk, end: End | None = None) -> str:
    """Of the axes at an end of the chain, "" where they have no letters: images, and rows of unknown axes."""
    end = end or walk.end
    if end.order:
        return end.order
    place = walk.chain.place() if end is walk.end else end.place
    if place.shape is None or len(place.shape) == 1:
        return ROWS if place.shape or walk.chain.flat else ""
    return "" if len(place.shape) > 2 else CHANNELS if place.axes.channels_first else POSITIONS


def sizes_of(walk: Walk, end: End | None = None) -> list[int | None]:
    """Of the axes of the tensor at an end of the chain, None for the rows. ValueError where they are not known."""
    end = end or walk.end
    place, order = walk.chain.place() if end is walk.end else end.place, order_of(walk, end)
    if place.shape is None:
        raise ValueError("the shape of a row is not known; expected it in the file")
    *around, channels = place.shape
    if not order:
        return [None, channels, *around] if place.axes.channels_first else [None, *place.shape]
    directions = end.directions if "D" in order else 1
    sizes = {"N": None, "T": place.shape[0], "D": directions, "F": channels // directions, "1": 1}
    return [sizes[axis] for axis in order]


def transpose(walk: Walk, node: Node) -> Any:
    perm = node.attributes.get("perm")
    if isinstance(node.inputs[0], np.ndarray):
        return node.inputs[0].transpose(perm)
    walk.settle(node.names[0])
    before = order_of(walk)
    moved = tuple(perm if perm is not None else range(len(before))[::-1])
    if not before and moved in (CHANNELS_FIRST, CHANNELS_LAST):
        walk.chain.transpose(channels_first=moved == CHANNELS_FIRST)
        return walk.grown()
    if sorted(moved) != [*range(len(before))] or [*moved] == sorted(moved) or before in ONE_SIDE:
        raise ValueError(f"its perm is {perm}; expected [1, 0], or that of images")
    after = "".join(before[axis] for axis in moved)
    if before in (POSITIONS, CHANNELS):
        if after in (POSITIONS, CHANNELS):
            walk.chain.transpose(channels_first=after == CHANNELS)
        elif before == CHANNELS:
            walk.chain.transpose(channels_first=False)
    elif after == CHANNELS:
        walk.chain.transpose(channels_first=True)
    return walk.grown("" if after in (ROWS, POSITIONS, CHANNELS) else after)


def reshape(walk: Walk, node: Node) -> Any:
    """To rows, or of directions to features side by side; to the same axes, too."""
    shape = node.constant(1)
    if isinstance(node.inputs[0], np.ndarray):
        return node.inputs[0].reshape(shape)
    walk.settle(node.names[0])
    before = order_of(walk)
    after = before.replace("DF", "F")
    if before and len(after) == shape.size and (walk.order or len(before) > 2):
        known = dict(zip(before, sizes_of(walk), strict=True))
        _require_sizes(shape, before, after, known | {"F": walk.chain.width})
        return _in_order(walk, after)
    side_by_side(walk)
    if shape.size != 2 or shape[1] not in (-1, walk.chain.numbers) or walk.order:
        raise ValueError(f"it makes the shape {shape}; expected (N, features)")
    if shape[0] == -1 == shape[1]:
        raise ValueError("it makes a shape of two unknown sizes")
    walk.chain.layer(Flatten())
    return walk.grown()


def _require_sizes(shape: NDArray[Any], before: str, after: str, known: dict[str, int | None]) -> None:
    """ValueError where a shape is not that of these axes. 0 keeps the size that stands there before, and -1 is the
    rest; rows may be as many as were exported."""
    rest = [*shape].count(-1)
    for index, (size, axis) in enumerate(zip(shape, after, strict=True)):
        kept = size == 0 and before[index] == axis
        if not (kept or size == -1 or known[axis] is None or size == known[axis]) or rest > 1:
            raise ValueError(f"it makes the shape {shape}; expected directions and features to become one axis")


def side_by_side(walk: Walk) -> None:
    """Directions become features, as they are here anyway."""
    if walk.order:
        _in_order(walk, walk.order.replace("DF", "F"))


def _in_order(walk: Walk, after: str) -> End:
    """The end with its axes in that order, which is that of rows here, or not."""
    return walk.grown("" if after in (ROWS, POSITIONS) else after)


def squeeze(walk: Walk, node: Node) -> End:
    """Of directions, or of rows of images, where there is one."""
    node.tree(0)
    walk.settle(node.names[0])
    order, axes = order_of(walk), axes_of(node)
    dropped = [order[axis] for axis in axes if -len(order) <= axis < len(order)]
    if not walk.order or len(axes) != 1 or not (dropped == ["1"] or (dropped == ["D"] and walk.end.directions == 1)):
        raise ValueError(f"its axes are {axes}; expected that of the one direction of a recurrent layer")
    after = order.replace(dropped[0], "")
    return walk.grown("" if after == CHANNELS else after) if dropped == ["1"] else _in_order(walk, after)


def unsqueeze(walk: Walk, node: Node) -> End:
    """Sequences (N, C, T) as images of one row, or column, for pools."""
    node.tree(0)
    walk.settle(node.names[0])
    if order_of(walk) == POSITIONS and walk.chain.axes.channels_first is None:
        walk.chain.turn()
    axes = [axis % 4 for axis in axes_of(node)]
    if order_of(walk) != CHANNELS or axes not in ([2], [3]):
        raise ValueError(
            f"its axes are {axes_of(node)}; expected 2 or 3, of sequences (N, C, T), which are pooled then"
        )
    return walk.grown(ONE_SIDE[axes[0] - 2])


def of_one_side(
    order: str, settings: dict[str, Any], constants: list[NDArray[Any] | None]
) -> tuple[dict[str, Any], list[NDArray[Any] | None]]:  # fmt: skip
    """An operator on images of one row, or column, as it is on sequences. ValueError where it reads more than that."""
    found, pads, one = dict(settings), [*settings.get("pads", (0, 0, 0, 0))], ONE_SIDE.index(order)
    weights = [np.moveaxis(values, 2 + one, 0) for values in constants if values is not None and values.ndim == 4]
    windows = [settings.get("kernel_shape", (1, 1))[one], *(len(weight) for weight in weights)]
    if {*windows} != {1} or any(pads[one::2]):
        raise ValueError(
            f"its window and pads along an axis of 1 are {windows[-1]} and {pads[one::2]}; expected 1 and 0"
        )
    for name in ("kernel_shape", "strides", "dilations"):
        if name in found:
            found[name] = [found[name][1 - one]]
    return found | {"pads": pads[1 - one :: 2]}, [weight[0] for weight in weights] + constants[len(weights) :]


def shape(walk: Walk, node: Node) -> NDArray[Any]:
    """Whole numbers, with None for that of the rows. It may be asked at any time."""
    if isinstance(node.inputs[0], np.ndarray):
        sizes: list[int | None] = [*node.inputs[0].shape]
    else:
        end = next((part for part in parts_of(node.inputs[0]) if isinstance(part, End)), None)
        if end is None:
            raise ValueError("it asks for the shape of a part of the features; expected that of data as a whole")
        sizes = sizes_of(walk, end)
    of = node.attributes.get
    return np.array(sizes, dtype=object)[of("start", 0) : of("end", len(sizes))]


def last_position(walk: Walk, node: Node) -> End:
    """Of the states of a recurrent layer those of the last position, which are its last."""
    walk.settle(node.names[0])
    order, index = order_of(walk), node.constant(1)
    axis = node.attributes.get("axis", 0) % max(len(order), 1)
    positions = walk.chain.shape[0] if walk.chain.shape else 0
    if index.shape != () or int(index) not in (-1, positions - 1) or order[axis : axis + 1] != "T":
        raise ValueError(f"it takes {index} of axis {axis}; expected the last position of a recurrent layer")
    if walk.fillers and walk.fillers[-1] is not None:
        raise ValueError("it takes the last position, which is not there in sequences that were filled")
    walk.chain.last_state()
    return _in_order(walk, order.replace("T", ""))
