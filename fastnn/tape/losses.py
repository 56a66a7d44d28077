"""Losses beside fastnn's own, called by the kind that the header of a tape names.

Such a loss is one late kernel on plain arrays:

    loss(losses, gradient, prediction, target, settings, scale)

prediction, target (rows, O); it overwrites losses (rows,) with the loss of each row, and gradient (rows, O) with the
derivative of their sum times scale. settings (32,) float64: the numbers of the loss in their order, then zeros. A row
does not depend on the others: a mean is over rows, and made around it.
"""

from __future__ import annotations

import math
from typing import Any

from numba import types

from fastnn.compiler.jit import by_type, kernel
from fastnn.compiler.table import Table
from fastnn.kernels.loss import NAMES
from fastnn.simd.rows import row_sum
from fastnn.simd.views import doubles, flat
from fastnn.tape.columns import COLUMNS, LOSS, LOSS_CONSTANTS

FIRST_REGISTERED_LOSS = len(NAMES)


def _of_rows(number: Any) -> tuple[Any, ...]:
    """losses, gradient, prediction, target, settings, scale"""
    return number[::1], number[:, ::1], number[:, ::1], number[:, ::1], types.float64[::1], types.float64


registered_loss = Table("loss", _of_rows, of=0)


def register_loss_kernel(loss: Any) -> int:
    """A new kind of losses. loss: a late kernel."""
    kind = FIRST_REGISTERED_LOSS + len(registered_loss.kernels)
    registered_loss.register(kind, loss)
    return kind


def bind_loss(kind: int, itemsize: int) -> None:
    """Compiles or loads what a network calls; a loss of fastnn's own has nothing."""
    if kind in registered_loss.kernels:
        registered_loss.bind(kind, itemsize)


@kernel(inlined=True, views=True)
def _settings(tape):
    return doubles(flat(tape), tape[0, LOSS_CONSTANTS] * COLUMNS, COLUMNS)


def _sum(tape, losses, gradient, prediction, target, divisor):
    registered_loss(tape[0, LOSS], losses, gradient, prediction, target, _settings(tape), 1 / divisor)
    return row_sum(losses)


def _nan(tape, losses, gradient, prediction, target, divisor):
    return math.nan


# sum_of_registered(tape, losses, gradient, prediction, target, divisor): as `objective.loss_sum`; NaN where targets are
# not of the network's dtype, which no such loss takes.
sum_of_registered = by_type(
    lambda tape, losses, gradient, prediction, target, divisor: _sum if target.dtype == prediction.dtype else _nan
)
