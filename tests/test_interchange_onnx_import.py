"""ONNX models of others: every way to write a multilayer perceptron, and errors that name the node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import numpy as np
import numpy.typing as npt
import pytest
from example_networks import normal

from fastnn import Activation, Dense, FileError, from_onnx
from fastnn.interchange import formula

onnx: Any = needs.package("onnx")
helper: Any = onnx.helper
Node = tuple[str, list[str], str, dict[str, Any]]
Array = npt.NDArray[Any]

FLOAT, DOUBLE, HALF = 1, 11, 10
X = normal(11, 4, seed=3).astype("f4")
W, V = normal(4, 5, seed=1).astype("f4"), normal(5, 3, seed=2).astype("f4")
B, C = normal(5, seed=4).astype("f4"), normal(3, seed=5).astype("f4")
CONSTANTS: dict[str, Any] = {"w": W, "wt": W.T, "b": B, "brow": B[None], "v": V, "vt": V.T, "c": C}


def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
    taken = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, taken, output.split(), name=f"the {op}", **attributes)


def write(path: Path, nodes: list[Any], dims: Any = ("n", 4), kind: int = FLOAT, opset: int = 20, **more: Any) -> Path:
    """A model of `nodes` from x to y; constants are CONSTANTS and `more`, those of a single number by name."""
    used = {name for item in nodes for name in item.input}
    arrays = {name: np.asarray(values) for name, values in (CONSTANTS | more).items() if name in used}
    dtype = np.dtype({FLOAT: "f4", DOUBLE: "f8", HALF: "f2"}[kind])
    tensors = [
        onnx.numpy_helper.from_array(
            np.ascontiguousarray(values.astype(dtype) if values.dtype.kind == "f" else values).reshape(values.shape),
            name,
        )
        for name, values in arrays.items()
    ]
    x = helper.make_tensor_value_info("x", kind, dims)
    y = helper.make_tensor_value_info("y", kind, ("rows", "columns"))
    graph = helper.make_graph(nodes, "graph", [x], [y], tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("other", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def evaluated(path: Path, x: Array, name: str = "x") -> Array:
    """What ONNX's own reference implementation gives."""
    from onnx.reference import ReferenceEvaluator

    (y,) = ReferenceEvaluator(str(path)).run(None, {name: x})
    return np.asarray(y)


def assert_read(path: Path, x: Array = X, flat: Any = None, **options: Any) -> Any:
    net = from_onnx(path, **options)
    right = evaluated(path, x)
    rows = x.reshape(len(x), -1) if flat is None else flat
    np.testing.assert_allclose(net(rows), right, rtol=2e-6, atol=2e-6)
    return net


# Layers ---------------------------------------------------------------------------------------------------------------

FIRST = node("Gemm", "x w b", "z")
LAYERS: dict[str, list[Any]] = {
    "Gemm": [node("Gemm", "x w b", "y")],
    "transB": [node("Gemm", "x wt b", "y", transB=1)],
    "alpha and beta": [node("Gemm", "x w b", "y", alpha=0.3, beta=-2.0)],
    "no bias": [node("Gemm", "x w", "y")],
    "a bias left out": [node("Gemm", "x w -", "y")],
    "a bias of one row": [node("Gemm", "x w brow", "y")],
    "a bias of one number": [node("Gemm", "x w half", "y")],
    "transA": [node("Transpose", "x", "t"), node("Gemm", "t w b", "y", transA=1)],
    "transposed twice": [
        node("Transpose", "x", "t", perm=[1, 0]), node("Transpose", "t", "s"), node("Gemm", "s w b", "y"),
    ],
    "MatMul": [node("MatMul", "x w", "y")],
    "MatMul and Add": [node("MatMul", "x w", "z"), node("Add", "z b", "y")],
    "Add of MatMul": [node("MatMul", "x w", "z"), node("Add", "brow z", "y")],
    "MatMul of a transposed weight": [node("Transpose", "wt", "u"), node("MatMul", "x u", "y")],
    "two layers": [FIRST, node("MatMul", "z v", "q"), node("Add", "q c", "y")],
    "nothing between": [
        node("Identity", "x", "i"), node("Cast", "i", "j", to=FLOAT), node("Dropout", "j", "k"),
        node("Flatten", "k", "l"), node("Gemm", "l w b", "m"), node("Identity", "m", "y"),
    ],
    "constants as nodes": [
        node("Constant", "", "u", value=onnx.numpy_helper.from_array(W)), node("Identity", "u", "t"),
        node("Constant", "", "p", value_floats=B.tolist()), node("Cast", "p", "q", to=FLOAT),
        node("Gemm", "x t q", "y"),
    ],
    "a reshaped weight": [node("Reshape", "w5 shape", "u"), node("MatMul", "x u", "y")],
}  # fmt: skip
SHAPED = {"half": np.float32(0.5), "w5": W.reshape(5, 4), "shape": np.array([4, 5])}


@pytest.mark.parametrize("nodes", LAYERS.values(), ids=LAYERS)
def test_every_way_to_write_a_layer_is_read(nodes: list[Any], tmp_path: Path) -> None:
    net = assert_read(write(tmp_path / "model.onnx", nodes, **SHAPED))
    assert all(isinstance(layer, Dense) for layer in net.layers)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Flatten", "x", "f")],
        [node("Tanh", "x", "t"), node("Flatten", "t", "f", axis=1)],
        [node("Reshape", "x shape", "f")],
    ],
)
@pytest.mark.parametrize("shape", [(0, -1), (-1, 4), (11, 4)])
def test_an_input_of_more_dimensions_is_flattened(nodes: list[Any], shape: tuple[int, int], tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", [*nodes, node("Gemm", "f w b", "y")], ("n", 2, 2), shape=np.array(shape))
    assert_read(path, X.reshape(11, 2, 2))


def test_an_input_of_unknown_width_takes_that_of_the_weight(tmp_path: Path) -> None:
    for dims in (("n", "m"), (None, None)):
        assert from_onnx(write(tmp_path / "model.onnx", [node("Gemm", "x w b", "y")], dims)).inputs == 4


def test_float64_stays_float64(tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", [node("Gemm", "x w b", "z"), node("Tanh", "z", "y")], kind=DOUBLE)
    net = from_onnx(path)
    np.testing.assert_allclose(net(X.astype("f8")), evaluated(path, X.astype("f8")), rtol=1e-13, atol=1e-14)
    assert net.dtype == np.float64


def test_one_unit_takes_a_bias_of_one_number(tmp_path: Path) -> None:
    for bias in (np.float32(0.5), np.array([0.5], "f4")):
        nodes = [node("MatMul", "x one", "z"), node("Add", "z bias", "y")]
        net = assert_read(write(tmp_path / "model.onnx", nodes, one=W[:, :1], bias=bias), loss="mse")
        assert net.layers == (Dense(1),)


# Activations ----------------------------------------------------------------------------------------------------------

NUMBERS = {
    name: np.float32(value)
    for name, value in {
        "half": 0.5, "one": 1.0, "minus": -1.0, "three": 3.0, "zero": 0.0, "root": 2**0.5, "inverse": 0.5**0.5,
        "slope": 0.25, "cubic": 0.044715, "scale": (2 / np.pi) ** 0.5, "twenty": 20.0,
    }.items()
}  # fmt: skip
ERF = [node("Div", "z root", "d"), node("Erf", "d", "e"), node("Add", "e one", "a")]
ACTIVATIONS: dict[str, tuple[str, list[Any]]] = {
    **{op: (op.lower(), [node(op, "z", "y")]) for op in ("Relu", "Tanh", "Sigmoid", "Softplus", "Gelu")},
    "LeakyRelu": ("leaky_relu", [node("LeakyRelu", "z", "y", alpha=0.3)]),
    "LeakyRelu as it is": ("leaky_relu", [node("LeakyRelu", "z", "y")]),
    "PRelu": ("leaky_relu", [node("PRelu", "z slope", "y")]),
    "Elu": ("elu", [node("Elu", "z", "y", alpha=0.3)]),
    "Elu as it is": ("elu", [node("Elu", "z", "y")]),
    "Gelu by tanh": ("gelu_tanh", [node("Gelu", "z", "y", approximate="tanh")]),
    "silu": ("silu", [node("Sigmoid", "z", "s"), node("Mul", "s z", "y")]),
    "gelu": ("gelu", [*ERF, node("Mul", "z a", "m"), node("Mul", "m half", "y")]),
    "gelu halved first": ("gelu", [node("Mul", "half z", "h"), *ERF, node("Mul", "a h", "y")]),
    "gelu by products": (
        "gelu", [node("Mul", "inverse z", "d"), *ERF[1:], node("Div", "z two", "h"), node("Mul", "h a", "y")],
    ),
    "gelu_tanh": (
        "gelu_tanh", [
            node("Pow", "z three", "p"), node("Mul", "p cubic", "q"), node("Add", "z q", "r"),
            node("Mul", "r scale", "s"), node("Tanh", "s", "t"), node("Sub", "t minus", "u"),
            node("Mul", "half u", "v1"), node("Mul", "z v1", "y"),
        ],
    ),
    "gelu_tanh by products": (
        "gelu_tanh", [
            node("Mul", "z z", "p"), node("Mul", "p cubic", "q"), node("Mul", "q z", "r"), node("Add", "r z", "s"),
            node("Mul", "scale s", "t"), node("Tanh", "t", "u"), node("Add", "one u", "v1"), node("Mul", "z half", "h"),
            node("Mul", "h v1", "y"),
        ],
    ),
    "softplus": ("softplus", [node("Exp", "z", "e"), node("Add", "one e", "a"), node("Log", "a", "y")]),
    "torch's softplus": (
        "softplus", [
            node("Softplus", "z", "s"), node("Greater", "z twenty", "g"), node("Where", "g z s", "y"),
        ],
    ),
    "step": ("step", [node("GreaterOrEqual", "z zero", "g"), node("Cast", "g", "y", to=FLOAT)]),
    "a sign twice": ("relu", [node("Neg", "z", "m"), node("Neg", "m", "n"), node("Relu", "n", "y")]),
}  # fmt: skip


@pytest.mark.parametrize(("activation", "nodes"), ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_an_activation_is_found_in_whatever_nodes_it_is_written(
    activation: str, nodes: list[Any], tmp_path: Path
) -> None:
    net = assert_read(write(tmp_path / "model.onnx", [FIRST, *nodes], two=np.float32(2), **NUMBERS))
    assert [layer.activation for layer in net.layers] == [activation]


def test_activations_of_activations_are_layers_of_their_own(tmp_path: Path) -> None:
    nodes = [FIRST, node("Tanh", "z", "t"), node("Sigmoid", "t", "s"), node("Mul", "t s", "m"), node("Elu", "m", "y")]
    net = assert_read(write(tmp_path / "model.onnx", nodes))
    assert [layer.activation for layer in net.layers] == ["tanh", "silu", "elu"]


def test_swish_is_silu(tmp_path: Path) -> None:
    """Of opset 24, which not every onnx has."""
    if onnx.defs.onnx_opset_version() < 24:
        pytest.skip("needs an onnx of opset 24")
    net = from_onnx(write(tmp_path / "model.onnx", [FIRST, node("Swish", "z", "y")], opset=24))
    assert net.layers[0].activation == "silu"
    with pytest.raises(FileError, match=r"node 'the Swish' \(Swish\): expected alpha 1"):
        from_onnx(write(tmp_path / "model.onnx", [FIRST, node("Swish", "z", "y", alpha=1.7)], opset=24))


# Ends -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attributes", [{}, {"axis": 1}, {"axis": -1}])
@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_a_softmax_at_the_end_is_left_to_the_loss(op: str, attributes: dict[str, int], tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", [FIRST, node(op, "z", "y", **attributes)])
    found = from_onnx(path).predict_proba(X)
    np.testing.assert_allclose(
        found, np.exp(evaluated(path, X)) if op == "LogSoftmax" else evaluated(path, X), atol=1e-6
    )
    with pytest.raises(FileError, match=rf"node 'the {op}' \({op}\) is at the end, and the loss mse"):
        from_onnx(path, "mse")


def test_a_sigmoid_at_the_end_is_left_to_a_loss_on_logits_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", [FIRST, node("Sigmoid", "z", "y")])
    for loss, last in (("binary_cross_entropy", "sigmoid"), ("binary_cross_entropy_with_logits", "identity")):
        net = from_onnx(path, loss)
        assert net.layers[-1].activation == last
        np.testing.assert_allclose(net.predict_proba(X), evaluated(path, X), atol=1e-6)


def test_nodes_that_the_output_does_not_need_are_not_looked_at(tmp_path: Path) -> None:
    nodes = [FIRST, node("Softmax", "z", "y"), node("ArgMax", "y", "label")]
    path = write(tmp_path / "model.onnx", nodes)
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("label", 7, ("rows", 1)))
    onnx.save(model, path)
    np.testing.assert_allclose(from_onnx(path, output="y").predict_proba(X).sum(1), 1, atol=1e-6)
    assert from_onnx(path, output="z").layers == (Dense(5),)
    with pytest.raises(FileError, match="output is None; expected one of the graph's outputs, y, label"):
        from_onnx(path)
    with pytest.raises(FileError, match="output is 'logits'; expected one of"):
        from_onnx(path, output="logits")
    with pytest.raises(FileError, match=r"node 'the ArgMax' \(ArgMax\): no layer of fastnn does what it does"):
        from_onnx(path, output="label")


# Refused --------------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[list[Any], str]] = {
    "another operator": ([FIRST, node("HardSwish", "z", "y")], r"node 'the HardSwish' \(HardSwish\): no layer of"),
    "another domain": ([FIRST, node("Gelu", "z", "y", domain="other")], r"\(Gelu\): no layer of fastnn does"),
    "a way subtracted": ([node("Gemm", "x square b4", "z"), node("Sub", "z x", "y")], r"\(Sub\) ends a formula"),
    "a way around another width": ([FIRST, node("Add", "z x", "y")], r"'the Add' \(Add\): it adds rows"),
    "a branch": ([FIRST, node("MatMul", "x w", "q"), node("Sub", "z q", "y")], r"\(MatMul\): x is taken once more"),
    "two activations multiplied": (
        [FIRST, node("Tanh", "z", "t"), node("Sigmoid", "z", "s"), node("Mul", "t s", "y")], r"\(Mul\) ends a formula",
    ),
    "another gelu": ([FIRST, node("Mul", "z k", "m"), node("Sigmoid", "m", "s"), node("Mul", "z s", "y")], "ends a"),
    "an unknown gelu": ([FIRST, node("Gelu", "z", "y", approximate="sigmoid")], "is b'sigmoid'; expected"),
    "a softmax amid": ([FIRST, node("Softmax", "z", "s"), node("MatMul", "s v", "y")], r"\(Softmax\) ends"),
    "a softmax over rows": ([FIRST, node("Softmax", "z", "y", axis=0)], r"\(Softmax\): expected the last axis"),
    "a weight that is data": ([node("MatMul", "x x", "y")], r"\(MatMul\): its input x depends on the data"),
    "a weight on the left": ([node("MatMul", "square x", "y")], r"\(MatMul\): its input square is a constant"),
    "transA": ([node("Gemm", "x square b4", "y", transA=1)], r"\(Gemm\): it takes no rows"),
    "a transposed output": ([FIRST, node("Transpose", "z", "y")], "the output is transposed; expected rows"),
    "widths": ([FIRST, node("MatMul", "z w", "y")], r"\(MatMul\): the weight takes 4 inputs and 5 features come"),
    "a bias that does not fit": ([node("Gemm", "x w square", "y")], r"adds a constant of shape \(4, 4\)"),
    "a bias a row": ([node("MatMul", "x w", "z"), node("Add", "z column", "y")], r"of shape \(11, 1\)"),
    "a factor a row": ([FIRST, node("Mul", "z column", "y")], r"\(Mul\): it multiplies by a constant of shape"),
    "a bias of weights": ([node("Gemm", "x w b", "z"), node("Add", "z one", "y")], r"\(Add\) ends a formula"),
    "slopes a column": ([FIRST, node("PRelu", "z b", "y")], r"\(PRelu\): its input 1 has shape"),
    "a slope below 0": ([FIRST, node("LeakyRelu", "z", "y", alpha=-0.5)], "alpha is -0.5"),
    "another threshold": ([FIRST, node("GreaterOrEqual", "z k", "g"), node("Cast", "g", "y", to=FLOAT)], "with 0, wh"),
    "a choice": (
        [FIRST, node("Greater", "z k", "g"), node("Tanh", "z", "t"), node("Where", "g z t", "y")], "between other",
    ),
    "a division by data": ([FIRST, node("Div", "one z", "y")], r"\(Div\): its input z depends on the data"),
    "a division by 0": ([FIRST, node("Div", "z zero", "y")], "it divides by 0"),
    "a power": ([FIRST, node("Pow", "z k", "y")], "its exponent is 1.7; expected 2 or 3"),
    "dropout in training": ([FIRST, node("Dropout", "z - true", "y")], "it is in training mode"),
    "the mask of a dropout": (
        [FIRST, node("Dropout", "z", "d mask"), node("Cast", "mask", "y", to=FLOAT)], "its input mask is none",
    ),
    "a cast to whole numbers": ([FIRST, node("Cast", "z", "y", to=7)], "expected a cast to float32 or float64"),
    "another axis": ([node("Flatten", "x", "f", axis=0), node("Gemm", "f w b", "y")], r"\(Flatten\): .*expected"),
    "another shape": ([FIRST, node("Reshape", "z shape", "y")], r"\(Reshape\): it makes the shape \[ 2 -1  4\]"),
    "a shape of unknowns": ([FIRST, node("Reshape", "z unknown", "y")], "two unknown sizes"),
    "another transposition": ([node("Transpose", "x", "t", perm=[0, 1]), node("Gemm", "t w b", "y")], "perm is .0, 1"),
    "a constant of another shape": ([node("Reshape", "w shape", "u"), node("MatMul", "x u", "y")], "cannot reshape"),
    "arithmetic of constants": ([node("Mul", "one k", "m"), node("Gemm", "x w m", "y")], "its inputs are constants"),
    "no data": ([node("Identity", "w", "y")], "the output y does not depend on the input; expected data"),
    "a product of the same doubled": (
        [FIRST] + [node("Mul", f"{'z' if i == 0 else f'm{i}'} " * 2, f"m{i + 1}") for i in range(80)]
        + [node("Identity", "m80", "y")], "ends a formula of more than 64 parts",
    ),
    "a formula of the same doubled": (
        [FIRST] + [
            made for i in range(40)
            for made in (node("Tanh", "z" if i == 0 else f"m{i}", f"t{i}"), node("Add", f"t{i} t{i}", f"m{i + 1}"))
        ] + [node("Identity", "m40", "y")], "ends a formula of more than 64 parts",
    ),
}  # fmt: skip
MORE = {
    "square": np.eye(4, dtype="f4"), "b4": np.zeros(4, "f4"), "k": np.float32(1.7), "row": np.ones(4, "f4"),
    "column": np.ones((11, 1), "f4"), "true": np.array(True), "shape": np.array([2, -1, 4]),
    "unknown": np.array([-1, -1]),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "message"), BAD.values(), ids=BAD)
def test_anything_else_is_refused_by_its_node(nodes: list[Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", nodes, **{**NUMBERS, **MORE})
    with pytest.raises(FileError, match=f"(?s)model.onnx: .*{message}"):
        from_onnx(path)


def test_inputs_that_are_no_rows_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", [node("Gemm", "x w b", "y")], ("n", 2, 4))
    with pytest.raises(FileError, match="it takes no rows .N, features.; expected a Flatten"):
        from_onnx(path)
    model = onnx.load(write(tmp_path / "model.onnx", [FIRST, node("Identity", "z", "y")]))
    model.graph.input.append(helper.make_tensor_value_info("second", FLOAT, ("n", 4)))
    onnx.save(model, path)
    with pytest.raises(FileError, match="the graph has 2 inputs; expected one"):
        from_onnx(path)


def test_a_model_without_weights_has_the_numbers_of_its_input(tmp_path: Path) -> None:
    """Its dtype, and how many in a row; a model without layers is the identity."""
    for op, layer in (("Tanh", "tanh"), ("Identity", "identity"), ("Flatten", "identity")):
        for kind, dtype in ((FLOAT, np.float32), (DOUBLE, np.float64)):
            net = from_onnx(write(tmp_path / "model.onnx", [node(op, "x", "y")], kind=kind), "mse")
            assert (net.layers, net.inputs, net.dtype) == ((Activation(layer),), 4, dtype)
    for dims, kind, unsaid in (
        (("n", "m"), FLOAT, "the number of inputs and the dtype"),
        (("n", 4), HALF, "the dtype"),
    ):
        path = write(tmp_path / "model.onnx", [node("Tanh", "x", "y")], dims, kind)
        with pytest.raises(FileError, match=f"there is no layer with weights, which would say {unsaid}"):
            from_onnx(path, "mse")


def test_half_precision_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", [node("Gemm", "x w b", "y")], kind=HALF)
    with pytest.raises(FileError, match=r"\(Gemm\): dtype is float16; expected float32 or float64"):
        from_onnx(path)


def test_a_formula_is_found_to_six_digits_of_its_constants() -> None:
    x = object()
    for scale, found in ((2.0**0.5, "gelu"), (2.0**0.5 + 1e-8, "gelu"), (1.4143, None), (1.41, None)):
        tree = formula.product(0.5, x, formula.total(1.0, formula.call("erf", formula.product(1 / scale, x))))
        assert (formula.outermost(tree) or [None])[0] == found
