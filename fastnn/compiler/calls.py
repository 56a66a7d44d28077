"""Calls of kernels through a word of memory, in LLVM instructions: see late.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from fastnn.compiler.numba_private import (
    call_function,
    callable_type,
    function_type,
    get_or_insert_function,
    if_unlikely,
    ir,
    pointer_to,
    write_call,
    write_raise,
)

PACKAGE = __name__.partition(".")[0]
# How numba begins the names of this package's functions; the bodies of parallel loops have names of another kind.
_OURS = f"_ZN{len(PACKAGE)}{PACKAGE}"
# The symbol of what an empty word's callers ask.
ASK = f"{PACKAGE}_ask"


def called_as(thing: Any, definition: Callable[..., Any], parameters: Sequence[str]) -> Any:
    """Numba's type of a thing that nopython code calls as `definition` says, as of an intrinsic."""

    def defined(typingctx: Any, *arguments: Any, **named: Any) -> Any:
        return definition(typingctx, *arguments, *(named[name] for name in parameters[len(arguments) :]))

    named = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("_", *parameters)]
    defined.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return callable_type(thing, defined)


def emit_call(context: Any, builder: Any, word: Any, signature: Any, args: Any) -> Any:
    """The call of the kernel that a word is of."""
    kind = function_type(context, signature)
    code = builder.bitcast(_emit_address(context, builder, word), pointer_to(kind))
    # Kernels catch no exception. As Numba calls a function, it sets two words to 0 for each call in it, wherever that
    # is, when the function begins; by hand there are none: a step of 3-4-2 at batch 1 took 1.03 of what it took with
    # calls by name with them, 1.01 without.
    call = write_call if is_ours(builder) else call_function
    return call(context, builder, code, signature, args)


def is_ours(builder: Any) -> bool:
    return bool(builder.function.name.startswith(_OURS))


def _emit_address(context: Any, builder: Any, word: Any) -> Any:
    """The address in a word, asked for where it is not there yet."""
    pointer = pointer_to(ir.IntType(8))
    known = builder.load(word)
    before = builder.block
    with if_unlikely(builder, builder.icmp_unsigned("==", known, ir.Constant(pointer, None))):
        ask = get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [word.type]), ASK)
        builder.call(ask, [word])
        asked = builder.load(word)
        with if_unlikely(builder, builder.icmp_unsigned("==", asked, ir.Constant(pointer, None))):
            message = f"a kernel of {PACKAGE} could not be compiled; the reason stands on stderr"
            write_raise(context, builder, RuntimeError, message)
        after = builder.block
    address = builder.phi(pointer)
    address.add_incoming(known, before)
    address.add_incoming(asked, after)
    return address
