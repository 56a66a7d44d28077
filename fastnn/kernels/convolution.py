"""Convolution of images, channels last: y = x * w + b, a window of x times w at each place.

    B images   H x W pixels, with their border   C channels   KH x KW a window   P x Q places of it   O filters
    x (B, H, W, C)   w (KH, KW, C, O)   b (O,) or (0,)   y (B, P, Q, O)   and a gradient of the same shape beside each

    y[p, q] = b + sum over kh, kw of x[p down + kh, q across + kw] @ w[kh, kw]

A row of y is the sum of KH products: of a row of x, in which window q begins at q across C and goes on for KW C
numbers, and of w[kh], (KW C, O). No window is copied; register tiles read x with that step. Backward a row of dx gets
what each row of y has of it, one (kh, kw) after the other, so that dx takes the multiply-adds of the forward pass; and
dw is summed over IMAGES images at a time, whose sums are added in order: the bits are the same for any number of
threads.
Arrays are flat. sizes: B, H, W, C, KH, KW, O, P, Q, down, across. Reference: fastnn.reference.convolution.
"""

from __future__ import annotations

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.blocks import NN, TN, direct
from fastnn.kernels.matmul import PARALLEL_MACS
from fastnn.kernels.residual import add, copy
from fastnn.simd.few_rows import column_sums
from fastnn.simd.pool import part_done, release_pool, take_pool, thread_count
from fastnn.simd.views import vector

# Images whose part of a weight's gradient is one sum, and how many such sums there is room for.
IMAGES, SUMS = 8, 8


@kernel
def place_in_border(bordered, x, images, outer, sides, padding, channels):
    """bordered (B, *outer, C) = x (B, *sides, C) in zeros, from the pixel `padding` on."""
    height, width = sides
    top, left = padding
    row, inner = outer[1] * channels, width * channels
    for b in range(images):
        at = b * outer[0] * row
        for h in range(outer[0]):
            target = vector(bordered, at + h * row, row)
            if h < top or h >= top + height:
                target[:] = 0
                continue
            for j in range(left * channels):
                target[j] = 0
            copy(vector(target, left * channels, inner), vector(x, (b * height + h - top) * inner, inner))
            for j in range(left * channels + inner, row):
                target[j] = 0


@kernel
def take_from_border(x, bordered, image, outer, sides, padding, channels):
    """Image number `image` of x (B, *sides, C) = the inner part of one (*outer, C)."""
    height, width = sides
    top, left = padding
    row, inner = outer[1] * channels, width * channels
    for h in range(height):
        source = vector(bordered, (h + top) * row + left * channels, inner)
        copy(vector(x, (image * height + h) * inner, inner), source)


@kernel(inlined=True)
def _macs(sizes):
    images, _, _, channels, down, across, filters, p, q, _, _ = sizes
    return images * p * q * channels * down * across * filters


@kernel(inlined=True)
def _threads(units, sizes):
    return min(thread_count(), units) if _macs(sizes) >= PARALLEL_MACS else 1


@kernel(late=True)
def _forward_rows(first, last, y, x, w, b, sizes):
    """Rows first..last of the places of all images."""
    _, height, width, channels, window, across, filters, places, columns, step, step_across = sizes
    terms, row, none = across * channels, columns * filters, vector(b, 0 * first, 0 * first)
    for r in range(first, last):
        begin = (r // places * height + r % places * step) * width * channels
        target = vector(y, r * row, row)
        for k in range(window):
            at = begin + k * width * channels
            start = b if k == 0 else none
            direct(NN, 0 * r, columns, 0 * r, filters, target, filters, vector(x, at, x.size - at),
                   step_across * channels, vector(w, k * terms * filters, terms * filters), filters, start, terms,
                   k > 0)  # fmt: skip


@kernel(parallel=True, late=True)
def _forward_parallel(parts, units, y, x, w, b, sizes):
    for part in prange(parts):
        _forward_rows(part * units // parts, (part + 1) * units // parts, y, x, w, b, sizes)
        part_done()


@kernel(late=True)
def convolution_forward(y, x, w, b, sizes):
    """Overwrites y; x has its border. Rows of places are independent, and threads share them."""
    units = sizes[0] * sizes[7]
    parts = _threads(units, sizes)
    if parts > 1 and take_pool():
        _forward_parallel(parts, units, y, x, w, b, sizes)
        release_pool()
    else:
        _forward_rows(0 * units, units, y, x, w, b, sizes)


@kernel
def turn_windows(turned, w, windows, channels, filters):
    """turned (KH KW, O, C) = w (KH KW, C, O), each transposed."""
    for k in range(windows):
        at = k * channels * filters
        for c in range(channels):
            for o in range(filters):
                turned[at + o * channels + c] = w[at + c * filters + o]


@kernel(late=True)
def _inward_image(image, dx, dy, turned, sizes):
    """dx (H, W, C), of one image with its border."""
    _, _, width, channels, window, across, filters, places, columns, step, step_across = sizes
    dx[:] = 0
    none = vector(dx, 0 * image, 0 * image)
    for p in range(places):
        at = (image * places + p) * columns * filters
        source = vector(dy, at, columns * filters)
        for k in range(window * across):
            to = ((p * step + k // across) * width + k % across) * channels
            direct(NN, 0 * p, columns, 0 * p, channels, vector(dx, to, dx.size - to), step_across * channels, source,
                   filters, vector(turned, k * channels * filters, channels * filters), channels, none, filters,
                   True)  # fmt: skip


@kernel(late=True)
def _inward_images(first, last, dx, dy, turned, room, sizes, sides, padding):
    """Images first..last; room: for one with its border, where there is one."""
    size = sizes[1] * sizes[2] * sizes[3]
    for image in range(first, last):
        if room.size > 0:
            _inward_image(image, room, dy, turned, sizes)
            take_from_border(dx, room, image, (sizes[1], sizes[2]), sides, padding, sizes[3])
        else:
            _inward_image(image, vector(dx, image * size, size), dy, turned, sizes)


@kernel(parallel=True, late=True)
def _inward_parallel(parts, dx, dy, turned, rooms, needed, sizes, sides, padding):
    for part in prange(parts):
        room = vector(rooms, part * needed, needed)
        _inward_images(part * sizes[0] // parts, (part + 1) * sizes[0] // parts, dx, dy, turned, room, sizes, sides,
                       padding)  # fmt: skip
        part_done()


@kernel(inlined=True)
def _room(sizes, sides):
    """Elements of an image with its border, where it has one."""
    _, height, width, channels, _, _, _, _, _, _, _ = sizes
    return height * width * channels if height > sides[0] or width > sides[1] else 0 * height


@kernel
def inward_scratch(sizes, sides, threads):
    """Elements of scratch for `convolution_inward`."""
    _, _, _, channels, window, across, filters, _, _, _, _ = sizes
    return window * across * channels * filters + _room(sizes, sides) * threads


@kernel(late=True)
def convolution_inward(dx, dy, w, scratch, sizes, sides, padding):
    """Overwrites dx, of images without their border, and scratch (see inward_scratch). Images are independent."""
    images, _, _, channels, window, across, filters, _, _, _, _ = sizes
    weights = window * across * channels * filters
    turned = vector(scratch, 0 * images, weights)
    turn_windows(turned, w, window * across, channels, filters)
    needed = _room(sizes, sides)
    rooms = vector(scratch, weights, scratch.size - weights)
    parts = _threads(images, sizes)
    parts = min(parts, rooms.size // needed) if needed > 0 else parts
    if parts > 1 and take_pool():
        _inward_parallel(parts, dx, dy, turned, rooms, needed, sizes, sides, padding)
        release_pool()
    else:
        zero = 0 * images
        _inward_images(zero, images, dx, dy, turned, vector(rooms, zero, needed), sizes, sides, padding)


@kernel(late=True)
def _sum_of_images(dw, first, last, dy, x, sizes):
    """Overwrites dw with the sum over some images."""
    _, height, width, channels, window, across, filters, places, columns, step, step_across = sizes
    terms, row = across * channels, columns * filters
    none = vector(dw, 0 * first, 0 * first)
    dw[:] = 0
    for r in range(first * places, last * places):
        begin = (r // places * height + r % places * step) * width * channels
        source = vector(dy, r * row, row)
        for k in range(window):
            at = begin + k * width * channels
            direct(TN, 0 * r, terms, 0 * r, filters, vector(dw, k * terms * filters, terms * filters), filters,
                   vector(x, at, x.size - at), step_across * channels, source, filters, none, columns,
                   True)  # fmt: skip


@kernel(late=True)
def _sums(first, last, begin, sums, dy, x, sizes):
    """Sums first..last of those that begin at image `begin`, each to its place."""
    weights = sums.size // SUMS
    for k in range(first, last):
        at = begin + k * IMAGES
        _sum_of_images(vector(sums, k * weights, weights), at, min(at + IMAGES, sizes[0]), dy, x, sizes)


@kernel(parallel=True, late=True)
def _sums_parallel(parts, count, begin, sums, dy, x, sizes):
    for part in prange(parts):
        _sums(part * count // parts, (part + 1) * count // parts, begin, sums, dy, x, sizes)
        part_done()


@kernel
def gradient_scratch(sizes):
    """Elements of scratch for `convolution_gradient`."""
    return SUMS * sizes[3] * sizes[4] * sizes[5] * sizes[6]


@kernel(late=True)
def convolution_gradient(dw, db, dy, x, scratch, sizes):
    """Overwrites dw, db and scratch (see gradient_scratch); x has its border."""
    images, filters = sizes[0], sizes[6]
    sums = vector(scratch, 0 * images, gradient_scratch(sizes))
    dw[:] = 0
    for begin in range(0 * images, images, SUMS * IMAGES):
        count = min(SUMS, (images - begin + IMAGES - 1) // IMAGES)
        parts = _threads(count, sizes)
        if parts > 1 and take_pool():
            _sums_parallel(parts, count, begin, sums, dy, x, sizes)
            release_pool()
        else:
            _sums(0 * count, count, begin, sums, dy, x, sizes)
        for k in range(count):
            add(dw, dw, vector(sums, k * dw.size, dw.size))
    column_sums(db, dy, filters, images * sizes[7] * sizes[8], db.size)
