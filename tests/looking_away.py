"""Coverage looks away while Numba compiles, each line of which would cost it a call, and looks on where Numba calls
what fastnn writes instructions with."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from numba.core.compiler import CompilerBase
from numba.core.typing import templates

# What traced before the outermost of the compilations that are under way.
_tracer: ContextVar[Any] = ContextVar("tracer", default=None)


@contextmanager
def _traced_by(tracer: Any) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(before)


def _unseen(compile_core: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(compile_core)
    def run(*args: Any) -> Any:
        token = _tracer.set(sys.gettrace() or _tracer.get())
        try:
            with _traced_by(None):
                return compile_core(*args)
        finally:
            _tracer.reset(token)

    return run


def _seen(function: Callable[..., Any]) -> Callable[..., Any]:
    """Also what it returns to write instructions with."""

    @wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        with _traced_by(_tracer.get() or sys.gettrace()):
            found = function(*args, **options)
        return (*found[:-1], _seen(found[-1])) if isinstance(found, tuple) else found

    return run


def _of_seen(make: Callable[..., Any]) -> Callable[..., Any]:
    """What makes a template of an intrinsic or of an overload, whose definition is its second argument."""
    return wraps(make)(lambda handle, definition, *args, **options: make(handle, _seen(definition), *args, **options))


CompilerBase._compile_core = _unseen(CompilerBase._compile_core)
for _name in ("make_intrinsic_template", "make_overload_template"):
    setattr(templates, _name, _of_seen(getattr(templates, _name)))
