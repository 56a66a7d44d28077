"""What fastnn relies on of Numba where it writes instructions; the last test is of what fastnn/cuda/target.py uses of
the simulator. See test_numba_contract.py."""

from __future__ import annotations

import textwrap
from typing import Any

import needs
import numba
import numpy as np
import pytest
from numba import types
from numba.extending import intrinsic
from numba_cases import I64, NUMBERS, written
from processes import run_python

from fastnn.compiler import numba_private as private
from fastnn.compiler.numba_private import ir

pytestmark = needs.compiled_kernels


def test_pointers_have_types() -> None:
    pointer = private.pointer_to(ir.DoubleType())
    assert private.pointee(pointer) == ir.DoubleType()
    assert pointer != private.pointer_to(ir.FloatType())


def test_an_array_is_made_over_memory_that_nobody_owns() -> None:
    """With the members that the instructions of fastnn.simd read."""

    @intrinsic
    def lower_half(typingctx, x):
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, args[0])
            assert array.data.type == private.pointer_to(context.get_data_type(NUMBERS.dtype))
            two = context.get_constant(types.intp, 2)
            size = builder.sdiv(array.nitems, two)
            return private.array_over(context, builder, NUMBERS, array.data, [size], [array.itemsize])

        return NUMBERS(x), write

    x = np.arange(10.0)
    half = numba.njit(lambda x: lower_half(x).sum())
    assert half(x) == 10


def test_loops_and_memory_of_a_function() -> None:
    """for_range_slice counts from the first number to before the second by the third, for_range from 0."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total = private.alloca_once(builder, I64)
        builder.store(I64(0), total)
        with private.for_range_slice(builder, args[0], args[1], I64(3), intp=I64) as (at, _):
            builder.store(builder.add(builder.load(total), at), total)
        with private.for_range(builder, args[0], intp=I64) as loop:
            builder.store(builder.add(builder.load(total), loop.index), total)
        packed = private.pack_array(builder, [builder.load(total), args[0]])
        return builder.add(builder.extract_value(packed, 0), builder.extract_value(packed, 1))

    assert written(types.intp, write)(4, 12) == sum(range(4, 12, 3)) + sum(range(4)) + 4


def test_an_exception_is_raised_from_instructions() -> None:
    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        with private.if_unlikely(builder, builder.icmp_signed("<", *args)):
            private.write_raise(context, builder, KeyError, "less")
        return args[0]

    call = written(types.intp, write)
    assert call(2, 2) == 2
    with pytest.raises(KeyError, match="less"):
        call(1, 2)


def test_a_thing_is_called_as_its_numba_type_says_with_named_arguments_too() -> None:
    class Adds:
        @property
        def _numba_type_(self) -> Any:
            def definition(typingctx, a, b):
                return types.intp(types.intp, types.intp), lambda _, builder, signature, args: builder.sub(*args)

            return private.callable_type(self, definition)

    adds = Adds()
    assert numba.njit(lambda a, b: adds(a, b=b))(5, 3) == 2


def test_the_simulator_has_what_the_cuda_target_puts_in_place_of_its_arrays() -> None:
    source = """
    import json
    from numba.cuda.simulator import kernel
    from numba.cuda.simulator.kernelapi import FakeCUDAModule
    module = FakeCUDAModule((1, 1, 1), (1, 1, 1), 16)
    print(json.dumps([kernel._kernel_context is None, module.shared._dynshared.nbytes]))
    """
    assert run_python(textwrap.dedent(source), NUMBA_ENABLE_CUDASIM="1") == [True, 16]
