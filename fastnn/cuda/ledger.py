"""A float64 vector on the device that steps write down what they saw in, and read where they are.

ledger[NEXT_ROW]    the place in `order` where the next step's batch begins
ledger[NEXT_STEP]   how many steps were written down
then, for each step, TALLY numbers (see fastnn.cuda.loss)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.loss import TALLY
from fastnn.cuda.target import device

NEXT_ROW, NEXT_STEP = 0, 1
HEAD = 2


def blank(steps: int) -> NDArray[np.float64]:
    """A ledger for so many steps, at its beginning."""
    return np.zeros(HEAD + steps * TALLY)


def tallies_of(ledger: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """(steps, TALLY)"""
    return ledger[HEAD : HEAD + steps * TALLY].reshape(steps, TALLY)


@device
def first_row(ledger: Any) -> Any:
    """Where the batch begins."""
    return int(ledger[NEXT_ROW])


@device
def place_of(ledger: Any) -> Any:
    """Where the step's numbers go."""
    return HEAD + int(ledger[NEXT_STEP]) * TALLY


@device
def turn(ledger: Any, rows: Any) -> None:
    """On to the next step; by one thread, when no other reads."""
    ledger[NEXT_ROW] += rows
    ledger[NEXT_STEP] += 1
