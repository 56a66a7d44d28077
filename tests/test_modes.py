"""The modes: debug, plain Python, a cache that must not be stale, and arrays that end at a wall.

Functions whose names begin with `in_` run in a process of their own, whose environment chose the mode; they print JSON.
"""

from __future__ import annotations

import ctypes
import json
import math
import mmap
import os
import shutil
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import layer_cases
import needs
import numpy as np
import pytest
import test_optimizer
from case import DTYPES, Case, verify
from cases import TABLE
from layer_cases import Dense, DenseBackward, DenseForward, Product
from limits import Array, Arrays
from loss_cases import CrossEntropy, LogSoftmax, Softmax
from processes import run_python
from test_matmul import FORMS, assert_product
from update_cases import Update

import fastnn
from fastnn import Dropout, LayerNorm, Residual, RMSNorm, lowering
from fastnn.compiler import jit as _jit
from fastnn.kernels import activation, dense, optimizer, softmax
from fastnn.kernels.activation import silu
from fastnn.kernels.dropout import NO_KEY
from fastnn.products import matmul as products
from fastnn.products.blocks import NN
from fastnn.simd import views
from fastnn.tape import chunks, columns, spans

# Every operation beside dense layers and activations; a residual block has the way around the caller's x.
BLOCKS = [
    Residual(LayerNorm(), Dropout(0.2), fastnn.Dense(3, "gelu")), fastnn.Dense(5, "tanh"),
    Residual(RMSNorm(), Residual(fastnn.Dense(5))), fastnn.Dense(2),
]  # fmt: skip


def trained(dtype: str) -> dict[str, list[float]]:
    """Losses and parameters of a few steps of each kind, through the public API."""
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(13, 3)), rng.integers(0, 2, 13)
    results = {}
    for name in ("adam", "nesterov", "adamw"):
        network = fastnn.mlp(3, 5, 2, activation="tanh", dtype=dtype, seed=1)
        if name == "adamw":
            network = fastnn.Network(3, BLOCKS, dtype=dtype, seed=1)
        history = fastnn.fit(network, x, labels, epochs=3, batch=5, optimizer=name, seed=2)
        # By name: the padding between them depends on the dtype.
        parameters = np.concatenate([view.ravel() for view in network.named_parameters.values()])
        results[name] = [*history.loss, *parameters.tolist()]
    return results


def assert_same_training(found: dict[str, list[float]], tolerance: float) -> None:
    """As the compiled float64 kernels, whose fused multiply-add rounds once, train."""
    for name, values in trained("float64").items():
        np.testing.assert_allclose(found[name], values, rtol=tolerance, atol=tolerance)


def small(case: Case) -> bool:
    """What plain Python runs in milliseconds, in the dtype that it computes sums in."""
    sizes = [value for value in vars(case).values() if type(value) is int]
    elements = math.prod(max(size, 1) for size in sizes)
    return case.dtype == "float64" and case.data in ("normal", "whole") and elements <= 2000


# Debug mode


def refused(call: Any, *arguments: Any) -> bool:
    try:
        call(*arguments)
    except IndexError:
        return True
    return False


def in_debug_mode() -> None:
    assert _jit.DEBUG
    buffer, row = np.zeros(6), np.zeros((2, 3))
    caught = {
        "block outside its buffer": refused(views.vector, buffer, 3, 4),
        "matrix outside its buffer": refused(views.matrix, buffer, 0, 2, 4),
        "output too small": refused(softmax.softmax, np.zeros((1, 3)), row, 1.0),
        "state too small": refused(optimizer.momentum, buffer, np.zeros(5), buffer, 0.1, 0.9, 0.0),
    }
    inside = views.vector(buffer, 3, 3).size == 3
    print(json.dumps({"caught": caught, "inside": inside, "training": trained("float64")}))


@needs.compiled_kernels
def test_debug_mode_trains_the_same_and_catches_what_lies_outside() -> None:
    # Unoptimised, which halves the time to compile.
    source = "import test_modes; test_modes.in_debug_mode()"
    report = run_python(source, covered=False, FASTNN_DEBUG="1", NUMBA_OPT="0")
    assert all(report["caught"].values()), report["caught"]
    assert report["inside"]
    assert_same_training(report["training"], 1e-12)


# Plain Python


def parallel_twins_in_plain_python() -> None:
    x, w, none = np.arange(12.0), np.arange(8.0), np.empty(0)
    y = np.empty(6)
    products._parallel(1, NN, y, 2, x, 4, w, 2, none, none, 3, 2, 4)
    assert np.array_equal(y.reshape(3, 2), x.reshape(3, 4) @ w.reshape(4, 2))
    z = np.empty(6)
    dense._forward_parallel(1, z, z, x, w, none, activation.RELU, 0.0, none, 0, 3, 2, 4)
    assert np.array_equal(z, np.maximum(y, 0))
    dx, dw, scratch = np.empty(12), np.empty(8), np.empty(dense.dense_scratch(3, 4, 2, 8, 1))
    rule = optimizer.KEEP, optimizer.NO_RULE
    dense._backward_parallel(1, dx, dw, w, w, 0, x, y, scratch, scratch.size, True, 3, 4, 2, *rule)
    assert np.array_equal(dw.reshape(4, 2), x.reshape(3, 4).T @ y.reshape(3, 2))
    assert np.array_equal(dx.reshape(3, 4), y.reshape(3, 2) @ w.reshape(4, 2).T)
    p = np.ones(5)
    optimizer._update_parallel(p, np.ones(5), none, optimizer.SGD, (0.5, 0.0, 0.0, 0.0, 0.0, 1.0))
    assert p.tolist() == [0.5] * 5
    activation._forward_parallel(p, np.array([-1.0, 2.0, 0.0, 3.0, -0.5]), activation.RELU, 0.0)
    assert p.tolist() == [0, 2, 0, 3, 0]
    z = np.empty((2, 3))
    softmax._softmax_parallel(1, z, np.log(np.array([[1.0, 2.0, 1.0], [3.0, 3.0, 2.0]])), 1.0)
    assert np.allclose(z, [[0.25, 0.5, 0.25], [0.375, 0.375, 0.25]])
    chunks_in_plain_python()


def chunks_in_plain_python() -> None:
    rows = lowering.CHUNK_ROWS + 5
    trainer = fastnn.mlp(3, 4, 2, seed=0, dtype="float64").trainer("sgd", rows)
    x, y = np.random.default_rng(0).normal(size=(rows, 3)), np.arange(rows) % 2
    trainer.gradient(x, y)
    right = trainer.forward(x).copy()
    chunks._forward_parallel(1, trainer.tape, trainer.params, x, trainer.workspace, NO_KEY)
    assert np.array_equal(trainer.forward(x), right)
    whole = trainer.grads.copy()
    by_spans = fastnn.mlp(3, 4, 2, seed=0, dtype="float64").trainer("sgd", rows, span=100)
    arrays = by_spans.tape, by_spans.params, x
    spans._forward_parallel(1, *arrays, by_spans.workspace, NO_KEY)
    assert np.array_equal(by_spans.forward(x), right)
    spans._group_parallel(1, *arrays, y, np.empty(0, np.int64), by_spans.workspace, NO_KEY, 0, 0, 3, float(rows))
    at = by_spans.tape[0, columns.PARTIALS_AT]
    partials = by_spans.workspace[at : at + 3 * whole.size].reshape(3, -1)
    assert np.allclose(partials.sum(axis=0), whole, rtol=1e-12, atol=1e-15)


def in_plain_python() -> None:
    assert _jit.DISABLED
    np.seterr(all="ignore")
    checked = [case for case in TABLE if small(case)]
    for case in checked:
        verify(case)
    for name in test_optimizer.SCHEDULES:
        test_optimizer.test_schedule_agrees_with_the_reference_at_every_step(name)
    parallel_twins_in_plain_python()
    for m, n, k in ((3, 2, 5), (9, 50, 7), (4, 3, 131), (17, 12, 7), (17, 20, 7), (1, 50, 7)):
        for form, dtype in product(FORMS, DTYPES):
            assert_product(form, m, n, k, dtype, padding=1, begin=form != "NT")
    assert_product("NT", 16, 130, 129, "float32")
    assert_product("TN", 5, 130, 2, "float32")
    sys.stdout = sys.__stdout__
    print(json.dumps({"ops": sorted({case.op for case in checked}), "training": {d: trained(d) for d in DTYPES}}))


@needs.compiled_kernels
def test_plain_python_gives_the_same_results() -> None:
    source = "import os, sys; sys.stdout = open(os.devnull, 'w'); import test_modes; test_modes.in_plain_python()"
    report = run_python(source, NUMBA_DISABLE_JIT="1")
    assert report["ops"] == sorted({case.op for case in TABLE})
    assert_same_training(report["training"]["float64"], 1e-12)
    assert_same_training(report["training"]["float32"], 1e-4)


# Guard pages, which bounds checks cannot replace in parallel code


def guarded(array: Array, at_end: bool) -> Array:
    """A copy that ends where an unreadable page begins, or begins where one ends."""
    page, bytes_used = mmap.PAGESIZE, array.nbytes
    room = -(-max(bytes_used, 1) // page) * page
    memory = mmap.mmap(-1, room + 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    for wall in (address, address + page + room):
        assert libc.mprotect(ctypes.c_void_p(wall), ctypes.c_size_t(page), 0) == 0
    offset = page + (room - bytes_used if at_end else 0)
    copy = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    copy[...] = array
    return copy


def walled_cases() -> Iterator[Case]:
    """Odd sizes on both sides of where the parallel twins begin."""
    for dtype in DTYPES:
        shapes = ((5, 7, 3), (33, 49, 131), (97, 131, 83), (3, 1033, 151), (1033, 3, 151))
        for form, (m, n, k) in product(FORMS, shapes):
            yield Product(form=form, m=m, n=n, k=k, start=form == "NN", dtype=dtype)
        for b, i, o in ((3, 5, 7), (33, 129, 257)):
            yield DenseForward(activation="gelu", b=b, i=i, o=o, dtype=dtype)
            yield DenseBackward(activation="relu", b=b, i=i, o=o, dtype=dtype)
        for kind, (rows, classes) in product(
            (Softmax, LogSoftmax, CrossEntropy), ((1, 1), (7, 3), (3, 1001), (2, 3001))
        ):
            yield kind(rows=rows, classes=classes, dtype=dtype)
        for name, n in product(optimizer.NAMES, (1, 101, optimizer.PARALLEL_PARAMETERS + 3)):
            yield Update(optimizer=name, n=n, dtype=dtype)


def walled(arrays: Arrays, at_end: bool) -> Arrays:
    return {name: guarded(array, at_end) for name, array in arrays.items()}


def in_walls() -> None:
    original = Dense.scratch
    assert layer_cases.Dense is Dense
    for at_end in (True, False):
        Dense.scratch = lambda self, at_end=at_end: guarded(original(self), at_end)  # type: ignore[method-assign, misc]
        for case in walled_cases():
            inputs = walled(case.inputs(), at_end)
            outputs = walled(case.outputs(inputs), at_end)
            case.bind(inputs, outputs)()
            for name, expected in case.run(case.inputs()).items():
                assert name in ("value", "scratch") or outputs[name].tobytes() == expected.tobytes(), (case, name)
    print(json.dumps("stayed inside"))


def over_the_wall() -> None:
    short = guarded(np.zeros(8, np.float32), at_end=True)
    products.matmul(short, 4, short, 4, short, 4, short, short, NN, 3, 4, 4)


@needs.compiled_kernels
@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
def test_kernels_on_four_threads_touch_nothing_outside_their_arrays() -> None:
    assert run_python("import test_modes; test_modes.in_walls()", NUMBA_NUM_THREADS="4") == "stayed inside"


@needs.compiled_kernels
@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
def test_the_wall_stops_a_kernel_that_is_told_to_go_beyond() -> None:
    with pytest.raises(AssertionError, match="exit status -(11|10|7)"):
        run_python("import test_modes; test_modes.over_the_wall()")


# The cache


def in_a_copy() -> None:
    with _jit.compile_clock() as clock:
        value = silu(1.0)
    home = Path(fastnn.__file__).parent
    print(json.dumps({"value": value, "compiled": clock.count, "cache": _jit.CACHE_DIRECTORY, "home": str(home)}))


@needs.compiled_kernels
def test_an_edit_in_another_file_is_seen_and_an_unchanged_package_compiles_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "fastnn"
    shutil.copytree(Path(fastnn.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def run() -> Any:
        source = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import test_modes; test_modes.in_a_copy()"
        return run_python(source, FASTNN_CACHE_DIR=str(tmp_path / "cache"), PYTHONDONTWRITEBYTECODE="1")

    first, again = run(), run()
    assert first["home"] == str(copy)
    assert first["value"] == silu(1.0)
    assert (first["compiled"] > 0, again["compiled"]) == (True, 0)
    assert first["cache"] != _jit.CACHE_DIRECTORY
    # silu stands in kernels/activation.py and calls sigmoid of simd/vecmath.py.
    vecmath = copy / "simd" / "vecmath.py"
    source = vecmath.read_text()
    edited = source.replace("    e = exp_nonpositive(-abs(x))\n", "    e = exp_nonpositive(-abs(x)) * type(x)(0)\n")
    assert edited != source
    vecmath.write_text(edited)
    after = run()
    assert after["compiled"] > 0
    assert after["value"] == 1.0
    vecmath.write_text("# A comment that moves every line.\n" + edited)
    commented = run()
    assert (commented["compiled"], commented["value"]) == (0, 1.0)


@needs.compiled_kernels
def test_a_cache_that_cannot_be_had_warns_and_kernels_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    source = (
        "import warnings; warnings.simplefilter('always')\n"
        "with warnings.catch_warnings(record=True) as seen: import fastnn.compiler.jit\n"
        "import json; from fastnn.kernels.activation import relu\n"
        "print(json.dumps([relu(2.0), fastnn.compiler.jit.CACHE_DIRECTORY, [str(w.message) for w in seen]]))"
    )
    value, directory, warned = run_python(source, FASTNN_CACHE_DIR=str(tmp_path / "file"))
    assert (value, directory) == (2.0, "")
    assert len(warned) == 1
    assert "FASTNN_CACHE_DIR" in warned[0]


@needs.compiled_kernels
def test_a_cache_that_others_can_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNN_CACHE_DIR", str(tmp_path))
    private = Path(_jit._prepare_cache_directory())
    assert private.parent == tmp_path
    assert private.stat().st_mode & 0o777 == 0o700
    private.chmod(0o777)
    with pytest.warns(RuntimeWarning, match="others can write it"):
        assert _jit._prepare_cache_directory() == ""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="needs not to be root")
def test_a_read_only_cache_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNN_CACHE_DIR", str(tmp_path))
    Path(_jit._prepare_cache_directory()).chmod(0o500)
    with pytest.warns(RuntimeWarning, match="not writable"):
        assert _jit._prepare_cache_directory() == ""


@needs.compiled_kernels
def test_an_empty_cache_directory_keeps_nothing_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNN_CACHE_DIR", "")
    assert _jit._prepare_cache_directory() == ""
