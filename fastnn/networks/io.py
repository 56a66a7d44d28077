"""Networks kept as safetensors files: named tensors, and the architecture as JSON in the metadata. No pickles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.atomic import replacing

FORMAT = "fastnn-network/1"
# What NumPy has of what a file may hold.
KINDS = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


class FileError(ValueError):
    """A file that is broken, incomplete, or not a fastnn network. The message names the file and what is wrong."""


class Kept(Protocol):
    """What can be kept in a file: an architecture that JSON can say, and named arrays."""

    def description(self) -> dict[str, Any]: ...

    @property
    def named_parameters(self) -> Mapping[str, NDArray[Any]]: ...


Built = TypeVar("Built", bound=Kept)


def save(network: Kept, path: str | PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
    """Write a network to `path`, atomically; equal networks to equal bytes. metadata: more to keep with it."""
    own = {"format": FORMAT, "architecture": json.dumps(network.description())}
    write(path, network.named_parameters, {**(metadata or {}), **own})


def write(path: str | PathLike[str], tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """A safetensors file, atomically."""
    from safetensors.numpy import save as serialize

    content = serialize({name: np.asarray(view, order="C") for name, view in tensors.items()}, dict(metadata))
    # The library draws the order of the metadata anew in each process.
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end]) | {"__metadata__": dict(sorted(metadata.items()))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.write(memoryview(content)[end:])


def read(path: str | PathLike[str], build: Callable[[dict[str, Any]], Built]) -> Built:
    """The network that `build` makes of the architecture, filled with the tensors of the file.

    FileError where the file is anything but what save wrote; FileNotFoundError where it is not there.
    """
    metadata, tensors = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise FileError(f"{path}: format is {metadata.get('format')!r}; expected {FORMAT!r}, a file of Network.save")
    try:
        network = build(json.loads(metadata["architecture"]))
        _fill(network, tensors)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise FileError(f"{path}: {error}") from error
    return network


def read_tensors(path: str | PathLike[str]) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """The metadata and tensors of a safetensors file, whoever wrote it. FileError, FileNotFoundError."""
    with _opened(path) as file:
        return file.metadata() or {}, {name: _tensor(path, file, name) for name in file.keys()}  # noqa: SIM118


def _tensor(path: str | PathLike[str], file: Any, name: str) -> NDArray[Any]:
    """As NumPy has it; bfloat16, which it has not, as float32, exactly."""
    kind = file.get_slice(name).get_dtype()
    if kind != "BF16":
        if kind not in KINDS:
            raise FileError(f"{path}: tensor {name} is {kind}; expected one of {', '.join((*KINDS, 'BF16'))}")
        tensor: NDArray[Any] = file.get_tensor(name)
        return tensor
    with open(path, "rb") as raw:  # of which safe_open has read the header, so that it is one
        size = int.from_bytes(raw.read(8), "little")
        about = json.loads(raw.read(size))[name]
        begin, end = about["data_offsets"]
        raw.seek(8 + size + begin)
        halves = np.frombuffer(raw.read(end - begin), "<u2")
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(about["shape"])


def read_metadata(path: str | PathLike[str]) -> dict[str, str]:
    """Without the tensors. FileError, FileNotFoundError."""
    with _opened(path) as file:
        return file.metadata() or {}


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(f"{path}: not a readable safetensors file ({error})") from error


def _fill(network: Kept, tensors: dict[str, NDArray[Any]]) -> None:
    views = network.named_parameters
    if set(tensors) != set(views):
        raise ValueError(f"it holds the tensors {sorted(tensors)}; expected {sorted(views)}")
    for name, view in views.items():
        tensor = tensors[name]
        if tensor.shape != view.shape or tensor.dtype != view.dtype:
            raise ValueError(f"tensor {name} is {tensor.dtype} {tensor.shape}; expected {view.dtype} {view.shape}")
        view[...] = tensor
