"""Late kernels that are called by number: one table a phase, which the rows of a tape point into.

A table is an array of words, two a number, for float32 and float64; see late.py for what a word is and when it is
bound. So nothing in a tape belongs to a process, and code on the disk knows the table's name alone.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cached_property
from typing import Any

from numba import TypingError, types

from fastnn.compiler import late
from fastnn.compiler.calls import PACKAGE, called_as, emit_call
from fastnn.compiler.numba_private import add_symbol, ir, pointer_to
from fastnn.compiler.thin import as_thin, as_writable

SIZE = 256
NUMBERS: tuple[Any, Any] = (types.float32, types.float64)


class Table:
    """Callable in nopython code: table(number, *arguments), of late kernels that return nothing.

    arguments: the types that the kernels take, of float32 or float64; of: the place of the first array of such numbers.
    """

    def __init__(self, name: str, arguments: Callable[[Any], tuple[Any, ...]], of: int) -> None:
        self.name, self.of = f"{PACKAGE}_table_{name}", of
        self.arguments: dict[Any, tuple[Any, ...]] = {
            number: tuple(map(as_thin, arguments(number))) for number in NUMBERS
        }
        self.known_to_callers_as = f"table {name}: {self.arguments}"
        self.kernels: dict[int, Any] = {}
        self._words = (ctypes.c_void_p * (SIZE * len(NUMBERS)))()
        add_symbol(self.name, ctypes.addressof(self._words))

    @cached_property
    def _numba_type_(self) -> Any:
        count = len(self.arguments[NUMBERS[0]])
        return called_as(self, self._definition, ["number", *map("argument_{}".format, range(count))])

    def __call__(self, number: int, *arguments: Any) -> None:
        """In plain Python."""
        self.kernels[number](*arguments)

    def register(self, number: int, kernel: Any) -> None:
        """kernel: a late one, or without a compiler a function. ValueError for a number that is taken."""
        if not 0 <= number < SIZE or number in self.kernels:
            raise ValueError(f"number {number} is taken, or not in 0..{SIZE - 1}")
        self.kernels[number] = kernel
        if not isinstance(kernel, late.LateKernel):
            return
        for place, kind in enumerate(NUMBERS):
            offset = (len(NUMBERS) * number + place) * ctypes.sizeof(ctypes.c_void_p)
            late.place(kernel.wanted(self.arguments[kind]), ctypes.c_void_p.from_buffer(self._words, offset))

    def bind(self, number: int, itemsize: int) -> None:
        """Compiles or loads a kernel and all that it may call, so that threads of a parallel region can call it."""
        kernel, kind = self.kernels[number], NUMBERS[itemsize // 4 - 1]
        if not isinstance(kernel, late.LateKernel):
            return
        late.bind_whole(kernel.wanted(self.arguments[kind]))

    def _definition(self, typingctx: Any, number: Any, *arguments: Any) -> Any:
        passed = self.arguments.get(getattr(arguments[self.of], "dtype", None))
        given = tuple(as_writable(late.as_passed(kind)) for kind in arguments)
        if given != passed:
            raise TypingError(f"{self.name} takes {passed or list(self.arguments.values())}; got {given}")
        return types.none(types.intp, *passed), self._emit_call

    def _emit_call(self, context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, size = pointer_to(ir.IntType(8)), ir.IntType(64)
        table = builder.module.globals.get(self.name)
        if table is None:
            table = ir.GlobalVariable(builder.module, ir.ArrayType(pointer, SIZE * len(NUMBERS)), self.name)
        kind = NUMBERS.index(signature.args[1 + self.of].dtype)
        place = builder.add(builder.mul(args[0], size(len(NUMBERS))), size(kind))
        word = builder.gep(table, [size(0), place])
        inner = types.none(*signature.args[1:])
        return emit_call(context, builder, word, inner, args[1:])
