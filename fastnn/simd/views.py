"""Blocks of a flat array as arrays of their own, at the cost of an address.

A slice in nopython code counts references and checks bounds that the layout has already fixed; in a network of 26
parameters that is most of the time. These views borrow: the flat array must outlive them, as a caller's arguments do.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numba import TypingError, types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import array_over, ir, pointer_to

# Of a cache line.
LINE_BYTES = 64


def _borrow(context: Any, builder: Any, result: Any, flat_type: Any, flat: Any, offset: Any, shape: list[Any]) -> Any:
    """An array struct over flat[offset:], C-contiguous, with no owner to count references for."""
    source = context.make_array(flat_type)(context, builder, flat)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(result.dtype)))
    strides = [itemsize]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    return array_over(context, builder, result, builder.gep(source.data, [offset]), shape, strides)


def _require_contiguous(array: Any) -> None:
    if not isinstance(array, types.Array) or array.layout != "C":
        raise TypingError(f"expected a C-contiguous array, as np.ascontiguousarray makes; got {array}")


def _vector(flat: Any, offset: int, size: int) -> Any:
    if offset < 0 or offset + size > flat.size:
        raise IndexError("block outside its buffer")
    return flat[offset : offset + size]


def _matrix(flat: Any, offset: int, rows: int, columns: int) -> Any:
    if offset < 0 or offset + rows * columns > flat.size:
        raise IndexError("block outside its buffer")
    return flat[offset : offset + rows * columns].reshape(rows, columns)


@lowered(twin=_vector)
def vector(typingctx: Any, flat: Any, offset: Any, size: Any) -> Any:
    """flat[offset:offset + size]"""
    _require_contiguous(flat)
    result = types.Array(flat.dtype, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        flat, offset, size = args
        return _borrow(context, builder, result, signature.args[0], flat, offset, [size])

    return result(flat, types.intp, types.intp), codegen


@lowered(twin=_matrix)
def matrix(typingctx: Any, flat: Any, offset: Any, rows: Any, columns: Any) -> Any:
    """flat[offset:offset + rows * columns] as (rows, columns), row-major."""
    _require_contiguous(flat)
    result = types.Array(flat.dtype, 2, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        flat, offset, rows, columns = args
        return _borrow(context, builder, result, signature.args[0], flat, offset, [rows, columns])

    return result(flat, types.intp, types.intp, types.intp), codegen


def _images(flat: Any, offset: int, rows: int, height: int, width: int, channels: int) -> Any:
    size = rows * height * width * channels
    if offset < 0 or offset + size > flat.size:
        raise IndexError("block outside its buffer")
    return flat[offset : offset + size].reshape(rows, height, width, channels)


@lowered(twin=_images)
def images(typingctx: Any, flat: Any, offset: Any, rows: Any, height: Any, width: Any, channels: Any) -> Any:
    """flat[offset:offset + rows * height * width * channels] as (rows, height, width, channels), row-major."""
    _require_contiguous(flat)
    result = types.Array(flat.dtype, 4, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        flat, offset, *shape = args
        return _borrow(context, builder, result, signature.args[0], flat, offset, shape)

    return result(flat, *[types.intp] * 5), codegen


def _doubles(bits: Any, offset: int, size: int) -> Any:
    return bits[offset : offset + size * 8 // bits.itemsize].view(np.float64)


@lowered(twin=_doubles)
def doubles(typingctx: Any, bits: Any, offset: Any, size: Any) -> Any:
    """So many float64 numbers whose bits the elements from `offset` on hold, of whatever type."""
    _require_contiguous(bits)
    result = types.Array(types.float64, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits, offset, size = args
        return _borrow(context, builder, result, signature.args[0], bits, offset, [size])

    return result(bits, types.intp, types.intp), codegen


def _on_stack(count: int, number: Any) -> Any:
    return np.full(count, number)


@lowered(twin=_on_stack)
def on_stack(typingctx: Any, count: Any, number: Any) -> Any:
    """A few numbers, of a literal count and of the type of `number`, not set, that live as long as the call."""
    result = types.Array(number, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        size, itemsize = count.literal_value, context.get_abi_sizeof(args[1].type)
        # Not by alloca_once, which fills with zeros: 40 ns for 4 kB.
        with builder.goto_entry_block():
            memory = builder.alloca(ir.ArrayType(args[1].type, size))
        shape, strides = ([context.get_constant(types.intp, n)] for n in (size, itemsize))
        return array_over(context, builder, result, memory, shape, strides)

    return result(count, number), codegen


def _addressed(addresses: Any, place: int, size: int, number: Any) -> Any:
    count = int(size) * np.dtype(number).itemsize
    return np.frombuffer((ctypes.c_byte * count).from_address(int(addresses[place])), number)


@lowered(twin=_addressed)
def addressed(typingctx: Any, addresses: Any, place: Any, size: Any, number: Any) -> Any:
    """The vector of so many elements, of the type `number`, at the address that addresses[place], int64, holds."""
    result = types.Array(number.dtype, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        addresses, place, size, _ = args
        held = context.make_array(signature.args[0])(context, builder, addresses).data
        kind = context.get_data_type(result.dtype)
        # The address is loaded as a pointer: LLVM may miscompile what is made of an integer.
        pointers = builder.bitcast(held, pointer_to(pointer_to(kind)))
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(kind))
        return array_over(context, builder, result, builder.load(builder.gep(pointers, [place])), [size], [itemsize])

    return result(addresses, types.intp, types.intp, number), codegen


def _flat(array: Any) -> Any:
    return array.reshape(array.size)


@lowered(twin=_flat)
def flat(typingctx: Any, array: Any) -> Any:
    """All elements of a C-contiguous array, in memory order."""
    _require_contiguous(array)
    result = types.Array(array.dtype, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, args[0])
        zero = context.get_constant(types.intp, 0)
        return _borrow(context, builder, result, signature.args[0], args[0], zero, [source.nitems])

    return result(array), codegen


def _begin_together(a: Any, b: Any) -> bool:
    return True


@lowered(twin=_begin_together)
def begin_together(typingctx: Any, a: Any, b: Any) -> Any:
    """Whether two arrays begin at the same number in memory; in debug mode always, and without a JIT."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first, second = (context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1))
        return builder.icmp_unsigned("==", first, second)

    return types.boolean(a, b), codegen


def _begins_inside(array: Any, unit: int) -> Any:
    return array.ctypes.data % unit > 0


@lowered(twin=_begins_inside)
def begins_inside(typingctx: Any, array: Any, unit: Any) -> Any:
    """Whether an array begins inside of a piece of memory of so many bytes, and not with it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        address = builder.ptrtoint(array.data, context.get_value_type(types.intp))
        return builder.icmp_unsigned("!=", builder.urem(address, args[1]), address.type(0))

    return types.boolean(array, types.intp), codegen


def _to_line(array: Any) -> int:
    return int(-array.ctypes.data % LINE_BYTES // array.itemsize)


@lowered(twin=_to_line)
def to_line(typingctx: Any, array: Any) -> Any:
    """Elements from where an array begins to the next cache line."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct = context.make_array(signature.args[0])(context, builder, args[0])
        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        word = context.get_value_type(types.intp)
        before = builder.neg(builder.ptrtoint(struct.data, word))
        return builder.udiv(builder.and_(before, word(LINE_BYTES - 1)), word(size))

    return types.intp(array), codegen


def _overlap(a: Any, b: Any) -> Any:
    return a.ctypes.data < b.ctypes.data + b.nbytes and b.ctypes.data < a.ctypes.data + a.nbytes


@lowered(twin=_overlap)
def overlap(typingctx: Any, a: Any, b: Any) -> Any:
    """Whether two C-contiguous arrays share memory."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        integer = context.get_value_type(types.intp)
        begins, ends = [], []
        for k in (0, 1):
            array = context.make_array(signature.args[k])(context, builder, args[k])
            begins.append(builder.ptrtoint(array.data, integer))
            ends.append(builder.add(begins[k], builder.mul(array.nitems, array.itemsize)))
        before, after = builder.icmp_unsigned("<", begins[0], ends[1]), builder.icmp_unsigned("<", begins[1], ends[0])
        return builder.and_(before, after)

    return types.boolean(a, b), codegen
