"""Networks of any layers as the models of their times know them: what they are made of, their kind, a call of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from fastnn.cost import Graph
from fastnn.layers import Conv2d, Operation, counted, describe_layer, operations_of
from fastnn.lowering import span_of
from fastnn.operations import attention, recurrent


class Layered(NamedTuple):
    """layers: and containers, as of fastnn.Network. shape: of a row of its input."""

    layers: tuple[Any, ...]
    shape: tuple[int, ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        return _operations(self)

    @property
    def graph(self) -> Graph:
        return counted(self.operations)

    @property
    def family(self) -> Family:
        """ValueError: it is of no kind that machines are measured with."""
        return family_of(self.operations)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"inputs": list(self.shape), "layers": [describe_layer(layer) for layer in self.layers]}


@lru_cache(maxsize=512)
def _operations(network: Layered) -> tuple[Operation, ...]:
    return operations_of(network.layers, network.shape)


@dataclass(frozen=True)
class Family:
    """Networks of one kind, whose times have one model. name: in documents. optimizer: the rule that steps update by.
    kind: of an operation that its networks have, and others have not."""

    name: str
    title: str
    optimizer: str
    kind: int


FAMILIES = (
    Family("transformers", "language models", "adamw", attention.ATTENTION),
    Family("images", "convolutional networks", "sgd", Conv2d.kind),
    Family("sequences", "recurrent networks", "sgd", recurrent.RECURRENT),
)


def family_of(operations: Sequence[Operation]) -> Family:
    """ValueError: layers of several kinds, or of none."""
    kinds = {operation.layer.kind for operation in operations}
    found = [family for family in FAMILIES if family.kind in kinds]
    if len(found) != 1:
        which = " and ".join(family.title for family in found) or "neither"
        raise ValueError(
            f"its layers are those of {which}; the times of networks of one kind are predicted, which is one of "
            f"{', '.join(family.title for family in FAMILIES)}"
        )
    return found[0]


@dataclass(frozen=True, slots=True)
class LayeredCall:
    """A forward pass ("forward") or a training step ("step") by the optimizer of its family, on a batch of a trainer
    that was told nothing of its spans."""

    network: Layered
    batch: int
    threads: int
    phase: str
    itemsize: int = 4

    @property
    def span(self) -> int:
        """Rows that go through the network together."""
        return min(self.batch, span_of(self.network.operations))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        about = {name: getattr(self, name) for name in ("batch", "threads", "phase", "itemsize")}
        return {"network": self.network.as_dict()} | about
