"""What operations launch on large networks, a class for each: the contract that the walk of fastnn.cuda.tiled_run asks,
and all that an operation is to it. fastnn.cuda.support names those that are here.

Rows of the tape say where values lie, as on the CPU. A gradient goes on as that before the activation of the operation
whose output it is of, so that whoever makes it applies the slope to his own sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.geometry import GEOMETRY as G
from fastnn.cuda.tiled import Kernels, Products
from fastnn.tape import columns


class Walk(Protocol):
    """What operations find where they are walked: a network's tape, parameters and values on the device."""

    params: Any
    workspace: Any
    parts: Any
    size: int
    kernels: Kernels

    def row(self, i: int) -> NDArray[np.int64]: ...

    def alpha(self, i: int) -> float: ...

    def source(self, i: int) -> int:
        """Where operation i reads its rows."""

    def before(self, i: int) -> Slope:
        """What made operation i's input. Operation i is not the first; the last but one is the loss."""

    def products(self, rows: int, width: int, parts: int = 1) -> Products:
        """The kernels for a product of that size."""

    def spread(self, elements: int) -> int:
        """Blocks for a loop over so many elements, each thread in strides."""

    def launch(self, kernel: Any, grid: Any, block: Any, *arguments: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Slope:
    """What turns the gradient of values into that before the activation that made them: where its argument z and those
    values y lie, its kind and alpha."""

    z_at: int
    y_at: int
    kind: int
    alpha: float


class Operation(Protocol):
    """What is asked of operation i of a walk, for so many rows. multiplies: by a weight, of as many rows and columns as
    it has inputs and outputs."""

    multiplies: ClassVar[bool]

    def slope(self, walk: Walk, i: int) -> Slope:
        """What the gradient of its output goes through before it is this operation's."""

    def forward(self, walk: Walk, i: int, rows: int) -> None:
        """Its output."""

    def gradient(self, walk: Walk, i: int, rows: int, parts: int) -> None:
        """That of its parameters, in so many parts, each of as many rows."""

    def backward(self, walk: Walk, i: int, rows: int) -> None:
        """That of its input, before the activation that made it."""


class Dense:
    """y = f(x @ w + b); f in the products' epilogues."""

    multiplies: ClassVar[bool] = True

    def slope(self, walk: Walk, i: int) -> Slope:
        return _slope(walk, i, int(walk.row(i)[columns.PRE]))

    def forward(self, walk: Walk, i: int, rows: int) -> None:
        row = walk.row(i)
        inputs, outputs = widths_of(row)
        products = walk.products(rows, outputs)
        walk.launch(
            products.forward, products.grid(rows, outputs), products.block,
            walk.workspace, walk.source(i), int(row[columns.PRE]), int(row[columns.OUTPUT]), walk.params,
            int(row[columns.WEIGHT]), int(row[columns.BIAS]), int(row[columns.BIAS_SIZE]), rows, outputs, inputs,
            int(row[columns.ACTIVATION]), walk.alpha(i),
        )  # fmt: skip

    def gradient(self, walk: Walk, i: int, rows: int, parts: int) -> None:
        row, terms = walk.row(i), -(-rows // parts)
        inputs, outputs = widths_of(row)
        products, dz_at = walk.products(inputs, outputs, parts), int(row[columns.DOUTPUT])
        walk.launch(
            products.gradient, (*products.grid(inputs, outputs), parts), products.block,
            walk.parts, walk.size, int(row[columns.WEIGHT]), walk.workspace, walk.source(i), dz_at, inputs, outputs,
            rows, terms,
        )  # fmt: skip
        if row[columns.BIAS_SIZE] > 0:
            walk.launch(
                walk.kernels.bias_gradient, (-(-outputs // G.across), 1, parts), (G.across, G.down),
                walk.parts, walk.size, int(row[columns.BIAS]), walk.workspace, dz_at, outputs, rows, terms,
            )  # fmt: skip

    def backward(self, walk: Walk, i: int, rows: int) -> None:
        row, slope = walk.row(i), walk.before(i)
        inputs, outputs = widths_of(row)
        products = walk.products(rows, inputs)
        walk.launch(
            products.backward, products.grid(rows, inputs), products.block,
            walk.workspace, int(row[columns.DINPUT]), int(row[columns.DOUTPUT]), walk.params, int(row[columns.WEIGHT]),
            slope.z_at, slope.y_at, rows, inputs, outputs, slope.kind, slope.alpha,
        )  # fmt: skip


class Elementwise:
    """y = f(x)"""

    multiplies: ClassVar[bool] = False

    def slope(self, walk: Walk, i: int) -> Slope:
        return _slope(walk, i, walk.source(i))

    def forward(self, walk: Walk, i: int, rows: int) -> None:
        row = walk.row(i)
        count = rows * int(row[columns.WIDTH_OUT])
        walk.launch(
            walk.kernels.elementwise, walk.spread(count), G.threads,
            walk.workspace, walk.source(i), int(row[columns.OUTPUT]), count, int(row[columns.ACTIVATION]),
            walk.alpha(i),
        )  # fmt: skip

    def gradient(self, walk: Walk, i: int, rows: int, parts: int) -> None:
        """It has no parameters."""

    def backward(self, walk: Walk, i: int, rows: int) -> None:
        row, slope = walk.row(i), walk.before(i)
        count = rows * int(row[columns.WIDTH_IN])
        walk.launch(
            walk.kernels.elementwise_backward, walk.spread(count), G.threads,
            walk.workspace, int(row[columns.DINPUT]), int(row[columns.DOUTPUT]), slope.z_at, slope.y_at, count,
            slope.kind, slope.alpha,
        )  # fmt: skip


OPERATIONS: dict[int, Operation] = {columns.DENSE: Dense(), columns.ELEMENTWISE: Elementwise()}


def widths_of(row: NDArray[np.int64]) -> tuple[int, int]:
    """Of its input and of its output."""
    return int(row[columns.WIDTH_IN]), int(row[columns.WIDTH_OUT])


def _slope(walk: Walk, i: int, z_at: int) -> Slope:
    row = walk.row(i)
    return Slope(z_at, int(row[columns.OUTPUT]), int(row[columns.ACTIVATION]), walk.alpha(i))
