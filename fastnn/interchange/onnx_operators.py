"""What each ONNX operator means to a chain of layers. A new one is a function and a row of OPERATORS.

An operator takes the walk and a node, and gives what the node's output is: a constant or a tree, see onnx_walk.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import FLOAT32, FLOAT64
from fastnn.graph.forms import Form
from fastnn.graph.protocol import CHANNELS, FEATURES, FLAT, IMAGES
from fastnn.interchange.axes import as_here
from fastnn.interchange.formula import Tree, call, product, shortest, total
from fastnn.interchange.onnx_attention import (
    add_table,
    attention,
    end_attention,
    gated,
    gather,
    is_pending,
    is_table,
    is_tied,
    split,
    takes_bias,
)
from fastnn.interchange.onnx_axes import (
    COLUMNS,
    ONE_SIDE,
    last_position,
    of_one_side,
    order_of,
    reshape,
    shape,
    side_by_side,
    squeeze,
    transpose,
    unsqueeze,
)
from fastnn.interchange.onnx_channels import added, channels, channels_sliced, scaled, summed
from fastnn.interchange.onnx_constants import axes_of
from fastnn.interchange.onnx_recurrent import filled, is_call, largest, places
from fastnn.interchange.onnx_walk import End, Node, Walk
from fastnn.layers import Flatten, GlobalAvgPool2d

Array = NDArray[Any]
Operator = Callable[[Walk, Node], Any]
# ONNX's numbers of them.
FLOATS = {1: FLOAT32, 11: FLOAT64}

# Layers ---------------------------------------------------------------------------------------------------------------


def _dense(walk: Walk, node: Node, weight: Array, bias: Array | None, columns: bool = False) -> End:
    walk.settle(node.names[0])
    of_positions = node.op == "MatMul" and walk.chain.shape is not None
    fits = walk.order == COLUMNS if columns else not walk.order or (of_positions and walk.features_last)
    if not (walk.chain.flat or of_positions) or not fits:
        raise ValueError("it takes no rows (N, features); expected a Flatten(axis=1) before it, or no Transpose")
    if columns:
        walk.grown("")
    if is_pending(walk.chain):
        end_attention(walk.chain, weight)
        if bias is not None:
            takes_bias(walk.chain, bias)
    elif bias is not None or not is_tied(walk.chain, weight):
        walk.chain.dense(weight, bias)
    return walk.grown()


def _matmul(walk: Walk, node: Node) -> End:
    node.tree(0)
    return summed(walk, node) or _dense(walk, node, node.constant(1), None)


def _gemm(walk: Walk, node: Node) -> End:
    node.tree(0)
    of = node.attributes.get
    weight, bias = node.constant(1), node.optional(2)
    weight = _times(weight.T if of("transB", 0) else weight, of("alpha", 1.0))
    if bias is not None:
        bias = _row(_times(bias, of("beta", 1.0)), weight.shape[-1])
    return _dense(walk, node, weight, bias, columns=bool(of("transA", 0)))


def _times(values: Array, factor: float) -> Array:
    return values if factor == 1.0 else values * values.dtype.type(factor)


def _row(values: Array, width: int) -> Array:
    """A constant that is added to rows, as (width,)."""
    if values.shape[:-1] not in ((), (1,)) or values.size not in (1, width):
        raise ValueError(f"it adds a constant of shape {values.shape}; expected a bias ({width},)")
    return np.broadcast_to(values.reshape(-1), (width,))


def _add(walk: Walk, node: Node) -> Tree:
    """A bias, where it follows a product and has its width, or of other rows; the end of a way around layers; or a term
    of a formula."""
    constants = [value for value in node.inputs if isinstance(value, np.ndarray)]
    trees = [value for value in node.inputs if not isinstance(value, np.ndarray)]
    if len(constants) == 1 and not walk.order and is_table(walk, constants[0]):
        return add_table(walk, node, constants[0])
    if len(constants) == 1 and trees[0] is walk.end and walk.chain.width is not None and walk.features_last:
        (bias,) = constants
        if bias.shape[:-1] in ((), (1,)) and bias.size == walk.chain.width:
            row = bias.reshape(-1)
            if takes_bias(walk.chain, row) or walk.chain.add_bias(row):
                return walk.grown()
    if len(trees) == 2 and (around := walk.around(node.names)) is not None:
        return around
    return added(walk, node) or total(*node.parts())


def read_layer(walk: Walk, node: Node, kind: Any) -> End:
    """What fastnn has a layer for that says so itself. Its parameters are constants, in its order."""
    node.tree(0)
    walk.settle(node.names[0])
    if kind.axes == FLAT:
        side_by_side(walk)
    one_side = walk.order in ONE_SIDE and kind.axes in (IMAGES, CHANNELS)
    of_features = kind.axes == FEATURES and kind.positionwise and walk.features_last
    if walk.order and not (one_side or of_features):
        raise ValueError("it takes rows; expected no Transpose before it")
    constants = [node.optional(index) for index in range(1, len(node.names))]
    settings = {key: _setting(value) for key, value in node.attributes.items()}
    if one_side:
        settings, constants = of_one_side(walk.order, settings, constants)
    shapes = [values.shape for values in constants if values is not None]
    given = {str(index): values for index, values in enumerate(constants, 1) if values is not None}
    form = Form(node.op, settings, shapes=shapes, constants=given, rows=walk.chain.rows(kind.axes))
    layer = kind.from_onnx(form)
    names = layer.parameters((1,)) if constants else ()
    arrays = zip(names, constants, strict=False)
    walk.chain.layer(layer, {key: as_here(values) for key, values in arrays if values is not None})
    return walk.grown()


def _mean(walk: Walk, node: Node) -> End:
    """Of all sides of images, channels first, which is a pool as exporters write it."""
    node.tree(0)
    walk.settle(node.names[0])
    rank = len(order_of(walk)) or 1 + len(walk.chain.shape or ())
    axes = sorted(axis % rank for axis in axes_of(node))
    if rank < 3 or axes != [*range(2, rank)] or walk.order not in ("", *ONE_SIDE):
        raise ValueError(f"it takes the mean along {axes_of(node)}; expected the sides of images (N, C, H, W)")
    layer: Any = GlobalAvgPool2d.from_onnx(Form("GlobalAveragePool", rows=walk.chain.rows(IMAGES)))
    walk.chain.layer(layer)
    if node.attributes.get("keepdims", 1):
        return walk.grown()
    walk.chain.layer(Flatten())
    return walk.grown("")


def _setting(value: Any) -> Any:
    """Of an attribute: text is kept as bytes, real numbers as float32."""
    if isinstance(value, bytes):
        return value.decode()
    return shortest(value) if isinstance(value, float) else value


# Elementwise ----------------------------------------------------------------------------------------------------------


def _function(name: str) -> Operator:
    return lambda walk, node: call(name, node.tree())


def _function_of_alpha(name: str, default: float) -> Operator:
    return lambda walk, node: call(name, node.tree(), shortest(node.attributes.get("alpha", default)))


def _prelu(walk: Walk, node: Node) -> Tree:
    return call("leaky_relu", node.tree(), node.scalar(1))


GELUS = {b"none": "gelu", b"tanh": "gelu_tanh"}


def _gelu(walk: Walk, node: Node) -> Tree:
    kind = node.attributes.get("approximate", b"none")
    if kind not in GELUS:
        raise ValueError(f"its approximation is {kind!r}; expected none or tanh")
    return call(GELUS[kind], node.tree())


def _swish(walk: Walk, node: Node) -> Tree:
    if node.attributes.get("alpha", 1.0) != 1.0:
        raise ValueError("expected alpha 1")
    return call("silu", node.tree())


def _greater_or_equal(walk: Walk, node: Node) -> Tree:
    if node.scalar(1) != 0:
        raise ValueError("expected a comparison with 0, which makes a step")
    return call("step", node.tree())


def _greater(walk: Walk, node: Node) -> Tree:
    return call("above", node.tree(), node.scalar(1))


def _where(walk: Walk, node: Node) -> Tree:
    """torch.onnx's softplus: where(x > threshold, x, softplus(x)), which is softplus from a threshold of 20 on."""
    if is_call(node.inputs[0], "filled"):
        return places(walk, node)
    condition, x, otherwise = node.inputs
    is_softplus = otherwise == ("softplus", None, x) and condition[0::2] == ("above", x) and condition[1] >= 20
    if not is_softplus:
        raise ValueError("it chooses between other values than those of torch's Softplus")
    return otherwise


def _subtract(walk: Walk, node: Node) -> Tree:
    minuend, subtrahend = node.parts()
    return total(minuend, product(-1.0, subtrahend))


def _divide(walk: Walk, node: Node) -> Tree:
    divisor = node.scalar(1)
    if divisor == 0:
        raise ValueError("it divides by 0")
    return product(node.tree(), 1 / divisor)


def _power(walk: Walk, node: Node) -> Tree:
    exponent = node.scalar(1)
    if exponent not in (2, 3):
        raise ValueError(f"its exponent is {exponent:g}; expected 2 or 3")
    return product(*[node.tree()] * int(exponent))


def _softmax(name: str) -> Operator:
    def read(walk: Walk, node: Node) -> Tree:
        if not walk.is_of_features(node.attributes.get("axis", -1)):
            raise ValueError("expected the last axis, or of images the channels")
        return call(name, node.tree())

    return read


# The same numbers -----------------------------------------------------------------------------------------------------


def _same(walk: Walk, node: Node) -> Any:
    return node.inputs[0]


def _cast(walk: Walk, node: Node) -> Any:
    """Between floats, of data: the network has the dtype of its weights."""
    dtype = FLOATS.get(node.attributes["to"])
    if is_call(node.inputs[0], "lengths") and dtype is None:
        return node.inputs[0]
    if dtype is None:
        raise ValueError("expected a cast to float32 or float64")
    return node.inputs[0].astype(dtype) if isinstance(node.inputs[0], np.ndarray) else node.inputs[0]


def _dropout(walk: Walk, node: Node) -> Tree:
    training = node.optional(2)
    if training is not None and training.any():
        raise ValueError("it is in training mode; export the model for inference")
    return node.tree()


def _gather(walk: Walk, node: Node) -> End:
    """Rows of a table; of the data channels, or of positions the last."""
    if isinstance(node.inputs[0], np.ndarray):
        return gather(walk, node)
    walk.settle(node.names[0])
    if node.constant(1).ndim == 1 and walk.is_of_features(node.attributes.get("axis", 0)):
        return channels(walk, node.constant(1))
    return last_position(walk, node)


def _constant(walk: Walk, node: Node) -> Array:
    (value,) = node.attributes.values()
    return np.asarray(value)


OPERATORS: dict[str, Operator] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "Relu": _function("relu"),
    "LeakyRelu": _function_of_alpha("leaky_relu", 0.01),
    "PRelu": _prelu,
    "Elu": _function_of_alpha("elu", 1.0),
    "Tanh": _function("tanh"),
    "Sigmoid": _function("sigmoid"),
    "Gelu": _gelu,
    "Softplus": _function("softplus"),
    "Swish": _swish,
    "Erf": _function("erf"),
    "Exp": _function("exp"),
    "Log": _function("log"),
    "GreaterOrEqual": _greater_or_equal,
    "Mul": lambda walk, node: gated(walk, node) or scaled(walk, node) or product(*node.parts()),
    "Greater": _greater,
    "Where": _where,
    "Sub": _subtract,
    "Div": _divide,
    "Neg": lambda walk, node: product(-1.0, node.tree()),
    "Pow": _power,
    "Softmax": _softmax("softmax"),
    "LogSoftmax": _softmax("log_softmax"),
    "Identity": _same,
    "Cast": _cast,
    "Dropout": _dropout,
    "Reshape": reshape,
    "Transpose": transpose,
    "Constant": _constant,
    "Gather": _gather,
    "Slice": channels_sliced,
    "Equal": filled,
    "ReduceMax": largest,
    "ReduceMean": _mean,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Shape": shape,
    "Split": split,
    "Attention": attention,
}
