"""A layer as PyTorch or ONNX has it, told as data; fastnn.interchange makes it there and reads it from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Form:
    """name: of a class of torch.nn, or of an ONNX operator. settings: by their names there.

    parameters: the layer's own names of those that an ONNX operator takes, in its order. dtype: of the parameters of a
    module that is read.

    Of an ONNX operator that is written: first: it takes its parameters before what comes; transposed: as their
    transposes; constants: what it takes after them; outputs: those that it gives, of which the next one takes all;
    activation: of the first; moved: its parameters have their axes as elsewhere, (out, in, ...).

    Of an ONNX operator that is read: constants: its inputs after the first, "1" and so on; shapes: theirs, as they are
    there. rows: the shape of a row that comes to it, as it is here; None where it is not known.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    parameters: Sequence[str] = ()
    dtype: np.dtype[Any] | None = None
    first: bool = False
    transposed: bool = False
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    outputs: int = 1
    activation: str = "identity"
    moved: bool = False
    shapes: Sequence[tuple[int, ...]] = ()
    rows: tuple[int, ...] | None = None

    def require(self, **expected: Any) -> None:
        """ValueError for a setting with another value, which would be another function."""
        for name, value in expected.items():
            given = self.settings.get(name, value)
            if given != value and not (isinstance(given, (tuple, list)) and {*given} == {value}):
                raise ValueError(f"its {name} is {given!r}; expected {value!r}")
