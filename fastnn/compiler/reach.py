"""A digest of what a compiled function is made of: its code and the functions, classes and constants that it reaches.

They count as what they are, wherever they stand: a comment changes nothing, a constant of another module does. What is
called late or by a symbol is no part of its callers; Python, NumPy and the compilers go by their names.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from fastnn.compiler.numba_private import definition_of, is_told_apart, telling

_OTHERS = frozenset(sys.stdlib_module_names) | {"numpy", "numba", "llvmlite"}
_digests: dict[int, str] = {}
_kept_alive: list[Any] = []


def digest(thing: Any) -> str:
    """Thirty-two hex digits. Of a cycle each member is digested once, and named where it comes again."""
    known = _digests.get(id(thing))
    if known is None:
        _kept_alive.append(thing)  # an id is of one thing only as long as the thing lives
        _digests[id(thing)] = f"again {getattr(thing, '__qualname__', '')}"
        text = "\n".join(_parts(thing))
        known = _digests[id(thing)] = hashlib.sha256(text.encode()).hexdigest()[:32]
    return known


def _is_ours(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "") or "builtins").partition(".")[0] not in _OTHERS


def _parts(thing: Any) -> Iterator[str]:
    """What makes a thing what it is, as text."""
    yield type(thing).__qualname__
    if isinstance(thing, types.FunctionType):
        yield from _of_function(thing) if _is_ours(thing) else [f"{thing.__module__}.{thing.__qualname__}"]
    elif isinstance(thing, type):
        yield from _of_class(thing) if _is_ours(thing) else [f"{thing.__module__}.{thing.__qualname__}"]
    elif hasattr(thing, "known_to_callers_as"):
        yield thing.known_to_callers_as
    elif hasattr(thing, "py_func"):  # a kernel
        yield digest(thing.py_func)
        yield digest(thing.targetoptions)
        yield from telling()  # by its name
        yield from ["apart"] if is_told_apart(thing) else []
    elif definition_of(thing) is not None:
        yield digest(definition_of(thing))
    elif isinstance(thing, functools.partial):
        yield from map(digest, (thing.func, thing.args, thing.keywords))
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            yield from (digest(key), digest(value))
    elif isinstance(thing, tuple | list | set | frozenset):
        yield from map(digest, sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing)
    elif isinstance(getattr(thing, "__self__", None), dict):  # a method such as {...}.get
        yield thing.__name__
        yield digest(thing.__self__)
    elif _is_ours(thing) and hasattr(thing, "__dataclass_fields__"):
        yield from (digest(getattr(thing, name)) for name in thing.__dataclass_fields__)
    elif isinstance(thing, types.ModuleType):
        yield thing.__name__
    else:
        yield repr(thing).partition(" at 0x")[0]


def _of_function(function: types.FunctionType) -> Iterator[str]:
    yield function.__qualname__
    yield from _of_code(function.__code__, function.__doc__)
    yield digest(function.__defaults__ or ())
    for cell in function.__closure__ or ():
        yield digest(cell.cell_contents)
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            value = function.__globals__[name]
            yield name
            yield digest(value)
            if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] not in _OTHERS:
                inside = _names(function.__code__) & set(vars(value))
                yield from (digest(vars(value)[used]) for used in sorted(inside))


def _of_code(code: types.CodeType, doc: str | None = None) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_flags))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _of_code(constant)
        elif isinstance(constant, tuple | frozenset):
            yield digest(constant)
        elif constant is None or constant != doc:
            yield repr(constant)


def _names(code: types.CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _of_class(kind: type) -> Iterator[str]:
    yield kind.__qualname__
    yield from map(digest, kind.__bases__)
    for name, value in sorted(vars(kind).items()):
        for part in (value, *(getattr(value, attribute, None) for attribute in ("fget", "__func__"))):
            if isinstance(part, types.FunctionType):
                yield name
                yield digest(part)
