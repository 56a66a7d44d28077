"""Where compiled kernels are kept: in Numba's cache files, named by what a kernel is made of (see reach.digest).

Numba's own key is the kernel's file; what it inlines from other files is not in it.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from fastnn.compiler.late import CONVENTION, StaleCallerError, bind_whole, called_late, with_whole
from fastnn.compiler.numba_private import (
    NullCache,
    argument_types,
    cache_file,
    code_key,
    has_addresses,
    kept_kernel,
    loaded_kernel,
    loops_in_parallel,
    reload_steps,
)
from fastnn.compiler.reach import digest

# What a kernel's code depends on beside its own: kept before parallel loops were always made so, it ran on one thread.
MADE_BY = *CONVENTION, loops_in_parallel


def require(module: str, function: str, made_of: str) -> None:
    """Run before a function is loaded that a kernel was compiled into. StaleCallerError where it is another now."""
    try:
        kernel = getattr(sys.modules.get(module) or importlib.import_module(module), function, None)
    except ImportError:
        kernel = None
    if getattr(kernel, "targetoptions", {}).get("boundscheck"):
        return  # in debug mode all kernels are others, and what was compiled before it goes on as it was
    if kernel is None or digest(getattr(kernel, "py_func", kernel)) != made_of:
        raise StaleCallerError(f"{module}.{function} as it was")


class KernelCache(NullCache):  # type: ignore[misc]
    """The cache of one kernel; nothing is read, and nothing digested, before the kernel is asked for.

    directory: where the files lie; "" keeps nothing.
    """

    def __init__(self, dispatcher: Any, directory: str) -> None:
        self.dispatcher, self.cache_directory = dispatcher, directory

    @property
    def cache_path(self) -> str:
        return self.cache_directory

    @cached_property
    def _files(self) -> Any:
        function, made_of = self.dispatcher.py_func, digest((self.dispatcher, *MADE_BY))
        name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")
        python = f"py{sys.version_info.major}{sys.version_info.minor}"
        return cache_file(self.cache_directory, f"{name}-{made_of}.{python}", made_of)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """A kept kernel. Its callers inherit what it needs when it is loaded: Numba lets them inherit it from freshly
        compiled ones only, and a caller kept without it is fatal in the process that loads it first."""
        if not self.cache_directory:
            return None
        target_context.refresh()
        result = self._kept(signature, target_context)
        if result is not None:
            self._bind_loops(result)
        return result

    def _kept(self, signature: Any, target_context: Any) -> Any:
        try:
            data = self._files.load(_key(signature, target_context))
            if data is None:
                return None
            result, steps = loaded_kernel(target_context, data)
        except Exception:  # whatever may be wrong with a file: the kernel is made anew
            return None
        reload_steps(result).update(with_whole(steps, True))
        # Two processes that keep at once may exchange their files.
        return result if tuple(result.signature.args) == argument_types(signature) else None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keeps a kernel, and has whoever it is compiled into ask first whether it still is this one."""
        function, steps = self.dispatcher.py_func, reload_steps(result)
        if hasattr(sys.modules.get(function.__module__), function.__qualname__):
            inherited = [step for step in steps if getattr(step, "func", None) is not require]
            steps.clear()
            steps.update(inherited)
            steps.add(partial(require, function.__module__, function.__qualname__, digest(function)))
        self._bind_loops(result)
        if self.cache_directory and not has_addresses(result):
            self._keep(_key(signature, result.target_context), kept_kernel(result, with_whole(steps, False)))

    def _keep(self, key: Any, data: Any) -> None:
        """Nothing is kept where the disk is full or the directory gone; an index that cannot be read begins anew."""
        with suppress(OSError):
            try:
                self._files.save(key, data)
            except (EOFError, pickle.UnpicklingError, AttributeError, ImportError):  # of a class that is gone, the last
                self._files.flush()
                self._files.save(key, data)

    def _bind_loops(self, result: Any) -> None:
        """Threads of a parallel kernel may not ask for what they call."""
        if self.dispatcher.targetoptions["parallel"]:
            for wanted in called_late(reload_steps(result)):
                bind_whole(wanted)


def _key(signature: Any, target_context: Any) -> Any:
    """What the files tell apart: types and processor."""
    return signature, code_key(target_context)
