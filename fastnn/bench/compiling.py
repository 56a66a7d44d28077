"""Says that kernels are being compiled, when they are, and how long it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastnn.compiler.jit import CACHE_DIRECTORY, CompileClock, compile_seconds
from fastnn.compiler.numba_private import listening

Say = Callable[[str], object]


# What all kernels of a first `fastnn bench` take to compile, in units of the small function of compile_seconds: 70 s
# where that takes 0.22 s, on Zen 3.
KERNELS = 320


class _Announcer(CompileClock):
    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say, self._measures = say, False

    def on_start(self, event: Any) -> None:
        if self._measures:
            return
        if self.count == 0:
            self._measures = True
            self._say(f"compiling kernels{_once()} ...")
            self._measures = False
        super().on_start(event)

    def on_end(self, event: Any) -> None:
        if not self._measures:
            super().on_end(event)


def _once() -> str:
    if not CACHE_DIRECTORY:
        return "; no cache directory keeps them for the next run"
    tens = max(1, round(KERNELS * compile_seconds() / 10))
    return f", once: up to about {10 * tens} s on this machine"


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
