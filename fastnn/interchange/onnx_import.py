"""ONNX models that are chains of layers, read into networks: one walk over the nodes, from the input to the output."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.interchange.chain import Chain, kinds_by_name
from fastnn.interchange.extra import imported
from fastnn.interchange.onnx_attention import require_ended
from fastnn.interchange.onnx_constants import FOLDED, folded
from fastnn.interchange.onnx_operators import FLOATS, OPERATORS, read_layer
from fastnn.interchange.onnx_recurrent import GATES as RECURRENT
from fastnn.interchange.onnx_recurrent import ON_STATES, recurrent, settled
from fastnn.interchange.onnx_walk import Node, States, Unreadable, Walk
from fastnn.learning.losses import BinaryCrossEntropyWithLogits, CrossEntropy, Loss, as_loss
from fastnn.networks.io import FileError
from fastnn.networks.network import Network


def from_onnx(path: str | PathLike[str], loss: str | Loss = "cross_entropy", *, output: str | None = None) -> Network:
    """The chain of layers that an ONNX file holds, as to_onnx, torch.onnx and others write it, in float32 or float64.

    Read are Gemm, MatMul, Add of a bias or of a way around layers (Residual), Gather of a table's rows (Embedding), Add
    of a table (PositionEmbedding), Split and Attention of queries, keys and values that lie side by side, and a product
    after it (SelfAttention), LayerNormalization, RMSNormalization, BatchNormalization, GroupNormalization,
    InstanceNormalization, Mul and Add of a number for each channel (Scale), Add of one for each number of a row
    (UnitBias), Gather and Slice of channels (Channels), MatMul that adds each channel to one of fewer (ChannelSums),
    Conv, MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool (or ReduceMean), Resize by whole factors, RNN, LSTM,
    GRU, Relu, LeakyRelu, PRelu, Elu, Tanh, Sigmoid, Gelu, Softplus, Swish, the nodes that make up silu, gelu, softplus,
    step, ScaledTanh and GatedDense, Identity, Cast, Dropout (left out, as in inference), Transpose, Flatten, Reshape to
    rows, and what exporters compute of shapes. Rows that are flattened before any layer asks for their axes are taken
    flat; images, (N, C, H, W) where they are not transposed before, are taken as (N, H, W, C), and sequences, (N, C, T)
    or (T, N, I), as (N, T, features). A Softmax or LogSoftmax at the end is left out where the loss is a cross-entropy,
    and so is a Sigmoid before binary_cross_entropy_with_logits: the network gives logits, predict_proba the rest.

    Of a recurrent node either Y is read, all states, or Y_h, the last, as a layer of its own; directions are forward or
    both, first states zeros, and sequence_lens none, or as to_onnx writes them of Masking.

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
        needed = _needed(graph, wanted)
        walk = _start(onnx, graph)
        walk.wanted = frozenset({wanted}.union(*(node.input for node in needed)))
        for proto in needed:
            _take(onnx, walk, proto)
        _finish(walk, wanted, loss)
        return walk.chain.network(loss)
    except (ValueError, TypeError, LookupError, OverflowError) as error:
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
    of = inputs[0].type.tensor_type
    # A size that is not known is 0.
    dims = tuple(size.dim_value for size in of.shape.dim)
    sizes = dims[1:]
    walk = Walk(Chain(sizes if sizes and all(sizes) else None, flat=len(sizes) < 2), values, dims=dims)
    walk.chain.presumed = FLOATS.get(of.elem_type)
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
    given = [name for name in node.output if name]
    said = f"node {node.name or given[0]!r} ({node.op_type})"
    try:
        value = _value(onnx, walk, node)
        if node.output[0]:
            walk.values[node.output[0]] = value
    except Unreadable:
        raise
    except (ValueError, TypeError, LookupError, AttributeError) as error:  # the latter of data that is no array
        raise Unreadable(f"{said}: {error}") from error
    walk.nodes |= dict.fromkeys(given, said)


def _value(onnx: Any, walk: Walk, node: Any) -> Any:
    layers = kinds_by_name("onnx")
    known = sorted({*OPERATORS, *layers, *FOLDED})
    if node.op_type not in known or node.domain not in ("", "ai.onnx"):
        raise ValueError(f"no layer of fastnn does what it does; expected {', '.join(known)}")
    unknown = [name for name in node.input if name and name not in walk.values]
    if unknown:
        raise ValueError(f"its input {unknown[0]} is none that fastnn computes")
    read = _read(onnx, walk, node)
    constant = folded(read)
    if constant is not None:
        return constant
    if node.op_type in ON_STATES and any(isinstance(value, States) for value in read.inputs):
        return ON_STATES[node.op_type](walk, read)
    read = _settled(walk, read)
    if node.op_type in RECURRENT:
        return recurrent(walk, read, layers[node.op_type])
    if node.op_type in layers:
        return read_layer(walk, read, layers[node.op_type])
    if node.op_type not in OPERATORS:
        raise ValueError("it takes data; expected constants")
    return OPERATORS[node.op_type](walk, read)


def _read(onnx: Any, walk: Walk, node: Any) -> Node:
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    for name, value in attributes.items():
        if isinstance(value, onnx.TensorProto):
            attributes[name] = onnx.numpy_helper.to_array(value)
    inputs = [walk.values[name] if name else None for name in node.input]
    return Node(node.op_type, list(node.input), inputs, attributes, list(node.output))


def _settled(walk: Walk, node: Node) -> Node:
    """What is not made for last states takes them as the end of the chain."""
    for name, value in zip(node.names, node.inputs, strict=True):
        if isinstance(value, States):
            walk.values[name] = settled(walk, value)
    return replace(node, inputs=[walk.values[name] if name else None for name in node.names])


def _finish(walk: Walk, output: str, loss: Loss) -> None:
    """Settle the output: logits, where the file goes on to probabilities that predict_proba gives."""
    if output not in walk.values:
        raise ValueError(f"the output {output} is not the first of its node, and fastnn computes no other")
    if isinstance(walk.values[output], np.ndarray):
        raise ValueError(f"the output {output} does not depend on the input; expected data")
    if isinstance(walk.values[output], States):
        walk.values[output] = settled(walk, walk.values[output])
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
    if walk.order and walk.order[-1] != "F":
        raise ValueError("the output is transposed; expected rows")
    if any(filler is not None for filler in walk.fillers):
        if len({*walk.fillers}) > 1:
            raise ValueError("some of its layers are told lengths, and others not, or other ones; expected the same")
        walk.chain.masked(int(walk.fillers[0] or 0))
