"""Shared: a layer once more, with the parameters that it has."""

from __future__ import annotations

from dataclasses import dataclass

from fastnn.graph.graph import Graph


@dataclass(frozen=True)
class Shared:
    """The layer `name` once more, with its parameters: as an object of torch that stands in a Sequential twice.

    name: of an earlier layer, "0" the network's first, "1.0" the first in a Residual that is its second. Its input must
    be as wide as that layer's. The parameters count once, and their gradient is the sum of both uses.
    """

    name: str

    def build(self, graph: Graph, name: str, source: int) -> int:
        known = {operation.name: operation for operation in graph.operations}
        if self.name not in known:
            raise ValueError(
                f"layer {name} is Shared({self.name!r}); expected an earlier layer, of {', '.join(known) or 'none'}"
            )
        again = known[self.name]
        if len(again.sources) > 1:
            raise ValueError(f"layer {name} is Shared({self.name!r}), which is a {again.owner}; expected one layer")
        return graph.add(name, again.layer, source, owner=type(self).__name__, like=again)
