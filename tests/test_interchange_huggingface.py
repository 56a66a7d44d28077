"""Language models of Hugging Face: read as transformers computes them, written so that it reads them, to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest

from fastnn import GPT, Activation, Dense, FileError, LayerNorm, Network, RMSNorm, from_huggingface, save_huggingface
from fastnn.networks.io import read_tensors, write

IDS = np.random.default_rng(0).integers(0, 31, (3, 12))


def gpt2(**settings: Any) -> Network:
    return GPT(31, 12, 2, 16, 4, activation="gelu_tanh", seed=0, **settings)


def llama(**settings: Any) -> Network:
    more: dict[str, Any] = {"norm": "rms", "rotary": 1000.0, "gated": True, "activation": "silu", "bias": False}
    return GPT(31, 12, 2, 16, 4, hidden=24, kv_heads=2, seed=0, **(more | {"tied": False} | settings))


MODELS = {"gpt2": gpt2, "gpt2 gelu": lambda: GPT(31, 12, 1, 16, 2, hidden=9, seed=1), "llama": llama,
          "llama tied": lambda: llama(tied=True)}  # fmt: skip


def drawn(network: Network) -> Network:
    rng = np.random.default_rng(3)
    for values in network.named_parameters.values():
        values += rng.normal(0, 0.2, values.shape)
    return network


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_model_comes_back_to_the_bit(make: Any, tmp_path: Path) -> None:
    network = drawn(make())
    save_huggingface(network, tmp_path)
    again = from_huggingface(tmp_path)
    assert again(IDS).tobytes() == network(IDS).tobytes()
    assert again.parameters.tobytes() == network.parameters.tobytes()


@pytest.mark.thorough
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_transformers_reads_and_computes_what_is_written(make: Any, tmp_path: Path) -> None:
    transformers, torch = needs.package("transformers"), needs.package("torch")
    network = drawn(make())
    save_huggingface(network, tmp_path)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = model(torch.tensor(IDS)).logits.numpy()
    assert sum(parameter.numel() for parameter in model.parameters()) == network.parameter_count
    np.testing.assert_allclose(network(IDS), theirs, atol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_what_transformers_writes_is_read(kind: str, half: bool, tmp_path: Path) -> None:
    transformers, torch = needs.package("transformers"), needs.package("torch")
    none = {"bos_token_id": None, "eos_token_id": None}
    configs = {
        "gpt2": transformers.GPT2Config(vocab_size=31, n_positions=12, n_embd=16, n_layer=2, n_head=4, **none),
        "llama": transformers.LlamaConfig(
            vocab_size=31, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=12, **none,
        ),
    }  # fmt: skip
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(configs[kind]).eval()
    if half:
        model = model.to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    network = from_huggingface(tmp_path)
    with torch.no_grad():
        theirs = model.float()(torch.tensor(IDS)).logits.numpy()
    np.testing.assert_allclose(network(IDS), theirs, atol=1e-5)
    shorter = from_huggingface(tmp_path, length=5)
    np.testing.assert_allclose(shorter(IDS[:, :5]), theirs[:, :5], atol=1e-5)


def changed(folder: Path, **settings: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


@pytest.mark.parametrize(
    ("make", "settings", "told"),
    [
        (gpt2, {"model_type": "bert"}, "model_type is 'bert'; expected one of gpt2, llama"),
        (gpt2, {"activation_function": "mish"}, "activation_function is 'mish'"),
        (gpt2, {"scale_attn_weights": False}, "scale_attn_weights is False"),
        (gpt2, {"n_embd": 32}, "expected"),
        (gpt2, {"n_layer": 3}, "has no tensor h.2.ln_1.weight"),
        (gpt2, {"n_layer": 1}, "holds h.1"),
        (llama, {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1.0}}, "rope_type is 'llama3'"),
        (llama, {"attention_bias": True}, "attention_bias is True"),
        (llama, {"tie_word_embeddings": True}, "lm_head.weight, .*tie_word_embeddings says"),
        (llama, {"head_dim": 5}, "head_dim is 5; expected 4"),
        (llama, {"num_attention_heads": 0}, "config.json"),
        (llama, {"rope_parameters": [1]}, "config.json"),
        (gpt2, {"model_type": [1]}, "model_type is"),
    ],
)
def test_what_fastnn_has_not_is_refused_by_name(make: Any, settings: Any, told: str, tmp_path: Path) -> None:
    save_huggingface(drawn(make()), tmp_path)
    changed(tmp_path, **settings)
    with pytest.raises(FileError, match=told):
        from_huggingface(tmp_path)


def test_a_head_that_is_the_tokens_table_may_stand_there_twice(tmp_path: Path) -> None:
    save_huggingface(gpt2(), tmp_path)
    _, tensors = read_tensors(tmp_path / "model.safetensors")
    table = tensors["transformer.wte.weight"]
    write(tmp_path / "model.safetensors", tensors | {"lm_head.weight": table}, {})
    assert from_huggingface(tmp_path).parameter_count == gpt2().parameter_count
    write(tmp_path / "model.safetensors", tensors | {"lm_head.weight": table + 1}, {})
    with pytest.raises(FileError, match=r"lm_head.weight, .*tie_word_embeddings"):
        from_huggingface(tmp_path)


def chain(make: Any, begin: int, end: int | None, *more: Any) -> Network:
    """The network with other layers in place of some."""
    layers = list(make().layers)
    layers[begin:end] = more
    return Network(12, layers)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": 5}', '{"weight_map": {"a": 5}}'])
def test_a_broken_index_is_named(content: str, tmp_path: Path) -> None:
    save_huggingface(gpt2(), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(FileError, match=r"index\.json"):
        from_huggingface(tmp_path)


def test_heads_without_a_width_of_their_own_are_read(tmp_path: Path) -> None:
    save_huggingface(llama(), tmp_path)
    changed(tmp_path, head_dim=None)
    assert from_huggingface(tmp_path).parameters.tobytes() == llama().parameters.tobytes()


def test_tensors_may_lie_in_parts_and_without_their_prefix(tmp_path: Path) -> None:
    network = drawn(gpt2())
    save_huggingface(network, tmp_path)
    _, tensors = read_tensors(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"a.safetensors": names[:5], "b.safetensors": names[5:]}
    for file, held in parts.items():
        write(tmp_path / file, {name.removeprefix("transformer."): tensors[name] for name in held}, {})
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert from_huggingface(tmp_path).parameters.tobytes() == network.parameters.tobytes()


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (lambda: gpt2(tied=False), "not tied"),
        (lambda: gpt2(bias=False), "bias of its blocks is False"),
        (lambda: llama(gated=False), "gated of its blocks is False"),
        (lambda: Network(12, gpt2().layers[:2] + gpt2().layers[4:]), "no chain of equal TransformerBlocks"),
        (lambda: chain(gpt2, 2, 2, LayerNorm()), "as GPT makes them"),
        (lambda: chain(gpt2, 2, 2, Activation("tanh")), "as GPT makes them"),
        (lambda: chain(gpt2, -1, -1, LayerNorm()), "as GPT makes them"),
        (lambda: chain(gpt2, -2, -1, LayerNorm(0.5)), "as GPT makes them"),
        (lambda: chain(gpt2, -2, -1, RMSNorm()), "as GPT makes them"),
        (lambda: chain(gpt2, -2, -1), "as GPT makes them"),
        (lambda: chain(gpt2, 1, 2), "layer 1 is TransformerBlock"),
        (lambda: chain(llama, -1, None, Dense(31)), "the last layer is"),
        (lambda: chain(llama, -1, None, Dense(31, "tanh", bias=False)), "the last layer is"),
        (lambda: chain(llama, -2, -1, RMSNorm(0.5)), "as GPT makes them"),
        (lambda: chain(llama, -1, -1, Activation("tanh")), "as GPT makes them"),
    ],
)
def test_what_neither_has_is_not_written(network: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told):
        save_huggingface(network(), tmp_path / "there")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model_type": "gpt2"}'])
def test_broken_folders_are_named(content: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        from_huggingface(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(FileError, match="config.json"):
        from_huggingface(tmp_path)


def test_generation_goes_step_by_step_with_turned_positions() -> None:
    network = drawn(llama())
    tokens = network.generate([1, 2], 9, temperature=0)
    for t in range(1, 10):
        padded = np.zeros((1, 12), int)
        padded[0, : t + 1] = tokens[: t + 1]
        assert tokens[t + 1] == network(padded)[0, t].argmax()
