"""Recurrent layers as ONNX has them, both ways.

There a direction is W (G H, I), R (G H, H) and B (G H + G H,), of G gates of H units in an order of its own, and
directions lie along a first axis. Data is (T, N, I), all states Y (T, D, N, H), the last ones Y_h (D, N, H).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.graph.forms import Form
from fastnn.graph.graph import Operation
from fastnn.interchange.formula import call
from fastnn.interchange.onnx_axes import order_of, sizes_of
from fastnn.interchange.onnx_walk import End, Node, States, Walk

Array = NDArray[Any]
# Which gate here is theirs: of i, f, g, o their i, o, f, c; of r, z, n their z, r, h.
GATES: Mapping[str, tuple[int, ...]] = {"RNN": (0,), "LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
# Inputs behind X, W, R, B and the lengths: first states, and weights of peepholes.
MORE = {"RNN": ("initial_h",), "GRU": ("initial_h",), "LSTM": ("initial_h", "initial_c", "P")}
SEQUENCE_LENS, INITIAL_H = 4, 5

# To ONNX --------------------------------------------------------------------------------------------------------------


def takes(operation: Operation) -> bool:
    """Whether its node stands for operations that it reads, too."""
    return bool(getattr(operation.layer, "onnx_takes", False))


def directions_of(operations: Sequence[Operation], operation: Operation) -> list[tuple[Operation, Operation]]:
    """Of an operation that takes others: for each direction the one of the inputs' sums, and the one of the steps."""
    steps = [operation] if operation.parameters else [operations[value - 1] for value in operation.sources]
    sums = [operations[each.sources[0] - 1] for each in steps]
    for before, each in zip(sums, steps, strict=True):
        if before.name != each.name.replace(".hh_l", ".ih_l") or before is each:
            raise ValueError(
                f"layer {each.name} shares the steps of a recurrent layer alone; ONNX has words for all of it"
            )
    return list(zip(sums, steps, strict=True))


def taken(operations: Sequence[Operation]) -> set[str]:
    """The names of operations for which another's node stands."""
    found = {
        each.name
        for operation in operations
        if takes(operation)
        for pair in directions_of(operations, operation)
        for each in pair
        if each is not operation
    }
    return found


def write(graph: Any, views: Mapping[str, Array], pairs: Sequence[tuple[Operation, Operation]], name: str) -> None:
    """graph: onnx_export's. pairs: as directions_of gives them. name: of what is written."""
    sums, steps = pairs[0]
    layer: Any = steps.layer
    (form,) = layer.onnx_forms(*steps.shapes)
    count, whole = len(pairs), f"{name}.{form.name}"
    graph.take(sums.sources[0], axes=3)
    graph.node("Transpose", name=f"{whole}.positions", perm=(1, 0, 2))
    inputs = [graph.end, *_constants(graph, views, pairs, GATES[form.name])]
    if len(steps.sources) > 1:
        inputs += [""] * (SEQUENCE_LENS - len(inputs)) + [graph.values[steps.sources[1]][0]]
    settings = dict(form.settings)
    if count > 1:
        settings["direction"] = "bidirectional"
    if "activations" in settings:
        settings["activations"] = count * settings["activations"]
    outputs = ["", whole] if layer.last else [whole]
    graph.node(form.name, name=whole, inputs=inputs, outputs=outputs, **settings)
    graph.node("Transpose", name=f"{whole}.rows", perm=(1, 0, 2) if layer.last else (2, 0, 1, 3))
    around = (0,) if layer.last else (0, 0)
    sizes = graph.constant(f"{whole}.shape", np.array([*around, count * layer.units], np.int64))
    graph.node("Reshape", sizes, name=f"{whole}.features")


def _constants(
    graph: Any, views: Mapping[str, Array], pairs: Sequence[tuple[Operation, Operation]], order: tuple[int, ...]
) -> list[str]:
    """W, R and, where there are biases, B; named by the first parameter in each, as layers may share them."""
    sums, steps = ([pair[index] for pair in pairs] for index in (0, 1))
    found = []
    for letter, each in (("W", sums), ("R", steps)):
        names = [operation.parameter_names["weight"] for operation in each]
        weights = np.stack([_ordered(views[one], order).T for one in names])
        found.append(graph.constant(f"{names[0]}.{letter}", weights))
    if "bias" in sums[0].parameters:
        names = [one.parameter_names["bias"] for pair in pairs for one in pair]
        biases = np.stack([_ordered(views[one], order) for one in names])
        found.append(graph.constant(f"{names[0]}.B", biases.reshape(len(pairs), -1)))
    return found


def _ordered(values: Array, order: Sequence[int]) -> Array:
    """Gates along the last axis in another order."""
    parts = np.split(values, len(order), axis=-1)
    return np.concatenate([parts[gate] for gate in order], axis=-1)


# From ONNX ------------------------------------------------------------------------------------------------------------


def recurrent(walk: Walk, node: Node, kind: Any) -> Any:
    """A layer of one direction or both, all of whose states are read, or the last."""
    if any(node.outputs[2:]) and set(node.outputs[2:]) & walk.wanted:
        raise ValueError("its Y_c is taken, the last cell; expected Y or Y_h")
    w, r, b = node.constant(1), node.constant(2), node.optional(3)
    layer = kind.from_onnx(_form(node))
    _require_shapes(node.op, w, r, b, layer)
    _require_no_states(node)
    _enter(walk, node)
    walk.fillers.append(_filler(walk, node))
    sequences = bool(node.outputs[0]) and node.outputs[0] in walk.wanted
    layer = replace(layer, return_sequences=sequences)
    walk.chain.container(layer, _parameters(node.op, w, r, b))
    return _results(walk, node, sequences, len(w))


def _form(node: Node) -> Form:
    settings: dict[str, Any] = dict(node.attributes)
    settings["direction"] = settings.get("direction", b"forward").decode()
    if "activations" in settings:
        settings["activations"] = [each.decode() for each in settings["activations"]]
    units = node.constant(2).shape[-1]
    return Form(node.op, settings | {"hidden_size": units, "bias": node.optional(3) is not None})


def _require_shapes(op: str, w: Array, r: Array, b: Array | None, layer: Any) -> None:
    units, directions, gates = layer.units, 1 + layer.bidirectional, len(GATES[op])
    right = {
        "W": (directions, gates * units, *w.shape[2:3]), "R": (directions, gates * units, units),
        "B": (directions, 2 * gates * units),
    }  # fmt: skip
    for name, values in zip(right, (w, r, b), strict=True):
        if values is not None and values.shape != right[name]:
            raise ValueError(f"its {name} has the shape {values.shape}; expected {right[name]}")


def _require_no_states(node: Node) -> None:
    for index, name in enumerate(MORE[node.op], INITIAL_H):
        given = index < len(node.names) and node.names[index]
        if given and (not isinstance(node.inputs[index], np.ndarray) or node.inputs[index].any()):
            raise ValueError(f"its {name} is given; expected none, or zeros")


def _filler(walk: Walk, node: Node) -> int | None:
    """What the rows are filled with; None where no lengths are given, or those of all positions."""
    lengths = node.inputs[SEQUENCE_LENS] if len(node.inputs) > SEQUENCE_LENS else None
    if lengths is None:
        return None
    if isinstance(lengths, np.ndarray):
        if (lengths == sizes_of(walk)[order_of(walk).index("T")]).all():
            return None
    elif is_call(lengths, "lengths"):
        _, filler, ids = lengths[2][2]
        if ids is walk.start and filler == int(filler):
            return int(filler)
    raise ValueError("its sequence_lens are given; expected none, or those up to the last id that is no filler")


def filled(walk: Walk, node: Node) -> Any:
    return call("filled", node.tree(0), node.scalar(1))


def places(walk: Walk, node: Node) -> Any:
    """The numbers of positions, 0 where there is a filler."""
    absent, numbers = node.constant(1), node.constant(2)
    if absent.any() or not np.array_equal(numbers.ravel(), np.arange(1, numbers.size + 1)):
        raise ValueError("it chooses between other numbers than those of positions, from 1, and 0")
    if walk.chain.inputs != (numbers.size,):
        raise ValueError(f"it numbers {numbers.size} positions of rows {walk.chain.inputs}; expected all of the input")
    return call("places", node.inputs[0])


def largest(walk: Walk, node: Node) -> Any:
    axes = node.optional(1) if len(node.names) > 1 else node.attributes.get("axes")
    if not is_call(node.inputs[0], "places") or axes is None or [*axes] not in ([1], [-1]):
        raise ValueError("it takes the largest of other numbers than those of positions, which gives lengths")
    return call("lengths", node.inputs[0])


def is_call(tree: Any, function: str) -> bool:
    return isinstance(tree, tuple) and tree[0] == function


def _enter(walk: Walk, node: Node) -> None:
    """Positions come first there, unless its layout says that rows do."""
    node.tree(0)
    walk.settle(node.names[0])
    layout, chain = node.attributes.get("layout", 0), walk.chain
    untouched = not chain.layers and not walk.order and chain.axes.channels_first is None
    if layout == 0 and untouched and len(walk.dims) == 3:
        if not walk.dims[0]:
            raise ValueError("the number of positions is not known; expected it in the file, as the first axis")
        chain.shape = chain.inputs = (walk.dims[0], node.constant(1).shape[-1])
    elif walk.order != ("" if layout else "TNF"):
        first = "rows" if layout else "positions"
        raise ValueError(f"its layout is {layout}, and the axes that come are others; expected {first} to be first")


def _parameters(op: str, w: Array, r: Array, b: Array | None) -> dict[str, Array]:
    order = np.argsort(GATES[op]).tolist()
    found: dict[str, Array] = {}
    for index, suffix in enumerate(("_l0", "_l0_reverse")[: len(w)]):
        found |= {f"{of}{suffix}.weight": _ordered(values[index].T, order) for of, values in (("ih", w), ("hh", r))}
        if b is not None:
            biases = zip(("ih", "hh"), np.split(b[index], 2), strict=True)
            found |= {f"{of}{suffix}.bias": _ordered(bias, order) for of, bias in biases}
    return found


def _results(walk: Walk, node: Node, sequences: bool, directions: int) -> End | States:
    """Y, and Y_h, which are the end of the chain where they are all that is read."""
    layout = node.attributes.get("layout", 0)
    end = walk.grown("NTDF" if layout else "TDNF")
    end.order, end.directions = end.order if sequences else None, directions
    states = States(tuple((end, direction) for direction in range(directions)), "NDF" if layout else "DNF")
    if len(node.outputs) > 1:
        walk.values[node.outputs[1]] = states
    return end if sequences else states


def settled(walk: Walk, states: States) -> End:
    """Last states as the end of the chain: those of all directions of the layer at the end, in order."""
    end = states.slots[0][0]
    if end.order in ("TDNF", "NTDF"):
        raise ValueError("it takes the last states of a layer all of whose states are taken too; expected one of them")
    if [*states.slots] != [(walk.end, direction) for direction in range(end.directions)]:
        raise ValueError("it takes some of the last states, or those of several layers; expected those of the last")
    order = "" if states.order == "NF" else states.order
    if end.order not in (None, order):
        raise ValueError("it takes last states in one order, and another takes them in another")
    end.order = order
    return end


# Of several layers, side by side --------------------------------------------------------------------------------------


def concatenated(walk: Walk, node: Node) -> End | States:
    parts = node.inputs
    if not all(isinstance(part, States) and part.order == parts[0].order for part in parts):
        raise ValueError("it joins other data than last states; expected a chain")
    order, axis = parts[0].order, node.attributes["axis"]
    if axis % len(order) != order.index("D" if "D" in order else "F"):
        raise ValueError(f"it joins states along axis {axis}; expected that of directions, or of features")
    return States(tuple(slot for part in parts for slot in part.slots), order)


def picked(walk: Walk, node: Node) -> States:
    """Some of the slots, by a number, which drops their axis."""
    states, index, axis = node.inputs[0], node.constant(1), node.attributes.get("axis", 0)
    if index.shape != () or states.order[axis] != "D":
        raise ValueError(f"it takes {index} of axis {axis} of last states; expected one of the first axis")
    return States((states.slots[int(index)],), "NF")


def sliced(walk: Walk, node: Node) -> States:
    states = node.inputs[0]
    starts, ends, axes, *steps = (node.constant(index).tolist() for index in range(1, len(node.inputs)))
    if [states.order[axis] for axis in axes] != ["D"] or steps not in ([], [[1]]):
        raise ValueError(f"it takes {starts}:{ends} of axes {axes} of last states; expected some of the first axis")
    return States(states.slots[starts[0] : ends[0]], states.order)


ON_STATES = {"Concat": concatenated, "Gather": picked, "Slice": sliced}
