"""Attention as PyTorch and ONNX have it: torch's own values, ONNX's node cases, random transformers."""

from __future__ import annotations

from functools import cache
from typing import Any

import needs
import numpy as np
import pytest

import fastnn
from fastnn import Embedding, Network, TransformerBlock, from_torch, to_torch
from fastnn.functional import scaled_dot_product_attention

# What a node may say or take that fastnn has no kernels for, with the cases that do, of onnx 1.22.
ABSENT = {"attn_mask", "softcap", "qk_matmul_output_mode", "left_window_size", "right_window_size", "softmax_precision"}


@cache
def node_cases() -> dict[str, Any]:
    """ONNX's Attention cases in numbers that fastnn has, by name."""
    needs.package("onnx")
    from onnx.backend.test.case.node import collect_testcases

    with np.errstate(all="ignore"):
        found = collect_testcases("Attention")
    names = {
        case.name: case for case in found if case.name.startswith("test_attention") and "expanded" not in case.name
    }
    return {name: case for name, case in names.items() if case.data_sets[0][0][0].dtype == np.float32}


def told(case: Any) -> dict[str, Any]:
    """Attributes, and inputs by name."""
    from onnx import helper

    node = next(node for node in case.model.graph.node if node.op_type == "Attention")
    given = iter(case.data_sets[0][0])
    inputs = {name: next(given) for name in node.input if name}
    return {item.name: helper.get_attribute_value(item) for item in node.attribute} | inputs


def by_heads(values: Any, heads: int) -> Any:
    """(B, T, H S) as (B, H, T, S); what has four axes is so already."""
    if values.ndim == 4:
        return values
    return values.reshape(*values.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def attend(about: dict[str, Any]) -> Any:
    """As the operator does. By its definition the first query is at position 0, behind past keys, or at the length."""
    q = by_heads(about["Q"], about.get("q_num_heads", 0))
    k, v = (by_heads(about[name], about.get("kv_num_heads", 0)) for name in "KV")
    past = 0
    if "past_key" in about:
        past = about["past_key"].shape[2]
        k, v = (np.concatenate([about[f"past_{name}"], part], axis=2) for name, part in (("key", k), ("value", v)))
    lengths = about.get("nonpad_kv_seqlen")
    begins = np.full(len(q), past) if lengths is None else lengths - q.shape[2]
    y = scaled_dot_product_attention(
        q, k, v, causal=bool(about.get("is_causal", 0)), begins=begins, lengths=lengths, scale=about.get("scale")
    )
    return y if about["Q"].ndim == 4 else y.transpose(0, 2, 1, 3).reshape(*about["Q"].shape[:2], -1)


def test_onnx_attention_cases() -> None:
    """All 93 but those whose attribute fastnn has not, and those of half precision."""
    passed, absent = 0, 0
    for name, case in node_cases().items():
        about = told(case)
        if ABSENT & set(about) or len(case.data_sets[0][1]) == 4:
            absent += 1
            continue
        np.testing.assert_allclose(attend(about), case.data_sets[0][1][0], rtol=1e-5, atol=1e-6, err_msg=name)
        passed += 1
    assert passed >= 25
    assert passed + absent == len(node_cases())


def test_torchs_own_values_of_an_encoder_layer() -> None:
    """test/test_transformers.py of PyTorch: every parameter is the cosine of its place."""
    torch: Any = needs.package("torch")
    layer = torch.nn.TransformerEncoderLayer(4, 2, 16, 0.0, batch_first=True)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.cos(torch.arange(parameter.numel(), dtype=torch.float)).view(parameter.shape))
    one = from_torch(torch.nn.Sequential(layer), "mse", input_shape=(1, 4))
    right = [[2.258703, 0.127985, -0.697881, 0.170862]]
    np.testing.assert_allclose(one(np.array([[[20.0, 30, 40, 50]]]))[0], right, atol=1e-5)
    two = from_torch(torch.nn.Sequential(layer), "mse", input_shape=(2, 4))
    right = [[2.272644, 0.119035, -0.691669, 0.153486]] * 2
    np.testing.assert_allclose(two(np.array([[[1.0, 2, 3, 4], [5, 6, 7, 8]]]))[0], right, atol=1e-5)


RANDOM = [
    {"heads": 1, "norm_first": False, "activation": "relu", "bias": True, "causal": False},
    {"heads": 2, "norm_first": True, "activation": "gelu", "bias": True, "causal": True},
    {"heads": 3, "norm_first": True, "activation": "relu", "bias": False, "causal": True},
    {"heads": 6, "norm_first": False, "activation": "gelu", "bias": False, "causal": True},
]


@pytest.mark.parametrize("settings", RANDOM, ids=str)
def test_random_transformers_compute_and_learn_as_torchs_in_float64(settings: dict[str, Any]) -> None:
    torch: Any = needs.package("torch")
    rng = np.random.default_rng(0)
    blocks = [TransformerBlock(hidden=20, **settings), TransformerBlock(hidden=7, **settings)]
    network = Network(9, [Embedding(13, 12), *blocks], loss="mse", dtype="float64", seed=0)
    for values in network.named_parameters.values():
        values += rng.normal(0, 0.3, values.shape)
    bare = [TransformerBlock(hidden=block.hidden, **(settings | {"causal": False})) for block in blocks]
    encoder = Network((9, 12), bare, loss="mse", dtype="float64", initialize=False)
    for (_, own), (_, whole) in zip(
        encoder.named_parameters.items(), list(network.named_parameters.items())[1:], strict=True
    ):
        own[...] = whole
    module = to_torch(encoder)
    ids, y = rng.integers(0, 13, (3, 9)), rng.normal(size=(3, 9, 12))
    table = torch.tensor(network.named_parameters["0.weight"].copy(), requires_grad=True)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(9, dtype=torch.float64) if settings["causal"] else None
    rows = table[torch.tensor(ids)]
    for part in module:
        rows = part(rows, src_mask=mask)
    loss = torch.nn.functional.mse_loss(rows, torch.tensor(y))
    loss.backward()
    np.testing.assert_allclose(network(ids), rows.detach(), atol=1e-10)
    gradients = network.named(network.gradient(ids, y))
    np.testing.assert_allclose(gradients.pop("0.weight"), table.grad, atol=1e-10)
    for part in module:
        for parameter in part.parameters():
            parameter.data = parameter.grad
    theirs = from_torch(module, "mse", input_shape=(9, 12))
    for mine, other in zip(gradients.values(), theirs.named_parameters.values(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-10)


def test_an_approximated_gelu_is_refused() -> None:
    torch: Any = needs.package("torch")
    layer = torch.nn.TransformerEncoderLayer(8, 2, 9, activation=torch.nn.GELU("tanh"), batch_first=True)
    with pytest.raises(ValueError, match="not approximated"):
        from_torch(torch.nn.Sequential(layer), "mse", input_shape=(5, 8))


def test_blocks_go_to_torch_and_back_to_the_bit() -> None:
    needs.package("torch")
    network = Network((5, 8), [TransformerBlock(2, 9, causal=False)], loss="mse", seed=0)
    again = from_torch(to_torch(network), "mse", input_shape=(5, 8))
    assert again.layers == network.layers
    assert again.parameters.tobytes() == network.parameters.tobytes()


@pytest.mark.parametrize(
    ("settings", "told_"),
    [({}, "causal"), ({"causal": False, "kv_heads": 1}, "kv_heads"), ({"causal": False, "norm": "rms"}, "norm")],
)
def test_what_torchs_layer_has_not_is_named(settings: Any, told_: str) -> None:
    needs.package("torch")
    network = fastnn.Network((5, 8), [TransformerBlock(2, **settings)], loss="mse")
    with pytest.raises(ValueError, match=f"layer 0 is .*{told_}"):
        to_torch(network)
