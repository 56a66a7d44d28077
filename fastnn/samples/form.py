"""What a row is that has a shape, and all rows of a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

from fastnn.edge.checks import as_choice, as_shape
from fastnn.tables import Target

IMAGES, SEQUENCES = KINDS = ("images", "sequences")
# Axes of a row.
AXES = {IMAGES: 3, SEQUENCES: 2}
COLOURS = {1: "grey", 3: "colour"}


@dataclass(frozen=True)
class Form:
    """kind: "images" or "sequences". shape: (H, W, C), or (T, F), positions and features.

    resizes: images of another size are resized to it. unit: values lie from 0 to 1; those of bytes are divided by 255.
    varies: sequences may be shorter, and what is behind their end is NaN.
    """

    kind: str
    shape: tuple[int, ...]
    resizes: bool = False
    unit: bool = False
    varies: bool = False

    def __post_init__(self) -> None:
        as_choice(self.kind, KINDS, "kind")
        object.__setattr__(self, "shape", as_shape(self.shape, "shape"))
        if len(self.shape) != AXES[self.kind]:
            raise ValueError(f"shape is {self.shape}; expected {AXES[self.kind]} axes of {self.kind}")

    @property
    def features(self) -> int:
        """Channels, or features of a position."""
        return self.shape[-1]

    def __str__(self) -> str:
        if self.kind == SEQUENCES:
            most = "at most " if self.varies else ""
            return f"sequences of {most}{self.shape[0]} positions, {self.features} features each"
        return f"images of {sides(self.shape)}, {COLOURS.get(self.features, f'{self.features} channels')}"


def sides(shape: tuple[int, ...]) -> str:
    """Height and width, for people."""
    return f"{shape[0]}x{shape[1]}"


def describe(form: Form) -> dict[str, Any]:
    """As JSON can keep it."""
    return asdict(form) | {"shape": list(form.shape)}


def form_of(description: Mapping[str, Any]) -> Form:
    """The form that `describe` described. ValueError, TypeError, KeyError."""
    told = {name: bool(description[name]) for name in ("resizes", "unit", "varies")}
    return Form(str(description["kind"]), tuple(description["shape"]), **told)


@dataclass(frozen=True, eq=False)
class Samples:
    """x (N, *form.shape): bytes, or numbers of the network's type; y (N,): classes int64 or numbers float64.

    told: how they were read, in words.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    form: Form
    target: Target
    title: str
    told: str = ""

    def __len__(self) -> int:
        return len(self.x)
