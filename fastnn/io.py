"""Networks kept as safetensors files: named tensors, and the architecture as JSON in the metadata. No pickles."""

from __future__ import annotations

import json
from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.atomic import write_atomically
from fastnn.layers import KINDS, Layer
from fastnn.losses import LOSSES
from fastnn.network import Network

FORMAT = "fastnn-network/1"


class FileError(ValueError):
    """A file that is broken, incomplete, or not a fastnn network. The message names the file and what is wrong."""


def _describe_layer(layer: Layer) -> dict[str, Any]:
    (kind,) = (name for name, cls in KINDS.items() if type(layer) is cls)
    return {"kind": kind, **asdict(layer)}  # type: ignore[call-overload]


def _describe(network: Network) -> dict[str, str]:
    loss = network.loss_function
    architecture = {
        "inputs": network.inputs,
        "layers": [_describe_layer(layer) for layer in network.layers],
        "loss": {"kind": loss.name, **asdict(loss)},
        "dtype": network.dtype.name,
    }
    return {"format": FORMAT, "architecture": json.dumps(architecture)}


def save(network: Network, path: str | PathLike[str]) -> None:
    """Write a network to `path`, atomically."""
    from safetensors.numpy import save as serialize

    tensors = {name: np.ascontiguousarray(view) for name, view in network.named_parameters.items()}
    write_atomically(path, serialize(tensors, metadata=_describe(network)))


def _read(path: str | PathLike[str]) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(f"{path}: not a readable safetensors file ({error})") from error


def _build(metadata: dict[str, str]) -> Network:
    """The network that the metadata describes, with weights of 0."""
    described = json.loads(metadata["architecture"])
    layers = [KINDS[layer.pop("kind")](**layer) for layer in described["layers"]]
    loss = LOSSES[described["loss"].pop("kind")](**described["loss"])
    return Network(described["inputs"], layers, loss=loss, dtype=described["dtype"], seed=0)


def _fill(network: Network, tensors: dict[str, NDArray[Any]]) -> None:
    views = network.named_parameters
    if set(tensors) != set(views):
        raise ValueError(f"it holds the tensors {sorted(tensors)}; expected {sorted(views)}")
    for name, view in views.items():
        tensor = tensors[name]
        if tensor.shape != view.shape or tensor.dtype != view.dtype:
            raise ValueError(f"tensor {name} is {tensor.dtype} {tensor.shape}; expected {view.dtype} {view.shape}")
        view[...] = tensor


def load(path: str | PathLike[str]) -> Network:
    """Read a network that save wrote. FileError where the file is anything else; FileNotFoundError where it is not."""
    metadata, tensors = _read(path)
    if metadata.get("format") != FORMAT:
        raise FileError(f"{path}: format is {metadata.get('format')!r}; expected {FORMAT!r}, a file of Network.save")
    try:
        network = _build(metadata)
        _fill(network, tensors)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise FileError(f"{path}: {error}") from error
    return network
