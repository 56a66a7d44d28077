"""What the ONNX operators of language models mean to a chain of layers; see onnx_operators.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.interchange.chain import Chain
from fastnn.interchange.formula import outermost
from fastnn.interchange.onnx_walk import End, Node, Part, Walk
from fastnn.kernels.activation import NAMES
from fastnn.layers import Dense, Embedding, GatedDense, PositionEmbedding, SelfAttention, TiedHead

Array = NDArray[Any]


def gather(walk: Walk, node: Node) -> End:
    """Rows of a table, by the ids of the network's input."""
    table = node.constant(0)
    if node.inputs[1] is not walk.end or walk.chain.layers or table.ndim != 2 or node.attributes.get("axis", 0) != 0:
        raise ValueError("it takes no rows of a table by the input of the graph; expected that")
    if walk.chain.shape is None:
        raise ValueError("the shape of a row of ids is not known; expected it in the file")
    walk.chain.axes.channels_first = False  # positions of features, and no image
    walk.chain.layer(Embedding(*table.shape), {"weight": table})
    return walk.grown("TNF" if walk.order else "")


def is_table(walk: Walk, constant: Array) -> bool:
    """Whether a constant has a row for each position."""
    shape = walk.chain.shape
    return shape is not None and len(shape) == 2 and constant.shape in (shape, (1, *shape))


def add_table(walk: Walk, node: Node, table: Array) -> End:
    """A row of a table added at each position."""
    walk.settle(next(name for name, value in zip(node.names, node.inputs, strict=True) if value is not table))
    assert walk.chain.shape is not None
    walk.chain.layer(PositionEmbedding(walk.chain.shape[0]), {"weight": table.reshape(walk.chain.shape)})
    return walk.grown()


def split(walk: Walk, node: Node) -> Part:
    """Features that lie side by side, for Attention, or halves of which one gates the other."""
    end = walk.settle(node.names[0])
    shape, count = walk.chain.shape, len(node.outputs)
    axis = node.attributes.get("axis", 0)
    if shape is None or walk.order or axis not in (-1, len(shape)):
        raise ValueError(f"it splits axis {axis} of what is not known; expected the last, of positions of features")
    given = node.optional(1) if len(node.names) > 1 else None
    sizes = tuple(map(int, given)) if given is not None else (shape[-1] // count,) * count
    if sum(sizes) != shape[-1] or len(sizes) != count:
        raise ValueError(f"it splits {shape[-1]} features into {', '.join(map(str, sizes))}")
    parts = [Part(end, index, sizes) for index in range(count)]
    walk.values |= dict(zip(node.outputs, parts, strict=True))
    return parts[0]


def _are_parts(walk: Walk, values: list[Any]) -> bool:
    """Whether they are all parts of the end of the chain, in order."""
    parts = [value for value in values if isinstance(value, Part) and value.end is walk.end]
    if len(parts) != len(values) or any(part.sizes != parts[0].sizes for part in parts):
        return False
    return [part.index for part in parts] == list(range(len(parts[0].sizes)))


def attention(walk: Walk, node: Node) -> End:
    """Of queries, keys and values side by side, without a mask; a product must follow."""
    of = node.attributes.get
    if any(node.names[3:]) or len(node.outputs) > 1:
        raise ValueError("it has a mask, or keys and values of the past; expected queries, keys and values alone")
    if not _are_parts(walk, node.inputs[:3]):
        raise ValueError("expected queries, keys and values to be split from one product")
    for name, expected in (("scale", None), ("softcap", 0.0), ("qk_matmul_output_mode", 0)):
        if of(name, expected) != expected:
            raise ValueError(f"its {name} is {of(name)}; expected none")
    heads, groups = of("q_num_heads"), of("kv_num_heads")
    sizes = node.inputs[0].sizes
    if not heads or not groups or heads % groups or sizes[0] * groups != sizes[1] * heads or sizes[1] != sizes[2]:
        raise ValueError(
            f"it has {heads} heads of queries and {groups} of keys, of {', '.join(map(str, sizes))} features"
        )
    walk.fillers.append(None)
    _begin(walk.chain, Attended(heads, groups, bool(of("is_causal", 0))))
    return walk.grown()


def gated(walk: Walk, node: Node) -> End | None:
    """The product of a half, activated, and the other; None where it is another product."""
    gate, other = node.inputs
    if not isinstance(gate, tuple) or not isinstance(other, Part):
        return None
    activation, alpha, half = (gate if gate[0] in NAMES else outermost(gate)) or (None,) * 3
    if alpha is not None or not _are_parts(walk, [half, other]) or np.ptp(other.sizes):
        return None
    chain, last = walk.chain, _product_at_the_end(walk.chain)
    chain.layers[-1] = GatedDense(last.units // 2, activation, bias=last.bias)
    chain.parameters[-1] = {f"both.{name}": values for name, values in chain.parameters[-1].items()}
    chain.shape = (*chain.shape[:-1], last.units // 2) if chain.shape else None
    return walk.grown()


class Attended(NamedTuple):
    """In the place of a layer: attention whose last product has not come yet."""

    heads: int
    kv_heads: int
    causal: bool


def is_pending(chain: Chain) -> bool:
    """Whether attention at the end waits for its last product."""
    return bool(chain.layers) and isinstance(chain.layers[-1], Attended)


def require_ended(chain: Chain) -> None:
    """ValueError: attention that something else than a product followed, or nothing."""
    if any(isinstance(layer, Attended) for layer in chain.layers):
        raise ValueError("no product follows attention; expected one, of all its heads")


def _product_at_the_end(chain: Chain) -> Dense:
    last = chain.layers[-1] if chain.layers else None
    if not isinstance(last, Dense) or last.activation != "identity":
        raise ValueError("what is split is no product; expected that of one dense layer")
    return last


def _begin(chain: Chain, attended: Attended) -> None:
    """The Dense at the end gives queries, keys and values; the next one ends the layer."""
    last = _product_at_the_end(chain)
    chain.layers[-1] = attended
    assert chain.shape is not None
    chain.shape = (chain.shape[0], last.units * attended.heads // (attended.heads + 2 * attended.kv_heads))


def end_attention(chain: Chain, weight: Array) -> None:
    """By its last product. ValueError where it does not fit."""
    attended, before = chain.layers.pop(), dict(chain.parameters.pop())
    assert chain.shape is not None
    seen, width = chain.shape[1], before["weight"].shape[0]
    if weight.shape != (seen, width):
        raise ValueError(f"the product after attention has a weight {weight.shape}; expected {(seen, width)}")
    chain.shape = (chain.shape[0], width)
    parameters = {"qkv.weight": before["weight"], "out.weight": weight}
    if "bias" in before:
        parameters |= {"qkv.bias": before["bias"], "out.bias": np.zeros(width, weight.dtype)}
    layer = SelfAttention(attended.heads, attended.causal, attended.kv_heads, bias="bias" in before)
    chain.container(layer, parameters)


def takes_bias(chain: Chain, bias: Array) -> bool:
    """Whether attention at the end took it: that of its last product; a bias that the first lacks is 0. Or a tied head,
    which becomes a layer of its own."""
    last = chain.layers[-1] if chain.layers else None
    if isinstance(last, TiedHead) and bias.shape == (chain.width,):  # which has none: a head of its own, then
        chain.layers[-1] = Dense(len(bias))
        chain.parameters[-1] = {"weight": chain.parameters[0]["weight"].T, "bias": bias}
        return True
    if not isinstance(last, SelfAttention) or bias.shape != (chain.width,):
        return False
    own = dict(chain.parameters[-1])
    if "out.bias" in own and own["out.bias"].any():
        return False
    chain.require_dtype({"bias": bias})
    chain.layers[-1] = replace(last, bias=True)
    chain.parameters[-1] = {"qkv.bias": np.zeros(own["qkv.weight"].shape[1], bias.dtype), **own, "out.bias": bias}
    return True


def is_tied(chain: Chain, weight: Array) -> bool:
    """Whether a weight is the table of the first layer, turned round: then a TiedHead was appended."""
    if not chain.layers or not isinstance(chain.layers[0], Embedding) or chain.shape is None:
        return False
    table = chain.parameters[0]["weight"].T
    begins = [values.__array_interface__["data"] for values in (weight, table)]
    if (weight.shape, weight.strides) != (table.shape, table.strides) or begins[0] != begins[1]:
        return False
    if weight.shape[0] != chain.width:
        return False
    chain.append(TiedHead(), {})
    chain.shape = (*chain.shape[:-1], weight.shape[1])
    return True
