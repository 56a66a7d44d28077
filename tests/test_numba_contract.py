"""What fastnn relies on of Numba's private interface, use by use: what fails on a new Numba names what has moved.

All uses are in fastnn/compiler/numba_private.py; the last test is of what fastnn/cuda/target.py uses of the simulator.
"""

from __future__ import annotations

import ctypes
import pickle
import platform
import textwrap
from pathlib import Path
from typing import Any

import needs
import numba
import numpy as np
import pytest
from numba import types
from numba.extending import intrinsic
from processes import run_python

from fastnn.compiler import numba_private as private
from fastnn.compiler.numba_private import ir

pytestmark = needs.compiled_kernels

I64 = ir.IntType(64)
NUMBERS = types.Array(types.float64, 1, "C")


def compiled(function: Any, *arguments: Any, **options: Any) -> tuple[Any, Any]:
    """Dispatcher, and compile result for types of arguments."""
    dispatcher = numba.njit(**options)(function)
    dispatcher.compile(arguments)
    return dispatcher, dispatcher.overloads[arguments]


def written(returns: Any, write: Any) -> Any:
    """An intrinsic of whole numbers; write(context, builder, signature, args) gives its value."""

    @intrinsic
    def instruction(typingctx, a, b):
        return returns(types.intp, types.intp), write

    @numba.njit
    def call(a, b):
        return instruction(a, b)

    return call


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


def test_an_exception_is_raised_from_instructions() -> None:
    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        with private.if_unlikely(builder, builder.icmp_signed("<", *args)):
            private.write_raise(context, builder, KeyError, "less")
        return args[0]

    call = written(types.intp, write)
    assert call(2, 2) == 2
    with pytest.raises(KeyError, match="less"):
        call(1, 2)


# Steps of loading, and what is kept


ran: list[str] = []


def step() -> None:
    """It is pickled, so it has a name."""
    ran.append("step")


def test_callers_inherit_the_steps_of_what_is_compiled_into_them() -> None:
    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        private.add_reload_step(context, step)
        return args[0]

    inner = written(types.intp, write)
    _, result = compiled(lambda a: inner(a, a), types.intp)
    for each in (inner.overloads[(types.intp, types.intp)], result):
        assert private.reload_steps(each) == {step}


KEPT = """
import numba
from numba import types
from numba.extending import intrinsic
from fastnn.compiler.numba_private import add_reload_step

seen = []

def step():
    seen.append("step")

@intrinsic
def marked(typingctx, a):
    def write(context, builder, signature, args):
        add_reload_step(context, step)
        return args[0]
    return a(a), write

@numba.njit(cache=True)
def function(a):
    return marked(a)
"""


def test_steps_run_again_when_numba_loads_code_from_the_disk(tmp_path: Path) -> None:
    (tmp_path / "kept.py").write_text(KEPT)
    source = f"""
    import json, sys
    sys.path.insert(0, {str(tmp_path)!r})
    import kept
    print(json.dumps([kept.function(3), kept.seen, len(kept.function.stats.cache_hits)]))
    """
    first, again = (run_python(textwrap.dedent(source), NUMBA_CACHE_DIR=str(tmp_path / "cache")) for _ in range(2))
    assert (first, again) == ([3, [], 0], [3, ["step"], 1])


def test_a_compile_result_is_pickled_and_loaded_with_the_steps_that_are_given() -> None:
    _, result = compiled(lambda a: 2 * a, types.intp)
    kept = pickle.loads(numba.core.serialize.dumps(private.kept_kernel(result, [step])))  # as its files do
    ran.clear()
    loaded, steps = private.loaded_kernel(result.target_context, kept)
    assert (ran, steps) == (["step"], [step])
    assert loaded.signature == result.signature
    assert private.address_of(loaded)
    assert loaded.entry_point(21) == 42


def test_files_keep_things_by_key_of_one_stamp(tmp_path: Path) -> None:
    key = private.host_key()
    files, another = (private.cache_file(str(tmp_path), "name", stamp) for stamp in ("one", "two"))
    assert files.load(key) is None
    files.save(key, (1, "kept"))
    assert files.load(key) == (1, "kept")
    assert another.load(key) is None
    files.flush()
    assert files.load(key) is None
    assert {path.suffix for path in tmp_path.iterdir()} <= {".nbi", ".nbc"}


def test_the_key_of_code_tells_processors_apart() -> None:
    _, result = compiled(lambda a: a, types.intp)
    key = private.code_key(result.target_context)
    assert key == private.host_key() == pickle.loads(pickle.dumps(key))
    source = "import json; from fastnn.compiler.numba_private import host_key; print(json.dumps(host_key()))"
    told = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert run_python(source, **told) != run_python(source)


def test_code_with_addresses_in_it_says_so() -> None:
    absolute = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long)(("labs", ctypes.CDLL(None)))
    _, with_address = compiled(lambda a: absolute(a), types.intp)
    _, without = compiled(lambda a: abs(a), types.intp)
    assert (private.has_addresses(with_address), private.has_addresses(without)) == (True, False)


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


# Instructions


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
