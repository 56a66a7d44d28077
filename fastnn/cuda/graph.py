"""Steps recorded once and started again as one graph. By itself a launch costs the host 6 us with one array and 30 us
with sixteen.

Nothing that a step is launched with changes from one to the next: where its batch begins and where its totals go lies
on the device (fastnn.cuda.ledger), and each step moves them on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from fastnn.cuda.run import Data, Run
from fastnn.cuda.target import SIMULATED, Recorder, cuda

# Steps of the larger graph. The other has one.
MANY = 16
# Graphs that are kept: two of whole batches, and of what is left over at the end of an epoch.
MOST_GRAPHS = 8


class _DeviceRecorder:
    """Launches on `stream` are captured, not made."""

    def __init__(self, device: Any, default_stream: Any) -> None:
        self._builder = device.create_graph_builder().begin_building()
        self._default_stream = default_stream
        self.stream = self._builder.stream

    def end(self) -> Callable[[], None]:
        """What makes the launches, behind all that was launched before."""
        return partial(self._builder.end_building().complete().launch, self._default_stream)


def start_recording() -> Any:
    """A recorder; None where the packages that stand here have none."""
    if SIMULATED:
        return Recorder()
    try:
        from cuda.core import Device, Stream
    except ImportError:
        return None
    device = Device(cuda.get_current_device().id)
    device.set_current()
    return _DeviceRecorder(device, Stream.from_handle(0))


class Replay:
    """Steps of a run on data that stays where it is, from the second of a number of rows on as graphs."""

    def __init__(self, run: Run, clips: bool) -> None:
        self._run, self._clips = run, clips
        self._data: Data | None = None
        self._graphs: dict[tuple[int, int], Callable[[], None]] = {}
        self._launched: set[int] = set()
        self._records = True

    def steps(self, data: Data, rows: int, count: int) -> None:
        """As many steps, each on the next `rows` rows of data."""
        if data is not self._data:
            self.forget()
            self._data = data
        if count > 0 and rows not in self._launched:  # compiles and loads the kernels, which a recording may not
            self._launched.add(rows)
            self.make(data, rows)
            count -= 1
        for steps in (MANY, 1):
            while count >= steps:
                self._start(data, rows, steps)
                count -= steps

    def forget(self) -> None:
        """The data, and all that was recorded of it; labels and targets have kernels of their own."""
        self._data = None
        self._graphs.clear()
        self._launched.clear()

    def make(self, data: Data, rows: int, steps: int = 1) -> None:
        """The same by launches of their own, for data that comes once."""
        for _ in range(steps):
            self._run.step(data, rows, self._clips)

    def _start(self, data: Data, rows: int, steps: int) -> None:
        graph = self._graphs.get((rows, steps)) or self._record(data, rows, steps)
        if graph is None:
            self.make(data, rows, steps)
        else:
            graph()

    def _record(self, data: Data, rows: int, steps: int) -> Callable[[], None] | None:
        if not self._records:
            return None
        try:
            if len(self._graphs) >= MOST_GRAPHS:  # of orders of ever other lengths
                self._graphs.clear()
            recorder = start_recording()
            if recorder is not None:
                self._run.stream = recorder.stream
                self.make(data, rows, steps)
                self._graphs[rows, steps] = recorder.end()
        except Exception as error:  # nothing was launched; steps go on, each by its own launches
            warnings.warn(f"steps are launched one by one: no graph, {error}", RuntimeWarning, stacklevel=2)
        finally:
            self._run.stream = 0
        self._records = (rows, steps) in self._graphs
        return self._graphs.get((rows, steps))
