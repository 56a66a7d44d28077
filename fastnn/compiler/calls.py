"""Calls of kernels through a word of memory, in LLVM instructions: see late.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.callconv import RETCODE_NONE, RETCODE_OK
from numba.core.typing.templates import make_intrinsic_template

PACKAGE = __name__.partition(".")[0]
# How numba begins the names of this package's functions; the bodies of parallel loops have names of another kind.
_OURS = f"_ZN{len(PACKAGE)}{PACKAGE}"
# The symbol of what an empty word's callers ask.
ASK = f"{PACKAGE}_ask"


def function_type(thing: Any, definition: Callable[..., Any], parameters: Sequence[str]) -> Any:
    """Numba's type of a thing that nopython code calls as `definition` says, as of an intrinsic."""

    def defined(typingctx: Any, *arguments: Any, **named: Any) -> Any:
        return definition(typingctx, *arguments, *(named[name] for name in parameters[len(arguments) :]))

    named = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("_", *parameters)]
    defined.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return types.Function(make_intrinsic_template(thing, defined, type(thing).__name__))


def emit_call(context: Any, builder: Any, word: Any, signature: Any, args: Any) -> Any:
    """The call of the kernel that a word is of."""
    kind = context.call_conv.get_function_type(signature.return_type, signature.args)
    code = builder.bitcast(_emit_address(context, builder, word), kind.as_pointer())
    emit = _emit_call_of_ours if is_ours(builder) else _emit_call
    return emit(context, builder, code, signature, args)


def is_ours(builder: Any) -> bool:
    return bool(builder.function.name.startswith(_OURS))


def _emit_call(context: Any, builder: Any, code: Any, signature: Any, args: Any) -> Any:
    """As numba calls a function."""
    convention = context.call_conv
    status, result = convention.call_function(builder, code, signature.return_type, signature.args, args)
    with cgutils.if_unlikely(builder, status.is_error):
        convention.return_status_propagate(builder, status)
    return result


def _emit_call_of_ours(context: Any, builder: Any, code: Any, signature: Any, args: Any) -> Any:
    """From kernels, which catch no exception: what is raised goes where the kernel's own would go.

    Numba sets two words to 0 for each call in a function, wherever it is, when the function begins; here there are
    none: a step of 3-4-2 at batch 1 took 1.03 of what it took with calls by name with them, 1.01 without.
    """
    result_at, exception_at = code.type.pointee.args[:2]
    with builder.goto_entry_block():
        result = builder.alloca(result_at.pointee)
    passed = context.call_conv._get_arg_packer(signature.args).as_arguments(builder, args)
    raised = context.call_conv._get_excinfo_argument(builder.function)
    assert raised.type == exception_at
    status = builder.call(code, [result, raised, *passed])
    fine = (builder.icmp_signed("==", status, value) for value in (RETCODE_OK, RETCODE_NONE))
    with cgutils.if_unlikely(builder, builder.not_(builder.or_(*fine))):
        builder.ret(status)
    return context.get_returned_value(builder, signature.return_type, builder.load(result))


def _emit_address(context: Any, builder: Any, word: Any) -> Any:
    """The address in a word, asked for where it is not there yet."""
    pointer = ir.IntType(8).as_pointer()
    known = builder.load(word)
    before = builder.block
    with cgutils.if_unlikely(builder, builder.icmp_unsigned("==", known, ir.Constant(pointer, None))):
        ask = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [word.type]), ASK)
        builder.call(ask, [word])
        asked = builder.load(word)
        with cgutils.if_unlikely(builder, builder.icmp_unsigned("==", asked, ir.Constant(pointer, None))):
            message = f"a kernel of {PACKAGE} could not be compiled; the reason stands on stderr"
            context.call_conv.return_user_exc(builder, RuntimeError, (message,))
        after = builder.block
    address = builder.phi(pointer)
    address.add_incoming(known, before)
    address.add_incoming(asked, after)
    return address
