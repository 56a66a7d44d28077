"""Says that kernels are being compiled, when they are, and how long it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastnn._jit import CACHE_DIRECTORY, CompileClock
from fastnn.compiler.numba_private import listening

Say = Callable[[str], object]


class _Announcer(CompileClock):
    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def on_start(self, event: Any) -> None:
        if self.count == 0:
            self._say("compiling kernels, once (less than a minute) ..." if CACHE_DIRECTORY else
                      "compiling kernels; no cache directory keeps them for the next run ...")  # fmt: skip
        super().on_start(event)


@contextmanager
def announced(say: Say) -> Iterator[CompileClock]:
    """Inside the block the first compilation is announced; at its end the seconds of all are told."""
    clock = _Announcer(say)
    try:
        with listening(clock):
            yield clock
    finally:
        if clock.count:
            say(f"compiled {clock.count} kernels in {clock.seconds:.1f} s")
