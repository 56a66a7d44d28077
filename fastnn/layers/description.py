"""Layers as JSON can keep them: the name of each in a file, and what it was made with."""

from __future__ import annotations

from dataclasses import Field, fields, is_dataclass
from importlib import import_module
from typing import Any

from fastnn.graph.graph import Container
from fastnn.graph.protocol import Layer
from fastnn.operations import table

# Names that a file may hold.
LAYERS: dict[str, Any] = {
    in_files: getattr(import_module(table.LAYERS[name]), name)
    for row in table.TABLE
    for name, in_files in row.layers.items()
}


def register_layer(name: str, kind: type) -> None:
    """The name of a dataclass of layers, or of a container, in files. Its fields are numbers, strings, or layers.

    Whoever reads such a file registers it first. ValueError: a name that is another's; TypeError: no dataclass.
    """
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise TypeError(f"{kind!r} is no dataclass, whose fields a file could hold")
    if LAYERS.setdefault(name, kind) is not kind:
        raise ValueError(f"{name!r} is {LAYERS[name].__name__} in files; expected another name")


def describe_layer(layer: Layer | Container) -> dict[str, Any]:
    """A layer as JSON can keep it. TypeError for a layer that is none of these."""
    for name, kind in LAYERS.items():
        if type(layer) is kind:
            return {"kind": name} | {field.name: _described(getattr(layer, field.name)) for field in _fields(kind)}
    raise TypeError(f"layer is {layer!r}; a file can hold {', '.join(LAYERS)}, and what fastnn.extending registers")


def _fields(kind: Any) -> tuple[Field[Any], ...]:
    return fields(kind)


def _described(value: Any) -> Any:
    """A layer, or several in any nesting, or what JSON has."""
    if isinstance(value, (tuple, list)):
        return [_described(part) for part in value]
    is_layer: bool = is_dataclass(value)
    return describe_layer(value) if is_layer else value


def layer_of(description: dict[str, Any]) -> Layer | Container:
    """The layer that describe_layer described."""
    settings = {name: _rebuilt(value) for name, value in description.items() if name != "kind"}
    kind = LAYERS[description["kind"]]
    found: Layer | Container = kind.of(**settings) if hasattr(kind, "of") else kind(**settings)
    return found


def _rebuilt(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_rebuilt, value))
    return layer_of(value) if isinstance(value, dict) else value
