"""Runs of windows over an image, channels last, by vectors of channels: the largest, the mean, gradients of both.

A run is some windows of a row, `step` elements apart, all of down x across pixels: pixels of a row are `channels`
elements apart, rows `row`. Pixels count from `first` on, those of the next row from row / channels after it. A plain
loop over channels takes them one by one where they fill no vector: the largest of 2 x 2 pixels of 6 channels takes 27
ns a window, and so 5. Where windows do not overlap a gradient is put in its place, and not added to what is there: a
vector that was stored in part holds up whoever loads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from numba import types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import alloca_once, for_range, for_range_slice, ir
from fastnn.simd import linkage
from fastnn.simd.emit import I64, VectorBuilder, pointers, whole_and_rest

# Told of a pixel: where in the window's first channel it lies, in elements, and its number.
Visit = Callable[[Any, Any], None]


class _Run(VectorBuilder):
    """The windows of a run, vector after vector of their channels."""

    def __init__(self, builder: Any, itemsize: int, count: Any, step: Any, row: Any, down: Any, across: Any, first: Any,
                 channels: Any) -> None:  # fmt: skip
        super().__init__(builder, itemsize)
        self.count, self.step, self.row, self.first, self.channels = count, step, row, first, channels
        self.down, self.across = down, across
        self.beside = builder.udiv(row, channels)

    def number(self, value: Any) -> Any:
        """A whole number in all lanes."""
        return self.broadcast(self.builder.sitofp(value, self.element))

    def each_window(self, work: Callable[[Any, Any, Any, Callable[[Visit], None]], None]) -> None:
        """Tells where a window begins in y and in x, the mask, and what visits its pixels. 2 x 2 are written out."""
        builder = self.builder
        whole, rest = whole_and_rest(self, self.channels)

        def windows(at: Any, mask: Any, pixels: Callable[[Visit], None]) -> None:
            with for_range(builder, self.count, intp=I64) as loop:
                y_at = builder.add(builder.mul(loop.index, self.channels), at)
                work(y_at, builder.add(builder.mul(loop.index, self.step), at), mask, pixels)

        two = [builder.icmp_signed("==", side, I64(2)) for side in (self.down, self.across)]
        with builder.if_else(builder.and_(*two)) as branches:
            for branch, pixels in zip(branches, (self._four_pixels, self._all_pixels), strict=True):
                with branch:
                    with for_range_slice(builder, I64(0), whole, I64(self.lanes), intp=I64) as (at, _):
                        windows(at, None, pixels)
                    with builder.if_then(builder.icmp_signed("!=", rest, I64(0))):
                        windows(whole, self.mask(rest), pixels)

    def _four_pixels(self, visit: Visit) -> None:
        builder = self.builder
        for at, number in ((I64(0), self.first), (self.row, builder.add(self.first, self.beside))):
            visit(at, number)
            visit(builder.add(at, self.channels), builder.add(number, I64(1)))

    def _all_pixels(self, visit: Visit) -> None:
        builder = self.builder
        with for_range(builder, self.down, intp=I64) as down:
            at, first = builder.mul(down.index, self.row), builder.mul(down.index, self.beside)
            with for_range(builder, self.across, intp=I64) as across:
                number = builder.add(builder.add(self.first, first), across.index)
                visit(builder.add(at, builder.mul(across.index, self.channels)), number)

    def give(self, value: Any, place: Any, mask: Any, adds: bool) -> None:
        """To a pixel of a gradient."""
        self.store(self.builder.fadd(self.load(place, mask), value) if adds else value, place, mask)

    def variable(self, value: Any) -> Any:
        """A vector that pixels change, beginning with a value."""
        place = alloca_once(self.builder, self.type)
        self.builder.store(value, place)
        return place


def _emit_largest(builder: Any, itemsize: int, y: Any, winners: Any, x: Any, *run: Any) -> None:
    of = _Run(builder, itemsize, *run)
    least = ir.Constant(of.type, [float("-inf")] * of.lanes)

    def window(y_at: Any, x_at: Any, mask: Any, pixels: Callable[[Visit], None]) -> None:
        best, winner = of.variable(least), of.variable(of.number(of.first))

        def visit(at: Any, number: Any) -> None:
            value, so_far = of.load(of.at(x, builder.add(x_at, at)), mask), builder.load(best)
            nan = builder.fcmp_unordered("uno", value, value)
            better = builder.or_(builder.fcmp_ordered(">", value, so_far), nan)
            builder.store(builder.select(better, value, so_far), best)
            builder.store(builder.select(better, of.number(number), builder.load(winner)), winner)

        pixels(visit)
        of.store(builder.load(best), of.at(y, y_at), mask)
        of.store(builder.load(winner), of.at(winners, y_at), mask)

    of.each_window(window)


def _emit_to_winners(
    builder: Any, itemsize: int, dx: Any, dy: Any, winners: Any, *run: Any, adds: bool
) -> None:  # fmt: skip
    of = _Run(builder, itemsize, *run)

    def window(y_at: Any, x_at: Any, mask: Any, pixels: Callable[[Visit], None]) -> None:
        slope, winner = of.load(of.at(dy, y_at), mask), of.load(of.at(winners, y_at), mask)

        def visit(at: Any, number: Any) -> None:
            won = builder.fcmp_ordered("==", winner, of.number(number))
            of.give(builder.select(won, slope, of.zero), of.at(dx, builder.add(x_at, at)), mask, adds)

        pixels(visit)

    of.each_window(window)


def _emit_mean(builder: Any, itemsize: int, y: Any, x: Any, high: Any, wide: Any, *run: Any) -> None:
    of = _Run(builder, itemsize, *run)
    pixels_of_window = builder.fmul(of.number(high), of.number(wide))

    def window(y_at: Any, x_at: Any, mask: Any, pixels: Callable[[Visit], None]) -> None:
        total = of.variable(of.zero)

        def visit(at: Any, number: Any) -> None:
            value = of.load(of.at(x, builder.add(x_at, at)), mask)
            builder.store(builder.fadd(builder.load(total), value), total)

        pixels(visit)
        of.store(builder.fdiv(builder.load(total), pixels_of_window), of.at(y, y_at), mask)

    of.each_window(window)


def _emit_to_all(
    builder: Any, itemsize: int, dx: Any, dy: Any, high: Any, wide: Any, *run: Any, adds: bool
) -> None:  # fmt: skip
    of = _Run(builder, itemsize, *run)
    pixels_of_window = builder.fmul(of.number(high), of.number(wide))

    def window(y_at: Any, x_at: Any, mask: Any, pixels: Callable[[Visit], None]) -> None:
        slope = builder.fdiv(of.load(of.at(dy, y_at), mask), pixels_of_window)

        def visit(at: Any, number: Any) -> None:
            of.give(slope, of.at(dx, builder.add(x_at, at)), mask, adds)

        pixels(visit)

    of.each_window(window)


linkage.define("largest", "pppiiiiiii", _emit_largest, linkage.WINDOWS)
linkage.define("mean", "ppiiiiiiiii", _emit_mean, linkage.WINDOWS)
for _name, _adds in (("put", False), ("add", True)):
    linkage.define(f"{_name}_to_winners", "pppiiiiiii", partial(_emit_to_winners, adds=_adds), linkage.WINDOWS)
    linkage.define(f"{_name}_to_all", "ppiiiiiiiii", partial(_emit_to_all, adds=_adds), linkage.WINDOWS)


def _of_run(name: str, arrays: Sequence[Any], numbers: int, gives: bool = False) -> Any:
    """Signature and code of (arrays, each and where to begin in it; so many whole numbers; and, of what gives to
    pixels, whether it adds)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = pointers(context, builder, signature, args, *range(0, 2 * len(arrays), 2))
        itemsize = arrays[0].dtype.bitwidth // 8
        operands = [*found, *args[2 * len(arrays) : 2 * len(arrays) + numbers]]
        if not gives:
            linkage.call(context, builder, name, itemsize, operands)
            return context.get_dummy_value()
        with builder.if_else(args[-1]) as branches:
            for branch, how in zip(branches, ("add", "put"), strict=True):
                with branch:
                    linkage.call(context, builder, f"{how}_{name}", itemsize, operands)
        return context.get_dummy_value()

    size = types.intp
    places = [kind for array in arrays for kind in (array, size)]
    return types.void(*places, *[size] * numbers, *[types.boolean] * gives), codegen


def _largest(y: Any, y_at: int, winners: Any, winners_at: int, x: Any, x_at: int, count: int, step: int, row: int,
             down: int, across: int, first: int, channels: int) -> None:  # fmt: skip
    for q in range(count):
        for c in range(channels):
            best, winner = -y.dtype.type(float("inf")), first
            for kh in range(down):
                for kw in range(across):
                    value = x[x_at + q * step + kh * row + kw * channels + c]
                    if value > best or value != value:
                        best, winner = value, first + kh * (row // channels) + kw
            y[y_at + q * channels + c], winners[winners_at + q * channels + c] = best, winner


def _to_winners(dx: Any, dx_at: int, dy: Any, dy_at: int, winners: Any, winners_at: int, count: int, step: int,
                row: int, down: int, across: int, first: int, channels: int, adds: bool) -> None:  # fmt: skip
    for q in range(count):
        for c in range(channels):
            at = q * channels + c
            for kh in range(down):
                for kw in range(across):
                    won = winners[winners_at + at] == first + kh * (row // channels) + kw
                    place = dx_at + q * step + kh * row + kw * channels + c
                    dx[place] = (dx[place] if adds else 0) + (dy[dy_at + at] if won else 0)


def _mean(y: Any, y_at: int, x: Any, x_at: int, high: int, wide: int, count: int, step: int, row: int, down: int,
          across: int, first: int, channels: int) -> None:  # fmt: skip
    number = y.dtype.type
    for q in range(count):
        for c in range(channels):
            total = number(0)
            for kh in range(down):
                for kw in range(across):
                    total += x[x_at + q * step + kh * row + kw * channels + c]
            y[y_at + q * channels + c] = total / (number(high) * number(wide))


def _to_all(dx: Any, dx_at: int, dy: Any, dy_at: int, high: int, wide: int, count: int, step: int, row: int, down: int,
            across: int, first: int, channels: int, adds: bool) -> None:  # fmt: skip
    number = dx.dtype.type
    for q in range(count):
        for c in range(channels):
            slope = dy[dy_at + q * channels + c] / (number(high) * number(wide))
            for kh in range(down):
                for kw in range(across):
                    place = dx_at + q * step + kh * row + kw * channels + c
                    dx[place] = (dx[place] if adds else 0) + slope


@lowered(twin=_largest)
def largest(typingctx: Any, y: Any, y_at: Any, winners: Any, winners_at: Any, x: Any, x_at: Any, count: Any, step: Any,
            row: Any, down: Any, across: Any, first: Any, channels: Any) -> Any:  # fmt: skip
    """y[q] = the largest of the pixels of window q, or NaN where one is; winners[q] = which, the first of equal ones,
    the last NaN."""
    return _of_run("largest", (y, winners, x), 7)


@lowered(twin=_to_winners)
def to_winners(typingctx: Any, dx: Any, dx_at: Any, dy: Any, dy_at: Any, winners: Any, winners_at: Any, count: Any,
               step: Any, row: Any, down: Any, across: Any, first: Any, channels: Any, adds: Any) -> Any:  # fmt: skip
    """dx = dy[q] at the pixel of window q that won, 0 at its others; added to what is there, or put."""
    return _of_run("to_winners", (dx, dy, winners), 7, gives=True)


@lowered(twin=_mean)
def mean(typingctx: Any, y: Any, y_at: Any, x: Any, x_at: Any, high: Any, wide: Any, count: Any, step: Any, row: Any,
         down: Any, across: Any, first: Any, channels: Any) -> Any:  # fmt: skip
    """y[q] = the sum of the pixels of window q / (high wide)."""
    return _of_run("mean", (y, x), 9)


@lowered(twin=_to_all)
def to_all(typingctx: Any, dx: Any, dx_at: Any, dy: Any, dy_at: Any, high: Any, wide: Any, count: Any, step: Any,
           row: Any, down: Any, across: Any, first: Any, channels: Any, adds: Any) -> Any:  # fmt: skip
    """dx = dy[q] / (high wide) at each pixel of window q; added to what is there, or put."""
    return _of_run("to_all", (dx, dy), 9, gives=True)
