"""Residual: y = x + f(x)."""

from . import activation as act
from .example import Example

EXAMPLES = (
    Example(
        lambda of: of.Residual(of.Activation("silu")),
        lambda p, x: x + act.value("silu", x),
        [lambda p, x: act.value("silu", x)],
    ),
)
