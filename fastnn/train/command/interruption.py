"""Ctrl-C while something trains: once to stop where it is whole, twice at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastnn.bench.progress import say

# Seconds that what is interrupted has to come to its end.
PATIENCE = 3


@contextmanager
def interruptible(what: str) -> Iterator[threading.Event]:
    """An event that the first SIGINT sets; the second, or some seconds, are a KeyboardInterrupt. what: stops whole."""
    asked = threading.Event()
    patience = threading.Timer(PATIENCE, signal.raise_signal, [signal.SIGINT])
    patience.daemon = True

    def handle(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)
        patience.start()
        say(f"stopping after this {what}, or in {PATIENCE} s; once more: at once")

    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield asked  # SIGINT is another's, or ignored, as it is behind nohup
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield asked
    finally:
        patience.cancel()
        signal.signal(signal.SIGINT, before)
