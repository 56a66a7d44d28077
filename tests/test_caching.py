"""Kernels kept on disk work whatever was compiled, kept or loaded before them."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import needs
import pytest
from processes import run_python, uncovered

import fastnn
from fastnn.compiler import jit
from fastnn.kernels.activation import silu

# A parallel kernel, and a kernel that calls it; each is run in a process of its own.
SOURCE = """
import json
import numpy as np
from fastnn import SGD
from fastnn.learning import training
from fastnn.compiler import jit as _jit
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


@needs.jit
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


KEPT = """
import json
import numpy as np
from fastnn.compiler.jit import compile_clock
from fastnn.kernels.activation import silu
with compile_clock() as clock:
    values = [float(silu(np.float32(1))), float(silu(1.0))]
print(json.dumps([values, clock.count]))
"""


@needs.compiled_kernels
def test_files_that_are_broken_or_exchanged_are_made_anew(tmp_path: Path) -> None:
    right, compiled = run_python(KEPT, FASTNN_CACHE_DIR=str(tmp_path))
    assert compiled > 0
    assert run_python(KEPT, FASTNN_CACHE_DIR=str(tmp_path)) == [right, 0]
    (index,) = tmp_path.rglob("*.silu-*.nbi")
    first, second = sorted(tmp_path.rglob("*.silu-*.nbc"))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())  # as when two processes choose one number
    values, compiled = run_python(KEPT, FASTNN_CACHE_DIR=str(tmp_path))
    assert (values, compiled > 0) == (right, True)
    begin = pickle.dumps(pickle.loads(index.read_bytes()))  # the version, behind which the rest lies
    gone = [begin + f"c{module}\nGone\n.".encode() for module in ("fastnn", "fastnn.gone")]  # classes that were moved
    for content in (b"", kept[:100], b"nothing of the kind", *gone):
        index.write_bytes(content)
        values, compiled = run_python(KEPT, FASTNN_CACHE_DIR=str(tmp_path))
        assert (values, compiled > 0) == (right, True)
    assert run_python(KEPT, FASTNN_CACHE_DIR=str(tmp_path)) == [right, 0]


@needs.compiled_kernels
def test_processes_that_compile_at_once_keep_what_either_can_load(tmp_path: Path) -> None:
    environment = {**uncovered(), "FASTNN_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", KEPT]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [json.loads(process.communicate(timeout=300)[0]) for process in running]
    assert found[0][0] == found[1][0]
    assert run_python(KEPT, FASTNN_CACHE_DIR=str(tmp_path)) == [found[0][0], 0]


@needs.compiled_kernels
def test_a_directory_that_goes_away_keeps_nothing_and_stops_nobody(tmp_path: Path) -> None:
    gone = "import fastnn.compiler.jit, shutil; shutil.rmtree(fastnn.compiler.jit.CACHE_DIRECTORY)" + KEPT
    values, compiled = run_python(gone, FASTNN_CACHE_DIR=str(tmp_path))
    assert values == run_python(KEPT, FASTNN_CACHE_DIR="")[0]
    assert compiled > 0


# A user's own functions, kept by numba -------------------------------------------------------------------------------

# What is inlined into them (silu), what they call late (train_step), also by way of an inlined kernel (forward).
SIMULATION = """
import numba
import numpy as np
import fastnn
from fastnn.compiler import jit
from fastnn import tape, training
from fastnn.kernels.activation import silu

@numba.njit(cache=True)
def pulse(v):
    return silu(v)

@numba.njit(cache=True)
def learn(arrays, x, y, steps):
    tape_, params, grads, state, control, workspace = arrays
    loss = 0.0
    for _ in range(steps):
        loss = training.train_step(tape_, params, grads, state, control, x, y, workspace)
    tape.forward(tape_, params, x, workspace)
    return loss

if __name__ == "__main__":
    import sys
    from fastnn.compiler.jit import compile_clock
    if sys.argv[1] == "pulse":
        print(pulse(1.0))
    else:
        trainer = fastnn.mlp(3, 4, 2, seed=0).trainer("sgd", batch=2)
        with compile_clock() as clock:
            loss = learn(trainer.arrays, np.ones((2, 3), np.float32), np.zeros(2, np.int64), 50)
        print(loss, clock.count)
"""


class Installed:
    """A copy of fastnn beside a user's module, as after an installation, that can be edited as by an upgrade.

    Its kernels lie with those of the tests, since the names of files say what a kernel is made of, wherever it stands.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(Path(fastnn.__file__).parent, folder / "fastnn", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "simulation.py").write_text(SIMULATION)

    def run(self, what: str, **more: str) -> subprocess.CompletedProcess[str]:
        own = {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        kernels = jit.CACHE_DIRECTORY or str(self.folder / "kernels")
        caches = {"FASTNN_CACHE_DIR": kernels, "NUMBA_CACHE_DIR": str(self.folder / "own")}
        return subprocess.run(
            [sys.executable, "simulation.py", what], env={**uncovered(), **own, **caches, **more}, cwd=self.folder,
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    def edit(self, file: str, before: str, after: str) -> None:
        path = self.folder / "fastnn" / file
        source = path.read_text()
        assert before in source
        path.write_text(source.replace(before, after))


@needs.jit
def test_a_users_kept_function_is_loaded_first_and_runs_without_compiling(tmp_path: Path) -> None:
    installed = Installed(tmp_path)
    first, again = installed.run("learn"), installed.run("learn")
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    loss, compiled = first.stdout.split()
    assert int(compiled) > 0
    assert again.stdout.split() == [loss, "0"]


@needs.jit
def test_a_users_kept_function_refuses_a_kernel_that_was_inlined_and_is_another_now(tmp_path: Path) -> None:
    installed = Installed(tmp_path)
    assert float(installed.run("pulse").stdout) == silu(1.0)
    installed.edit("simd/vecmath.py", "exp_nonpositive(-abs(x))\n", "exp_nonpositive(-abs(x)) * type(x)(0)\n")
    after = installed.run("pulse")
    assert after.returncode == 1
    assert "fastnn.kernels.activation.silu as it was" in after.stderr
    assert "__pycache__" in after.stderr.splitlines()[-1]


@needs.jit
def test_a_users_kept_function_calls_the_late_kernels_of_today(tmp_path: Path) -> None:
    """Of a kernel that has other arguments now it says so."""
    installed = Installed(tmp_path)
    loss = float(installed.run("learn").stdout.split()[0])
    end = "weight_sum, scale)  # fmt: skip\n    return "
    installed.edit("kernels/loss.py", f"{end}total", f"{end}3 * total")
    assert float(installed.run("learn").stdout.split()[0]) == pytest.approx(3 * loss)
    installed.edit(
        "learning/training.py", "def train_step(tape, params, grads, ", "def train_step(tape, grads, params, "
    )
    after = installed.run("learn")
    assert after.returncode == 1
    assert "fastnn.learning.training.train_step of 8 arguments" in after.stderr


@needs.jit
def test_a_users_kept_function_refuses_another_way_of_passing_arrays(tmp_path: Path) -> None:
    """Called in the old way, a kernel would take a size for an address."""
    installed = Installed(tmp_path)
    assert installed.run("learn").returncode == 0
    installed.edit("compiler/thin.py", 'for name in ("data", "shape")', 'for name in ("shape", "data")')
    installed.edit("compiler/thin.py", "data, shape = value", "shape, data = value")
    data, shape = ('self.get_member("data").get_argument_type()', 'self.get_member("shape").get_argument_type()')
    installed.edit("compiler/thin.py", f"return {data}, {shape}", f"return {shape}, {data}")
    after = installed.run("learn")
    assert after.returncode == 1
    assert "StaleCallerError" in after.stderr


@needs.jit
def test_a_users_kept_function_runs_in_debug_mode_as_it_was(tmp_path: Path) -> None:
    installed = Installed(tmp_path)
    kept = installed.run("pulse").stdout
    assert installed.run("pulse", FASTNN_DEBUG="1").stdout == kept
