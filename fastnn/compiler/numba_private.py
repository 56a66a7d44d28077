"""The one door to what Numba and llvmlite do not promise to keep: their private modules and attributes.

Nothing else in fastnn imports `llvmlite`, `numba.core`, `numba.np` and their like, or touches what Numba begins with an
underscore (tests/test_house.py); the CUDA target has a door of its own, fastnn/cuda/target.py. Each use has a test of
what it relies on in tests/test_numba_contract*.py: on a new Numba the test that fails says what has moved.

A compile result is what Numba has of one kernel for types of arguments; a context and a builder are those that Numba
hands an intrinsic that writes instructions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba.core import event
from numba.core.caching import IndexDataCacheFile, NullCache
from numba.core.callconv import RETCODE_NONE, RETCODE_OK
from numba.core.cgutils import (
    alloca_once,
    for_range,
    for_range_slice,
    get_or_insert_function,
    if_unlikely,
    pack_array,
)
from numba.core.compiler import Compiler, CompileResult
from numba.core.compiler_lock import global_compiler_lock as compile_lock
from numba.core.compiler_machinery import register_pass
from numba.core.event import Listener
from numba.core.registry import cpu_target
from numba.core.sigutils import normalize_signature
from numba.core.typed_passes import NativeLowering, NativeParforLowering
from numba.core.typing.templates import make_intrinsic_template

__all__ = [
    "THREAD_COUNT",
    "Listener",
    "NullCache",
    "add_reload_step",
    "add_symbol",
    "address_in",
    "address_of",
    "alloca_once",
    "argument_types",
    "array_over",
    "cache_file",
    "call_function",
    "callable_type",
    "code_key",
    "compile_library",
    "compile_lock",
    "compiled_kernel",
    "compiler_versions",
    "definition_of",
    "features",
    "for_range",
    "for_range_slice",
    "function_type",
    "get_or_insert_function",
    "has_addresses",
    "host_key",
    "if_unlikely",
    "is_told_apart",
    "ir",
    "kept_kernel",
    "kept_library",
    "launch_threads",
    "listen",
    "loops_in_parallel",
    "listening",
    "loaded_kernel",
    "loaded_library",
    "pack_array",
    "pointee",
    "pointer_to",
    "processor",
    "reload_steps",
    "run_time",
    "set_cache",
    "telling",
    "write_call",
    "write_raise",
]

COMPILE = "numba:compile"
# The symbol of numba.get_num_threads() in the threading layer.
THREAD_COUNT = "get_num_threads"


def compiler_versions() -> str:
    """What code on the disk was compiled by."""
    return f"numba-{numba.__version__}-llvmlite-{llvmlite.__version__}"


# Options of compiling, and what a compiled kernel is


@cache  # LLVM takes 0.16 ms to say, and each of 388 kernels asks on import
def features() -> frozenset[str]:
    """Features of the processor that code is generated for, by LLVM's names: this machine's, or what
    NUMBA_CPU_FEATURES says."""
    told = getattr(numba.config, "CPU_FEATURES", None)
    if told is not None:
        return frozenset(name[1:] for name in told.split(",") if name.startswith("+"))
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


def processor() -> str:
    """Its name by LLVM, such as znver5: this machine's, or NUMBA_CPU_NAME."""
    return str(getattr(numba.config, "CPU_NAME", None) or llvm.get_host_cpu_name())


# For Intel's processors LLVM prefers half of the widest vectors, as for the first that had them. On an Emerald Rapids
# tanh, gelu, silu and softplus of 64 x 1024 take 28, 48, 31 and 50 us so, and 25, 33, 25 and 35 with whole ones; a step
# of a GPT of 4 x 128 at batch 12 41.6 and 39.3 ms, of 784-512-512-10 with gelu at batch 32 1.34 and 1.27.
WHOLE_VECTORS = '"prefer-vector-width"="512"'

# Of arrays that share no memory: else a loop over several compares first where they begin and end, two by two. What an
# LSTM does to a row is on 12 arrays; see fastnn.kernels.cells.
APART = "noalias"


def _telling(lowering: Any, whole: bool, apart: bool) -> Any:
    """A pass that lowers as that one, and asks for whole vectors, and tells that arrays share no memory."""

    class Lower(lowering().lowering_class):  # type: ignore[misc]
        def post_lower(self) -> None:
            super().post_lower()
            if whole:
                set.add(self.function.attributes, WHOLE_VECTORS)  # llvmlite's own `add` takes names that it knows
            for argument in self.context.call_conv.get_arguments(self.function) if apart else ():
                if isinstance(argument.type, ir.PointerType):
                    argument.add_attribute(APART)

    class Lowering(lowering):  # type: ignore[misc]
        _name = f"fastnn{'_whole' * whole}{'_apart' * apart}_{lowering._name}"
        lowering_class = Lower

    return register_pass(mutates_CFG=True, analysis_only=False)(Lowering)


@cache
def _pipeline(whole: bool, apart: bool) -> Any:
    """What compiles as njit does, and tells LLVM so."""
    telling = {each: _telling(each, whole, apart) for each in (NativeLowering, NativeParforLowering)}

    class Telling(Compiler):  # type: ignore[misc]
        told_apart = apart

        def define_pipelines(self) -> Any:
            pipelines = super().define_pipelines()
            for each in pipelines:
                each.passes = [(telling.get(step, step), told) for step, told in each.passes]
            return pipelines

    return Telling


def telling(apart: bool = False) -> dict[str, Any]:
    """The option of njit by which a function's loops take the widest vectors of the processor, and by which the arrays
    that it is given are known to be apart: no number of one lies in another."""
    whole = "avx512f" in features()
    return {"pipeline_class": _pipeline(whole, apart)} if whole or apart else {}


def is_told_apart(dispatcher: Any) -> bool:
    """Whether a dispatcher compiles its function so."""
    pipeline = getattr(getattr(dispatcher, "_compiler", None), "pipeline_class", None)
    return bool(getattr(pipeline, "told_apart", False))


def run_time(wanted: bool) -> dict[str, bool]:
    """The option of njit and overload that gives a function Numba's run time (allocation, counting of references)."""
    return {"_nrt": wanted}


def set_cache(dispatcher: Any, cache: NullCache) -> None:
    """Has a dispatcher ask `cache` before it compiles: load_overload, then save_overload."""
    dispatcher._cache = cache


def definition_of(intrinsic: Any) -> Any:
    """The Python function that an intrinsic was made of; None of anything else."""
    return getattr(intrinsic, "_defn", None)


def argument_types(signature: Any) -> tuple[Any, ...]:
    """Of a signature as load_overload is given it: a tuple of types, or with what is returned."""
    return tuple(normalize_signature(signature)[0])


def address_of(result: Any) -> int:
    """Where a compile result's code is, which takes arguments as Numba's own callers pass them."""
    return address_in(result.library, result.fndesc.llvm_func_name)


def reload_steps(result: Any) -> set[Any]:
    """What is called without arguments when the code of a compile result is loaded from the disk; callers that it is
    compiled into inherit these. The set itself, to be changed."""
    steps: set[Any] = result.library._reload_init
    return steps


def add_reload_step(context: Any, step: Callable[[], object]) -> None:
    """The same for the function that is being compiled. step is pickled: no closure."""
    context.active_code_library._reload_init.add(step)


# What is kept on the disk


def cache_file(directory: str, name: str, stamp: str) -> Any:
    """Files that keep things by key: load(key), None where there is none of this stamp; save(key, thing); flush()."""
    return IndexDataCacheFile(directory, name, stamp)


@contextmanager
def loops_in_parallel() -> Iterator[None]:
    """Compiles as if no loop were being compiled around: Numba makes the parallel loops of whatever it compiles while
    it is at the body of one run on one thread, and what is bound late is compiled for all of its callers."""
    parfor: Any = sys.modules.get("numba.parfors.parfor")
    if parfor is None:
        yield
        return
    before = parfor.sequential_parfor_lowering
    parfor.sequential_parfor_lowering = False
    try:
        yield
    finally:
        parfor.sequential_parfor_lowering = before


def code_key(context: Any) -> Any:
    """What machine code is for: the processor, by name and features."""
    return context.codegen().magic_tuple()


def host_key() -> Any:
    """The same, of what is compiled for no caller."""
    return code_key(cpu_target.target_context)


def has_addresses(result: Any) -> bool:
    """Whether the code holds addresses of this process, so that it cannot be kept."""
    return bool(result.library.has_dynamic_globals)


def kept_kernel(result: Any, steps: list[Any]) -> Any:
    """What is pickled of a compile result, with the steps that loading it runs."""
    result.reload_init[:] = steps
    return result._reduce()


def loaded_kernel(context: Any, kept: Any) -> tuple[Any, list[Any]]:
    """The compile result, whose steps have run, and these steps."""
    result = CompileResult._rebuild(context, *kept)
    return result, result.reload_init


# Events


def listen(listener: Listener) -> None:
    """Tells of each compilation when it starts and ends."""
    event.register(COMPILE, listener)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """The same, inside the block."""
    listen(listener)
    try:
        yield
    finally:
        event.unregister(COMPILE, listener)


def compiled_kernel(told: Any) -> tuple[Any, Any]:
    """Dispatcher and compile result of a compilation that has ended; None where there is none."""
    dispatcher = told.data.get("dispatcher")
    return dispatcher, dispatcher.overloads.get(tuple(told.data["args"])) if dispatcher is not None else None


# Libraries of functions in LLVM instructions, and symbols


def add_symbol(name: str, address: int | None) -> None:
    """What compiled code names so is at that address; the last address that a name was given counts."""
    llvm.add_symbol(name, address)


def compile_library(name: str, write: Callable[[Any], None]) -> Any:
    """A library of what `write` puts into a module."""
    with compile_lock:
        library = cpu_target.target_context.codegen().create_library(name)
        library.enable_object_caching()
        module = library.create_ir_module(name)
        write(module)
        with event.trigger_event(COMPILE, data={"library": name}):
            library.add_ir_module(module)
            library.finalize()
    return library


def address_in(library: Any, symbol: str) -> int:
    """Where a function of a library is."""
    return int(library.get_pointer_to_function(symbol))


def kept_library(library: Any) -> Any:
    """What is pickled of a library."""
    return library.serialize_using_object_code()


def loaded_library(kept: Any) -> Any:
    return cpu_target.target_context.codegen().unserialize_library(kept)


def launch_threads() -> None:
    """Brings in the threading layer, whose symbols compiled code names, as Numba does for its parallel kernels."""
    from numba.np.ufunc.parallel import _launch_threads  # a third of the time to import numba

    _launch_threads()


# Instructions: pointers, arrays, calls


def pointer_to(kind: Any) -> Any:
    """LLVM's pointers have no types; llvmlite's still do, and this function and the next one alone make use of it."""
    return kind.as_pointer()


def pointee(pointer: Any) -> Any:
    """What a type of pointers points to."""
    return pointer.pointee


def array_over(context: Any, builder: Any, kind: Any, data: Any, shape: list[Any], strides: list[Any]) -> Any:
    """A value of an array type over memory that nobody owns. data: pointer of any type; strides in bytes, the last the
    size of an element."""
    from numba.np.arrayobj import populate_array  # a quarter of the time to import fastnn, and only compiling needs it

    array = context.make_array(kind)(context, builder)
    populate_array(
        array, data=builder.bitcast(data, array.data.type), shape=pack_array(builder, shape),
        strides=pack_array(builder, strides), itemsize=strides[-1], meminfo=None,
    )  # fmt: skip
    return array._getvalue()


def callable_type(thing: Any, definition: Callable[..., Any]) -> Any:
    """The type of a thing that nopython code calls, for its `_numba_type_`; definition: as of an intrinsic."""
    return numba.types.Function(make_intrinsic_template(thing, definition, type(thing).__name__))


def function_type(context: Any, signature: Any) -> Any:
    """The LLVM type of Numba's code for a signature: status(where the result goes, where an exception, arguments)."""
    return context.call_conv.get_function_type(signature.return_type, signature.args)


def call_function(context: Any, builder: Any, code: Any, signature: Any, args: Any) -> Any:
    """A call as Numba makes it; an exception goes to the caller, which may catch it."""
    convention = context.call_conv
    status, result = convention.call_function(builder, code, signature.return_type, signature.args, args)
    with if_unlikely(builder, status.is_error):
        convention.return_status_propagate(builder, status)
    return result


def write_call(context: Any, builder: Any, code: Any, signature: Any, args: Any) -> Any:
    """A call by hand from a function that catches nothing: what is raised goes where the function's own would go."""
    result_at, exception_at = function_type(context, signature).args[:2]
    with builder.goto_entry_block():
        result = builder.alloca(pointee(result_at))
    passed = context.call_conv._get_arg_packer(signature.args).as_arguments(builder, args)
    raised = context.call_conv._get_excinfo_argument(builder.function)
    assert raised.type == exception_at
    status = builder.call(code, [result, raised, *passed])
    fine = (builder.icmp_signed("==", status, value) for value in (RETCODE_OK, RETCODE_NONE))
    with if_unlikely(builder, builder.not_(builder.or_(*fine))):
        builder.ret(status)
    return context.get_returned_value(builder, signature.return_type, builder.load(result))


def write_raise(context: Any, builder: Any, kind: type[Exception], message: str) -> None:
    context.call_conv.return_user_exc(builder, kind, (message,))
