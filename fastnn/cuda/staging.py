"""From the device's memory to shared memory: what a block multiplies next, some terms of each of its rows at a time.

A word is what lies in shared memory: a number, or what tensor cores read, which may hold `packed` terms of a row. The
words of a half are staged[p * row + r], p of `words`, r of `size`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastnn.cuda.target import cuda, device, place


@device
def number_itself(held, at):
    """The word of a number that is multiplied as it is."""
    return held[at]


@dataclass(frozen=True)
class Words:
    """size: rows (or columns) of a tile. row: words from one p to the next, a few more than size, so that what
    neighbours write lies in different banks. words: of each row in a half. packed: terms of a word. side: words of a
    row that neighbours bring, where terms lie side by side in the matrix. threads, across: of a block, and in a row of
    it. of: the device function that makes a word of held[at:]."""

    size: int
    row: int
    words: int
    packed: int
    side: int
    threads: int
    across: int
    of: Callable[[Any, Any], Any]

    @property
    def half(self) -> int:
        return self.words * self.row

    @property
    def terms(self) -> int:
        return self.words * self.packed

    @property
    def turns(self) -> int:
        """Words that each thread brings."""
        return self.words * self.size // self.threads

    @property
    def held(self) -> int:
        return self.turns * self.packed


def make_staging(number: Any, w: Words, by_terms: bool) -> tuple[Any, Any]:
    """Device functions that load a thread's part of the next half, and store it.

    by_terms: terms of a row lie side by side in the matrix, else rows of a term do. Neighbours read neighbours.
    """
    size, row, turns, packed, terms, of = w.size, w.row, w.turns, w.packed, w.terms, w.of
    across, threads = w.across, w.threads
    side, row_turns = w.side, max(w.size * w.side // w.threads, 1)

    @device
    def own_place():
        """Word and row of a thread's first turn."""
        own = cuda.threadIdx.y * across + cuda.threadIdx.x
        return (own % side, own // side) if by_terms else (own // size, own % size)

    @device
    def turn_place(turn):
        """How much further on those of another turn are."""
        if by_terms:
            return turn // row_turns * side, turn % row_turns * (threads // side)
        return turn * threads // size, turn * threads % size

    @device
    def load(held, a, at, step, first, end, begin, last):
        """held[turn * packed:] = the terms of the turn's word, of rows from `first` and terms from `begin` on; 0 for
        rows from `end` and terms from `last` on. In the matrix, which begins at a[at], rows (or terms) are `step`
        apart."""
        p, r = own_place()
        row_step, term_step = (step, 1) if by_terms else (1, step)
        source = at + (first + r) * row_step + (begin + p * packed) * term_step
        if first + size <= end and begin + terms <= last:
            for turn in range(turns):
                more_p, more_r = turn_place(turn)
                for e in range(packed):
                    held[turn * packed + e] = a[place(source + more_r * row_step + (more_p * packed + e) * term_step)]
        else:
            for turn in range(turns):
                more_p, more_r = turn_place(turn)
                for e in range(packed):
                    inside = first + r + more_r < end and begin + (p + more_p) * packed + e < last
                    further = more_r * row_step + (more_p * packed + e) * term_step
                    held[turn * packed + e] = a[place(source + further)] if inside else number(0)

    @device
    def store(staged, half, held):
        """The words of `held` to staged[half:]."""
        p, r = own_place()
        for turn in range(turns):
            more_p, more_r = turn_place(turn)
            staged[place(half + (p + more_p) * row + r + more_r)] = of(held, turn * packed)

    return load, store
