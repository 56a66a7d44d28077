"""Blocks of a flat vector: each begins on 64 bytes, and may take the room of one whose time is over."""

from __future__ import annotations

from dataclasses import dataclass

BLOCK_BYTES = 64


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
        self.unit = BLOCK_BYTES // itemsize
        self.size = 0

    def rounded(self, elements: int) -> int:
        return -(-elements // self.unit) * self.unit

    def take(self, elements: int) -> int:
        """A block that stays."""
        offset = self.size
        self.size += self.rounded(elements)
        return offset

    def place(self, blocks: list[Lifetime], keep: bool) -> None:
        """Gives each block its offset, behind those that stay; keep: no two of them in the same room.

        The largest first, each at the lowest place where none lies that is in use at the same time.
        """
        begin = self.size
        placed: list[Lifetime] = []
        for block in blocks if keep else sorted(blocks, key=lambda block: -block.elements):
            near = placed if keep else [other for other in placed if other.meets(block)]
            block.offset = self._gap(begin, self.rounded(block.elements), near)
            placed.append(block)
            self.size = max(self.size, block.offset + self.rounded(block.elements))

    def _gap(self, begin: int, elements: int, taken: list[Lifetime]) -> int:
        """The lowest place from `begin` on with room for so many elements."""
        for other in sorted(taken, key=lambda block: block.offset):
            if other.offset - begin >= elements:
                break
            begin = max(begin, other.offset + self.rounded(other.elements))
        return begin
