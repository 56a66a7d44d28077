"""Rows at a time: as many as make about a million numbers, whatever their width."""

from __future__ import annotations

from collections.abc import Iterator

NUMBERS = 2**20


def chunk_rows(width: int) -> int:
    """Rows of so many numbers that go at once."""
    return max(NUMBERS // max(width, 1), 1)


def chunks(rows: int, width: int) -> Iterator[slice]:
    """All rows, in order."""
    step = chunk_rows(width)
    return (slice(at, min(at + step, rows)) for at in range(0, rows, step))
