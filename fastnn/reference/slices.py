"""Some positions of rows: x (B, T, C)."""

from .example import Example

EXAMPLES = (
    Example(
        lambda of: of.Slice(1, -1),
        lambda p, x: x[:, 1:-1],
        [lambda p, x: x[:, 2:], lambda p, x: x[:, :-2]],
        ((4, 6),),
    ),
    Example(lambda of: of.Slice(-2), lambda p, x: x[:, -2:], [lambda p, x: x[:, :2]], ((5, 3), (5,))),
)
