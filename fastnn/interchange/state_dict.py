"""State dicts as PyTorch writes them: weights (out, in), named by their place in a torch.nn.Sequential.

No torch is needed. fastnn's own files, of fastnn.save, hold the architecture too and weights (in, out): see fastnn.io.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.edge.atomic import write_atomically
from fastnn.edge.checks import as_choice, as_numeric
from fastnn.interchange.axes import as_here, as_there
from fastnn.interchange.chain import Chain, Told, told
from fastnn.kernels.activation import NAMES
from fastnn.learning.losses import Loss
from fastnn.networks.io import read_tensors
from fastnn.networks.network import Network

Array = NDArray[Any]
Source = Mapping[str, ArrayLike] | str | PathLike[str]


def state_dict(network: Network) -> dict[str, Array]:
    """The network's parameters, copied, as to_torch(network).state_dict() names and shapes them.

    Weights after images that are flattened have the order of (C, H, W) where the network pools them: without pooling a
    row has no axes that torch would have otherwise. An activation takes a place of its own: mlp(3, 4, 2) has "0.weight"
    (4, 3), "0.bias" (4,), "2.weight" (2, 4) and "2.bias" (2,).
    """
    views, tensors, place = network.named_parameters, {}, 0
    for one in told(network, "torch"):
        for name, values in one.named_there(one.axes.there(one.named(views))).items():
            tensors[f"{place}.{name}"] = np.array(values, order="C")
        place += _modules_of(one)
    return tensors


def save_state_dict(network: Network, path: str | PathLike[str]) -> None:
    """Write state_dict(network) to a safetensors file, atomically: what safetensors.torch.load_file reads."""
    from safetensors.numpy import save

    write_atomically(path, save(state_dict(network), metadata={"format": "pt"}))


def load_state_dict(network: Network, source: Source, order: Sequence[str] | None = None) -> None:
    """Overwrite the network's parameters with those of a torch module.

    source: a mapping of names to arrays or tensors, or the path of a safetensors file with them. Weights are (out, in).
    Layers are matched by their order, which their names must tell by numbers: "0.weight", "2.weight", or "fc1.weight",
    "fc2.weight"; otherwise order gives the names, such as ["hidden", "out"].

    Values are rounded to the network's dtype. Raises ValueError, TypeError, for a file FileError, before anything is
    overwritten; so is a layer that torch has no module for, such as Residual.
    """
    groups = _groups(source, order)
    wanted = [one for one in told(network, "torch") if one.parameters]
    if len(groups) != len(wanted):
        raise ValueError(f"the state dict has the layers {', '.join(groups)}; expected {len(wanted)} with parameters")
    vector = np.array(network.parameters)
    views = network.named(vector)
    for one, (name, tensors) in zip(wanted, groups.items(), strict=True):
        expected = one.named(views)
        shapes = {key: as_there(view).shape for key, view in expected.items()}
        found = {key: tensor.shape for key, tensor in tensors.items()}
        if found != shapes:
            raise ValueError(
                f"{name} holds {_shapes(found)}; layer {one.index} expects {_shapes(shapes)}, as torch has it"
            )
        here = one.axes.here({key: as_here(tensor) for key, tensor in tensors.items()})
        for key, view in expected.items():
            view[...] = here[key]
    network.parameters = vector


def from_state_dict(
    source: Source,
    activation: str = "relu",
    output_activation: str = "identity",
    *,
    alpha: float | None = None,
    loss: str | Loss = "cross_entropy",
    order: Sequence[str] | None = None,
) -> Network:
    """The multilayer perceptron whose parameters are those of a torch module: its sizes are the shapes of the weights.

    activation, alpha: of all layers but the last, whose is output_activation: a state dict holds none. source, order:
    as for load_state_dict. dtype: that of the tensors, which must be one; float16 and bfloat16 become float32.

    Raises ValueError, TypeError, for a file FileError.
    """
    as_choice(activation, NAMES, "activation")
    chain = Chain()
    groups = _groups(source, order)
    for name, tensors in groups.items():
        if not {"weight"} <= set(tensors) <= {"weight", "bias"}:
            raise ValueError(f"{name} holds {', '.join(tensors)}; expected weight and, where there is one, bias")
        try:
            chain.dense(as_here(tensors["weight"]), tensors.get("bias"))
            last = len(chain.layers) == len(groups)
            chain.activation(output_activation if last else activation, None if last else alpha)
        except ValueError as error:
            raise ValueError(f"{name}: {error}; the layers were taken in the order {', '.join(groups)}") from error
    return chain.network(loss)


def _modules_of(one: Told) -> int:
    """How many modules of a torch.nn.Sequential a layer is: its own, and its activation, where it has them."""
    own = one.layer.torch_form(one.shape) is not None
    return own + (not own or one.activation != "identity")


def _groups(source: Source, order: Sequence[str] | None) -> dict[str, dict[str, Array]]:
    """The tensors by layer, in order: "2.weight" is the tensor "weight" of the layer "2"."""
    if isinstance(source, str | PathLike):
        _, tensors = read_tensors(source)
    elif isinstance(source, Mapping):
        tensors = {str(name): _array(values, str(name)) for name, values in source.items()}
    else:
        raise TypeError(f"the state dict is a {type(source).__name__}; expected a mapping, or the path of a file")
    if not tensors:
        raise ValueError("the state dict is empty")
    groups: dict[str, dict[str, Array]] = {}
    for name, values in tensors.items():
        layer, _, parameter = name.rpartition(".")
        groups.setdefault(layer, {})[parameter] = values.astype(np.float32) if values.dtype == np.float16 else values
    return {name: groups[name] for name in _in_order(list(groups), order)}


def _array(values: Any, name: str) -> Array:
    """Of a torch parameter too, which may be trained, and on any device; of bfloat16 as float32, exactly."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    elif getattr(getattr(values, "dtype", None), "name", None) == "bfloat16":
        values = np.asarray(values).astype(np.float32)
    return as_numeric(values, name)


def _in_order(names: list[str], order: Sequence[str] | None) -> list[str]:
    if order is not None:
        if sorted(order) != sorted(names):
            raise ValueError(f"order is {list(order)}; expected {sorted(names)} in the order of the layers")
        return list(order)
    ordered = sorted(names, key=_parts)
    for before, after in pairwise(ordered):
        parts = zip(_parts(before), _parts(after), strict=False)
        # The first part that differs must do so in its numbers alone.
        if not next((one[0] == other[0] for one, other in parts if one != other), False):
            raise ValueError(f"which of the layers {before} and {after} is first, their names do not tell; give order")
    return ordered


def _parts(name: str) -> list[tuple[str, list[int]]]:
    """A name between dots: its text, and its numbers."""
    numbers = re.compile(r"\d+")
    return [(numbers.sub("#", part), [int(digits) for digits in numbers.findall(part)]) for part in name.split(".")]


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
