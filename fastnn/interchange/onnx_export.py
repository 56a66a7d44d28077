"""Networks as ONNX models: Gemm or MatMul for each Dense, the standard operators for activations."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any

import numpy as np

from fastnn.atomic import write_atomically
from fastnn.checks import FLOAT32
from fastnn.interchange.chain import layers_among
from fastnn.interchange.extra import imported
from fastnn.layers import Activation, Dense, Dropout, Layer, LayerNorm
from fastnn.losses import BinaryCrossEntropyWithLogits, CrossEntropy, Loss
from fastnn.network import Network

# The first opset with Gelu, and the file format of its time: runtimes since 2023 read them.
OPSET, IR_VERSION = 20, 9
# The layers that ONNX has operators for in that opset.
OPERATORS = Dense, Activation, Dropout, LayerNorm
# What protobuf can write: larger models keep their weights in files beside them.
MOST_BYTES = 2**31 - 2**20


def to_onnx(network: Network, path: str | PathLike[str], *, probabilities: bool = False) -> None:
    """Write the network as an ONNX model, atomically: "input" (batch, inputs) to "output" (batch, outputs).

    The batch may be of any size. probabilities: end in what predict_proba gives, a Softmax or a Sigmoid, for networks
    trained on logits. Weights are kept to the bit, alpha as float32. ONNX Runtime (1.32) runs float64 models with
    identity, step, sigmoid, tanh, relu, silu and, to 3e-8, gelu_tanh; for the others it has no float64 code.

    Dropout is left out, as nothing is trained there. Raises ValueError for RMSNorm and Residual, for rows of several
    positions, where there are no probabilities, where a float64 network has an alpha that float32 cannot keep, or above
    2 GiB; ModuleNotFoundError without onnx.
    """
    if len(network.input_shape) > 1:
        raise ValueError(f"the network takes rows of shape {network.input_shape}; expected (inputs,)")
    onnx = imported("onnx")
    last = _probabilities(network.loss_function) if probabilities else None
    if network.parameter_count * network.dtype.itemsize > MOST_BYTES:
        raise ValueError(f"the network has {network.parameter_count:,} parameters; an ONNX file holds at most 2 GiB")
    graph = _Graph(onnx, network.dtype)
    for index, layer in enumerate(layers_among(network, OPERATORS)):
        if not isinstance(layer, Dropout):
            _require_alpha(layer, index, network.dtype)
            graph.layer(network, layer, index)
    if not graph.nodes:
        graph.node("Identity", name="identity")
    if last:
        graph.node(last, name=last.lower())
    model = graph.model(network)
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString())


def shortest(alpha: float) -> float:
    """The number that a float32 attribute stands for: 0.01, where the nearest float32 is 0.00999999977648..."""
    return float(str(np.float32(alpha)))


def _require_alpha(layer: Layer, index: int, dtype: np.dtype[Any]) -> None:
    if layer.alpha is not None and dtype != FLOAT32 and shortest(layer.alpha) != layer.alpha:
        raise ValueError(
            f"layer {index} has alpha {layer.alpha!r}, which ONNX keeps as float32; round it to {shortest(layer.alpha)}"
        )


def _probabilities(loss: Loss) -> str:
    if isinstance(loss, CrossEntropy):
        return "Softmax"
    if isinstance(loss, BinaryCrossEntropyWithLogits):
        return "Sigmoid"
    raise ValueError(f"a network trained on {loss.name} gives no probabilities; leave them out")


class _Graph:
    """Nodes in a row; `end` is the tensor that the next one takes."""

    def __init__(self, onnx: Any, dtype: np.dtype[Any]) -> None:
        self.onnx, self.dtype = onnx, dtype
        self.kind = onnx.helper.np_dtype_to_tensor_dtype(dtype)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.end = "input"

    def node(self, op: str, *more: str, name: str, inputs: tuple[str, ...] = (), **attributes: Any) -> None:
        """inputs: in place of the end and `more`."""
        taken = inputs or (self.end, *more)
        self.nodes.append(self.onnx.helper.make_node(op, taken, [name], name=name, **attributes))
        self.end = name

    def constant(self, name: str, values: Any) -> str:
        array = np.ascontiguousarray(values, self.dtype).reshape(np.shape(values))
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def layer(self, network: Network, layer: Layer, index: int) -> None:
        if isinstance(layer, Dense):
            names = [f"{index}.{name}" for name in layer.parameters((1,))]
            constants = [self.constant(name, network.named_parameters[name]) for name in names]
            self.node("Gemm" if layer.bias else "MatMul", *constants, name=f"{index}.dense")
        elif isinstance(layer, LayerNorm):
            constants = [self.constant(f"{index}.{name}", network.named_parameters[f"{index}.{name}"])
                         for name in ("weight", "bias")]  # fmt: skip
            self.node("LayerNormalization", *constants, name=f"{index}.norm", axis=-1, epsilon=layer.epsilon)
        if isinstance(layer, Activation) or layer.activation != "identity":
            ACTIVATIONS[layer.activation](self, f"{index}.{layer.activation}", layer.alpha)

    def model(self, network: Network) -> Any:
        helper = self.onnx.helper
        self.nodes[-1].output[0] = "output"
        x = helper.make_tensor_value_info("input", self.kind, ["batch", network.inputs])
        y = helper.make_tensor_value_info("output", self.kind, ["batch", network.outputs])
        graph = helper.make_graph(self.nodes, "fastnn", [x], [y], self.constants)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, producer_name="fastnn", opset_imports=[opset], ir_version=IR_VERSION)


def _operator(op: str, **attributes: Any) -> Callable[[_Graph, str, float | None], None]:
    return lambda graph, name, alpha: graph.node(op, name=name, **attributes)


def _operator_of_alpha(op: str) -> Callable[[_Graph, str, float | None], None]:
    return lambda graph, name, alpha: graph.node(op, name=name, alpha=alpha)


def _write_silu(graph: _Graph, name: str, alpha: float | None) -> None:
    z = graph.end
    graph.node("Sigmoid", name=f"{name}.sigmoid")
    graph.node("Mul", name=name, inputs=(z, graph.end))


def _write_step(graph: _Graph, name: str, alpha: float | None) -> None:
    graph.node("GreaterOrEqual", graph.constant(f"{name}.zero", 0.0), name=f"{name}.greater_or_equal")
    graph.node("Cast", name=name, to=graph.kind)


ACTIVATIONS: dict[str, Callable[[_Graph, str, float | None], None]] = {
    "identity": _operator("Identity"),
    "step": _write_step,
    "sigmoid": _operator("Sigmoid"),
    "tanh": _operator("Tanh"),
    "relu": _operator("Relu"),
    "leaky_relu": _operator_of_alpha("LeakyRelu"),
    "elu": _operator_of_alpha("Elu"),
    "gelu": _operator("Gelu"),
    "gelu_tanh": _operator("Gelu", approximate="tanh"),
    "silu": _write_silu,
    "softplus": _operator("Softplus"),
}
