"""Large networks: a kernel an operation, products by tiles in shared memory and registers with fused epilogues.

Values and gradients lie in the device's memory, laid out as for the CPU (see fastnn.tape). A block makes one tile of a
product; each thread keeps a few of its rows and columns. The gradient of a weight is split over ranges of the batch,
`parts` of them, where its tiles alone would leave the device idle; optimizer.update sums the parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numba import float64

from fastnn.cuda.activation import activate, inward
from fastnn.cuda.geometry import Geometry
from fastnn.cuda.ledger import first_row
from fastnn.cuda.loss import TALLY, labels_row, targets_row
from fastnn.cuda.optimizer import begin_step
from fastnn.cuda.product import Tiling, make_tile, scalar_tiling
from fastnn.cuda.target import cuda, kernel
from fastnn.cuda.tensor import tensor_tiling


@dataclass(frozen=True, slots=True)
class Products:
    """The kernels that multiply, in blocks of so many threads, each of which makes a tile of rows x columns."""

    forward: Any
    gradient: Any
    backward: Any
    block: tuple[int, int]
    rows: int
    columns: int

    def grid(self, rows: int, width: int) -> tuple[int, int]:
        """Blocks across and down of a product."""
        return -(-width // self.columns), -(-rows // self.rows)


@dataclass(frozen=True, slots=True)
class Kernels:
    """What the launches of fastnn.cuda.tiled_run name; products: by large tiles and by small ones."""

    gather: Any
    elementwise: Any
    lose: Any
    bias_gradient: Any
    elementwise_backward: Any
    products: tuple[Products, Products]


def _make_products(number: Any, tiling: Tiling, block: tuple[int, int]) -> Products:
    kept_rows, kept_columns = tiling.kept
    tile_rows, tile_columns, kept = tiling.rows, tiling.columns, kept_rows * kept_columns
    row_of, column_of = tiling.row_of, tiling.column_of
    tile, gradient_tile = make_tile(number, tiling, True, False), make_tile(number, tiling, False, False)
    backward_tile = make_tile(number, tiling, True, True)

    @kernel
    def forward(workspace, x_at, z_at, y_at, params, w_at, b_at, b_size, m, n, k, kind, alpha):
        """z = x @ w + b and y = f(z); a block a tile."""
        i0, j0 = cuda.blockIdx.y * tile_rows, cuda.blockIdx.x * tile_columns
        sums = cuda.local.array(kept, number)
        for b in range(kept_columns):
            j = j0 + column_of(b)
            start = params[b_at + j] if j < b_size else number(0)
            for a in range(kept_rows):
                sums[a * kept_columns + b] = start
        tile(sums, workspace, x_at, k, params, w_at, n, i0, m, j0, n, 0, k)
        for a in range(kept_rows):
            for b in range(kept_columns):
                i, j = i0 + row_of(a), j0 + column_of(b)
                if i < m and j < n:
                    z = sums[a * kept_columns + b]
                    workspace[z_at + i * n + j] = z
                    workspace[y_at + i * n + j] = activate(z, kind, alpha)

    @kernel
    def gradient(parts, size, at, workspace, x_at, dz_at, m, n, k, terms):
        """parts[part] at the weight = x.T @ dz over rows part * terms on; a block a tile of a part."""
        i0, j0, part = cuda.blockIdx.y * tile_rows, cuda.blockIdx.x * tile_columns, cuda.blockIdx.z
        sums = cuda.local.array(kept, number)
        for s in range(kept):
            sums[s] = number(0)
        k0, k1 = min(part * terms, k), min((part + 1) * terms, k)
        gradient_tile(sums, workspace, x_at, m, workspace, dz_at, n, i0, m, j0, n, k0, k1)
        for a in range(kept_rows):
            for b in range(kept_columns):
                i, j = i0 + row_of(a), j0 + column_of(b)
                if i < m and j < n:
                    parts[part * size + at + i * n + j] = sums[a * kept_columns + b]

    @kernel
    def backward(workspace, dx_at, dz_at, params, w_at, z_at, y_at, m, n, k, kind, alpha):
        """dx = dz @ w.T, through the activation that made the input; a block a tile."""
        i0, j0 = cuda.blockIdx.y * tile_rows, cuda.blockIdx.x * tile_columns
        sums = cuda.local.array(kept, number)
        for s in range(kept):
            sums[s] = number(0)
        backward_tile(sums, workspace, dz_at, k, params, w_at, k, i0, m, j0, n, 0, k)
        for a in range(kept_rows):
            for b in range(kept_columns):
                i, j = i0 + row_of(a), j0 + column_of(b)
                if i < m and j < n:
                    at = i * n + j
                    dx = inward(sums[a * kept_columns + b], workspace[z_at + at], workspace[y_at + at], kind, alpha)
                    workspace[dx_at + at] = dx

    return Products(forward, gradient, backward, block, tile_rows, tile_columns)


def _make_bias_gradient(number: Any, g: Geometry) -> Any:
    across, down, threads = g.across, g.down, g.threads

    @kernel
    def bias_gradient(parts, size, at, workspace, dz_at, n, k, terms):
        """parts[part] at the bias = the column sums of dz over rows part * terms on; threads of a column by a tree."""
        room = cuda.shared.array(threads, number)
        tx, ty, part = cuda.threadIdx.x, cuda.threadIdx.y, cuda.blockIdx.z
        j = cuda.blockIdx.x * across + tx
        total = number(0)
        if j < n:
            for p in range(min(part * terms, k) + ty, min((part + 1) * terms, k), down):
                total += workspace[dz_at + p * n + j]
        room[ty * across + tx] = total
        reach = down // 2
        while reach > 0:
            cuda.syncthreads()
            if ty < reach:
                room[ty * across + tx] += room[(ty + reach) * across + tx]
            reach //= 2
        if ty == 0 and j < n:
            parts[part * size + at + j] = room[tx]

    return bias_gradient


def _make_lose(g: Geometry, of_labels: bool) -> Any:
    threads, tally_size = g.threads, g.threads * TALLY
    loss_row = labels_row if of_labels else targets_row

    @kernel
    def lose(workspace, g_at, y_at, z_at, tallies, y, order, ledger, rows, classes, loss, ignored, doubles,
             weights_at, smoothing_at, kind, alpha):  # fmt: skip
        """Losses of all rows, a thread a row, and the gradient before the last activation; a tally a block."""
        room = cuda.shared.array(tally_size, float64)
        own = cuda.threadIdx.x
        begin = cuda.blockIdx.x * threads
        r = begin + own
        if r < rows:
            row = order[first_row(ledger) + r]
            loss_row(room, own * TALLY, workspace, g_at + r * classes, workspace, y_at + r * classes, classes, 1, y,
                     row, loss, ignored, doubles, weights_at, doubles[smoothing_at])  # fmt: skip
            for j in range(r * classes, (r + 1) * classes):
                workspace[g_at + j] = inward(workspace[g_at + j], workspace[z_at + j], workspace[y_at + j], kind, alpha)
        cuda.syncthreads()
        if own < TALLY:
            total = 0.0
            for i in range(min(threads, rows - begin)):
                total += room[i * TALLY + own]
            tallies[cuda.blockIdx.x * TALLY + own] = total

    return lose


@kernel
def gather(workspace, at, x, order, ledger, rows, doubles, trains):
    """workspace[at:] = x[order[first:first + rows]], from where ledger says; a training step begins."""
    if trains and cuda.blockIdx.x == 0 and cuda.threadIdx.x == 0:
        begin_step(doubles)
    width, first = x.shape[1], first_row(ledger)
    for j in range(cuda.grid(1), rows * width, cuda.gridsize(1)):
        workspace[at + j] = x[order[first + j // width], j % width]


@kernel
def elementwise(workspace, z_at, y_at, count, kind, alpha):
    """y = f(z)"""
    for j in range(cuda.grid(1), count, cuda.gridsize(1)):
        workspace[y_at + j] = activate(workspace[z_at + j], kind, alpha)


@kernel
def elementwise_backward(workspace, dx_at, dz_at, z_at, y_at, count, kind, alpha):
    """dx = dz, through the activation that made the input."""
    for j in range(cuda.grid(1), count, cuda.gridsize(1)):
        workspace[dx_at + j] = inward(workspace[dz_at + j], workspace[z_at + j], workspace[y_at + j], kind, alpha)


def make_kernels(number: Any, g: Geometry, of_labels: bool, precision: str | None = None) -> Kernels:
    """The kernels for one type of number and one kind of target; products on tensor cores with a precision."""
    large, small = (
        _make_products(
            number, tensor_tiling(g, t, precision) if precision else scalar_tiling(number, g, t), (t.across, t.down)
        )
        for t in g.tiles
    )
    return Kernels(
        gather=gather, elementwise=elementwise, elementwise_backward=elementwise_backward,
        lose=_make_lose(g, of_labels), bias_gradient=_make_bias_gradient(number, g), products=(large, small),
    )  # fmt: skip
