"""What a peer is asked to do: a network as ours begins it, and how it learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Task:
    """parameters: of our network, by its names; weights are (I, O). heads: of a language model, as
    fastnn.bench.ladder.language_model makes it; 0 is a multilayer perceptron of relu, or what `description` says, as
    fastnn.Network.description gives it. batch: its rows. optimizer: by name."""

    parameters: Mapping[str, NDArray[Any]]
    heads: int
    batch: int
    optimizer: str
    learning_rate: float
    threads: int
    description: Mapping[str, Any] | None = None

    @property
    def takes_ids(self) -> bool:
        """Whether rows are ids of tokens, and each position has a target."""
        return self.heads > 0 or (self.description is not None and self.description["layers"][0]["kind"] == "embedding")

    @property
    def weights(self) -> list[NDArray[Any]]:
        """Of each layer of a perceptron."""
        return [values for name, values in self.parameters.items() if name.endswith(".weight")]

    @property
    def biases(self) -> list[NDArray[Any]]:
        return [values for name, values in self.parameters.items() if name.endswith(".bias")]
