"""Recurrent layers in ONNX: what runtimes compute of them, and what exporters write around them, both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import numpy as np
import numpy.typing as npt
import pytest
from example_networks import normal, one_by_one

from fastnn import (
    GRU,
    LSTM,
    RNN,
    Concatenate,
    Conv1d,
    Dense,
    Embedding,
    FileError,
    Flatten,
    LayerNorm,
    Masking,
    Network,
    Residual,
    SelfAttention,
    Shared,
    Slice,
    from_onnx,
    to_onnx,
)

onnx: Any = needs.package("onnx")
helper: Any = onnx.helper

Array = npt.NDArray[Any]
CELLS: dict[str, Any] = {
    "tanh": lambda **settings: RNN(4, **settings),
    "relu": lambda **settings: RNN(4, activation="relu", **settings),
    "lstm": lambda **settings: LSTM(4, **settings),
    "gru": lambda **settings: GRU(4, **settings),
    "gru_before": lambda **settings: GRU(4, reset_after=False, **settings),
}
WAYS: list[dict[str, Any]] = [
    {},
    {"bias": False, "return_sequences": False},
    {"layers": 2, "bidirectional": True, "dropout": 0.3},
    {"layers": 3, "bidirectional": True, "return_sequences": False},
    {"bidirectional": True, "bias": False},
]


def drawn(net: Network) -> Network:
    """Biases and weights that are not those they begin with, each another."""
    rng = np.random.default_rng(1)
    for values in net.named_parameters.values():
        values += rng.normal(0, 0.3, values.shape)
    return net


def run(path: Path, x: Array) -> Array:
    """By ONNX Runtime, and where it has no code for float64, by ONNX's own implementation."""
    if x.dtype == np.float64:
        from onnx.reference import ReferenceEvaluator

        return np.asarray(ReferenceEvaluator(str(path)).run(None, {"input": x})[0])
    runtime: Any = needs.package("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["output"], {"input": x})[0])


# To ONNX and back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_random_networks_are_computed_and_come_back_to_the_bit(
    cell: str, way: dict[str, Any], dtype: str, tmp_path: Path
) -> None:
    layer = CELLS[cell](**way)
    net = drawn(Network((5, 3), [layer, Dense(2)], dtype=dtype, seed=0))
    to_onnx(net, tmp_path / "net.onnx")
    x = normal(6, 15).reshape(6, 5, 3).astype(dtype)
    if (cell, dtype) != ("relu", "float64"):  # which neither has
        close = 2e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(run(tmp_path / "net.onnx", x), net(x), rtol=close, atol=close)
    again = from_onnx(tmp_path / "net.onnx")
    assert again.layers == (*one_by_one(layer), Dense(2))
    assert again(x).tobytes() == net(x).tobytes()
    mine, its = ([values.tobytes() for values in each.named_parameters.values()] for each in (net, again))
    assert mine == its


AROUND: dict[str, tuple[Any, list[Any]]] = {
    "a way around": ((5, 4), [Residual(LayerNorm(), LSTM(4)), GRU(3, return_sequences=False), Dense(2)]),
    "after a convolution": ((9, 2), [Conv1d(4, 3), LSTM(5, bidirectional=True), Flatten(), Dense(2)]),
    "before a convolution": ((9, 2), [GRU(4), Conv1d(3, 2, padding=1), Flatten(), Dense(2)]),
    "between dense layers": ((5, 4), [Dense(6, "relu"), RNN(4), LayerNorm(), Dense(3, "tanh"), RNN(2), Flatten()]),
    "last": ((5, 4), [LSTM(4, bidirectional=True)]),
}  # fmt: skip


@pytest.mark.parametrize(("inputs", "layers"), AROUND.values(), ids=AROUND)
def test_other_layers_stand_around_them(inputs: Any, layers: list[Any], tmp_path: Path) -> None:
    net = drawn(Network(inputs, layers, loss="mse", seed=0))
    to_onnx(net, tmp_path / "net.onnx")
    x = normal(6, net.inputs).reshape(6, *inputs).astype(np.float32)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), net(x), rtol=2e-5, atol=2e-5)
    again = from_onnx(tmp_path / "net.onnx", "mse")
    assert again.layers == net.layers
    assert again(x).tobytes() == net(x).tobytes()


def test_branches_go_and_each_number_stands_there_once(tmp_path: Path) -> None:
    layers = [Concatenate([], LSTM(4)), Dense(4), GRU(4, bidirectional=True), Dense(4)]
    net = drawn(Network((5, 4), layers, loss="mse", seed=0))
    to_onnx(net, tmp_path / "net.onnx")
    x = normal(6, 20).reshape(6, 5, 4).astype(np.float32)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), net(x), rtol=2e-5, atol=2e-5)
    constants = onnx.load(tmp_path / "net.onnx").graph.initializer
    assert sum(np.prod(one.dims, dtype=int) for one in constants if one.data_type == 1) == net.parameter_count


def test_a_product_may_be_shared_and_steps_alone_may_not(tmp_path: Path) -> None:
    net = drawn(Network((5, 4), [GRU(4), Shared("0.ih_l0")], loss="mse", seed=0))
    to_onnx(net, tmp_path / "net.onnx")
    x = normal(6, 20).reshape(6, 5, 4).astype(np.float32)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), net(x), rtol=2e-5, atol=2e-5)
    for layers in ([GRU(4), Dense(12), Shared("0.hh_l0")], [RNN(4), Shared("0.hh_l0")]):
        net = Network((5, 4), layers, loss="mse", seed=0)
        with pytest.raises(ValueError, match="shares the steps of a recurrent layer alone"):
            to_onnx(net, tmp_path / "net.onnx")


def test_the_file_has_the_gates_of_onnx(tmp_path: Path) -> None:
    """i, o, f, c of i, f, g, o; z, r, h of r, z, n; both biases; one node for both directions."""
    for layer, gates in ((LSTM(2, bidirectional=True), [0, 3, 1, 2]), (GRU(2, bidirectional=True), [1, 0, 2])):
        net = drawn(Network((5, 3), [layer], loss="mse", seed=0))
        to_onnx(net, tmp_path / "net.onnx")
        graph = onnx.load(tmp_path / "net.onnx").graph
        constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        (node,) = (node for node in graph.node if node.op_type in ("LSTM", "GRU"))
        w, r, b = (constants[name] for name in node.input[1:])
        for direction, end in enumerate(("_l0", "_l0_reverse")):
            for theirs, ours in enumerate(gates):
                mine, its = slice(2 * ours, 2 * ours + 2), slice(2 * theirs, 2 * theirs + 2)
                views = {name.removeprefix("0."): values for name, values in net.named_parameters.items()}
                assert np.array_equal(w[direction, its], views[f"ih{end}.weight"][:, mine].T)
                assert np.array_equal(r[direction, its], views[f"hh{end}.weight"][:, mine].T)
                first, second = np.split(b[direction], 2)
                assert np.array_equal(first[its], views[f"ih{end}.bias"][mine])
                assert np.array_equal(second[its], views[f"hh{end}.bias"][mine])


# Lengths --------------------------------------------------------------------------------------------------------------


def filled(rows: int, positions: int, filler: int) -> Array:
    """Ids of every length from none to all."""
    x = np.random.default_rng(0).integers(0, 7, (rows, positions))
    for row in range(rows):
        x[row, row % (positions + 1) :] = filler
    return x


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_lengths_go_with_the_ids_and_come_back(cell: str, way: dict[str, Any], tmp_path: Path) -> None:
    layer = CELLS[cell](**way)
    net = drawn(Network((5,), [Masking(2), Embedding(7, 3), layer, Dense(2)], seed=0))
    to_onnx(net, tmp_path / "net.onnx")
    x = filled(12, 5, 2)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), net(x), rtol=2e-5, atol=2e-5)
    again = from_onnx(tmp_path / "net.onnx")
    assert again.layers == (Masking(2), Embedding(7, 3), *one_by_one(layer), Dense(2))
    assert again(x).tobytes() == net(x).tobytes()


def test_lengths_of_a_part_go(tmp_path: Path) -> None:
    layers = [Masking(2), Embedding(7, 3), Slice(1, 4), GRU(4, return_sequences=False)]
    net = drawn(Network((6,), layers, loss="mse", seed=0))
    to_onnx(net, tmp_path / "net.onnx")
    x = filled(12, 6, 2)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), net(x), rtol=2e-5, atol=2e-5)


def test_attention_to_a_part_has_no_words(tmp_path: Path) -> None:
    net = Network((6,), [Masking(2), Embedding(7, 4), SelfAttention(2, causal=False), Dense(2)], seed=0)
    with pytest.raises(ValueError, match="attention to another sequence, or to part of one, has no words"):
        to_onnx(net, tmp_path / "net.onnx")


# What else nodes may say ----------------------------------------------------------------------------------------------

NUMBERS: dict[str, Array] = {
    "w": normal(2, 48).reshape(2, 16, 3).astype("f4"), "r": normal(2, 64, seed=1).reshape(2, 16, 4).astype("f4"),
    "b": normal(2, 32, seed=2).astype("f4"), "p": np.ones((2, 12), "f4"), "no_p": np.zeros((2, 12), "f4"),
    "ones": np.ones((2, 7, 4), "f4"), "zeros": np.zeros((2, 7, 4), "f4"), "two": np.array([2, 0, -1]),
    "all": np.full(7, 5, np.int32), "some": np.full(7, 3, np.int32), "short": np.zeros((2, 30), "f4"),
    "first": np.array(0), "last": np.array(-1), "axis_1": np.array([1]), "flat": np.array([0, -1]),
    "rows": np.array([0, 0, -1]),
    "axis_0": np.array([0]), "axis_2": np.array([2]), "axis_4": np.array([4]), "table": normal(6, 3).astype("f4"),
}  # fmt: skip
NUMBERS["huge"] = np.array([2_000_000_000])
GROWN = [f"c{k}" for k in range(39)]
NUMBERS |= {f"{name}1": np.ascontiguousarray(NUMBERS[name][:1]) for name in "wrb"}


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    names = [["" if name == "-" else name for name in each.split()] for each in (inputs, outputs)]
    return helper.make_node(op, *names, name=f"the {op}", **attributes)


def lstm(inputs: str = "t w r b", outputs: str = "y", **attributes: Any) -> Any:
    both = {"hidden_size": 4, "direction": "bidirectional", **attributes}
    return node("LSTM", inputs, outputs, **{name: value for name, value in both.items() if value is not None})


TIME_FIRST = node("Transpose", "x", "t", perm=[1, 0, 2])


def write(path: Path, nodes: list[Any], dims: Any = ("n", 5, 3), output: str = "y") -> Path:
    used = {name for each in nodes for name in each.input}
    constants = [onnx.numpy_helper.from_array(values, name) for name, values in NUMBERS.items() if name in used]
    x, y = helper.make_tensor_value_info("x", 1, dims), helper.make_tensor_value_info(output, 1, ("rows",))
    graph = helper.make_graph(nodes, "graph", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    return path


ROWS_LAST = node("Transpose", "y", "z", perm=[2, 0, 1, 3])
STATES = [
    node("Transpose", "x", "u", perm=[1, 0, 2]), node("Shape", "u", "s", start=1, end=2),
    node("Concat", "axis_2 s axis_4", "c", axis=0), node("ConstantOfShape", "c", "zero"),
]  # fmt: skip
ONE, LAST = (lstm("t w1 r1 b1", outputs, direction="forward") for outputs in ("y", "- h"))
READ: dict[str, tuple[list[Any], Any, str]] = {
    "Y as it is": ([TIME_FIRST, lstm()], (2, 0, 1, 3), "y"),
    "Y_h as it is": ([TIME_FIRST, lstm(outputs="- h")], (1, 0, 2), "h"),
    "layout 1": ([lstm("x w r b", layout=1)], (0, 1, 2, 3), "y"),
    "Y_h of layout 1": ([lstm("x w r b", "- h", layout=1), node("Flatten", "h", "z")], (0, 1), "z"),
    "as keras2onnx": ([TIME_FIRST, lstm(), ROWS_LAST, node("Reshape", "z rows", "a")], (0, 1, 2), "a"),
    "flattened": ([TIME_FIRST, lstm(), ROWS_LAST, node("Flatten", "z", "f")], (0, 1), "f"),
    "reshaped to rows": ([TIME_FIRST, lstm(), ROWS_LAST, node("Reshape", "z flat", "f")], (0, 1), "f"),
    "defaults said": (
        [TIME_FIRST, lstm(
            "t w r b all zeros zeros no_p", activations=["Sigmoid", "Tanh", "Tanh"] * 2, input_forget=0, layout=0,
        )], (2, 0, 1, 3), "y",
    ),
    "names of activations in other letters": (
        [TIME_FIRST, lstm(activations=["sigmoid", "tanh", "TANH"] * 2)], (2, 0, 1, 3), "y",
    ),
    "an activation": ([TIME_FIRST, lstm(), node("Tanh", "y", "a")], (2, 0, 1, 3), "a"),
    "one direction": ([TIME_FIRST, ONE, node("Squeeze", "y axis_1", "a")], (1, 0, 2), "a"),
    "one direction and rows first": (
        [TIME_FIRST, ONE, node("Squeeze", "y axis_1", "a"), node("Transpose", "a", "z", perm=[1, 0, 2])], (0, 1, 2),
        "z",
    ),
    "the last state of one direction": ([TIME_FIRST, LAST, node("Squeeze", "h axis_0", "a")], (0, 1), "a"),
    "the last position": (
        [TIME_FIRST, ONE, node("Gather", "y last", "a"), node("Squeeze", "a axis_0", "z")], (0, 1), "z",
    ),
    "states of the shape of what is moved twice": ([*STATES, TIME_FIRST, lstm("t w r b - zero")], (2, 0, 1, 3), "y"),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "moved", "output"), READ.values(), ids=READ)
def test_every_way_to_write_it_is_read(nodes: list[Any], moved: Any, output: str, tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    path, x = write(tmp_path / "model.onnx", nodes, output=output), normal(7, 15).reshape(7, 5, 3).astype("f4")
    (right,) = ReferenceEvaluator(str(path)).run(None, {"x": x})
    found = from_onnx(path, "mse")(x)
    np.testing.assert_allclose(found, right.transpose(moved).reshape(found.shape), rtol=2e-6, atol=2e-6)


def test_positions_may_come_first(tmp_path: Path) -> None:
    """Of a model that takes (T, N, I): rows are (T, I) here all the same."""
    from onnx.reference import ReferenceEvaluator

    path = write(tmp_path / "model.onnx", [lstm("x w r b")], (5, "n", 3))
    net, x = from_onnx(path, "mse"), normal(7, 15).reshape(7, 5, 3).astype("f4")
    assert net.input_shape == (5, 3)
    (right,) = ReferenceEvaluator(str(path)).run(None, {"x": x.swapaxes(0, 1)})
    np.testing.assert_allclose(net(x), right.transpose(2, 0, 1, 3).reshape(7, 5, 8), rtol=2e-6, atol=2e-6)


def test_ids_may_be_turned_round(tmp_path: Path) -> None:
    """As where positions come first from then on."""
    from onnx.reference import ReferenceEvaluator

    nodes = [node("Transpose", "x", "i"), node("Gather", "table i", "t"), lstm(), ROWS_LAST]
    path = write(tmp_path / "model.onnx", nodes, ("n", 5), "z")
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    onnx.save(model, path)
    net, x = from_onnx(path, "mse"), np.random.default_rng(0).integers(0, 6, (7, 5))
    (right,) = ReferenceEvaluator(str(path)).run(None, {"x": x})
    np.testing.assert_allclose(net(x), right.reshape(7, 5, 8), rtol=2e-6, atol=2e-6)


BAD: dict[str, tuple[list[Any], str]] = {
    "backwards alone": ([TIME_FIRST, lstm(direction="reverse")], "its direction is 'reverse'; expected 'forward' or"),
    "clipped": ([TIME_FIRST, lstm(clip=3.0)], "its clip is 3.0; expected None"),
    "coupled gates": ([TIME_FIRST, lstm(input_forget=1)], "its input_forget is 1; expected 0"),
    "another activation": (
        [TIME_FIRST, lstm(activations=["Sigmoid", "Tanh", "Relu"] * 2)], "its activations are .'Sigmoid', 'Tanh', 'R",
    ),
    "a slope of an activation": ([TIME_FIRST, lstm(activation_alpha=[0.5])], "its activation_alpha is .0.5"),
    "peepholes": ([TIME_FIRST, lstm("t w r b - - - p")], "its P is given; expected none, or zeros"),
    "a first state": ([TIME_FIRST, lstm("t w r b - ones")], "its initial_h is given; expected none, or zeros"),
    "a first cell": ([TIME_FIRST, lstm("t w r b - - ones")], "its initial_c is given; expected none, or zeros"),
    "a first state that is data": ([TIME_FIRST, lstm("t w r b - t")], "its initial_h is given; expected none"),
    "lengths": ([TIME_FIRST, lstm("t w r b some")], "its sequence_lens are given; expected none, or those up to the l"),
    "a bias of another size": ([TIME_FIRST, lstm("t w r short")], r"its B has the shape \(2, 30\); expected \(2, 32\)"),
    "one direction of two": ([TIME_FIRST, lstm(direction=None)], r"its W has the shape \(2, 16, 3\); expected"),
    "features that do not come": ([TIME_FIRST, lstm("t r r b")], r"its parameters do not fit rows of \(5, 3\)"),
    "weights that are data": ([TIME_FIRST, lstm("t w t b")], "its input t depends on the data; expected a constant"),
    "positions first in layout 1": ([TIME_FIRST, lstm(layout=1)], "its layout is 1, and the axes that come are others"),
    "cells": ([TIME_FIRST, lstm(outputs="- - y")], "its Y_c is taken, the last cell; expected Y or Y_h"),
    "both results": (
        [TIME_FIRST, lstm(outputs="a h"), node("Add", "a h", "y")], "of a layer all of whose states are taken too",
    ),
    "one of both": ([TIME_FIRST, lstm(outputs="- h"), node("Gather", "h first", "y")], "it takes some of the last"),
    "the last position of both": (
        [TIME_FIRST, lstm(outputs="a"), node("Gather", "a last", "y")], "expected a recurrent layer of one direction",
    ),
    "one of both, by data": (
        [TIME_FIRST, lstm(outputs="- h"), node("Gather", "h t", "y")], "its input t depends on the data",
    ),
    "rows by last states": (
        [TIME_FIRST, lstm(outputs="- h"), node("Cast", "h", "i", to=7), node("Gather", "w i", "y")], "node ",
    ),
    "the first position": ([TIME_FIRST, lstm(outputs="a"), node("Gather", "a first", "y")], "expected the last pos"),
    "squeezed directions": (
        [TIME_FIRST, lstm(outputs="a"), node("Squeeze", "a axis_1", "y")], "expected that of the one direction",
    ),
    "directions before positions": (
        [TIME_FIRST, lstm(outputs="a"), node("Transpose", "a", "c", perm=[2, 1, 0, 3]), node("Reshape", "c rows", "y")],
        "it makes the shape",
    ),
    "flattened positions first": ([TIME_FIRST, lstm(outputs="a"), node("Flatten", "a", "y")], "it takes rows; exp"),
    "positions last": ([TIME_FIRST, lstm(outputs="a"), node("Transpose", "a", "y", perm=[1, 2, 3, 0])], "transposed"),
}  # fmt: skip


BAD |= {
    "a constant that grows": (
        [TIME_FIRST, *(node("Concat", 2 * f"{name} ", f"c{k}", axis=0) for k, name in enumerate(["ones", *GROWN])),
         lstm("t w r b - c39")], "expected at most 67,108,864 numbers",
    ),
    "a table that grows": (
        [TIME_FIRST, node("Expand", "last huge", "i"), node("Gather", "w i", "c"), lstm("t w r b - c")],
        "it makes a constant of the shape .2000000000,.; expected at most",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "message"), BAD.values(), ids=BAD)
def test_what_is_no_recurrent_layer_of_fastnns_is_refused(nodes: list[Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", nodes)
    with pytest.raises(FileError, match=message):
        from_onnx(path, "mse")
