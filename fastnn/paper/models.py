"""Models and hardware by name, from the files beside this one or a user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from fastnn.edge.checks import as_number
from fastnn.paper.convolutional import Convolutional
from fastnn.paper.transformer import Transformer

# Also where the package is imported from a zip file.
MODELS, HARDWARE = (files(__package__).joinpath(name) for name in ("models.toml", "hardware.toml"))
Shape = TypeVar("Shape")


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A model of which only numbers are known. active_parameters: those that one token passes through."""

    parameters: int
    active_parameters: int
    layers: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.active_parameters <= self.parameters:
            raise ValueError(f"active_parameters is {self.active_parameters}; expected 1 to {self.parameters}")


KINDS: dict[str, type[Transformer | Convolutional | Stated]] = {
    "transformer": Transformer, "convolutional": Convolutional, "stated": Stated
}  # fmt: skip
# Fields of a model beside those of its shape.
ABOUT = ("kind", "source", "estimate", "training_tokens", "like")


@dataclass(frozen=True)
class Model:
    """A shape, where it is published, whether it is only an estimate, and the tokens it was trained on (0: unknown)."""

    name: str
    shape: Transformer | Convolutional | Stated
    source: str
    estimate: bool
    training_tokens: float

    @property
    def parameters(self) -> int:
        return self.shape.parameters

    @property
    def active_parameters(self) -> int:
        """Those that one token passes through."""
        return self.shape.active_parameters if isinstance(self.shape, Stated) else self.parameters

    @property
    def takes_tokens(self) -> bool:
        """Whether its rows are tokens, and not images."""
        return not isinstance(self.shape, Convolutional)

    def forward_macs(self, rows: int) -> int:
        """Multiply-adds of a forward pass over a sequence of so many tokens, or over so many images."""
        if isinstance(self.shape, Convolutional):
            return rows * self.shape.macs
        if isinstance(self.shape, Stated):  # one multiply-add a parameter and token; attention is unknown
            return rows * self.shape.active_parameters
        return self.shape.forward_macs(rows)


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """One device: peak rate of products, memory in bytes, bytes a second to it."""

    name: str
    flops_per_s: float
    memory: float
    bytes_per_s: float
    number: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("flops_per_s", "memory", "bytes_per_s"):
            if as_number(getattr(self, name), name, 0.0) == 0:
                raise ValueError(f"{name} is 0")


def model_names() -> list[str]:
    return list(_read(MODELS))


def hardware_names() -> list[str]:
    return list(_read(HARDWARE))


def model(name: str) -> Model:
    """A published model, or the one that a TOML file describes. ValueError: there is none, or it cannot be."""
    known = _read(MODELS)
    if name in known:
        return _model_of(name, _whole(known, name))
    own = dict(_of_file(name, model_names(), "model"))
    if "like" in own:
        if own["like"] not in known:
            raise ValueError(f"{name}: like is {own['like']!r}; expected one of {', '.join(known)}")
        own = _whole(known, own["like"]) | own
    return _model_of(Path(name).stem, own)


def hardware(name: str) -> Hardware:
    """A device by name, or the one that a TOML file describes. ValueError as model."""
    known = _read(HARDWARE)
    settings = known[name] if name in known else _of_file(name, hardware_names(), "hardware")
    return _build(Hardware, Path(name).stem if name not in known else name, dict(settings), {"name": name})


def _read(file: Traversable) -> dict[str, dict[str, Any]]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _of_file(name: str, known: list[str], what: str) -> Mapping[str, Any]:
    """The settings in a user's file."""
    file = Path(name)
    if not file.is_file():
        raise ValueError(f"there is no {what} {name!r}; expected one of {', '.join(known)}, or a TOML file")
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{name} cannot be read: {error}") from error


def _whole(known: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """A model's fields with those of the one that it is like."""
    own = dict(known[name])
    return _whole(known, own["like"]) | own if "like" in own else own


def _model_of(name: str, settings: Mapping[str, Any]) -> Model:
    kind = settings.get("kind")
    if kind not in KINDS:
        raise ValueError(f"{name}: kind is {kind!r}; expected one of {', '.join(KINDS)}")
    shape_fields = {key: _whole_number(value) for key, value in settings.items() if key not in ABOUT}
    shape = _build(KINDS[kind], name, shape_fields, {})
    tokens = as_number(settings.get("training_tokens", 0.0), "training_tokens", 0.0)
    return Model(name, shape, str(settings.get("source", "")), bool(settings.get("estimate", False)), tokens)


def _whole_number(value: Any) -> Any:
    """1.8e12 counts as the whole number that it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _build(kind: type[Shape], name: str, settings: Mapping[str, Any], more: Mapping[str, Any]) -> Shape:
    unknown = settings.keys() - {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown:
        raise ValueError(f"{name}: {', '.join(sorted(unknown))} is no field of a {kind.__name__.lower()}")
    try:
        return kind(**more, **settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error
