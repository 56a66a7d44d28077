"""What fastnn relies on of Numba's private interface, use by use: what fails on a new Numba names what has moved.

All uses are in fastnn/compiler/numba_private.py. Here those of compiling, calling, listening and linking; what is kept
on the disk, and what is made of instructions, have files of their own.
"""

from __future__ import annotations

import ctypes
import pickle
import platform
import textwrap
from typing import Any

import needs
import numba
import pytest
from numba import types
from numba.extending import intrinsic
from numba_cases import I64, NUMBERS, compiled, written
from processes import run_python

from fastnn.compiler import numba_private as private
from fastnn.compiler.numba_private import ir

pytestmark = needs.compiled_kernels

# Options of compiling, compile results


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs an x86-64 processor")
def test_a_loop_takes_whole_vectors_where_the_compiler_would_take_half() -> None:
    """As for most of Intel's processors: here the compiler is told to generate code for one."""
    source = """
        import json
        import numba
        from numba import types
        from fastnn.compiler.numba_private import telling
        X = types.Array(types.float32, 1, "C")
        def double(y, x):
            for i in range(y.size):
                y[i] = x[i] * x[i]
        found = []
        for parallel in (False, True):
            for options in ({}, telling()):
                dispatcher = numba.njit(parallel=parallel, **options)(double)
                dispatcher.compile((X, X))
                found.append("%zmm" in next(iter(dispatcher.inspect_asm().values())))
        print(json.dumps(found))
    """
    features = "+avx,+avx2,+fma,+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512cd"
    told = {"NUMBA_CPU_NAME": "skylake-avx512", "NUMBA_CPU_FEATURES": features}
    assert run_python(textwrap.dedent(source), **told) == [False, True] * 2


def test_of_arrays_that_are_told_apart_a_loop_does_not_compare_where_they_are() -> None:
    """In tuples, too."""

    def add(y, x):
        u, v = y
        for i in range(u.size):
            u[i], v[i] = x[i] + 1, x[i] * x[i]

    loops = []
    for apart in (False, True):
        dispatcher, result = compiled(add, types.UniTuple(NUMBERS, 2), NUMBERS, **private.telling(apart))
        assert private.is_told_apart(dispatcher) == apart
        code = result.library.get_llvm_str()
        loops.append(("vector.body" in code, "vector.memcheck" in code))
    assert loops == [(True, True), (True, False)]


def test_a_function_may_do_without_numbas_run_time() -> None:
    """Of a view of an argument the run time counts references."""
    kept, dropped = (compiled(lambda x: x[1:][0], NUMBERS, **private.run_time(wanted))[1] for wanted in (True, False))
    assert "NRT_" in kept.library.get_llvm_str()
    assert "NRT_" not in dropped.library.get_llvm_str()


def test_a_dispatcher_asks_the_cache_that_it_is_given() -> None:
    asked = []

    class Cache(private.NullCache):
        cache_path = ""

        def load_overload(self, signature: Any, context: Any) -> None:
            asked.append(private.argument_types(signature))

        def save_overload(self, signature: Any, result: Any) -> None:
            asked.append(result)

    dispatcher = numba.njit(lambda x: x + 1)
    private.set_cache(dispatcher, Cache())
    assert dispatcher(1) == 2
    assert asked == [(types.intp,), dispatcher.overloads[(types.intp,)]]
    assert private.argument_types(types.float64(types.intp, NUMBERS)) == (types.intp, NUMBERS)


def test_an_intrinsic_knows_the_function_that_it_was_made_of() -> None:
    def definition(typingctx, a):
        return a(a), None

    assert private.definition_of(intrinsic(definition)) is definition
    assert private.definition_of(definition) is None


def test_code_is_called_at_its_address_by_numbas_convention_and_exceptions_come_out() -> None:
    """By the call written by hand, and by the one of Numba's, whose exceptions may be caught."""

    def divide(a, b):
        if b == 0:
            raise ValueError("by nothing")
        return a // b

    _, divided = compiled(divide, types.intp, types.intp)
    symbol = "numba_contract_divide"
    private.add_symbol(symbol, private.address_of(divided))
    for call in (private.write_call, private.call_function):

        def write(context: Any, builder: Any, signature: Any, args: Any, call: Any = call) -> Any:
            kind = private.function_type(context, signature)
            assert kind.args[2:] == (I64, I64)
            function = private.get_or_insert_function(builder.module, kind, symbol)
            return call(context, builder, function, signature, args)

        by_address = written(types.intp, write)
        assert by_address(7, 2) == 3
        with pytest.raises(ValueError, match="by nothing"):
            by_address(7, 0)

    @numba.njit
    def catches(a, b):
        try:
            return by_address(a, b)
        except Exception:
            return -1

    assert (catches(7, 2), catches(7, 0)) == (3, -1)


# Events


def test_listeners_are_told_of_what_is_compiled_and_not_of_what_is_not() -> None:
    told = []

    class Told(private.Listener):
        def on_start(self, event: Any) -> None:
            told.append("start")

        def on_end(self, event: Any) -> None:
            told.append(private.compiled_kernel(event))

    dispatcher = numba.njit(lambda a: a + 1)
    with private.listening(Told()):
        dispatcher(1)
        dispatcher(2)
        private.compile_library("numba_contract_nothing", lambda module: None)
    dispatcher(1.0)
    assert told == ["start", (dispatcher, dispatcher.overloads[(types.intp,)]), "start", (None, None)]


# Libraries and symbols


def write_twice(module: Any) -> None:
    function = ir.Function(module, ir.FunctionType(I64, [I64]), "numba_contract_twice")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(builder.add(*function.args * 2))


def test_a_library_is_compiled_kept_and_loaded() -> None:
    library = private.compile_library("numba_contract", write_twice)
    loaded = private.loaded_library(pickle.loads(pickle.dumps(private.kept_library(library))))
    for each in (library, loaded):
        address = private.address_in(each, "numba_contract_twice")
        assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)(21) == 42


def test_a_symbol_is_an_address_of_this_process() -> None:
    word = ctypes.c_int64(5)
    private.add_symbol("numba_contract_word", ctypes.addressof(word))

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(ir.GlobalVariable(builder.module, I64, "numba_contract_word"))

    read = written(types.intp, write)
    assert read(0, 0) == 5
    word.value = 6
    assert read(0, 0) == 6


def test_the_threading_layer_counts_threads_by_its_symbol() -> None:
    """Named so, the function that calls it can be kept, as one that calls numba.get_num_threads() cannot."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        private.launch_threads()
        function = private.get_or_insert_function(builder.module, ir.FunctionType(I64, []), private.THREAD_COUNT)
        return builder.call(function, [])

    count = written(types.intp, write)
    assert count(0, 0) == numba.get_num_threads()
    assert not private.has_addresses(count.overloads[(types.intp, types.intp)])


def test_loops_are_made_serial_while_the_body_of_one_is_compiled_unless_told() -> None:
    from numba.parfors import parfor

    before = parfor.sequential_parfor_lowering
    parfor.sequential_parfor_lowering = True
    try:
        with private.loops_in_parallel():
            assert parfor.sequential_parfor_lowering is False
        assert parfor.sequential_parfor_lowering is True
    finally:
        parfor.sequential_parfor_lowering = before


def test_the_hosts_features_are_named_as_the_compiler_names_them() -> None:
    features = private.features()
    assert features
    told = set(private.host_key()[2].split(","))
    assert {feature for feature in features if f"+{feature}" in told or f"-{feature}" in told}


def test_the_lock_of_the_compiler_is_entered_again_by_its_thread_and_wraps_functions() -> None:
    @private.compile_lock
    def locked() -> bool:
        with private.compile_lock:
            return bool(private.compile_lock.is_locked())

    assert locked()
