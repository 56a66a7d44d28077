"""PyTorch's modules: torch.nn.Sequential to Network and back, with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.interchange.chain import Chain, layers_among
from fastnn.interchange.extra import imported
from fastnn.interchange.state_dict import MODULES, state_dict
from fastnn.layers import Activation, Dense, Dropout, Layer, LayerNorm, RMSNorm
from fastnn.losses import Loss
from fastnn.network import Network

DTYPES = ("torch.float32", "torch.float64")

# From torch ----------------------------------------------------------------------------------------------------------


def from_torch(module: Any, loss: str | Loss = "cross_entropy") -> Network:
    """A network with the weights of a torch.nn.Sequential, copied, and its outputs up to rounding.

    module: of Linear, Identity, Dropout, LayerNorm, RMSNorm, Flatten, ReLU, LeakyReLU, ELU, Tanh, Sigmoid, GELU, SiLU
    and Softplus, nested as you like; float32 or float64, on any device. Outputs are those of module.eval(): a Dropout
    acts in training alone, with draws of its own. Softplus is exact above torch's threshold, where torch is linear,
    2e-9 off.

    Raises ValueError, which names the module by its path, for any other; ModuleNotFoundError without torch.
    """
    nn = imported("torch").nn
    if not isinstance(module, nn.Module):
        raise TypeError(f"module is a {type(module).__name__}; expected a torch.nn.Module")
    chain = Chain()
    for path, part in module.named_modules(remove_duplicate=False):
        try:
            _read(chain, part, nn)
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
    kind = type(module).__name__
    if type(module) is not getattr(nn, kind, None) or kind not in READERS:
        raise ValueError(f"fastnn has no such layer; expected Sequential, {', '.join(READERS)}")
    READERS[kind](chain, module)


def _read_linear(chain: Chain, module: Any) -> None:
    weight, bias = module.weight, module.bias
    if str(weight.dtype) not in DTYPES:
        raise ValueError(f"its weight is {weight.dtype}; expected float32 or float64, as module.float() makes it")
    chain.dense(_array(weight).T, None if bias is None else _array(bias))


def _array(parameter: Any) -> np.ndarray[Any, Any]:
    return parameter.detach().cpu().numpy()  # type: ignore[no-any-return]


def _read_norm(chain: Chain, module: Any, kind: type[LayerNorm] | type[RMSNorm]) -> None:
    if len(module.normalized_shape) != 1 or module.weight is None:
        raise ValueError("expected one dimension to normalise, with weights (elementwise_affine=True)")
    weight = _array(module.weight)
    epsilon = float(np.finfo(weight.dtype).eps) if module.eps is None else module.eps
    bias = getattr(module, "bias", None)
    biases = {"bias": np.zeros_like(weight) if bias is None else _array(bias)} if kind is LayerNorm else {}
    chain.norm(kind(epsilon), {"weight": weight, **biases})


def _read_flatten(chain: Chain, module: Any) -> None:
    if (module.start_dim, module.end_dim) != (1, -1) or chain.layers:
        raise ValueError("expected Flatten(1), before all layers")


def _read_gelu(chain: Chain, module: Any) -> None:
    chain.activation({"none": "gelu", "tanh": "gelu_tanh"}[module.approximate])


def _read_softplus(chain: Chain, module: Any) -> None:
    if module.beta != 1 or module.threshold < 20:
        raise ValueError("expected beta=1 and a threshold of at least 20")
    chain.activation("softplus")


READERS: dict[str, Callable[[Chain, Any], None]] = {
    "Linear": _read_linear,
    "Identity": lambda chain, module: None,
    "Dropout": lambda chain, module: chain.dropout(module.p),
    "LayerNorm": lambda chain, module: _read_norm(chain, module, LayerNorm),
    "RMSNorm": lambda chain, module: _read_norm(chain, module, RMSNorm),
    "Flatten": _read_flatten,
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
    comes as eval() leaves it, without dropout: call train() to go on training.

    Raises ValueError for the activation step and for Residual, which torch has no modules for; ModuleNotFoundError
    without torch.
    """
    torch = imported("torch")
    modules: list[Any] = []
    width, dtype = network.input_shape[-1], getattr(torch, network.dtype.name)
    for index, layer in enumerate(layers_among(network, MODULES)):
        if layer.activation not in WRITERS:
            raise ValueError(f"layer {index} has the activation {layer.activation}, which torch has no module for")
        modules += _written(layer, width, torch, dtype)
        (width,) = layer.output_shape((width,))
    found = torch.nn.Sequential(*modules)
    found.load_state_dict({name: torch.from_numpy(values) for name, values in state_dict(network).items()})
    return found.eval()


def _written(layer: Layer, width: int, torch: Any, dtype: Any) -> list[Any]:
    """One module, or for a Dense with an activation two."""
    nn = torch.nn
    if isinstance(layer, Dropout):
        return [nn.Dropout(layer.rate)]
    if isinstance(layer, LayerNorm | RMSNorm):
        return [getattr(nn, type(layer).__name__)(width, layer.epsilon, dtype=dtype)]
    own = [] if layer.activation == "identity" else [WRITERS[layer.activation](nn, layer.alpha)]
    if isinstance(layer, Activation):
        return own or [nn.Identity()]
    assert isinstance(layer, Dense)
    # Without initial weights, which would move torch's random numbers.
    return [nn.utils.skip_init(nn.Linear, width, layer.units, bias=layer.bias, dtype=dtype), *own]
