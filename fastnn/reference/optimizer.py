"""Parameter updates, gradient clipping and learning-rate schedules.

An update takes parameters p, gradient g and the state of its last call, all of one shape, and returns the
new (p, state), leaving its arguments as they were. `step` counts updates from 1, in schedules from
0. State: () for sgd, (buffer,) for momentum and nesterov, (m, v) for adam and adamw; start
from `initial_state`. Weight decay is added to the gradient (wd * p), except in adamw, where it shrinks p
(Loshchilov and Hutter, arXiv 1711.05101). Formulas of torch.optim; Adam: Kingma and Ba, arXiv 1412.6980,
with epsilon outside the bias-corrected root.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
State = tuple[Array, ...]
Update = tuple[Array, State]

# As torch.nn.utils.clip_grad_norm_, which keeps a zero norm from dividing.
CLIP_EPSILON = 1e-6


def sgd(p: Array, g: Array, state: State, step: int, lr: float, weight_decay: float = 0.0) -> Update:
    """p - lr g."""
    return p - lr * (g + weight_decay * p), ()


def momentum(
    p: Array, g: Array, state: State, step: int, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> Update:
    """buffer = momentum buffer + g; p - lr buffer."""
    buffer = momentum * state[0] + (g + weight_decay * p)
    return p - lr * buffer, (buffer,)


def nesterov(
    p: Array, g: Array, state: State, step: int, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> Update:
    """buffer = momentum buffer + g; p - lr (g + momentum buffer)."""
    g = g + weight_decay * p
    buffer = momentum * state[0] + g
    return p - lr * (g + momentum * buffer), (buffer,)


def adam(
    p: Array,
    g: Array,
    state: State,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
) -> Update:
    """p - lr m' / (sqrt(v') + epsilon), where m' and v' are the bias-corrected means of g and g^2."""
    return _adam(p, g + weight_decay * p, state, step, lr, beta1, beta2, epsilon)


def adamw(
    p: Array,
    g: Array,
    state: State,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> Update:
    """Adam with decoupled decay: p first shrinks by the factor 1 - lr weight_decay."""
    return _adam(p * (1.0 - lr * weight_decay), g, state, step, lr, beta1, beta2, epsilon)


def _adam(p: Array, g: Array, state: State, step: int, lr: float, beta1: float, beta2: float, epsilon: float) -> Update:
    m = beta1 * state[0] + (1.0 - beta1) * g
    v = beta2 * state[1] + (1.0 - beta2) * g * g
    rate = lr / (1.0 - beta1**step)
    root_correction = 1.0 / math.sqrt(1.0 - beta2**step)
    return p - rate * m / (np.sqrt(v) * root_correction + epsilon), (m, v)


UPDATES: Mapping[str, Callable[..., Update]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adam": adam,
    "adamw": adamw,
}
STATE_ARRAYS: Mapping[str, int] = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "adamw": 2}


def initial_state(name: str, p: Array) -> State:
    """Zeros of the shape of p, one array for each that the update keeps."""
    if name not in STATE_ARRAYS:
        raise ValueError(f"unknown optimizer: expected one of {', '.join(STATE_ARRAYS)}; got {name!r}")
    return tuple(np.zeros_like(p) for _ in range(STATE_ARRAYS[name]))


def clip(g: Array, max_norm: float) -> Array:
    """g min(1, max_norm / (|g| + 1e-6)), |g| the Euclidean norm over all of g."""
    norm = np.sqrt(np.sum(g * g))
    clipped: Array = g * np.minimum(max_norm / (norm + CLIP_EPSILON), 1.0)
    return clipped


def constant(base: float, step: int) -> float:
    """The learning rate `base` at every step."""
    return base


def step_decay(base: float, step: int, every: int, factor: float) -> float:
    """`base` times `factor` for each `every` steps made."""
    return base * factor ** (step // every)


def inverse_scaling(base: float, step: int, power: float) -> float:
    """base / (step + 1)^power, as scikit-learn's invscaling."""
    return float(base / (step + 1) ** power)


def cosine(base: float, step: int, total: int, warmup: int, floor: float = 0.0) -> float:
    """Linear warm-up from base/warmup at step 0 to base at step warmup - 1, then half a cosine, from base
    at step `warmup` to `floor` at step `total` and after (Loshchilov and Hutter, arXiv 1608.03983)."""
    if step < warmup:
        return base * (step + 1) / warmup
    if step >= total:
        return floor
    return floor + (base - floor) * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / (total - warmup)))
