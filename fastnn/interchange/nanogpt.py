"""GPTs as nanoGPT keeps them: a checkpoint of its train.py, tensors as PyTorch names and shapes them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn.edge.atomic import write_atomically
from fastnn.edge.checks import as_numeric
from fastnn.interchange.extra import imported
from fastnn.interchange.huggingface import block_of, fill, names_of_gpt2, require_taken
from fastnn.layers import TiedHead
from fastnn.networks.io import FileError
from fastnn.networks.models import GPT
from fastnn.networks.network import Network

# What torch.compile puts before names, and what all but the head's have.
COMPILED, PREFIX = "_orig_mod.", "transformer."


def from_nanogpt(checkpoint: str | PathLike[str] | Mapping[str, Any], *, dtype: DTypeLike = "float32") -> Network:
    """The GPT in a checkpoint of nanoGPT, ckpt.pt: its "model_args" and its "model".

    checkpoint: the file, or what torch.load gives of it. FileError for anything else, ModuleNotFoundError without
    torch where it is a file.
    """
    place = "the checkpoint" if isinstance(checkpoint, Mapping) else str(checkpoint)
    found = checkpoint if isinstance(checkpoint, Mapping) else _loaded(Path(checkpoint))
    try:
        args, model = found["model_args"], dict(found["model"])
        network = GPT(
            args["vocab_size"], args["block_size"], args["n_layer"], args["n_embd"], args["n_head"],
            bias=bool(args["bias"]), dropout=args.get("dropout", 0.0), dtype=dtype, seed=0,
        )  # fmt: skip
        tensors = {str(name).removeprefix(COMPILED).removeprefix(PREFIX): _array(each) for name, each in model.items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise FileError(f"{place} is no checkpoint of nanoGPT: {error!r}") from error
    require_taken(tensors, fill(network, tensors, names_of_gpt2(network, turned=True), place), place, "GPT")
    return network


def save_nanogpt(network: Network, path: str | PathLike[str]) -> None:
    """Write a GPT with gelu and a tied head as a checkpoint that nanoGPT's sample.py takes, atomically. ValueError for
    any other network, ModuleNotFoundError without torch."""
    torch, (block, count) = imported("torch"), block_of(network)
    own = {"norm": "layer", "activation": "gelu", "gated": False, "rotary": None, "kv_heads": None, "epsilon": None,
           "norm_first": True, "causal": True}  # fmt: skip
    width = network.layers[0].width  # type: ignore[union-attr]
    if wrong := [name for name, value in own.items() if getattr(block, name) != value]:
        raise ValueError(f"{wrong[0]} of its blocks is {getattr(block, wrong[0])!r}; expected {own[wrong[0]]!r}")
    if block.hidden not in (None, 4 * width) or not isinstance(network.layers[-1], TiedHead):
        raise ValueError(f"nanoGPT has {4 * width} hidden units in a block, and a tied head")
    args = {
        "n_layer": count, "n_head": block.heads, "n_embd": width, "block_size": network.input_shape[0],
        "bias": block.bias, "vocab_size": network.vocabulary, "dropout": float(block.dropout),
    }  # fmt: skip
    model: dict[str, Any] = {}
    for name, (there,), turned in names_of_gpt2(network, turned=True):
        values = network.named_parameters[name]
        model[PREFIX + there] = torch.from_numpy(np.array(values.T if turned else values, order="C"))
    model["lm_head.weight"] = model[f"{PREFIX}wte.weight"]
    stream = io.BytesIO()
    torch.save({"model": model, "model_args": args, "config": {}}, stream)
    write_atomically(path, stream.getvalue())


def _loaded(path: Path) -> Mapping[str, Any]:
    torch = imported("torch")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever unpickling meets
        raise FileError(f"{path}: no checkpoint that torch.load reads ({error})") from error
    if not isinstance(found, Mapping):
        raise FileError(f"{path} holds a {type(found).__name__}; expected a checkpoint of nanoGPT")
    return found


def _array(values: Any) -> NDArray[Any]:
    """Of a tensor, of bfloat16 exactly."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.float() if str(values.dtype) == "torch.bfloat16" else values).numpy()
    return as_numeric(values, "a tensor")
