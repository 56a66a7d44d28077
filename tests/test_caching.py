"""Kernels kept on disk work whatever was compiled, kept or loaded before them."""

from __future__ import annotations

from pathlib import Path

import numba
import pytest
from processes import run_python

from fastnn._jit import source_hash

# A parallel kernel, and a kernel that calls it; each is run in a process of its own.
SOURCE = """
import json
import numpy as np
from fastnn import SGD, _jit, training
from fastnn.kernels import optimizer

p, g, control = np.ones(16), np.full(16, 2.0), SGD(0.25).control()
none = np.empty(0)
CALL
loaded = [dispatcher for dispatcher in _jit.DISPATCHERS if dispatcher.stats.cache_hits]
compiled = [dispatcher for dispatcher in _jit.DISPATCHERS if dispatcher.stats.cache_misses]
print(json.dumps([p.tolist(), len(loaded), len(compiled)]))
"""
UPDATE = "optimizer.update(p, g, none, optimizer.SGD, 1.0, 0.25, 0.0, 0.0, 0.0, 0.0)"
APPLY = "training.apply_gradient(p, g, none, control)"


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_a_kept_caller_of_a_kept_parallel_kernel_starts_the_threads_it_needs(tmp_path: Path) -> None:
    """Numba forgets that the caller needs them, where the parallel kernel came from the disk when it was compiled: the
    caller, kept in turn, is then the first to be loaded in a later process and jumps to unresolved symbols."""
    right = [0.5] * 16
    for call, from_disk in ((UPDATE, False), (APPLY, None), (APPLY, True)):
        result, loaded, compiled = run_python(SOURCE.replace("CALL", call), FASTNN_CACHE_DIR=str(tmp_path))
        assert result == right
        if from_disk is not None:
            assert (loaded > 0, compiled == 0) == (from_disk, from_disk)
        else:
            assert loaded > 0
            assert compiled > 0


def test_kernels_are_compiled_anew_where_their_sources_changed_and_not_for_others(tmp_path: Path) -> None:
    for name in ("training.py", "tape/walk.py", "kernels/dense.py", "bench/table.py"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("SIZE = 1")
    first = source_hash(tmp_path)
    (tmp_path / "bench/table.py").write_text("SIZE = 2")
    assert source_hash(tmp_path) == first
    (tmp_path / "kernels/dense.py").write_text("SIZE = 2")
    assert source_hash(tmp_path) != first
