"""What operations are checked and timed by: layers, rows, the right values, and wrong ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# y (B, ...) of the parameters by the layer's own names and x (B, ...).
Values = Callable[[Mapping[str, Array], Array], Array]

# Of a row: features, and positions of features.
SHAPES = ((7,), (4, 6))


@dataclass(frozen=True)
class Example:
    """build: makes the layer with the classes of a module that has them, such as fastnn. values: of that layer.

    wrong: values that are wrong in a way that people get them wrong. shapes: of the rows. terms, smooth: as in
    fastnn.testing.Case. ids: the vocabulary of rows that hold ids, 0 where they are other numbers.
    """

    build: Callable[[Any], Any]
    values: Values
    wrong: Sequence[Values] = ()
    shapes: Sequence[tuple[int, ...]] = SHAPES
    terms: float = 16.0
    smooth: bool = True
    ids: int = 0


def bare(p: Mapping[str, Array]) -> Mapping[str, Array]:
    """The parameters with biases of 0."""
    return {name: np.zeros_like(values) if name == "bias" else values for name, values in p.items()}
