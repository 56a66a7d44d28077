"""Where values and gradients lie in a workspace, and for how long.

Time is counted in steps: operation k (from 1) runs forward at step k, the loss follows, and backward it runs at step
2 n + 2 - k. A block lives from the step that writes it to the last that reads it, and another may have its room before
and after. The network's output and its gradient stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fastnn.layers import Operation, readers_of, wanted_gradients
from fastnn.lowering.blocks import Allocator, Lifetime


@dataclass
class Values:
    """The places of a plan for batches of `capacity` rows, lists by the number of the operation, from 0. piece: rows of
    the loss whose outputs and gradients are there at a time, 0 for all; see fastnn.tape.pieces.

    outputs: of its value. kept: of what it keeps. contributions: of each of its inputs, the gradient that it has of it,
    None where none is wanted. gradients: that of its value, None where nobody has any.
    sums: by the operation that reads it first, values that several read, with the places of their contributions.
    """

    operations: Sequence[Operation]
    capacity: int
    trains: bool
    piece: int = 0
    blocks: list[Lifetime] = field(default_factory=list)
    outputs: list[Lifetime] = field(default_factory=list)
    kept: list[dict[str, Lifetime]] = field(default_factory=list)
    contributions: list[list[Lifetime | None]] = field(default_factory=list)
    gradients: list[Lifetime | None] = field(default_factory=list)
    sums: dict[int, list[tuple[int, list[Lifetime]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._make_values()
        if self.trains:
            self._make_gradients()

    @property
    def end(self) -> int:
        return 2 * len(self.operations) + 2

    def _forward(self, number: int) -> int:
        return number + 1

    def _backward(self, number: int) -> int:
        return self.end - 1 - number

    def _block(self, width: int, first: int, last: int) -> Lifetime:
        block = Lifetime(self.capacity * width, first, last)
        self.blocks.append(block)
        return block

    def _output(self, number: int, first: int) -> Lifetime:
        """Of an operation, or of its gradient."""
        operation = self.operations[number]
        if not self.piece or number < len(self.operations) - 1:
            return self._block(operation.outputs, first, first)
        block = Lifetime(self.piece * operation.shape[-1], first, first)
        self.blocks.append(block)
        return block

    def _make_values(self) -> None:
        for number, operation in enumerate(self.operations):
            now, then = self._forward(number), self._backward(number) if self.trains else self._forward(number)
            self.outputs.append(self._output(number, now))
            self.kept.append({name: self._block(width, now, then) for name, width in operation.kept().items()})
            if "outputs" in operation.layer.reads_backward:
                self.outputs[number].until(then)
            for source in operation.sources:
                if source:
                    self.outputs[source - 1].until(then if "inputs" in operation.layer.reads_backward else now)
        self.outputs[-1].until(self.end)

    def _make_gradients(self) -> None:
        """From the last operation to the first, as the backward pass goes."""
        wanted, readers = wanted_gradients(self.operations), readers_of(self.operations)
        count = len(self.operations)
        self.gradients, self.contributions = [None] * count, [[] for _ in range(count)]
        last = self.gradients[-1] = self._output(count - 1, count + 1)
        last.until(self.end)
        for number in range(count - 1, -1, -1):
            own = self.gradients[number]
            if own is None and wanted[number + 1]:
                own = self.gradients[number] = self._gradient_of(number, readers[number + 1])
            for slot, source in enumerate(self.operations[number].sources):
                self.contributions[number].append(self._contribution(number, slot, own) if wanted[source] else None)

    def _contribution(self, number: int, slot: int, own: Lifetime | None) -> Lifetime:
        """The gradient that an operation has of one of its inputs, until something else is known to read it."""
        now, operation = self._backward(number), self.operations[number]
        if slot in operation.layer.passes and own is not None:
            return own
        if self.piece and number == len(self.operations) - 1:  # it is made with the loss
            now -= 1
        return self._block(self.operations[operation.sources[slot] - 1].outputs, now, now)

    def _gradient_of(self, number: int, readers: list[tuple[int, int]]) -> Lifetime:
        """That of an operation's value: what its only reader has, or the sum of what several have."""
        found = [self.contributions[reader][slot] for reader, slot in readers]
        parts = [part for part in found if part is not None]
        then = self._backward(number)
        if len(parts) == 1:
            parts[0].until(then)
            return parts[0]
        first, _ = readers[0]
        for part in parts:
            part.until(self._backward(first))
        total = self._block(self.operations[number].outputs, self._backward(first), then)
        self.sums.setdefault(first, []).append((number, parts))
        return total

    def place(self, allocator: Allocator, keep: bool) -> None:
        allocator.place(self.blocks, keep)


def offset(block: Lifetime | None) -> int:
    """Where a block lies; -1 for none."""
    return -1 if block is None else block.offset
