"""Where each parameter of a network lies in its flat vector, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import in_lines
from fastnn.layers import Operation
from fastnn.lowering.blocks import Allocator
from fastnn.tape import columns


@dataclass(frozen=True)
class Block:
    """A named array inside a flat vector: its first element and its shape. decays: whether l2 is of it; statistic: see
    fastnn.graph.protocol.Parameter."""

    offset: int
    shape: tuple[int, ...]
    decays: bool = False
    statistic: bool = False

    @property
    def flags(self) -> int:
        """See fastnn.tape.columns."""
        of_statistic = columns.STATISTIC | (0 if self.shape else columns.COUNT) if self.statistic else 0
        return of_statistic | (columns.DECAYS if self.decays else 0)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def view(self, vector: NDArray[Any]) -> NDArray[Any]:
        return vector[self.offset : self.offset + self.size].reshape(self.shape)


@dataclass(frozen=True)
class ParameterLayout:
    """Where each parameter lies. count never counts the padding between blocks, nor statistics; size does."""

    blocks: dict[str, Block]
    size: int
    itemsize: int

    @property
    def count(self) -> int:
        return sum(block.size for block in self.blocks.values() if not block.statistic)

    @property
    def has_statistics(self) -> bool:
        return any(block.statistic for block in self.blocks.values())

    def room(self, name: str) -> int:
        """Elements that a parameter takes with the zeros after it."""
        return in_lines(self.blocks[name].size, self.itemsize)

    def extent(self, operation: Operation) -> tuple[int, int]:
        """Where the parameters of an operation begin, and how many elements they take with the zeros between them."""
        blocks = [self.blocks[name] for name in operation.parameter_names.values()]
        if not blocks:
            return 0, 0
        begin, end = min(block.offset for block in blocks), max(block.offset + block.size for block in blocks)
        return begin, in_lines(end - begin, self.itemsize)

    def table(self) -> NDArray[np.int64]:
        """All of this as a tape holds it; see fastnn.tape.columns."""
        entries = np.zeros((len(self.blocks), columns.BLOCK_ENTRY), np.int64)
        for entry, block in zip(entries, self.blocks.values(), strict=True):
            entry[columns.BLOCK_OFFSET], entry[columns.BLOCK_SIZE] = block.offset, block.size
            entry[columns.BLOCK_FLAGS] = block.flags
            entry[columns.BLOCK_RATE] = columns.bits(1.0)
        return entries.ravel()


def layout_parameters(operations: Sequence[Operation], itemsize: int) -> ParameterLayout:
    """Names are "<layer>.<parameter>", as in a torch Sequential: "0.weight", "0.bias", "1.0.weight", ..."""
    allocator = Allocator(itemsize)
    blocks = {}
    for operation in operations:
        for name, parameter in operation.parameters.items():
            if parameter.tied_to is None:
                offset = allocator.take(math.prod(parameter.shape))
                blocks[operation.parameter_names[name]] = Block(
                    offset, parameter.shape, parameter.decays, parameter.statistic
                )
    return ParameterLayout(blocks, allocator.size, itemsize)


def take_rates(tape: NDArray[np.int64], rates: Sequence[float]) -> None:
    """Writes into a tape what the learning rate of each parameter is multiplied by."""
    table = tape.reshape(-1)[tape[0, columns.BLOCKS_AT] * columns.COLUMNS :]
    apart = False
    for number, rate in enumerate(rates):
        entry = number * columns.BLOCK_ENTRY
        table[entry + columns.BLOCK_RATE] = columns.bits(rate)
        apart |= rate != 1 or bool(table[entry + columns.BLOCK_FLAGS] & columns.STATISTIC)
    tape[0, columns.GROUPED] = apart


def constants(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers as rows of a tape."""
    rows = -(-values.size // columns.COLUMNS)
    padded = np.zeros(rows * columns.COLUMNS, np.int64)
    padded[: values.size] = values
    return padded.reshape(rows, columns.COLUMNS)
