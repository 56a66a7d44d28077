"""Some channels of rows: x (..., C), y (..., J)."""

import numpy as np

from ..example import Example

EXAMPLES = (
    Example(
        lambda of: of.Channels([2, 0, 2, 3]),
        lambda p, x: x[..., [2, 0, 2, 3]],
        [lambda p, x: x[..., [0, 2, 2, 3]], lambda p, x: np.take(x, [2, 0, 2, 2], -1)],
        ((4,), (3, 5), (2, 3, 4)),
    ),
)
