"""The functions that are written in LLVM instructions: compiled once for all kernels, which call them by their symbols.

Numba compiles what a kernel calls again into each of its callers: with the tiles in them, the kernels of a training
step took 110 s. So these live in libraries of their own, for products, for windows and for norms, one for each element
type, kept on disk beside the kernels. Whoever calls one of them brings its library in before its own code is loaded,
freshly compiled or from the disk.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from fastnn.compiler.jit import CACHE_DIRECTORY
from fastnn.compiler.numba_private import (
    add_reload_step,
    add_symbol,
    address_in,
    compile_library,
    compile_lock,
    host_key,
    ir,
    kept_library,
    loaded_library,
    pointer_to,
)
from fastnn.compiler.reach import digest
from fastnn.edge.atomic import write_atomically
from fastnn.simd.emit import ELEMENTS

# build(builder, itemsize, *arguments) writes a function whose arguments are "p", a pointer to numbers, or "i", int64.
Build = Callable[..., None]
# Libraries: what dense products need, what those of windows need beside it, and norms of channels.
PRODUCTS, WINDOWS, NORMS = "simd", "windows", "norms"


class _Definition(NamedTuple):
    operands: str
    build: Build
    library: str


class _Definitions(dict[str, _Definition]):
    known_to_callers_as = "functions by their symbols"


_definitions = _Definitions()


def define(name: str, operands: str, build: Build, library: str = PRODUCTS) -> None:
    """Adds a function, for float32 and for float64, to a library; when its module is imported, before any call."""
    _definitions[name] = _Definition(operands, build, library)


def _of(library: str) -> dict[str, _Definition]:
    return {name: definition for name, definition in _definitions.items() if definition.library == library}


def call(context: Any, builder: Any, name: str, itemsize: int, arguments: list[Any]) -> None:
    """Emits the call of a function into a kernel."""
    library = _definitions[name].library
    link(itemsize, library)
    # What numba runs before it loads a kernel from the disk, and hands on to the kernel's callers.
    add_reload_step(context, partial(link, itemsize, library))
    symbol = _symbol(name, itemsize)
    function = builder.module.globals.get(symbol)
    if function is None:
        function = ir.Function(builder.module, _function_type(name, itemsize), symbol)
    builder.call(function, arguments)


def link(itemsize: int, library: str) -> None:
    """Makes the symbols of a library known to the linker, once in a process."""
    with compile_lock:
        _library(itemsize, library)


def build_library(itemsize: int, library: str = PRODUCTS) -> Any:
    """A library of one element type, compiled."""
    return compile_library(f"fastnn_{library}", partial(_write, itemsize, library))


def _write(itemsize: int, library: str, module: Any) -> None:
    for name, definition in _of(library).items():
        function = ir.Function(module, _function_type(name, itemsize), _symbol(name, itemsize))
        builder = ir.IRBuilder(function.append_basic_block())
        definition.build(builder, itemsize, *function.args)
        builder.ret_void()


def _symbol(name: str, itemsize: int) -> str:
    return f"fastnn_{name}_{8 * itemsize}"


def _function_type(name: str, itemsize: int) -> Any:
    kinds = {"p": pointer_to(ELEMENTS[itemsize]), "i": ir.IntType(64)}
    return ir.FunctionType(ir.VoidType(), [kinds[kind] for kind in _definitions[name].operands])


@cache
def _library(itemsize: int, name: str) -> Any:
    """A library, from the disk or else compiled and kept there; its functions are known by their symbols."""
    file = _file(itemsize, name)
    library = _from_disk(file)
    if library is None:
        library = build_library(itemsize, name)
        _keep(library, file)
    for function in _of(name):
        symbol = _symbol(function, itemsize)
        add_symbol(symbol, address_in(library, symbol))
    return library


def made_of(library: str = PRODUCTS) -> str:
    """A digest of all functions of a library."""
    return digest((build_library, _of(library)))


def _file(itemsize: int, library: str) -> Path | None:
    """Where a library is kept: by what it is made of and the processor that it is for."""
    target = hashlib.sha256(f"{made_of(library)} {itemsize} {host_key()}".encode()).hexdigest()[:24]
    return Path(CACHE_DIRECTORY) / f"{library}-{target}.pickle" if CACHE_DIRECTORY else None


def _from_disk(file: Path | None) -> Any:
    try:
        return loaded_library(pickle.loads(file.read_bytes())) if file is not None else None
    except Exception:  # missing, or whatever may be wrong with a file: the library is made anew
        return None


def _keep(library: Any, file: Path | None) -> None:
    if file is None:
        return
    with suppress(OSError):
        write_atomically(file, pickle.dumps(kept_library(library)))
