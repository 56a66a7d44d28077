"""Rows that go through a network together: what the terms of its layers are told."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fastnn.products.matmul import PARALLEL_MACS
from fastnn.simd.host import UNIT
from fastnn.study.layered import LayeredCall
from fastnn.study.machine_model import MachineModel
from fastnn.study.products import Terms

# Fused multiply-adds of vectors that a core has under way: tiles of fewer sums wait. Two ports, four cycles each.
UNDER_WAY = 8


@dataclass(frozen=True)
class Span:
    """rows: of a batch. threads: that share the layers of the span."""

    call: LayeredCall
    rows: int
    threads: int
    machine: MachineModel

    @property
    def itemsize(self) -> int:
        return self.call.itemsize

    @property
    def lanes(self) -> int:
        """Numbers of a vector."""
        return UNIT.bytes // self.itemsize

    @property
    def is_step(self) -> bool:
        return self.call.phase == "step"

    @property
    def in_chunks(self) -> bool:
        return False

    @cached_property
    def working_set(self) -> int:
        """Bytes that it touches: parameters, and what operations make and keep."""
        graph, operations = self.call.network.graph, self.call.network.operations
        values = sum(operation.outputs + sum(operation.kept().values()) for operation in operations)
        return self.itemsize * (graph.parameter_count + self.rows * values)

    def beyond(self, level: int, size: float) -> float:
        """Share of so many bytes, read in a circle, that comes from beyond a cache: see fastnn.study.work."""
        caches = self.machine.caches
        return min(1.0, max(0.0, 2 * size / caches[level - 1] - 1)) if len(caches) >= level else 0.0

    def threads_of(self, macs: float, units: int) -> int:
        """That share so many multiply-adds in units of work."""
        return min(self.threads, units) if macs >= PARALLEL_MACS else 1

    def busiest(self, macs: float, units: int) -> float:
        """Share of the units that one thread has."""
        return -(-units // self.threads_of(macs, units)) / units

    def region(self, macs: float, units: int, values: int) -> Terms:
        """Of what threads share, if that pays; values: that others read then."""
        threads = self.threads_of(macs, units)
        return {"regions": threads > 1, "values that change cores": values * (1 - 1 / threads)}

    def known(self, terms: Terms) -> Terms:
        """At the costs that perceptrons have on the machine."""
        return {"products": self.machine.cycles(terms)}

    def filled(self, channels: int) -> float:
        """Lanes of the vectors that channels take, for each of these."""
        return -(-channels // self.lanes) * self.lanes / channels
