"""Language models of the kinds of GPT-2 and Llama as Hugging Face keeps them: config.json and model.safetensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn.edge.atomic import write_atomically
from fastnn.layers import Dense, Dropout, Embedding, PositionEmbedding, TiedHead, TransformerBlock
from fastnn.layers.transformer import norm_of
from fastnn.networks.io import FileError, read_tensors
from fastnn.networks.models import GPT
from fastnn.networks.network import Network

Array = NDArray[Any]
# Of parameters here, the tensors that each is made of, side by side, and whether they are (out, in) there.
Names = Iterator[tuple[str, tuple[str, ...], bool]]
CONFIG, TENSORS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
# GPT-2's functions by their names there.
FUNCTIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "relu": "relu", "silu": "silu"}


@dataclass(frozen=True)
class Kind:
    """build: a network, its first weights 0, of a configuration. names: of its parameters. prefix: that names may
    have there."""

    build: Callable[[Mapping[str, Any], int | None, DTypeLike], Network]
    names: Callable[[Network], Names]
    prefix: str


def from_huggingface(
    folder: str | PathLike[str], *, length: int | None = None, dtype: DTypeLike = "float32"
) -> Network:  # fmt: skip
    """The language model in a folder of config.json and model.safetensors (in parts, too): gpt2 or llama.

    length: positions of the network, as many as the model has unless said. float16 and bfloat16 become the dtype.

    Raises FileError for other files and models, and for settings that fastnn has no layers for, by their name;
    FileNotFoundError.
    """
    place = Path(folder)
    config = _config(place)
    kind = _kind(config, place)
    try:
        network = kind.build(config, length, dtype)
    except KeyError as error:
        raise FileError(f"{place / CONFIG} does not say {error}") from error
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise FileError(f"{place / CONFIG}: {error}") from error
    tensors = _tensors(place, kind.prefix)
    require_taken(tensors, fill(network, tensors, kind.names(network), place), place, config["model_type"])
    return network


def fill(network: Network, tensors: Mapping[str, Array], names: Names, place: object) -> set[str]:
    """Gives a network the parameters of a file at that place; the names of those that were taken. FileError."""
    views, taken = network.named_parameters, set[str]()
    for name, parts, turned in names:
        missing = [part for part in parts if part not in tensors]
        if missing:
            raise FileError(f"{place} has no tensor {missing[0]}")
        taken.update(parts)
        values = np.concatenate([tensors[part].T if turned else tensors[part] for part in parts], axis=-1)
        view = views[name]
        if name == "1.weight" and values.ndim == 2 and len(view) < len(values):
            values = values[: len(view)]  # fewer positions were asked for
        if values.shape != view.shape:
            raise FileError(f"{place}: {' and '.join(parts)} make {values.shape}; expected {view.shape}")
        view[...] = values
    return taken


def save_huggingface(network: Network, folder: str | PathLike[str]) -> None:
    """Write a GPT that is shaped as GPT-2 or Llama to a folder, config.json and model.safetensors, which transformers
    reads. ValueError for any other."""
    from safetensors.numpy import save

    config = _told(network)
    kind, tensors = KINDS[config["model_type"]], dict[str, Array]()
    for name, parts, turned in kind.names(network):
        values = network.named_parameters[name]
        for part, piece in zip(parts, np.split(values, _borders(parts, values, config), axis=-1), strict=True):
            there = part if part.startswith("lm_head") else kind.prefix + part
            tensors[there] = np.array(piece.T if turned else piece, order="C")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    write_atomically(place / TENSORS, save(tensors, metadata={"format": "pt"}))
    write_atomically(place / CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def _borders(parts: tuple[str, ...], values: Array, config: Mapping[str, Any]) -> list[int]:
    """Between parts that lie side by side: halves, or queries, keys and values."""
    if len(parts) < 3:
        return [values.shape[-1] // 2] * (len(parts) - 1)
    width, groups = config["hidden_size"], config["num_key_value_heads"]
    return [width, width + groups * config["head_dim"]]


def _told(network: Network) -> dict[str, Any]:
    """The configuration. ValueError, which says what neither kind has."""
    block, count = block_of(network)
    embedding: Any = network.layers[0]
    functions = {ours: theirs for theirs, ours in reversed(FUNCTIONS.items())}
    common = {"vocab_size": embedding.vocabulary, "dtype": network.dtype.name}
    tied, width, length = isinstance(network.layers[-1], TiedHead), embedding.width, network.input_shape[0]
    hidden, groups = block.hidden or 4 * width, block.kv_heads or block.heads
    of_gpt2 = {"norm": "layer", "bias": True, "gated": False, "rotary": None, "kv_heads": None}
    of_llama = {"norm": "rms", "bias": False, "gated": True}
    chosen = of_gpt2 if block.rotary is None else of_llama
    own = {"norm_first": True, "causal": True, **chosen}
    if wrong := [name for name, value in own.items() if getattr(block, name) != value]:
        raise ValueError(f"{wrong[0]} of its blocks is {getattr(block, wrong[0])!r}; expected {own[wrong[0]]!r}")
    if block.activation not in functions:
        raise ValueError(f"activation is {block.activation}; expected one of {', '.join(functions)}")
    if block.rotary is None:
        if not tied:
            raise ValueError("its head is not tied to the tokens' table, as GPT-2's is")
        return common | {
            "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_positions": length, "n_embd": width,
            "n_layer": count, "n_head": block.heads, "n_inner": hidden, "tie_word_embeddings": True,
            "activation_function": functions[block.activation], "layer_norm_epsilon": block.epsilon or 1e-5,
            "bos_token_id": None, "eos_token_id": None,
        }  # fmt: skip
    return common | {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": width,
        "intermediate_size": hidden, "num_hidden_layers": count, "num_attention_heads": block.heads,
        "num_key_value_heads": groups, "head_dim": width // block.heads, "max_position_embeddings": length,
        "hidden_act": functions[block.activation], "rms_norm_eps": block.epsilon or 1e-6, "attention_bias": False,
        "mlp_bias": False, "rope_parameters": {"rope_theta": block.rotary, "rope_type": "default"},
        "tie_word_embeddings": tied, "bos_token_id": None, "eos_token_id": None,
    }  # fmt: skip


def block_of(network: Network) -> tuple[TransformerBlock, int]:
    """The block of a network that GPT makes, and how many it has. ValueError for any other network."""
    blocks = [layer for layer in network.layers if isinstance(layer, TransformerBlock)]
    if not blocks or set(blocks) != {blocks[0]}:
        raise ValueError("the network is no chain of equal TransformerBlocks; expected one that GPT makes")
    _require_chain(network, blocks[0], len(blocks))
    return blocks[0], len(blocks)


def _require_chain(network: Network, block: TransformerBlock, count: int) -> None:
    """ValueError: layers beside those that GPT makes, or others."""
    first, *rest = network.layers
    if block.rotary is None:
        positions, *rest = rest
        if positions != PositionEmbedding(network.input_shape[0], getattr(positions, "initializer", 0.02)):
            raise ValueError(f"layer 1 is {positions!r}; expected PositionEmbedding({network.input_shape[0]})")
    if isinstance(rest[0], Dropout):  # that of GPT, which does nothing where nothing is trained
        rest = rest[1:]
    norm = norm_of(block.norm, block.epsilon, block.bias)
    if not isinstance(first, Embedding) or rest[:count] != [block] * count or rest[count:-1] != [norm]:
        raise ValueError(f"expected an Embedding, {count} blocks, {norm!r} and a head, as GPT makes them")
    head = rest[-1]
    if head != TiedHead() and head != Dense(first.vocabulary, bias=False, initializer=getattr(head, "initializer", 0)):
        raise ValueError(f"the last layer is {head!r}; expected a TiedHead, or a Dense without a bias")


def _config(place: Path) -> dict[str, Any]:
    try:
        found = json.loads((place / CONFIG).read_text(encoding="utf-8-sig"))
    except (ValueError, NotADirectoryError) as error:
        raise FileError(f"{place / CONFIG}: no readable configuration ({error})") from error
    if not isinstance(found, dict):
        raise FileError(f"{place / CONFIG}: no configuration")
    return found


def _kind(config: Mapping[str, Any], place: Path) -> Kind:
    name = config.get("model_type")
    if not isinstance(name, str) or name not in KINDS:
        raise FileError(f"{place / CONFIG}: model_type is {name!r}; expected one of {', '.join(KINDS)}")
    return KINDS[name]


def _tensors(place: Path, prefix: str) -> dict[str, Array]:
    """By their names without the prefix, which not all files have."""
    parts = [place / TENSORS]
    if not (place / TENSORS).exists() and (place / INDEX).exists():
        try:
            files = sorted(set(json.loads((place / INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
            parts = [place / file for file in files]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FileError(f"{place / INDEX}: no readable index ({error!r})") from error
    found: dict[str, Array] = {}
    for part in parts:
        found |= {name.removeprefix(prefix): values for name, values in read_tensors(part)[1].items()}
    return found


def require_taken(tensors: Mapping[str, Array], taken: set[str], place: object, kind: str) -> None:
    """FileError: tensors that nobody took, but buffers, and a head that is that of the tokens, to the bit."""
    for name in sorted(set(tensors) - taken):
        if name.endswith((".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq")):
            continue
        embedding = tensors.get("wte.weight", tensors.get("embed_tokens.weight"))
        if name == "lm_head.weight" and np.array_equal(tensors[name], embedding):  # type: ignore[arg-type]
            continue
        tied = " (tie_word_embeddings says that it is the tokens' table)" if name == "lm_head.weight" else ""
        raise FileError(f"{place} holds {name}, which a {kind} of its configuration has not{tied}")


def _require(config: Mapping[str, Any], **expected: Any) -> None:
    """ValueError: a setting with another value, which would be another function."""
    for name, value in expected.items():
        if config.get(name, value) != value:
            raise ValueError(f"{name} is {config[name]!r}; expected {value!r}")


def _function(config: Mapping[str, Any], name: str) -> str:
    if config[name] not in FUNCTIONS:
        raise ValueError(f"{name} is {config[name]!r}; expected one of {', '.join(FUNCTIONS)}")
    return FUNCTIONS[config[name]]


def _gpt2(config: Mapping[str, Any], length: int | None, dtype: DTypeLike) -> Network:
    _require(config, scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False, add_cross_attention=False,
             tie_word_embeddings=True)  # fmt: skip
    return GPT(
        config["vocab_size"], length or config["n_positions"], config["n_layer"], config["n_embd"], config["n_head"],
        hidden=config.get("n_inner") or None, activation=_function(config, "activation_function"),
        epsilon=config["layer_norm_epsilon"], dropout=0.0, dtype=dtype, seed=0,
    )  # fmt: skip


def _llama(config: Mapping[str, Any], length: int | None, dtype: DTypeLike) -> Network:
    _require(config, attention_bias=False, mlp_bias=False, pretraining_tp=1)
    heads, width = config["num_attention_heads"], config["hidden_size"]
    if config.get("head_dim") is not None:
        _require(config, head_dim=width // heads)
    angles = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10000.0), "rope_type": "default"}
    _require({"rope_type": angles.get("rope_type", "default")}, rope_type="default")
    if config.get("rope_scaling"):
        raise ValueError(f"rope_scaling is {config['rope_scaling']!r}; expected none")
    return GPT(
        config["vocab_size"], length or config["max_position_embeddings"], config["num_hidden_layers"], width, heads,
        hidden=config["intermediate_size"], activation=_function(config, "hidden_act"),
        kv_heads=config.get("num_key_value_heads") or heads, norm="rms", epsilon=config["rms_norm_eps"], bias=False,
        gated=True, rotary=float(angles["rope_theta"]), tied=bool(config.get("tie_word_embeddings", False)),
        dtype=dtype, seed=0,
    )  # fmt: skip


def _blocks(network: Network) -> Iterator[tuple[int, str]]:
    """Of each block its number there, and the beginning of its parameters' names."""
    names = dict.fromkeys(name.partition(".")[0] for name in network.named_parameters if ".qkv." in name)
    return ((number, name) for number, name in enumerate(names))


def names_of_gpt2(network: Network, turned: bool = False) -> Names:
    """turned: whether its matrices are (out, in), where GPT-2's own are as here."""
    yield "0.weight", ("wte.weight",), False
    yield "1.weight", ("wpe.weight",), False
    own = {"0.0": "ln_1", "0.1.qkv": "attn.c_attn", "0.1.out": "attn.c_proj", "1.0": "ln_2", "1.1": "mlp.c_fc",
           "1.2": "mlp.c_proj"}  # fmt: skip
    last = 1
    for number, name in _blocks(network):
        last = int(name)
        for mine, theirs in own.items():
            for kind in _kinds(network, f"{name}.{mine}"):
                yield f"{name}.{mine}.{kind}", (f"h.{number}.{theirs}.{kind}",), turned
    for kind in _kinds(network, f"{last + 1}"):
        yield f"{last + 1}.{kind}", (f"ln_f.{kind}",), False


def _kinds(network: Network, layer: str) -> list[str]:
    return [kind for kind in ("weight", "bias") if f"{layer}.{kind}" in network.named_parameters]


def _of_llama(network: Network) -> Names:
    yield "0.weight", ("embed_tokens.weight",), False
    last = 0
    for number, name in _blocks(network):
        last, there = int(name), f"layers.{number}"
        yield f"{name}.0.0.weight", (f"{there}.input_layernorm.weight",), False
        yield f"{name}.0.1.qkv.weight", tuple(f"{there}.self_attn.{each}_proj.weight" for each in "qkv"), True
        yield f"{name}.0.1.out.weight", (f"{there}.self_attn.o_proj.weight",), True
        yield f"{name}.1.0.weight", (f"{there}.post_attention_layernorm.weight",), False
        yield f"{name}.1.1.both.weight", (f"{there}.mlp.gate_proj.weight", f"{there}.mlp.up_proj.weight"), True
        yield f"{name}.1.2.weight", (f"{there}.mlp.down_proj.weight",), True
    yield f"{last + 1}.weight", ("norm.weight",), False
    if f"{last + 2}.weight" in network.named_parameters:
        yield f"{last + 2}.weight", ("lm_head.weight",), True


KINDS = {"gpt2": Kind(_gpt2, names_of_gpt2, "transformer."), "llama": Kind(_llama, _of_llama, "model.")}
