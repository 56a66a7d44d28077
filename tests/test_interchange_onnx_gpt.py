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
    Network,
    PositionEmbedding,
    RMSNorm,
    SelfAttention,
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


def test_they_are_written_and_not_read(tmp_path: Path) -> None:
    to_onnx(NETWORKS["{}"], tmp_path / "x.onnx")
    with pytest.raises(FileError, match="Gather"):
        from_onnx(tmp_path / "x.onnx")
