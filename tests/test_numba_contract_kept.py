"""What fastnn relies on of Numba where code is kept on the disk and loaded again; see test_numba_contract.py."""

from __future__ import annotations

import ctypes
import pickle
import textwrap
from pathlib import Path
from typing import Any

import needs
import numba
from numba import types
from numba_cases import compiled, written
from processes import run_python

from fastnn.compiler import numba_private as private

pytestmark = needs.compiled_kernels

ran: list[str] = []


def step() -> None:
    """It is pickled, so it has a name."""
    ran.append("step")


def test_callers_inherit_the_steps_of_what_is_compiled_into_them() -> None:
    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        private.add_reload_step(context, step)
        return args[0]

    inner = written(types.intp, write)
    _, result = compiled(lambda a: inner(a, a), types.intp)
    for each in (inner.overloads[(types.intp, types.intp)], result):
        assert private.reload_steps(each) == {step}


KEPT = """
import numba
from numba import types
from numba.extending import intrinsic
from fastnn.compiler.numba_private import add_reload_step

seen = []

def step():
    seen.append("step")

@intrinsic
def marked(typingctx, a):
    def write(context, builder, signature, args):
        add_reload_step(context, step)
        return args[0]
    return a(a), write

@numba.njit(cache=True)
def function(a):
    return marked(a)
"""


def test_steps_run_again_when_numba_loads_code_from_the_disk(tmp_path: Path) -> None:
    (tmp_path / "kept.py").write_text(KEPT)
    source = f"""
    import json, sys
    sys.path.insert(0, {str(tmp_path)!r})
    import kept
    print(json.dumps([kept.function(3), kept.seen, len(kept.function.stats.cache_hits)]))
    """
    first, again = (run_python(textwrap.dedent(source), NUMBA_CACHE_DIR=str(tmp_path / "cache")) for _ in range(2))
    assert (first, again) == ([3, [], 0], [3, ["step"], 1])


def test_a_compile_result_is_pickled_and_loaded_with_the_steps_that_are_given() -> None:
    _, result = compiled(lambda a: 2 * a, types.intp)
    kept = pickle.loads(numba.core.serialize.dumps(private.kept_kernel(result, [step])))  # as its files do
    ran.clear()
    loaded, steps = private.loaded_kernel(result.target_context, kept)
    assert (ran, steps) == (["step"], [step])
    assert loaded.signature == result.signature
    assert private.address_of(loaded)
    assert loaded.entry_point(21) == 42


def test_files_keep_things_by_key_of_one_stamp(tmp_path: Path) -> None:
    key = private.host_key()
    files, another = (private.cache_file(str(tmp_path), "name", stamp) for stamp in ("one", "two"))
    assert files.load(key) is None
    files.save(key, (1, "kept"))
    assert files.load(key) == (1, "kept")
    assert another.load(key) is None
    files.flush()
    assert files.load(key) is None
    assert {path.suffix for path in tmp_path.iterdir()} <= {".nbi", ".nbc"}


def test_the_key_of_code_tells_processors_apart() -> None:
    _, result = compiled(lambda a: a, types.intp)
    key = private.code_key(result.target_context)
    assert key == private.host_key() == pickle.loads(pickle.dumps(key))
    source = "import json; from fastnn.compiler.numba_private import host_key; print(json.dumps(host_key()))"
    told = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert run_python(source, **told) != run_python(source)


def test_code_with_addresses_in_it_says_so() -> None:
    absolute = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long)(("labs", ctypes.CDLL(None)))
    _, with_address = compiled(lambda a: absolute(a), types.intp)
    _, without = compiled(lambda a: abs(a), types.intp)
    assert (private.has_addresses(with_address), private.has_addresses(without)) == (True, False)
