"""Language models as ONNX files: ONNX Runtime computes what the network does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest

from fastnn import (
    GPT,
    Dense,
    Embedding,
    FileError,
    Flatten,
    Network,
    PositionEmbedding,
    RMSNorm,
    SelfAttention,
    TiedHead,
    TransformerBlock,
    from_onnx,
    to_onnx,
)

onnx: Any = needs.package("onnx")

VOCABULARY, LENGTH = 11, 7
SETTINGS: list[dict[str, Any]] = [
    {}, {"tied": False}, {"bias": False}, {"norm": "rms"}, {"dropout": 0.1},
    {"kv_heads": 2, "gated": True, "activation": "silu"}, {"gated": True, "activation": "gelu_tanh", "bias": False},
]  # fmt: skip
NETWORKS: dict[str, Network] = {
    **{str(kw): GPT(VOCABULARY, LENGTH, 2, 16, 4, seed=0, **kw) for kw in SETTINGS},
    "heads that see all": Network((5, 8), [SelfAttention(2, causal=False), Dense(3)], seed=0),
    "norm last": Network((5, 8), [TransformerBlock(2, 9, norm_first=False), Dense(3)], seed=0),
    "no weight": Network((5, 8), [RMSNorm(weight=False), SelfAttention(4, bias=False)], loss="mse", seed=0),
    "embedding alone": Network(4, [Embedding(9, 3)], loss="mse", seed=0),
}


def run(path: Path, x: Any) -> Any:
    runtime: Any = needs.package("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["output"], {"input": x})
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_the_runtime_computes_what_the_network_does(name: str, tmp_path: Path) -> None:
    network, rng = NETWORKS[name].copy(), np.random.default_rng(0)
    for values in network.named_parameters.values():
        values += rng.normal(0, 0.3, values.shape)
    to_onnx(network, tmp_path / "x.onnx")
    x: Any = rng.normal(size=(3, *network.input_shape)).astype(np.float32)
    if network.vocabulary:
        x = rng.integers(0, network.vocabulary, (3, *network.input_shape))
    found = run(tmp_path / "x.onnx", x)
    np.testing.assert_allclose(found, network(x), rtol=1e-4, atol=1e-5 * np.abs(found).max())


def test_probabilities_of_tokens(tmp_path: Path) -> None:
    network = NETWORKS["{}"]
    to_onnx(network, tmp_path / "x.onnx", probabilities=True)
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (2, LENGTH))
    np.testing.assert_allclose(run(tmp_path / "x.onnx", ids), network.predict_proba(ids), rtol=1e-5)


def test_a_table_that_the_head_has_too_stands_there_once(tmp_path: Path) -> None:
    network = GPT(1000, 4, 1, 16, 2, seed=0)
    to_onnx(network, tmp_path / "x.onnx")
    held = {array.name: onnx.numpy_helper.to_array(array) for array in onnx.load(tmp_path / "x.onnx").graph.initializer}
    assert sum(array.size for array in held.values() if array.dtype == np.float32) == network.parameter_count
    for name, values in network.named_parameters.items():
        assert held[name].tobytes() == values.tobytes()


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (GPT(VOCABULARY, 8, 1, 16, 2, rotary=10000.0), "layer 1.0.1.rotate is"),
        (Network((5, 8), [PositionEmbedding(9), Dense(3)]), "first 5 of its rows"),
    ],
    ids=["rotary", "more positions"],
)
def test_what_is_not_written_is_named(network: Network, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told):
        to_onnx(network, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_written_is_read_and_computes_the_same_to_the_bit(name: str, tmp_path: Path) -> None:
    network, rng = NETWORKS[name].copy(), np.random.default_rng(0)
    for values in network.named_parameters.values():
        values += rng.normal(0, 0.3, values.shape)
    to_onnx(network, tmp_path / "x.onnx")
    found = from_onnx(tmp_path / "x.onnx", network.loss_function)
    x: Any = rng.normal(size=(3, *network.input_shape)).astype(np.float32)
    if network.vocabulary:
        x = rng.integers(0, network.vocabulary, (3, *network.input_shape))
    assert found(x).tobytes() == network(x).tobytes()
    assert found.vocabulary == network.vocabulary
    to_onnx(found, tmp_path / "again.onnx")
    again = from_onnx(tmp_path / "again.onnx", network.loss_function)
    assert again.layers == found.layers
    assert again.parameters.tobytes() == found.parameters.tobytes()


def test_what_was_read_generates_and_learns(tmp_path: Path) -> None:
    network = NETWORKS["{}"]
    to_onnx(network, tmp_path / "x.onnx")
    found = from_onnx(tmp_path / "x.onnx")
    assert found.generate([1, 2], 6, seed=3).tolist() == network.generate([1, 2], 6, seed=3).tolist()
    assert isinstance(found.layers[-1], TiedHead)
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (4, LENGTH))
    np.testing.assert_allclose(found.gradient(ids, ids), network.gradient(ids, ids), rtol=0, atol=1e-7)


def changed(path: Path, change: Any) -> Path:
    model = onnx.load(path)
    change(model.graph)
    onnx.save(model, path)
    return path


def node_of(graph: Any, op: str) -> Any:
    return next(node for node in graph.node if node.op_type == op)


def set_attribute(op: str, name: str, value: Any) -> Any:
    def change(graph: Any) -> None:
        node = node_of(graph, op)
        kept = [attribute for attribute in node.attribute if attribute.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])

    return change


def swap(graph: Any) -> None:
    node = node_of(graph, "Attention")
    node.input[0], node.input[1] = node.input[1], node.input[0]


def mask(graph: Any) -> None:
    graph.initializer.append(onnx.numpy_helper.from_array(np.ones((5, 5), bool), "mask"))
    node_of(graph, "Attention").input.append("mask")


REFUSED: dict[str, tuple[Any, str]] = {
    "queries and keys change places": (swap, "to be split from one product"),
    "a mask": (mask, "it has a mask"),
    "a scale": (set_attribute("Attention", "scale", 0.5), "its scale is 0.5"),
    "a softcap": (set_attribute("Attention", "softcap", 2.0), "its softcap is 2.0"),
    "heads that do not fit": (set_attribute("Attention", "kv_num_heads", 1), "2 heads of queries and 1 of keys"),
    "another axis": (set_attribute("Split", "axis", 1), "it splits axis 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_attention_of_other_kinds_is_named(name: str, tmp_path: Path) -> None:
    change, said = REFUSED[name]
    to_onnx(NETWORKS["heads that see all"], tmp_path / "x.onnx")
    changed(tmp_path / "x.onnx", change)
    with pytest.raises(FileError, match=said):
        from_onnx(tmp_path / "x.onnx")


def graph_file(path: Path, nodes: Any, shape: Any, kind: Any, axes: int = 3, **constants: Any) -> Path:
    """A model of nodes from x to y, of so many axes."""
    helper = onnx.helper
    x = helper.make_tensor_value_info("x", kind, ["batch", *shape])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [f"side{at}" for at in range(axes)])
    held = [onnx.numpy_helper.from_array(values, name) for name, values in constants.items()]
    made = [helper.make_node(op, taken, given.split(), **more) for op, taken, given, more in nodes]
    graph = helper.make_graph(made, "g", [x], [y], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11), path)
    return path


def table(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def require_the_same(path: Path, x: Any) -> Network:
    """What was read computes what ONNX's own reference does."""
    evaluator: Any = needs.package("onnx.reference").ReferenceEvaluator(str(path))
    found = from_onnx(path, "mse")
    right = evaluator.run(None, {"x": x})[0]
    np.testing.assert_allclose(found(x).reshape(right.shape), right, rtol=1e-4, atol=1e-5)
    return found


GATHER = ("Gather", ["t", "x"], "e", {"axis": 0})
TURNED = ("Transpose", ["t"], "w", {"perm": [1, 0]})


@pytest.mark.parametrize(
    ("before", "sides", "is_tied"),
    [
        (TURNED, (6, 4), True),
        (("Identity", ["t"], "w", {}), (6, 6), False),
        (("Reshape", ["t", "s"], "w", {}), (6, 4), False),
    ],
)
def test_a_head_is_tied_where_it_is_the_table_turned_round_alone(
    before: Any, sides: Any, is_tied: bool, tmp_path: Path
) -> None:
    nodes = [GATHER, before, ("MatMul", ["e", "w"], "y", {})]
    held = {"t": table(*sides), "s": np.array([4, 6], np.int64)}
    path = graph_file(tmp_path / "x.onnx", nodes, [3], onnx.TensorProto.INT64, **held)
    found = require_the_same(path, np.array([[0, 5, 2], [1, 1, 3]]))
    assert isinstance(found.layers[-1], TiedHead) == is_tied


def test_a_tied_head_with_a_bias_is_a_layer_of_its_own(tmp_path: Path) -> None:
    nodes = [GATHER, TURNED, ("MatMul", ["e", "w"], "z", {}), ("Add", ["z", "b"], "y", {})]
    path = graph_file(tmp_path / "x.onnx", nodes, [3], onnx.TensorProto.INT64, t=table(6, 4), b=table(6))
    assert require_the_same(path, np.array([[0, 5, 2]])).layers[-1] == Dense(6)
    nodes = [
        GATHER, ("MatMul", ["e", "q"], "h", {}), ("Flatten", ["h"], "f", {"axis": 1}),
        ("Gemm", ["f", "t", "b"], "y", {"transB": 1}),
    ]  # fmt: skip
    square = {"t": table(4, 4), "q": table(4, 4) + 1, "b": table(4)}
    path = graph_file(tmp_path / "x.onnx", nodes, [1], onnx.TensorProto.INT64, axes=2, **square)
    require_the_same(path, np.array([[0], [3], [2]]))


def attention_file(path: Path, after: Any, k: str = "k") -> Path:
    """Attention of two heads to a product with a bias, and what follows; k: what its keys are."""
    nodes = [
        ("MatMul", ["x", "qkv"], "p", {}), ("Add", ["p", "c"], "pc", {}), ("Split", ["pc", "s"], "q k v", {"axis": -1}),
        ("Split", ["pc", "r"], "i j l", {"axis": -1}),
        ("Attention", ["q", k, "v"], "a", {"q_num_heads": 2, "kv_num_heads": 2}), *after,
    ]  # fmt: skip
    held = {"qkv": table(4, 12), "c": table(12), "o": table(4, 4), "b": table(4)}
    held |= {"s": np.array([4, 4, 4], np.int64), "r": np.array([2, 4, 6], np.int64)}
    return graph_file(path, nodes, [5, 4], onnx.TensorProto.FLOAT, **held)


def test_what_is_added_before_the_bias_of_attention_is_refused(tmp_path: Path) -> None:
    product = ("MatMul", ["a", "o"], "z", {})
    after = [
        product,
        ("Add", ["z", "b"], "zb", {}),
        ("MatMul", ["zb", "o"], "more", {}),
        ("Add", ["z", "more"], "y", {}),
    ]
    with pytest.raises(FileError, match="adds a product before its bias"):
        from_onnx(attention_file(tmp_path / "x.onnx", after), "mse")
    after[-1] = ("Add", ["zb", "more"], "y", {})
    x = np.random.default_rng(1).normal(size=(2, 5, 4)).astype(np.float32)
    require_the_same(attention_file(tmp_path / "x.onnx", after), x)


def test_parts_of_two_splits_are_no_attention_here(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="to be split from one product"):
        from_onnx(attention_file(tmp_path / "x.onnx", [("MatMul", ["a", "o"], "y", {})], k="j"), "mse")


@pytest.mark.parametrize("op", ["Relu", "Identity"])
def test_attention_without_a_product_after_it_is_refused(op: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no product follows attention"):
        from_onnx(attention_file(tmp_path / "x.onnx", [(op, ["a"], "y", {})]), "mse")


@pytest.mark.parametrize("positions", [1, 3])
def test_embeddings_that_are_flattened_come_back(positions: int, tmp_path: Path) -> None:
    layers = [Embedding(7, 4), PositionEmbedding(positions), Flatten(), Dense(5)]
    network = Network(positions, layers, seed=0)
    to_onnx(network, tmp_path / "x.onnx")
    found, ids = from_onnx(tmp_path / "x.onnx"), np.random.default_rng(0).integers(0, 7, (3, positions))
    assert found.layers == network.layers
    assert found(ids).tobytes() == network(ids).tobytes()
