"""Python that makes the steps of a page once more, and writes the same bytes."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from fastnn.learning.optimizers import Optimizer

DIGITS_AGAIN = "digits = data.digits()\nx, y = digits.x, digits.y"
PROGRAM = '''"""{steps:,} steps of fastnn's page {page}, again."""

import numpy as np

import fastnn
from fastnn import data

BATCH, STEPS, SEED = {batch}, {steps}, {seed}

{rows}
network = {network}
trainer = network.trainer({optimizer}, batch=BATCH)
held = trainer.hold(x, y)
rng, order = np.random.default_rng(SEED), np.arange(held.rows)
while trainer.steps < STEPS:
    rng.shuffle(order)
    trainer.epoch(held, order, STEPS - trainer.steps)
network.save("network.safetensors")
'''


def again(page: str, *, rows: str, network: str, optimizer: Optimizer, batch: int, seed: int, steps: int) -> str:
    """rows: Python that makes x and y of `data`. network: one that makes it, of SEED."""
    return PROGRAM.format(
        page=page, rows=rows, network=network, optimizer=written(optimizer), batch=batch, seed=seed, steps=steps
    )


def written(value: Any) -> str:
    """As a program says it: of fastnn's settings those that are not as they are by themselves."""
    if not is_dataclass(value):
        return repr(value)
    said = (f"{each.name}={written(getattr(value, each.name))}" for each in fields(value) if _is_said(value, each))
    return f"fastnn.{type(value).__name__}({', '.join(said)})"


def _is_said(value: Any, field: Field[Any]) -> bool:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return field.init and bool(getattr(value, field.name) != default)
