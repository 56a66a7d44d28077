"""ONNX models that are chains of layers, read into networks: one walk over the nodes, from the input to the output."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

from fastnn.interchange.chain import Chain, kinds_by_name
from fastnn.interchange.extra import imported
from fastnn.interchange.onnx_attention import require_ended
from fastnn.interchange.onnx_operators import OPERATORS, read_layer
from fastnn.interchange.onnx_walk import Node, Unreadable, Walk
from fastnn.learning.losses import BinaryCrossEntropyWithLogits, CrossEntropy, Loss, as_loss
from fastnn.networks.io import FileError
from fastnn.networks.network import Network


def from_onnx(path: str | PathLike[str], loss: str | Loss = "cross_entropy", *, output: str | None = None) -> Network:
    """The chain of layers that an ONNX file holds, as to_onnx, torch.onnx and others write it, in float32 or float64.

    Read are Gemm, MatMul, Add of a bias or of a way around layers (Residual), Gather of a table's rows (Embedding), Add
    of a table (PositionEmbedding), Split and Attention of queries, keys and values that lie side by side, and a product
    after it (SelfAttention), LayerNormalization, RMSNormalization, GroupNormalization, InstanceNormalization, Resize
    by whole factors, MaxPool, AveragePool, Relu, LeakyRelu, PRelu, Elu,
    Tanh, Sigmoid, Gelu, Softplus, Swish, the nodes that make up silu, gelu, softplus, step and GatedDense, Identity,
    Cast, Dropout (left out, as in inference), Transpose, Flatten, Reshape to rows. Rows that are flattened before any
    layer asks for their axes are taken flat; images, (N, C, H, W) where their pooling comes without a Transpose before
    it, are taken as (N, H, W, C). A Softmax or LogSoftmax at the end is left out where the loss is a cross-entropy, and
    so is a Sigmoid before binary_cross_entropy_with_logits: the network gives logits, predict_proba the rest.

    output: which tensor is the output, where the graph has several; nodes that it does not need are not looked at.
    Files of scikit-learn's MLPClassifier, by skl2onnx without zipmap, have "probabilities".

    Raises FileError, which names the node and its operator, for anything else; FileNotFoundError where it is not there;
    ModuleNotFoundError without onnx.
    """
    onnx, loss = imported("onnx"), as_loss(loss)
    model = _model(onnx, path)
    try:
        graph = model.graph
        wanted = _output(graph, output)
        walk = _start(onnx, graph)
        for proto in _needed(graph, wanted):
            _take(onnx, walk, proto)
        _finish(walk, wanted, loss)
        return walk.chain.network(loss)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise FileError(f"{fspath(path)}: {error}") from error


def _model(onnx: Any, path: str | PathLike[str]) -> Any:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{fspath(path)}: no such file")
    try:
        onnx.checker.check_model(fspath(path))
        return onnx.load(path)
    except Exception as error:  # protobuf's, onnx's and the operating system's have no base in common
        raise FileError(f"{fspath(path)}: not a readable ONNX model ({str(error).strip()})") from error


def _output(graph: Any, output: str | None) -> str:
    names = [value.name for value in graph.output]
    if output is None and len(names) == 1:
        output = names[0]
    if output is None or not any(output in node.output for node in graph.node):
        raise ValueError(f"output is {output!r}; expected one of the graph's outputs, {', '.join(names)}")
    return output


def _start(onnx: Any, graph: Any) -> Walk:
    """With the constants, and the one input."""
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in values]
    if len(inputs) != 1:
        raise ValueError(f"the graph has {len(inputs)} inputs; expected one")
    sizes = tuple(size.dim_value for size in inputs[0].type.tensor_type.shape.dim)[1:]
    # A size that is not known is 0.
    walk = Walk(Chain(sizes if sizes and all(sizes) else None, flat=len(sizes) < 2), values)
    values[inputs[0].name] = walk.end
    return walk


def _needed(graph: Any, output: str) -> list[Any]:
    """The nodes that the output depends on, in the order of the file, in which each comes after those it needs."""
    wanted: set[str] = {output}
    needed: list[Any] = []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            needed.append(node)
    return needed[::-1]


def _take(onnx: Any, walk: Walk, node: Any) -> None:
    """Go over one node. Unreadable, which names it."""
    said = f"node {node.name or node.output[0]!r} ({node.op_type})"
    try:
        walk.values[node.output[0]] = _value(onnx, walk, node)
    except Unreadable:
        raise
    except (ValueError, TypeError) as error:
        raise Unreadable(f"{said}: {error}") from error
    walk.nodes[node.output[0]] = said


def _value(onnx: Any, walk: Walk, node: Any) -> Any:
    layers = kinds_by_name("onnx")
    known = [*OPERATORS, *layers]
    if node.op_type not in known or node.domain not in ("", "ai.onnx"):
        raise ValueError(f"no layer of fastnn does what it does; expected {', '.join(known)}")
    unknown = [name for name in node.input if name and name not in walk.values]
    if unknown:
        raise ValueError(f"its input {unknown[0]} is none that fastnn computes")
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type == "Constant" and "value" in attributes:
        attributes["value"] = onnx.numpy_helper.to_array(attributes["value"])
    inputs = [walk.values[name] if name else None for name in node.input]
    read = Node(node.op_type, list(node.input), inputs, attributes, list(node.output))
    if node.op_type in layers:
        return read_layer(walk, read, layers[node.op_type])
    return OPERATORS[node.op_type](walk, read)


def _finish(walk: Walk, output: str, loss: Loss) -> None:
    """Settle the output: logits, where the file goes on to probabilities that predict_proba gives."""
    if output not in walk.values:
        raise ValueError(f"the output {output} is not the first of its node, and fastnn computes no other")
    tree = walk.values[output]
    last = tree[0] if isinstance(tree, tuple) else None
    if last in ("softmax", "log_softmax"):
        if not isinstance(loss, CrossEntropy):
            raise ValueError(f"{walk.nodes[output]} is at the end, and the loss {loss.name}; expected cross_entropy")
        walk.values[output] = tree[2]
    if last == "sigmoid" and isinstance(loss, BinaryCrossEntropyWithLogits):
        walk.values[output] = tree[2]
    walk.settle(output)
    require_ended(walk.chain)
    if walk.columns:
        raise ValueError("the output is transposed; expected rows")
