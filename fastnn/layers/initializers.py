"""Initial weights, always from a numpy.random.Generator the caller owns, never from global state.

he: He et al. 2015, for relu and its kin. glorot (xavier): Glorot & Bengio 2010, for sigmoid and tanh. lecun: LeCun et
al. 1998. The spread of each is sqrt(gain / fan); "uniform" names draw from +-sqrt(3) times it, "normal" ones from a
normal distribution. A number in the place of a name is that spread itself. orthogonal: Saxe et al. 2014, for
recurrent weights.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import as_number

Shape = tuple[int, ...]
Initializer = Callable[[np.random.Generator, Shape, int, int], NDArray[np.float64]]


def _normal(gain: float, fan: Callable[[int, int], float]) -> Initializer:
    return lambda rng, shape, inputs, outputs: rng.normal(0.0, np.sqrt(gain / max(fan(inputs, outputs), 1)), shape)


def _uniform(gain: float, fan: Callable[[int, int], float]) -> Initializer:
    def draw(rng: np.random.Generator, shape: Shape, inputs: int, outputs: int) -> NDArray[np.float64]:
        bound = np.sqrt(3 * gain / max(fan(inputs, outputs), 1))
        return rng.uniform(-bound, bound, shape)

    return draw


def _inputs(inputs: int, outputs: int) -> float:
    return inputs


def _mean(inputs: int, outputs: int) -> float:
    return (inputs + outputs) / 2


def _orthogonal(rng: np.random.Generator, shape: Shape, inputs: int, outputs: int) -> NDArray[np.float64]:
    """Rows or columns, whichever are fewer, orthonormal: every such matrix is as likely (Mezzadri 2007)."""
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)
    return (q if rows >= columns else q.T).reshape(shape)


INITIALIZERS: dict[str, Initializer] = {
    "he_normal": _normal(2, _inputs),
    "he_uniform": _uniform(2, _inputs),
    "glorot_normal": _normal(1, _mean),
    "glorot_uniform": _uniform(1, _mean),
    "xavier_normal": _normal(1, _mean),
    "xavier_uniform": _uniform(1, _mean),
    "lecun_normal": _normal(1, _inputs),
    "lecun_uniform": _uniform(1, _inputs),
    "orthogonal": _orthogonal,
    "uniform": lambda rng, shape, inputs, outputs: rng.uniform(-1, 1, shape),
    "zeros": lambda rng, shape, inputs, outputs: np.zeros(shape),
}

# What "auto" means: He for units that let half of their input pass, Glorot for the others.
_RECTIFIERS = ("relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "softplus")


def initializer_for(name: str | float, activation: str) -> Initializer:
    """The initializer of that name; "auto" chooses by the activation that follows. A number is the standard deviation
    of a normal distribution. ValueError for an unknown name, or a number below 0."""
    if not isinstance(name, str):
        deviation = as_number(name, "initializer", 0.0)
        return lambda rng, shape, inputs, outputs: rng.normal(0.0, deviation, shape)
    if name == "auto":
        name = "he_normal" if activation in _RECTIFIERS else "glorot_uniform"
    if name not in INITIALIZERS:
        raise ValueError(f"initializer is {name!r}; expected 'auto' or one of {', '.join(INITIALIZERS)}")
    return INITIALIZERS[name]
