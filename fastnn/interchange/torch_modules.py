"""PyTorch's modules: torch.nn.Sequential to Network and back, with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastnn.edge.checks import as_shape
from fastnn.graph.forms import Form
from fastnn.interchange.axes import as_here
from fastnn.interchange.chain import Chain, Told, kinds_by_name, told
from fastnn.interchange.extra import imported
from fastnn.interchange.state_dict import state_dict
from fastnn.interchange.torch_recurrent import NAMES as RECURRENT
from fastnn.interchange.torch_recurrent import SEQUENCES, is_states, read_states, states_of
from fastnn.layers import SelfAttention, TransformerBlock
from fastnn.learning.losses import Loss
from fastnn.networks.network import Network

DTYPES = ("torch.float32", "torch.float64")

# From torch ----------------------------------------------------------------------------------------------------------


def from_torch(
    module: Any, loss: str | Loss = "cross_entropy", *, input_shape: int | Sequence[int] | None = None
) -> Network:  # fmt: skip
    """A network with the weights of a torch.nn.Sequential, copied, and its outputs up to rounding.

    module: of Identity, ReLU, LeakyReLU, ELU, Tanh, Sigmoid, GELU, SiLU, Softplus, TransformerEncoderLayer (a
    TransformerBlock, of no mask), MultiheadAttention (of one tensor with itself), RNN, LSTM and GRU (of their first
    result, all states, from states of 0; or as to_torch makes them), and what fastnn has layers for by the same name,
    nested as you like; float32 or float64, on any device. Outputs are those of module.eval(): a Dropout acts
    in training alone, with draws of its own.
    Softplus is exact above torch's threshold, where torch is linear, 2e-9 off.

    input_shape: of a row as the module takes it; needed where no Linear is first, which says it. Where the module
    convolves or pools images, (C, H, W), the network takes and gives them as (H, W, C), and sequences, (C, T), as
    (T, C); else rows stay as they are, and those of several
    axes that a Flatten comes first to are flat.

    Raises ValueError, which names the module by its path, for any other; ModuleNotFoundError without torch.
    """
    nn = imported("torch").nn
    if not isinstance(module, nn.Module):
        raise TypeError(f"module is a {type(module).__name__}; expected a torch.nn.Module")
    chain = Chain(None if input_shape is None else as_shape(input_shape, "input_shape"))
    taken: list[str] = []  # modules that were read with their parts
    for path, part in module.named_modules(remove_duplicate=False):
        if any(not whole or path.startswith(f"{whole}.") for whole in taken):
            continue
        try:
            _read(chain, part, nn)
            if type(part).__name__ in WHOLE:
                taken.append(path)
        except (ValueError, TypeError) as error:
            raise ValueError(f"module {path or 'itself'} is {_said(part)}: {error}") from error
    return chain.network(loss)


def _said(module: Any) -> str:
    """A module with children prints all of them, which is long."""
    return type(module).__name__ if any(True for _ in module.children()) else repr(module)


def _read(chain: Chain, module: Any, nn: Any) -> None:
    if module._forward_hooks or module._forward_pre_hooks:
        raise ValueError("it has hooks, which may change what it computes; remove them first")
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        return  # its parts come next
    name, kinds = type(module).__name__, kinds_by_name("torch")
    known = [*kinds, *READERS]
    if is_states(module, nn):
        read_states(chain, module, _array)
        return
    if type(module) is not getattr(nn, name, None) or name not in known:
        raise ValueError(f"fastnn has no such layer; expected Sequential, {', '.join(known)}")
    if name in kinds:
        _read_layer(chain, module, kinds[name])
    else:
        READERS[name](chain, module)


def _read_layer(chain: Chain, module: Any, kind: Any) -> None:
    """What fastnn has a layer for. A weight and a bias are settings as well, True where the module has them, which may
    be as parameters, as buffers or as plain tensors; so are what torch calls buffers."""
    own = {name: getattr(module, name, None) for name in ("weight", "bias", *module._buffers)}
    settings = vars(module) | {name: values is not None for name, values in own.items()}
    given = {name: values for name, values in own.items() if values is not None}
    arrays = {name: _array(values, name) for name, values in given.items() if not _is_count(values)}
    dtype = arrays["weight"].dtype if "weight" in arrays else None
    arrays |= {name: np.asarray(values.cpu().numpy(), dtype) for name, values in given.items() if _is_count(values)}
    layer = kind.from_torch(Form(type(module).__name__, settings, dtype=dtype))
    if layer is not None:
        chain.layer(layer, arrays)


def _is_count(tensor: Any) -> bool:
    return str(tensor.dtype) == "torch.int64"


def _array(parameter: Any, name: str) -> np.ndarray[Any, Any]:
    """With axes as here."""
    if str(parameter.dtype) not in DTYPES:
        raise ValueError(f"its {name} is {parameter.dtype}; expected float32 or float64, as module.float() makes it")
    return as_here(parameter.detach().cpu().numpy())


def _read_gelu(chain: Chain, module: Any) -> None:
    kinds = {"none": "gelu", "tanh": "gelu_tanh"}
    if module.approximate not in kinds:
        raise ValueError("expected approximate='none' or 'tanh'")
    chain.activation(kinds[module.approximate])


def _read_softplus(chain: Chain, module: Any) -> None:
    if module.beta != 1 or module.threshold < 20:
        raise ValueError("expected beta=1 and a threshold of at least 20")
    chain.activation("softplus")


def _read_encoder_layer(chain: Chain, module: Any) -> None:
    """A TransformerEncoderLayer, without a mask, which is an argument of a call there."""
    attention, kinds = module.self_attn, {1: "relu", 2: "gelu"}
    if module.activation_relu_or_gelu not in kinds or getattr(module.activation, "approximate", "none") != "none":
        raise ValueError("expected the activation relu or gelu, not approximated")
    if not attention.batch_first:
        raise ValueError("expected batch_first=True, rows of (batch, positions, features)")
    if {module.norm1.eps, module.norm2.eps} != {1e-5}:
        raise ValueError("expected layer_norm_eps=1e-5")
    layer = TransformerBlock(
        attention.num_heads, module.linear1.out_features, kinds[module.activation_relu_or_gelu], causal=False,
        norm_first=module.norm_first, bias=module.linear1.bias is not None, dropout=module.dropout1.p,
    )  # fmt: skip
    tensors = dict(module.named_parameters())
    own = {mine: _array(tensors[theirs], theirs) for theirs, mine in layer.torch_parameters.items()}
    chain.container(layer, own)


def _read_attention(chain: Chain, module: Any) -> None:
    """A MultiheadAttention, as it is called with one tensor for queries, keys and values."""
    settings = vars(module) | {"add_bias_kv": module.bias_k is not None}
    width = module.embed_dim
    Form("MultiheadAttention", settings).require(
        batch_first=True, kdim=width, vdim=width, add_bias_kv=False, add_zero_attn=False, dropout=0.0
    )
    layer = SelfAttention(module.num_heads, causal=False, bias=module.in_proj_bias is not None)
    tensors = dict(module.named_parameters())
    chain.container(layer, {mine: _array(tensors[other], other) for other, mine in layer.torch_parameters.items()})


# Read with the modules that they are made of.
WHOLE = ("TransformerEncoderLayer", "MultiheadAttention", *RECURRENT)
READERS: dict[str, Callable[[Chain, Any], None]] = {
    "MultiheadAttention": _read_attention,
    "TransformerEncoderLayer": _read_encoder_layer,
    "Identity": lambda chain, module: None,
    "ReLU": lambda chain, module: chain.activation("relu"),
    "LeakyReLU": lambda chain, module: chain.activation("leaky_relu", module.negative_slope),
    "ELU": lambda chain, module: chain.activation("elu", module.alpha),
    "Tanh": lambda chain, module: chain.activation("tanh"),
    "Sigmoid": lambda chain, module: chain.activation("sigmoid"),
    "GELU": _read_gelu,
    "SiLU": lambda chain, module: chain.activation("silu"),
    "Softplus": _read_softplus,
}

# To torch ------------------------------------------------------------------------------------------------------------

WRITERS: dict[str, Callable[[Any, float | None], Any]] = {
    "identity": lambda nn, alpha: nn.Identity(),
    "sigmoid": lambda nn, alpha: nn.Sigmoid(),
    "tanh": lambda nn, alpha: nn.Tanh(),
    "relu": lambda nn, alpha: nn.ReLU(),
    "leaky_relu": lambda nn, alpha: nn.LeakyReLU(alpha),
    "elu": lambda nn, alpha: nn.ELU(alpha),
    "gelu": lambda nn, alpha: nn.GELU(),
    "gelu_tanh": lambda nn, alpha: nn.GELU("tanh"),
    "silu": lambda nn, alpha: nn.SiLU(),
    "softplus": lambda nn, alpha: nn.Softplus(),
}


def to_torch(network: Network) -> Any:
    """A torch.nn.Sequential on the CPU with the network's layers, dtype and weights, copied; (out, in), as in torch.

    A Dense becomes a Linear and, where it has one, its activation after it; state_dict(network) has the same names. It
    comes as eval() leaves it, without dropout: call train() to go on training. With layers of images, or Conv1d and
    pools of sequences, it takes and gives these as torch does, (N, C, H, W) or (N, C, T). Of a SelfAttention alone it
    holds a MultiheadAttention, to be called with three tensors; an RNN, LSTM or GRU is torch's, whose forward gives
    states alone, all or the last.

    Raises ValueError for the activation step and for layers that torch has no modules for; ModuleNotFoundError without
    torch.
    """
    torch = imported("torch")
    modules: list[Any] = []
    dtype = getattr(torch, network.dtype.name)
    for one in told(network, "torch"):
        if one.activation not in WRITERS:
            raise ValueError(f"layer {one.index} has the activation {one.activation}, which torch has no module for")
        try:
            modules += _written(one, torch, dtype)
        except ValueError as error:
            raise ValueError(f"layer {one.index} is {one.layer!r}: {error}") from error
    if len(modules) > 1 and any(isinstance(module, torch.nn.MultiheadAttention) for module in modules):
        raise ValueError("torch's MultiheadAttention takes three tensors, and no Sequential gives it those")
    found = torch.nn.Sequential(*modules)
    found.load_state_dict({name: torch.from_numpy(values) for name, values in state_dict(network).items()})
    return found.eval()


def _written(one: Told, torch: Any, dtype: Any) -> list[Any]:
    """Its own module, and its activation, where it has them."""
    nn, layer = torch.nn, one.layer
    form = layer.torch_form(one.shape)
    found = []
    if form is not None:
        kind = getattr(nn, form.name)
        if form.name in RECURRENT:
            kind = states_of(kind, getattr(layer, SEQUENCES))
        if one.parameters:  # without initial weights, which would move torch's random numbers
            found.append(kind(**form.settings, dtype=dtype, device="meta").to_empty(device="cpu"))
        else:
            found.append(kind(**form.settings))
    if form is None or one.activation != "identity":
        found.append(WRITERS[layer.activation](nn, layer.alpha))
    return found
