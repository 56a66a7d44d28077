"""The one place that talks to numba.njit: flags, disk cache, debug mode, compile clock.

Flags. Kernels are compiled with strict IEEE semantics: elementwise loops vectorise without any fast-math flag, and
products spell their fused multiply-adds out, so a result never depends on where a loop was split. Only sums that
ask for it (`reassociate=True`) may be reordered; they run serially, so their order is fixed on a given machine.

Cache. Kernels are kept by what they are made of, wherever that stands: see fastnn.compiler.cache.

Modes, read once from the environment:
    FASTNN_CACHE_DIR      where the compiled kernels are kept (default: the user's cache directory); "" keeps nothing
    FASTNN_DEBUG=1        serial, bounds-checked, no fast-math, no cache
    NUMBA_DISABLE_JIT=1   plain Python: every intrinsic is replaced by its Python twin
"""

from __future__ import annotations

import os
import stat
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numba
from numba.extending import intrinsic, overload

from fastnn.compiler.cache import KernelCache
from fastnn.compiler.late import LateKernel
from fastnn.compiler.numba_private import Listener, compiler_versions, listening, run_time, set_cache, telling

DEBUG = os.environ.get("FASTNN_DEBUG", "") not in ("", "0")
DISABLED = bool(numba.config.DISABLE_JIT)

# `arcp`, `nnan` and `ninf` stay out: they change values, compile isnan away and turn -inf masks into poison.
REASSOCIATE = {"reassoc", "contract", "nsz"}

DISPATCHERS: list[Any] = []
# Every function that is a kernel, and its options: of late ones, too, before they have a dispatcher.
KERNELS: list[tuple[Callable[..., Any], dict[str, Any]]] = []

# Turns that GNU's OpenMP, numba's usual layer on Linux, waits for a thread before it gives up its core: by itself
# 300,000, as long as a time slice of another process that has that thread's core. Too few, and threads sleep
# between layers; the system then wakes both on one core, and, as neither is ever busy, leaves them there: 60 steps of
# 784-512-512-10 after a pause of 0.1 s take 730, 440, 368, 358, 358, 350 us each with 1000, 2000, 4000, 8000, 32,000
# and 100,000 turns; beside a peer in turn, a step of 784-1024x3-10 takes 3.3 ms with 2000, 1.6 with 16,000 and 1.3 with
# 32,000. With one busy core of two it takes 2.9 ms with 1000, 6.1 with 10,000, 9 to 12 with 30,000 and up to 16 with
# more (2.3 on one thread).
SPIN_COUNT, SPINS = "GOMP_SPINCOUNT", "30000"


def _wait_briefly() -> bool:
    """Tells OpenMP, unless the user has; before numba starts it. Returns whether it was told."""
    if SPIN_COUNT in os.environ or "OMP_WAIT_POLICY" in os.environ:
        return False
    os.environ[SPIN_COUNT] = SPINS
    return True


_told_to_wait_briefly = _wait_briefly()


def environment_as_found() -> dict[str, str]:
    """The environment without what this module has put into it, for processes of other libraries."""
    ours = {SPIN_COUNT} if _told_to_wait_briefly else set()
    return {name: value for name, value in os.environ.items() if name not in ours}


def _is_private(directory: Path) -> bool:
    """Cache entries are pickles: nobody else may be able to write them."""
    if not hasattr(os, "getuid"):
        return True
    status = directory.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _users_cache() -> str:
    """Where the user's caches are; "", with a warning, for a user without a home, as a container may run under."""
    import platformdirs  # not needed where the directory is named

    reason = "the user has no home"
    try:
        root = platformdirs.user_cache_dir("fastnn")
    except (RuntimeError, KeyError) as error:
        root, reason = "", str(error)
    if not root or root.startswith("~"):
        warnings.warn(
            f"fastnn cannot keep compiled kernels ({reason}); every process will compile them anew. Set "
            "FASTNN_CACHE_DIR to a private directory.",
            RuntimeWarning,
            stacklevel=3,
        )
        return ""
    return root


def _prepare_cache_directory() -> str:
    """The directory for this version's kernels, or "" where none can be had (kernels then live in memory only)."""
    root = os.environ.get("FASTNN_CACHE_DIR")
    if root is None:
        root = _users_cache()
    if DEBUG or DISABLED or not root:
        return ""
    directory = Path(root) / f"kernels-{compiler_versions()}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        usable = os.access(directory, os.W_OK) and _is_private(directory)
        reason = "it is not writable, or others can write it"
    except OSError as error:
        usable, reason = False, str(error)
    if not usable:
        warnings.warn(
            f"fastnn cannot keep compiled kernels in {directory} ({reason}); every process will compile them anew. "
            "Set FASTNN_CACHE_DIR to a private directory.",
            RuntimeWarning,
            stacklevel=2,
        )
    return str(directory) if usable else ""


CACHE_DIRECTORY = _prepare_cache_directory()


def kernel(
    function: Callable[..., Any] | None = None,
    /,
    *,
    reassociate: bool = False,
    parallel: bool = False,
    inlined: bool = False,
    views: bool = False,
    late: bool = False,
    apart: bool = False,
    returns: Any = None,
) -> Any:
    """Compile a kernel on first use: nopython, without the GIL, cached on disk.

    reassociate: its sums may be reordered (and so vectorised). parallel: `prange` runs on numba's threads. inlined:
    always into its callers, for the thin layers between the tape and the loops, where a call costs as much as the work.

    late: compiled once for all its callers, when the first of them calls (see fastnn.compiler.late), and not again into
    each. returns: what a late kernel returns, as a numba type; nothing unless said.

    apart: its callers promise that arrays it writes to share no memory with others it is given, those in tuples too,
    and the compiler relies on it: loops over many arrays begin at once.

    views: returns a view of one of its arguments. The others are compiled without Numba's run time: they allocate
    nothing, and need not count references to the arrays they are given (a product of 5x5x5: 81 ns a call, 144 with it).
    Parallel regions and views want it.
    """
    if function is None:
        return partial(
            kernel, reassociate=reassociate, parallel=parallel, inlined=inlined, views=views, late=late, apart=apart,
            returns=returns,
        )  # fmt: skip
    options = {
        "boundscheck": DEBUG,
        "parallel": parallel and not DEBUG,
        "fastmath": REASSOCIATE if reassociate and not DEBUG else False,
        "forceinline": inlined and not DEBUG,
        **run_time(parallel or views or DEBUG),
        **telling(apart and not DEBUG),
    }
    KERNELS.append((function, options))
    dispatcher = partial(_dispatcher, function, options)
    if late and not DISABLED:
        return LateKernel(function, dispatcher, numba.types.none if returns is None else returns, kernel)
    return dispatcher()


def _dispatcher(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Numba's dispatcher of a kernel; it takes 0.1 ms to make, late ones are made when they are asked for."""
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy", **options)(function)
    if not DISABLED:
        dispatcher.is_fastnn = True
        set_cache(dispatcher, KernelCache(dispatcher, CACHE_DIRECTORY))
        DISPATCHERS.append(dispatcher)
    return dispatcher


def lowered(twin: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """An intrinsic with a Python twin, which stands in for it in debug mode (bounds-checked) and without a JIT."""

    def decorate(definition: Callable[..., Any]) -> Any:
        if DISABLED or DEBUG:
            return kernel(twin)
        return intrinsic(prefer_literal=True)(definition)

    return decorate


def by_type(choose: Callable[..., Callable[..., Any] | None]) -> Any:
    """A function compiled to the implementation that `choose` names for the numba types of its arguments."""

    def function(*values: Any) -> Any:
        implementation = choose(*(numba.typeof(value) for value in values))
        assert implementation is not None
        return implementation(*values)

    if not DISABLED:
        options = {"fastmath": False, "error_model": "numpy", **run_time(True)}
        overload(function, jit_options=options, strict=False)(choose)
    return function


def by_dtype(single: Callable[[Any], Any], double: Callable[[Any], Any]) -> Any:
    """A function of one scalar, written once for float32 and once for float64."""
    return by_type({numba.float32: single, numba.float64: double}.get)


def most_threads() -> int:
    """Threads that numba has started or will start; set_num_threads chooses among them."""
    return int(numba.config.NUMBA_NUM_THREADS)


def threading_layer() -> str | None:
    """Numba's threading layer; None before the first parallel kernel has been loaded."""
    try:
        return str(numba.threading_layer())
    except ValueError:
        return None


@lru_cache(maxsize=1)
def _warn_of_workqueue() -> None:
    warnings.warn(
        "numba found neither OpenMP nor TBB and runs its workqueue, where starting threads costs up to 2 ms: install "
        "tbb or an OpenMP runtime, or call fastnn.set_num_threads(1)",
        RuntimeWarning,
        stacklevel=5,
    )


def check_threading_layer() -> None:
    """Warns, once, of a layer on which several threads are slower than one. Results are right on every layer."""
    if threading_layer() == "workqueue" and numba.get_num_threads() > 1:
        _warn_of_workqueue()


class CompileClock(Listener):  # type: ignore[misc]
    """Counts compilations and adds up the seconds of the outermost ones (an inner one happens inside an outer one)."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self._depth = 0
        self._started = 0.0

    def on_start(self, event: Any) -> None:
        self.count += 1
        if self._depth == 0:
            self._started = time.perf_counter()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._started


def _weighted_sums(y: Any, x: Any, w: Any) -> None:
    for i in range(x.shape[0]):
        total = y[i]
        for j in range(x.shape[1]):
            total += x[i, j] * w[j]
        y[i] = total if total > 0 else y[i]


def compile_seconds() -> float:
    """What a small function takes to compile here; it is kept nowhere."""
    numbers = numba.types.float32
    signature = numba.types.void(numbers[::1], numbers[:, ::1], numbers[::1])
    seconds = []
    for _ in range(3):  # the first sets the compiler up
        begin = time.perf_counter()
        numba.njit(signature)(_weighted_sums)
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


@contextmanager
def compile_clock() -> Iterator[CompileClock]:
    """Measures what numba compiles inside the block; loading a kernel from the disk cache does not count."""
    clock = CompileClock()
    with listening(clock):
        yield clock
