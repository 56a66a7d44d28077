"""What a peer is asked to do: a network as ours begins it, and how it learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Task:
    """weights: (I, O) of each layer; biases: (O,). batch: its rows. optimizer: by name."""

    weights: list[NDArray[Any]]
    biases: list[NDArray[Any]]
    batch: int
    optimizer: str
    learning_rate: float
    threads: int
