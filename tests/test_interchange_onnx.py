"""ONNX files: ONNX Runtime computes what the network does, and a network comes back with the same bits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import needs
import numpy as np
import numpy.typing as npt
import pytest
from example_networks import normal, with_biases

from fastnn import (
    Activation,
    Concatenate,
    Dense,
    Dropout,
    FileError,
    Flatten,
    LayerNorm,
    MaxPool2d,
    Network,
    Residual,
    RMSNorm,
    Shared,
    from_onnx,
    mlp,
    to_onnx,
)
from fastnn.interchange import onnx_export
from fastnn.kernels.activation import NAMES

onnx: Any = needs.package("onnx")

Array = npt.NDArray[Any]

# What ONNX Runtime has float64 code for.
DOUBLE = ("identity", "step", "sigmoid", "tanh", "relu", "gelu_tanh", "silu")


def every_way(activation: str, dtype: str = "float32") -> Network:
    """In a Dense, alone before and after one, without a bias."""
    layers = [
        Activation(activation),
        Dense(9, activation),
        Dense(7, activation, bias=False),
        Activation("tanh"),
        Dense(3),
    ]
    return with_biases(Network(5, layers, dtype=dtype, seed=1))


NETWORKS: dict[str, Network] = {
    "3-4-2": with_biases(mlp(3, 4, 2, seed=0)),
    "one neuron": with_biases(mlp(3, 1, output_activation="sigmoid", loss="binary_cross_entropy", seed=0)),
    "784-512-512-10": with_biases(mlp(784, 512, 512, 10, seed=0)),
    "64-128-10 float64": with_biases(mlp(64, 128, 10, dtype="float64", activation="silu", seed=0)),
    "an activation alone at the end": Network(6, [Dense(4, bias=False), Activation("softplus")], loss="mse", seed=0),
    "alphas": Network(6, [Dense(4, "elu", alpha=1 / 3), Dense(4, "leaky_relu", alpha=0.3), Dense(2)], seed=0),
    "float64 alphas": Network(6, [Dense(4, "elu", alpha=0.3), Dense(2)], seed=0, dtype="float64"),
    **{name: every_way(name) for name in NAMES},
    **{f"{name} float64": every_way(name, "float64") for name in NAMES},
}


def computes(network: Network) -> bool:
    return network.dtype == np.float32 or all(layer.activation in DOUBLE for layer in network.layers)


def run(path: Path, x: Array) -> Array:
    runtime: Any = needs.package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (result,) = session.run(["output"], {"input": x})
    return np.asarray(result)


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if computes(network)])
def test_onnxruntime_computes_what_the_network_does(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]
    to_onnx(network, tmp_path / "net.onnx")
    for rows in (1, 33):
        x = normal(rows, network.inputs).astype(network.dtype)
        found = run(tmp_path / "net.onnx", x)
        assert found.dtype == network.dtype
        np.testing.assert_allclose(found, network(x), rtol=1e-5, atol=1e-5)
        if network.dtype == np.float64 and "gelu_tanh" not in name:  # whose constants it keeps as float32
            np.testing.assert_allclose(found, network(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norms_go_and_dropout_stays_behind(dtype: str, tmp_path: Path) -> None:
    layers = [Dropout(0.5), LayerNorm(1e-3), Dense(9, "tanh"), Dropout(0.1), LayerNorm(), RMSNorm(1e-3), Dense(3)]
    network = with_biases(Network(6, layers, seed=0, dtype=dtype))
    to_onnx(network, tmp_path / "net.onnx")
    x = normal(33, 6).astype(dtype)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), network(x), rtol=1e-5, atol=1e-5)
    again = from_onnx(tmp_path / "net.onnx")
    assert again.layers == tuple(layer for layer in layers if not isinstance(layer, Dropout))
    assert again(x).tobytes() == network(x).tobytes()


def test_rows_of_several_positions_go(tmp_path: Path) -> None:
    """A Gemm would take two axes alone."""
    network = with_biases(Network((4, 6), [LayerNorm(), Dense(9, "tanh"), Dense(3, bias=False)], seed=0))
    to_onnx(network, tmp_path / "net.onnx", probabilities=True)
    x = normal(11, 24).reshape(11, 4, 6).astype(np.float32)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), network.predict_proba(x), rtol=1e-5, atol=1e-5)


def test_dropout_alone_is_the_identity(tmp_path: Path) -> None:
    network = Network(6, [Dropout(0.5)], loss="mse", seed=0)
    to_onnx(network, tmp_path / "net.onnx")
    x = normal(33, 6).astype(np.float32)
    assert (run(tmp_path / "net.onnx", x) == x).all()


AROUND = {
    "a dense layer": (6, [Dense(6), Residual(Dense(6)), Dense(2)]),
    "the whole network": (6, [Residual(Dense(9, "relu"), Dense(6))]),
    "an activation first": (6, [Dense(6), Residual(Activation("relu"), Dense(6)), Activation("tanh"), Dense(2)]),
    "another way": (6, [LayerNorm(), Residual(LayerNorm(), Residual(Dense(4, "silu", bias=False), Dense(6)))]),
    "layers of positions": ((5, 6), [Residual(RMSNorm(), Dense(12, "gelu_tanh"), Dense(6)), Dense(2)]),
    "pooling": ((4, 4, 3), [Residual(MaxPool2d(3, stride=1, padding=1), Dense(3)), Flatten(), Dense(2)]),
}


@pytest.mark.parametrize(("inputs", "layers"), AROUND.values(), ids=AROUND)
def test_ways_around_go_and_come_back(inputs: Any, layers: list[Any], tmp_path: Path) -> None:
    network = with_biases(Network(inputs, layers, loss="mse", seed=0))
    to_onnx(network, tmp_path / "net.onnx")
    x = normal(33, network.inputs).astype(np.float32).reshape(33, *network.input_shape)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), network(x), rtol=1e-5, atol=1e-5)
    again = from_onnx(tmp_path / "net.onnx", "mse")
    assert again.layers == network.layers
    assert again(x).tobytes() == network(x).tobytes()


def test_branches_go_and_what_is_shared_stands_there_once(tmp_path: Path) -> None:
    layers = [Concatenate([], [Dense(4, "tanh"), LayerNorm()]), Dense(6), Shared("0.1.0"), Residual(Dense(4))]
    network = with_biases(Network(6, layers, loss="mse", seed=0))
    to_onnx(network, tmp_path / "net.onnx")
    x = normal(33, 6).astype(np.float32)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), network(x), rtol=1e-5, atol=1e-5)
    constants = onnx.load(tmp_path / "net.onnx").graph.initializer
    assert sum(np.prod(one.dims, dtype=int) for one in constants) == network.parameter_count


def test_sums_that_are_no_way_around_are_refused(tmp_path: Path) -> None:
    network = Network(6, [Dense(6), Residual(Activation("relu"))], loss="mse", seed=0)
    to_onnx(network, tmp_path / "net.onnx")
    with pytest.raises(FileError, match=r"node '1.Add' \(Add\) ends a formula"):
        from_onnx(tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    graph, helper = model.graph, onnx.helper
    del graph.node[:]
    weight, bias = "0.weight", "0.bias"
    graph.node.extend([
        helper.make_node("MatMul", ["input", weight], ["product"]),
        helper.make_node("Add", ["product", bias], ["dense"]),
        helper.make_node("MatMul", ["dense", weight], ["more"]),
        helper.make_node("Add", ["more", "product"], ["output"], name="sum"),
    ])  # fmt: skip
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(FileError, match="'sum' .*it adds a product before its bias"):
        from_onnx(tmp_path / "net.onnx")


def test_layers_without_an_operator_are_named(tmp_path: Path) -> None:
    class Mine(LayerNorm):
        pass

    with pytest.raises(ValueError, match=r"layer 1\.0 is .*; this format has words for Dense, .*LayerNorm"):
        to_onnx(Network(6, [Dense(6), Residual(Mine())], loss="mse", seed=0), tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_network_comes_back_to_the_bit(network: Network, tmp_path: Path) -> None:
    to_onnx(network, tmp_path / "net.onnx")
    again = from_onnx(tmp_path / "net.onnx", network.loss_function)
    x = normal(33, network.inputs)
    assert again(x).tobytes() == network(x).tobytes()
    assert (again.inputs, again.outputs, again.dtype) == (network.inputs, network.outputs, network.dtype)
    assert again.loss_function == network.loss_function
    weights = {name: view.tobytes() for name, view in network.named_parameters.items() if name.endswith("weight")}
    assert sorted(weights.values()) == sorted(
        view.tobytes() for name, view in again.named_parameters.items() if name.endswith("weight")
    )


def test_an_activation_layer_after_a_dense_without_one_becomes_its_own(tmp_path: Path) -> None:
    network = Network(5, [Dense(4), Activation("gelu"), Dense(2)], seed=0)
    to_onnx(network, tmp_path / "net.onnx")
    again = from_onnx(tmp_path / "net.onnx")
    assert again.layers == (Dense(4, "gelu"), Dense(2))
    assert again(normal(33, 5)).tobytes() == network(normal(33, 5)).tobytes()


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy_with_logits"])
def test_probabilities_are_those_of_predict_proba(loss: str, tmp_path: Path) -> None:
    network = with_biases(mlp(5, 7, 3, loss=loss, seed=0))
    to_onnx(network, tmp_path / "net.onnx", probabilities=True)
    x = normal(20, 5).astype("f4")
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), network.predict_proba(x), atol=1e-6)
    again = from_onnx(tmp_path / "net.onnx", loss)
    assert again(x).tobytes() == network(x).tobytes()
    assert again.layers == network.layers


def test_the_file_says_what_goes_in_and_comes_out(tmp_path: Path) -> None:
    to_onnx(mlp(3, 4, 2, seed=0, activation="silu"), tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    shapes = [
        (value.name, [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim])
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [("input", ["batch", 3]), ("output", ["batch", 2])]
    assert [node.op_type for node in model.graph.node] == ["Gemm", "Sigmoid", "Mul", "Gemm"]
    assert {tensor.name for tensor in model.graph.initializer} == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert (model.opset_import[0].version, model.ir_version, model.producer_name) == (20, 9, "fastnn")


REFUSED: list[tuple[Network, dict[str, Any], str]] = [
    (mlp(3, 2, loss="mse"), {"probabilities": True}, "trained on mse gives no probabilities; leave them out"),
    (
        mlp(3, 1, loss="binary_cross_entropy", output_activation="sigmoid"),
        {"probabilities": True},
        "trained on binary_cross_entropy gives no probabilities",
    ),
    (
        Network(3, [Dense(2), Activation("elu", alpha=1 / 3)], dtype="float64"),
        {},
        r"layer 1 has alpha 0\.333.*, which ONNX keeps as float32; round it to 0\.33333334",
    ),
]


@pytest.mark.parametrize(("network", "options", "message"), REFUSED)
def test_what_a_file_cannot_say_is_refused_and_no_file_is_touched(
    network: Network, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"kept")
    with pytest.raises(ValueError, match=message):
        to_onnx(network, tmp_path / "net.onnx", **options)
    assert (tmp_path / "net.onnx").read_bytes() == b"kept"
    assert os.listdir(tmp_path) == ["net.onnx"]


def test_files_above_what_protobuf_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "MOST_BYTES", 4 * 26)
    to_onnx(mlp(3, 4, 2), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="has 46 parameters; an ONNX file holds at most 2 GiB"):
        to_onnx(mlp(3, 4, 4, 2), tmp_path / "net.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x09" * 50])
def test_broken_files_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises(FileError, match="broken.onnx: not a readable ONNX model"):
        from_onnx(tmp_path / "broken.onnx")
    with pytest.raises(FileNotFoundError, match="absent.onnx: no such file"):
        from_onnx(tmp_path / "absent.onnx")


def test_a_damaged_file_is_refused_or_read_and_nothing_else(tmp_path: Path) -> None:
    to_onnx(every_way("gelu_tanh"), tmp_path / "net.onnx", probabilities=True)
    content = (tmp_path / "net.onnx").read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.integers(400)] = rng.integers(256)  # where the graph is described
        (tmp_path / "net.onnx").write_bytes(damaged)
        try:
            from_onnx(tmp_path / "net.onnx")
        except FileError:
            refused += 1
    assert refused > 100


def test_every_prefix_of_a_file_is_refused(tmp_path: Path) -> None:
    to_onnx(mlp(3, 4, 2, seed=0), tmp_path / "net.onnx")
    content = (tmp_path / "net.onnx").read_bytes()
    for size in range(0, len(content), 7):
        (tmp_path / "cut.onnx").write_bytes(content[:size])
        with pytest.raises(FileError, match="cut.onnx: "):
            from_onnx(tmp_path / "cut.onnx")
