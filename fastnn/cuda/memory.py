"""A network's parameters on the device, and what one asks of the network there: outputs and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda import ledger
from fastnn.cuda.fused_run import FusedRun
from fastnn.cuda.mma import require_tensor_cores
from fastnn.cuda.room import room_for
from fastnn.cuda.run import Data, Run, doubles_of, multiprocessors
from fastnn.cuda.target import cuda, require_device
from fastnn.cuda.tiled_run import TiledRun
from fastnn.learning.targets import AnyTarget
from fastnn.learning.trainer import Trainable
from fastnn.learning.training import CONTROL_SIZE

# Rows that a forward pass takes at once: enough to fill a large device.
INFERENCE_ROWS = 16_384


def run_for(network: Trainable, params: Any, capacity: int, doubles: NDArray[np.float64]) -> Run:
    """The launches of a network for batches of up to `capacity` rows: fused where every layer is narrow and a block's
    rows fit its shared memory, else tiled, which also has the tensor cores."""
    room = None if network.precision else room_for(network, capacity, multiprocessors())
    if room is None:
        return TiledRun(network, params, capacity, doubles)
    return FusedRun(network, params, capacity, doubles, room)


class Memory:
    """The flat vector of parameters, which lies on the device and is copied where it is asked for."""

    def __init__(self, network: Trainable, values: NDArray[Any]) -> None:
        require_device()
        if network.precision:
            require_tensor_cores()
        self.network = network
        self.params = cuda.to_device(values)
        self._run: Run | None = None

    def read(self) -> NDArray[Any]:
        """A copy, which cannot be written: a change to it would be lost."""
        values: NDArray[Any] = self.params.copy_to_host()
        values.flags.writeable = False
        return values

    def write(self, values: NDArray[Any]) -> None:
        self.params.copy_to_device(np.ascontiguousarray(values, self.network.dtype))

    def run(self, capacity: int) -> Run:
        """Launches for that many rows, kept until more are wanted."""
        if self._run is None or self._run.capacity < capacity:
            self._run = run_for(self.network, self.params, capacity, doubles_of(self.network, np.zeros(CONTROL_SIZE)))
            # All rows one after the other; and labels that a forward pass does not read.
            self._rows = cuda.to_device(np.arange(capacity))
            self._ledger = cuda.to_device(ledger.blank(0))
        return self._run

    def infer(self, x: NDArray[Any]) -> NDArray[Any]:
        """The network's output (N, O) for x (N, I)."""
        out = np.empty((len(x), self.network.outputs), self.network.dtype)
        for begin in range(0, len(x), INFERENCE_ROWS):
            part = x[begin : begin + INFERENCE_ROWS]
            result = cuda.device_array(part.shape[0] * self.network.outputs, self.network.dtype)
            run = self.run(len(part))
            run.forward(Data(cuda.to_device(part), self._rows, self._rows, self._ledger), len(part), result)
            out[begin : begin + len(part)] = result.copy_to_host().reshape(len(part), -1)
        return out

    def gradient(self, x: NDArray[Any], y: AnyTarget) -> NDArray[Any]:
        """The gradient of the loss on all rows as one batch."""
        run = self.run(len(x))
        run.find_gradient(upload(x, y), len(x))
        gradient: NDArray[Any] = run.gradient.copy_to_host()
        return gradient


def upload(x: NDArray[Any], y: AnyTarget, order: Any = None) -> Data:
    """Rows as the kernels read them, for one step; without an order, which lies on the device, all of them one after
    the other. ValueError: rows that weigh."""
    if isinstance(y, tuple):
        raise ValueError("sample_weight has no kernels on device='cuda'; leave it out, or use device='cpu'")
    rows = cuda.to_device(np.arange(len(x))) if order is None else order
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return Data(cuda.to_device(x), cuda.to_device(y), rows, cuda.to_device(ledger.blank(1)))
