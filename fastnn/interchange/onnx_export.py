"""Networks as ONNX models: the operators that layers say they are, the standard ones for activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np

from fastnn.edge.atomic import write_atomically
from fastnn.edge.checks import FLOAT32
from fastnn.graph.forms import Form
from fastnn.graph.graph import Operation
from fastnn.graph.protocol import ANY, IMAGES, axes_of
from fastnn.interchange import onnx_recurrent
from fastnn.interchange.axes import CHANNELS_FIRST, CHANNELS_LAST, SWAPPED, as_there
from fastnn.interchange.chain import kinds_in
from fastnn.interchange.extra import imported
from fastnn.interchange.formula import shortest
from fastnn.kernels.activation import DEFAULT_ALPHA
from fastnn.learning.losses import BinaryCrossEntropyWithLogits, CrossEntropy, Loss
from fastnn.networks.network import Network

# The first opset with Gelu, and the file format of its time: runtimes since 2023 read them.
OPSET, IR_VERSION = 20, 9
# Operators that came later, and the file format of their time.
LATER = {"GroupNormalization": (21, 10), "RMSNormalization": (23, 11), "Attention": (23, 11)}
# What protobuf can write: larger models keep their weights in files beside them.
MOST_BYTES = 2**31 - 2**20


def to_onnx(network: Network, path: str | PathLike[str], *, probabilities: bool = False) -> None:
    """Write the network as an ONNX model, atomically: "input" (batch, inputs) to "output" (batch, outputs), or with
    more axes where rows have more; images are (N, H, W, C) here as there, and ids are int64.

    The batch may be of any size. probabilities: end in what predict_proba gives, a Softmax or a Sigmoid, for networks
    trained on logits. Weights are kept to the bit, alpha as float32. ONNX Runtime (1.32) runs float64 models with
    identity, step, sigmoid, tanh, relu, silu and, to 3e-8, gelu_tanh; for the others, for AvgPool2d and for recurrent
    layers, it has no float64 code.

    Dropout is left out, as nothing is trained there; parameters that layers share stand there once. A recurrent layer
    of several is that many nodes, each of one direction or both, and behind a Masking they are given lengths. Raises
    ValueError for layers that ONNX has no operators for, where there are no probabilities, where a float64 network has
    an alpha or epsilon that float32 cannot keep, or above 2 GiB; ModuleNotFoundError without onnx.
    """
    onnx = imported("onnx")
    last = _probabilities(network.loss_function) if probabilities else None
    if network.parameter_count * network.dtype.itemsize > MOST_BYTES:
        raise ValueError(f"the network has {network.parameter_count:,} parameters; an ONNX file holds at most 2 GiB")
    graph, elsewhere = _Graph(onnx, network.dtype), onnx_recurrent.taken(network.operations)
    for operation in network.operations:
        _require_words(operation)
        for name in ("alpha", "epsilon"):
            _require_kept(getattr(operation.layer, name, None), name, operation.name, network.dtype)
        if operation.name in elsewhere:
            graph.values.append(graph.values[operation.sources[0]])
        else:
            graph.operation(network, operation)
    graph.arrange(channels_first=False, axes=1 + len(network.output_shape))
    if not graph.nodes:
        graph.node("Identity", name="identity")
    if last:
        graph.node(last, name=last.lower())
    model = graph.model(network)
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString())


def _require_words(operation: Operation) -> None:
    if "onnx_names" not in vars(type(operation.layer)):
        names = ", ".join(kind.__name__ for kind in kinds_in("onnx"))
        raise ValueError(f"layer {operation.name} is {operation.layer!r}; this format has words for {names}")


def _require_kept(number: float | None, name: str, layer: str, dtype: np.dtype[Any]) -> None:
    if number is not None and dtype != FLOAT32 and shortest(number) != number:
        raise ValueError(
            f"layer {layer} has {name} {number!r}, which ONNX keeps as float32; round it to {shortest(number)}"
        )


def _probabilities(loss: Loss) -> str:
    if isinstance(loss, CrossEntropy):
        return "Softmax"
    if isinstance(loss, BinaryCrossEntropyWithLogits):
        return "Sigmoid"
    raise ValueError(f"a network trained on {loss.name} gives no probabilities; leave them out")


class _Graph:
    """Nodes in a row; `end` is the tensor that the next one takes, channels_first how an image lies in it.

    values: both, of each value of the network.
    """

    def __init__(self, onnx: Any, dtype: np.dtype[Any]) -> None:
        self.onnx, self.dtype = onnx, dtype
        self.kind = onnx.helper.np_dtype_to_tensor_dtype(dtype)
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.end, self.channels_first = "input", False
        self.values = [(self.end, self.channels_first)]

    def node(
        self, op: str, *more: str, name: str, inputs: Sequence[str] = (), outputs: Sequence[str] = (), **attributes: Any
    ) -> None:
        """inputs: in place of the end and `more`; outputs: in place of the name."""
        taken = inputs or (self.end, *more)
        self.nodes.append(self.onnx.helper.make_node(op, taken, outputs or [name], name=name, **attributes))
        self.end = name

    def constant(self, name: str, values: Any) -> str:
        """int64 and float32 stay what they are."""
        given = np.asarray(values).dtype
        kind = given if given in (np.int64, np.float32) else self.dtype
        array = np.ascontiguousarray(values, kind).reshape(np.shape(values))
        self.constants[name] = self.onnx.numpy_helper.from_array(array, name)
        return name

    def transposed(self, name: str) -> str:
        """A parameter, which others may take as it lies."""
        found = f"{name}.transposed"
        if not any(node.name == found for node in self.nodes):
            self.nodes.append(self.onnx.helper.make_node("Transpose", [name], [found], name=found, perm=(1, 0)))
        return found

    def arrange(self, channels_first: bool, axes: int) -> None:
        """Images, or sequences, of so many axes as the next node takes them."""
        if channels_first == self.channels_first:
            return
        images = CHANNELS_FIRST if channels_first else CHANNELS_LAST
        name, order = f"{self.end}.transposed", SWAPPED if axes == 3 else images
        if any(node.name == name for node in self.nodes):  # for another reader
            self.end = name
        else:
            self.node("Transpose", name=name, perm=order)
        self.channels_first = channels_first

    def operation(self, network: Network, operation: Operation) -> None:
        layer: Any = operation.layer
        if onnx_recurrent.takes(operation):
            pairs = onnx_recurrent.directions_of(network.operations, operation)
            onnx_recurrent.write(self, network.named_parameters, pairs, operation.name)
            self.values.append((self.end, self.channels_first))
            return
        ends = [self._taken(source, operation) for source in operation.sources]
        for form in layer.onnx_forms(*operation.shapes):
            if layer.axes != ANY:
                self.arrange(axes_of(layer, operation.shapes[0]) == IMAGES, 1 + len(operation.shapes[0]))
                ends = [self.end, *ends[1:]]
            ends = self._form(network, operation, form, ends)
        if layer.activation != "identity":
            ACTIVATIONS[layer.activation](self, f"{operation.name}.{layer.activation}", layer.alpha)
        self.values.append((self.end, self.channels_first))

    def _form(self, network: Network, operation: Operation, form: Form, ends: list[str]) -> list[str]:
        """The tensors that it makes of some, the first of which is the end."""
        name, views, whole = f"{operation.name}.{form.name}", network.named_parameters, operation.parameter_names
        if any(node.name == name for node in self.nodes):  # of a layer that is an operator twice
            name += ".again"
        values = (as_there(views[whole[own]]) if form.moved else views[whole[own]] for own in form.parameters)
        more = [self.constant(whole[own], each) for own, each in zip(form.parameters, values, strict=True)]
        more = list(map(self.transposed, more)) if form.transposed else more
        inputs = [*more, *ends] if form.first else [*ends, *more]
        inputs += [self.constant(f"{name}.{own}", values) for own, values in form.constants.items()]
        outputs = [name, *(f"{name}.{number}" for number in range(1, form.outputs))]
        self.node(form.name, name=name, inputs=inputs, outputs=outputs, **form.settings)
        if form.activation != "identity":
            ACTIVATIONS[form.activation](self, f"{name}.{form.activation}", DEFAULT_ALPHA.get(form.activation))
        return [self.end, *outputs[1:]]

    def _taken(self, value: int, operation: Operation) -> str:
        """The tensor of a value, which is then the end; of several, each with its channels last."""
        if len(operation.sources) > 1:
            return self.take(value, axes=1 + len(operation.shapes[operation.sources.index(value)]))
        self.end, self.channels_first = self.values[value]
        return self.end

    def take(self, value: int, axes: int) -> str:
        """The tensor of a value with its channels last, which is then the end."""
        self.end, self.channels_first = self.values[value]
        self.arrange(channels_first=False, axes=axes)
        return self.end

    def model(self, network: Network) -> Any:
        helper = self.onnx.helper
        self.nodes[-1].output[0] = "output"
        ids = self.onnx.TensorProto.INT64 if network.vocabulary else self.kind
        x = helper.make_tensor_value_info("input", ids, ["batch", *network.input_shape])
        y = helper.make_tensor_value_info("output", self.kind, ["batch", *network.output_shape])
        graph = helper.make_graph(self.nodes, "fastnn", [x], [y], [*self.constants.values()])
        asked = (LATER.get(node.op_type, (OPSET, IR_VERSION)) for node in self.nodes)
        version, ir_version = max(asked)
        opset = helper.make_opsetid("", version)
        return helper.make_model(graph, producer_name="fastnn", opset_imports=[opset], ir_version=ir_version)


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
