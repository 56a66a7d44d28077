"""Small tables to train on, for tests, and settings that take no time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fastnn.tables import Column, Table, Target
from fastnn.train import Outcome, Settings, Training, run

ROWS, INPUTS = 120, 4
QUICK = Settings(layers=(8,), epochs=6, batch=16, seed=3, dtype="float64")


def table_of(classes: int = 3, rows: int = ROWS, seed: int = 0) -> Table:
    """Classes by the largest of so many inputs, or, without any, numbers around 1000."""
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 2, (rows, INPUTS))
    columns = tuple(Column(f"c{i}") for i in range(INPUTS))
    if not classes:
        return Table(x, 1000 + 50 * x[:, 0] - 20 * x[:, 1], columns, Target("price"), "table")
    y = np.argmax(x[:, :classes], axis=1)
    return Table(x, y, columns, Target("kind", tuple(f"k{i}" for i in range(classes))), "table")


def bits(outcome: Outcome, folder: Path) -> bytes:
    outcome.model.save(folder / "bits")
    return (folder / "bits").read_bytes()


def train(table: Table, settings: Settings, **options: Any) -> Outcome:
    return run(Training(table, settings), **options)
