"""Blocks of a flat vector: each begins a line of the cache, and may take the room of one whose time is over."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass

from fastnn.edge.checks import in_lines


@dataclass
class Lifetime:
    """A block of so many elements that is in use from step `first` to step `last`, both included."""

    elements: int
    first: int
    last: int
    offset: int = -1

    def until(self, step: int) -> None:
        """It is in use at that step too."""
        self.last = max(self.last, step)

    def meets(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


class Allocator:
    """Hands out blocks of a flat vector."""

    def __init__(self, itemsize: int) -> None:
        self.itemsize = itemsize
        self.size = 0

    def rounded(self, elements: int) -> int:
        return in_lines(elements, self.itemsize)

    def take(self, elements: int) -> int:
        """A block that stays."""
        offset = self.size
        self.size += self.rounded(elements)
        return offset

    def place(self, blocks: list[Lifetime], keep: bool) -> None:
        """Gives each block its offset, behind those that stay; keep: no two of them in the same room.

        The largest first, each at the lowest place where none lies that is in use at the same time.
        """
        if keep:
            for block in blocks:
                block.offset = self.take(block.elements)
            return
        begin = self.size
        placed: list[Lifetime] = []
        for block in sorted(blocks, key=lambda block: -block.elements):
            block.offset = self._gap(begin, block, placed)
            insort(placed, block, key=lambda block: block.offset)
            self.size = max(self.size, block.offset + self.rounded(block.elements))

    def _gap(self, begin: int, block: Lifetime, placed: list[Lifetime]) -> int:
        """The lowest place from `begin` on with room for a block beside those that it meets; placed: by offset."""
        size = self.rounded(block.elements)
        for other in placed:
            if not other.meets(block):
                continue
            if other.offset - begin >= size:
                break
            begin = max(begin, other.offset + self.rounded(other.elements))
        return begin
