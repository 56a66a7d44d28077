"""Concatenation of branches along the features, the last axis."""

import numpy as np

from .example import Example

EXAMPLES = (
    Example(
        lambda of: of.Concatenate([], of.Activation("tanh")),
        lambda p, x: np.concatenate([x, np.tanh(x)], axis=-1),
        [lambda p, x: np.concatenate([np.tanh(x), x], axis=-1)],
    ),
)
