"""Kernels that are bound late: compiled once for all of their callers, when the first of them calls.

Numba compiles a callee again inside each of its callers, and so on up. A late kernel is called through a word of memory
instead, its *binding*, which holds the address of its code, or nothing yet: then the caller asks for it, and the kernel
is compiled, or loaded from the disk, for just these types. What no network uses is never compiled. A call costs a load
and a comparison more than one by name.

The word's name says what it is of: module, function, types, and how it is called. Code on the disk knows that name
alone, so a user's own cached function that calls a late kernel calls the one of today's fastnn, or ends in an exception
where there is none that is called so any more.

A kernel that a thread of a parallel loop asks for would be compiled there, on a stack that is small on some systems,
while the others wait, and in a user's function an error would come out of its middle. So functions that are not
fastnn's own, and the bodies of parallel loops, have all that they may reach bound when they are compiled or loaded.
"""

from __future__ import annotations

import _thread
import ctypes
import hashlib
import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial, update_wrapper
from typing import Any, NamedTuple

from numba import TypingError, types

from fastnn.compiler.calls import ASK, PACKAGE, called_as, emit_call, is_ours
from fastnn.compiler.numba_private import (
    Listener,
    add_reload_step,
    add_symbol,
    address_of,
    compile_lock,
    compiled_kernel,
    ir,
    listen,
    loops_in_parallel,
    pointer_to,
    reload_steps,
)
from fastnn.compiler.reach import digest
from fastnn.compiler.thin import ThinModel, as_thin, as_whole

_FROM_PYTHON = "_from_python"
# What calls are made by: code of another convention must not be called in this one.
CONVENTION = emit_call, ThinModel


class StaleCallerError(ImportError):
    """Code that was compiled with another version of fastnn wants what this one has not."""

    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"a function compiled with another version of {PACKAGE} wants {wanted}, as this version is not: delete the "
            "cache that the function is kept in (__pycache__ beside its source, or NUMBA_CACHE_DIR), and it is "
            "compiled anew"
        )


class Wanted(NamedTuple):
    """A late kernel for types of arguments, as code on the disk names it."""

    module: str
    function: str
    arguments: tuple[Any, ...]
    returns: Any
    convention: str

    @property
    def symbol(self) -> str:
        return f"{PACKAGE}_late_{hashlib.sha256(repr(self).encode()).hexdigest()[:24]}"

    def kernel(self) -> LateKernel:
        """StaleCallerError where there is none."""
        try:
            module = sys.modules.get(self.module) or importlib.import_module(self.module)
        except ImportError:
            module = None
        found = getattr(module, self.function, None)
        if isinstance(found, LateKernel) and (found.convention, found.returns) == (self.convention, self.returns):
            return found
        raise StaleCallerError(f"{self.module}.{self.function} of {len(self.arguments)} arguments")


# The words of a kernel: one for callers by its name, and one for each number that it has in a table.
_words: dict[Wanted, list[ctypes.c_void_p]] = {}
_wanted: dict[int, Wanted] = {}
_bound_whole: set[Wanted] = set()


def as_passed(kind: Any) -> Any:
    """The type that an argument travels as: one for all whole numbers, literal or not, and thin arrays."""
    kind = types.unliteral(kind)
    if isinstance(kind, types.Integer):
        return types.intp
    if isinstance(kind, types.Array) and kind.layout != "C":
        raise TypingError(f"expected a C-contiguous array, as np.ascontiguousarray makes; got {kind}")
    return as_thin(kind)


class LateKernel:
    """A kernel that is bound late, for callers in nopython code.

    make: its dispatcher. from_python: compiles a function that does nothing but call it; what Python calls it by.
    """

    __name__: str
    __qualname__: str

    def __init__(self, function: Any, make: Callable[[], Any], returns: Any, from_python: Callable[[Any], Any]) -> None:
        self.py_func, self._make, self.returns, self._from_python = function, make, returns, from_python
        self._dispatcher: Any = None
        update_wrapper(self, function)
        code = function.__code__
        self.parameters: tuple[str, ...] = code.co_varnames[: code.co_argcount]
        for wanted in [each for each in _words if each[:2] == (self.__module__, self.__qualname__)]:
            unbind(wanted)  # a cell of a notebook that runs again

    @property
    def dispatcher(self) -> Any:
        with compile_lock:  # one for all threads
            if self._dispatcher is None:
                self._dispatcher = self._make()
            return self._dispatcher

    @cached_property
    def convention(self) -> str:
        """How the kernel is called, apart from types."""
        called = digest(CONVENTION), self.parameters, str(self.returns)
        return hashlib.sha256(repr(called).encode()).hexdigest()[:16]

    def wanted(self, arguments: tuple[Any, ...]) -> Wanted:
        return Wanted(self.__module__, self.__qualname__, arguments, self.returns, self.convention)

    @cached_property
    def _numba_type_(self) -> Any:
        """What numba asks of a global; made when the first caller is compiled, which most processes do without."""

        def definition(typingctx: Any, *arguments: Any) -> Any:
            return self.returns(*map(self._as_passed, arguments)), self._emit_call

        return called_as(self, definition, self.parameters)

    def _as_passed(self, kind: Any) -> Any:
        """Arrays are thin, but where numba takes them apart for the bodies of parallel loops."""
        kind = as_passed(kind)
        return as_whole(kind) if self.dispatcher.targetoptions["parallel"] else kind

    @cached_property
    def entry(self) -> Any:
        """The kernel for callers in Python."""
        names = ", ".join(self.parameters)
        place: dict[str, Any] = {"late": self, "__name__": self.__module__}
        exec(f"def {self.__name__}{_FROM_PYTHON}({names}): return late({names})", place)
        return self._from_python(place[self.__name__ + _FROM_PYTHON])

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.entry(*arguments, **named)

    def __reduce__(self) -> str:
        return self.__qualname__

    def __deepcopy__(self, memo: Any) -> LateKernel:
        return self

    @property
    def known_to_callers_as(self) -> str:
        """All that a caller's code depends on."""
        return f"{self.__module__}.{self.__qualname__}{self.parameters}: {self.returns}"

    def _emit_call(self, context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wanted = self.wanted(signature.args)
        define(wanted, whole=not is_ours(builder))
        if _FROM_PYTHON in builder.function.name:
            bind(wanted)  # it will be called at once, and what is wrong with its arguments can be said here
        # What numba runs before it loads a function from the disk, and hands on to the function's callers.
        add_reload_step(context, partial(define, wanted, True))
        word = builder.module.globals.get(wanted.symbol)
        if word is None:
            word = ir.GlobalVariable(builder.module, pointer_to(ir.IntType(8)), wanted.symbol)
        return emit_call(context, builder, word, signature, args)


def place(wanted: Wanted, word: ctypes.c_void_p) -> None:
    """Makes a word the kernel's; callers by its name find the first."""
    words = _words.setdefault(wanted, [])
    if words:
        word.value = words[0].value
    else:
        add_symbol(wanted.symbol, ctypes.addressof(word))
    words.append(word)
    _wanted[ctypes.addressof(word)] = wanted


def define(wanted: Wanted, whole: bool) -> None:
    """Makes the word known to the linker; with all that the kernel may reach bound, where code may not ask."""
    with compile_lock:
        if wanted not in _words:
            wanted.kernel()
            place(wanted, ctypes.c_void_p())
        if whole:
            bind_whole(wanted)


def bind(wanted: Wanted) -> Any:
    """Compiles or loads the kernel, and writes where its code is; numba's result of compiling."""
    kernel = wanted.kernel()
    with loops_in_parallel():
        kernel.dispatcher.compile(wanted.arguments)
    result = kernel.dispatcher.overloads[wanted.arguments]
    if types.unliteral(result.signature.return_type) != wanted.returns:
        raise TypeError(f"{wanted.function} returns {result.signature.return_type}; declared is {wanted.returns}")
    for word in _words[wanted]:
        word.value = address_of(result)
    return result


def unbind(wanted: Wanted) -> None:
    """Has the next caller ask again."""
    _bound_whole.discard(wanted)
    for word in _words[wanted]:
        word.value = None


@compile_lock  # type: ignore[untyped-decorator]
def bind_whole(wanted: Wanted) -> None:
    """Binds a kernel, and whatever it calls late, and so on."""
    if wanted in _bound_whole:
        return
    _bound_whole.add(wanted)
    try:
        for called in called_late(reload_steps(bind(wanted))):
            bind_whole(called)
    except BaseException:  # Ctrl-C too
        _bound_whole.discard(wanted)
        raise


def called_late(steps: Any) -> Iterator[Wanted]:
    """The late kernels among the steps that numba runs before it loads a function."""
    return (step.args[0] for step in list(steps) if getattr(step, "func", None) is define)


def with_whole(steps: Any, whole: bool) -> list[Any]:
    """The same steps, where what is called late is bound whole or not: kept kernels of fastnn's own may ask for what
    they call, their callers may be anybody's."""
    return [partial(define, step.args[0], whole) if getattr(step, "func", None) is define else step for step in steps]


class _OthersCompiled(Listener):  # type: ignore[misc]
    """Binds what a function of somebody else's calls late by way of kernels that were compiled into it."""

    def on_start(self, event: Any) -> None:
        pass

    def on_end(self, event: Any) -> None:
        dispatcher, result = compiled_kernel(event)
        if result is None or getattr(dispatcher, "is_fastnn", False):
            return
        for wanted in called_late(reload_steps(result)):
            bind_whole(wanted)


listen(_OthersCompiled())


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Ctrl-C waits until the block is done, and a moment longer: an exception in what nopython code calls reaches
    nobody, and one in a callback of LLVM's loses what was compiled."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    pressed = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed.is_set():
            again = threading.Timer(0.05, _thread.interrupt_main)
            again.daemon = True
            again.start()


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)  # type: ignore[untyped-decorator]
def _asked(address: int) -> None:
    """What callers of an empty word call."""
    with _ctrl_c_later(), compile_lock:
        bind(_wanted[address])


add_symbol(ASK, ctypes.cast(_asked, ctypes.c_void_p).value)
