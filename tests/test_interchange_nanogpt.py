"""Checkpoints of nanoGPT: what they hold is computed as its model.py computes it, and they come back to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest

from fastnn import GPT, FileError, Network, from_nanogpt, save_nanogpt

LAYERS, HEADS, WIDTH, LENGTH, TOKENS = 2, 4, 16, 12, 31
IDS = np.random.default_rng(0).integers(0, TOKENS, (3, LENGTH))


@pytest.fixture
def torch() -> Any:
    return needs.package("torch")


def checkpoint(torch: Any, bias: bool, prefix: str = "") -> dict[str, Any]:
    """Random tensors by the names of nanoGPT's model.py, (out, in)."""
    torch.manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {"transformer.wte": (TOKENS, WIDTH), "transformer.wpe": (LENGTH, WIDTH)}
    norms = ["transformer.ln_f"]
    for i in range(LAYERS):
        at = f"transformer.h.{i}"
        norms += [f"{at}.ln_1", f"{at}.ln_2"]
        shapes |= {
            f"{at}.attn.c_attn": (3 * WIDTH, WIDTH), f"{at}.attn.c_proj": (WIDTH, WIDTH),
            f"{at}.mlp.c_fc": (4 * WIDTH, WIDTH), f"{at}.mlp.c_proj": (WIDTH, 4 * WIDTH),
        }  # fmt: skip
    model = {f"{name}.weight": torch.randn(shape) / 3 for name, shape in shapes.items()}
    model |= {f"{name}.weight": torch.randn(WIDTH) for name in norms}
    if bias:
        for name in [*norms, *(name for name in shapes if "." in name.removeprefix("transformer."))]:
            model[f"{name}.bias"] = torch.randn(model[f"{name}.weight"].shape[0]) / 3
    model["lm_head.weight"] = model["transformer.wte.weight"]
    args = {"n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "block_size": LENGTH, "bias": bias,
            "vocab_size": TOKENS, "dropout": 0.0}  # fmt: skip
    return {"model": {prefix + name: values for name, values in model.items()}, "model_args": args, "iter_num": 7}


def logits(torch: Any, given: dict[str, Any], ids: Any) -> Any:
    """As nanoGPT computes them."""
    p, functional = given["model"], torch.nn.functional

    def linear(name: str, x: Any) -> Any:
        return functional.linear(x, p[f"{name}.weight"], p.get(f"{name}.bias"))

    def norm(name: str, x: Any) -> Any:
        return functional.layer_norm(x, (WIDTH,), p[f"{name}.weight"], p.get(f"{name}.bias"), 1e-5)

    x = p["transformer.wte.weight"][torch.tensor(ids)] + p["transformer.wpe.weight"][: ids.shape[1]]
    for i in range(LAYERS):
        at = f"transformer.h.{i}"
        packed = linear(f"{at}.attn.c_attn", norm(f"{at}.ln_1", x)).split(WIDTH, dim=2)
        q, k, v = (each.unflatten(2, (HEADS, -1)).transpose(1, 2) for each in packed)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(f"{at}.attn.c_proj", seen.transpose(1, 2).flatten(2))
        hidden = functional.gelu(linear(f"{at}.mlp.c_fc", norm(f"{at}.ln_2", x)))
        x = x + linear(f"{at}.mlp.c_proj", hidden)
    return linear("lm_head", norm("transformer.ln_f", x))


@pytest.mark.parametrize("bias", [False, True])
def test_a_checkpoint_is_read_and_computed_as_there(torch: Any, bias: bool, tmp_path: Path) -> None:
    given = checkpoint(torch, bias)
    torch.save(given, tmp_path / "ckpt.pt")
    network = from_nanogpt(tmp_path / "ckpt.pt")
    np.testing.assert_allclose(network(IDS), logits(torch, given, IDS).numpy(), atol=1e-5)
    compiled = from_nanogpt(checkpoint(torch, bias, "_orig_mod."))
    assert compiled.parameters.tobytes() == network.parameters.tobytes()
    save_nanogpt(network, tmp_path / "again.pt")
    again = torch.load(tmp_path / "again.pt", weights_only=True)
    assert again["model_args"] == given["model_args"]
    assert again["model"].keys() == given["model"].keys()
    assert all(torch.equal(values, given["model"][name]) for name, values in again["model"].items())


def gpt(**settings: Any) -> Network:
    return GPT(TOKENS, LENGTH, LAYERS, WIDTH, HEADS, seed=0, **settings)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (lambda: gpt(activation="relu"), "activation of its blocks is 'relu'; expected 'gelu'"),
        (lambda: gpt(hidden=9), "nanoGPT has 64 hidden units"),
        (lambda: gpt(tied=False), "a tied head"),
        (lambda: gpt(rotary=100.0), "rotary of its blocks is 100.0; expected None"),
    ],
)
def test_what_nanogpt_has_not_is_named(torch: Any, network: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        save_nanogpt(network(), tmp_path / "ckpt.pt")
    assert not [*tmp_path.iterdir()]


def broken(torch: Any, **changed: Any) -> dict[str, Any]:
    given = checkpoint(torch, True)
    given["model"] |= changed.pop("model", {})
    given["model_args"] |= changed.pop("args", {})
    for name in changed.pop("without", ()):
        del given["model"][name]
    return given | changed


def test_what_is_no_checkpoint_is_said(torch: Any, tmp_path: Path) -> None:
    cases = {
        "KeyError..model_args": {"model": {}},
        "has no tensor ln_f.bias": broken(torch, without=["transformer.ln_f.bias"]),
        "wte.weight make .31, 16.; expected .32, 16.": broken(torch, args={"vocab_size": 32}),
        "holds more, which a GPT of its configuration has not": broken(torch, model={"more": torch.ones(3)}),
        "holds lm_head.weight": broken(torch, model={"lm_head.weight": torch.ones(TOKENS, WIDTH)}),
        "heads": broken(torch, args={"n_head": 5}),
    }
    for said, given in cases.items():
        with pytest.raises(FileError, match=said):
            from_nanogpt(given)
    (tmp_path / "text.pt").write_text("no checkpoint")
    torch.save([1], tmp_path / "list.pt")
    for name, said in (("text.pt", "no checkpoint that torch.load reads"), ("list.pt", "holds a list")):
        with pytest.raises(FileError, match=said):
            from_nanogpt(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        from_nanogpt(tmp_path / "absent.pt")
