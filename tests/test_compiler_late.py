"""Kernels that are bound late: called right, compiled once and only when called, and never waited for in vain."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from types import ModuleType
from typing import Any

import needs
import numba
import numpy as np
import pytest
from processes import run_python

from fastnn.compiler import late
from fastnn.compiler.jit import kernel
from fastnn.compiler.thin import ThinArray, as_thin, as_whole

pytestmark = needs.compiled_kernels


@kernel(late=True)
def add_scaled(y, x, factor):
    for i in range(y.size):
        y[i] += factor * x[i]


@kernel(late=True, returns=numba.float64)
def total(x):
    found = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            found += x[i, j]
    return found


@kernel(late=True)
def refuse(x):
    if x.size > 3:
        raise ValueError("too long")


@kernel(late=True, returns=numba.int64)
def count(marks):
    found = 0
    for i in range(marks.size):
        found += marks[i]
    return found


@kernel(late=True, returns=numba.float32)
def says_float32_and_returns_float64(x):
    return 1.0 + x[0]


@numba.njit
def caller(y, x, whole, times):
    for _ in range(times):
        add_scaled(y, x, 2.0)
    return total(whole)


def test_a_late_kernel_does_what_it_does_by_itself() -> None:
    y, x, whole = np.zeros(5), np.arange(5.0), np.arange(12.0).reshape(3, 4)
    assert caller(y, x, whole, 3) == 66
    assert np.array_equal(y, 6 * x)
    assert total(whole) == 66
    add_scaled(y, x, -6.0)
    assert not y.any()
    assert caller(np.zeros(0), np.zeros(0), np.zeros((0, 4)), 1) == 0


def test_arrays_that_cannot_be_written_are_taken_and_those_that_are_not_contiguous_refused() -> None:
    whole = np.arange(24.0).reshape(4, 6)
    read_only = whole.copy()
    read_only.flags.writeable = False
    assert caller(np.zeros(1), np.zeros(1), read_only, 1) == whole.sum()
    for given in (whole[:, ::2], whole[::-1], whole.T):
        with pytest.raises(numba.TypingError, match="expected a C-contiguous array"):
            caller(np.zeros(1), np.zeros(1), given, 1)
        with pytest.raises(numba.TypingError, match="expected a C-contiguous array"):
            total(given)


def test_arguments_may_be_named_and_logical_arrays_are_taken() -> None:
    @numba.njit
    def named(y, x):
        add_scaled(y, factor=3.0, x=x)
        return total(x=y.reshape(1, y.size))

    y = np.ones(2)
    assert named(y, np.ones(2)) == 8
    add_scaled(y, np.ones(2), factor=1.0)
    assert y.tolist() == [5, 5]
    assert count(np.array([True, False, True])) == 2


def test_a_kernel_that_is_defined_again_is_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a cell of a notebook that runs twice."""
    module = ModuleType("cell_of_these_tests")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    source = """
import numba
from fastnn.compiler.jit import kernel

@kernel(late=True, returns=numba.int64)
def answer(x):
    return NUMBER
"""
    answers = []
    for number in (1, 2):
        exec(source.replace("NUMBER", str(number)), module.__dict__)
        answer = module.answer

        def caller_of(answer: Any) -> Any:
            return numba.njit(lambda x: answer(x))

        answers.append((caller_of(answer)(1), answer(1)))
    assert answers == [(1, 1), (2, 2)]


def test_binding_that_was_interrupted_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = total.wanted((as_thin(numba.float32[:, ::1]),))
    late.define(wanted, whole=False)

    def interrupted(wanted: late.Wanted) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(late, "bind", interrupted)
        with pytest.raises(KeyboardInterrupt):
            late.bind_whole(wanted)
    assert not late._words[wanted][0].value
    late.bind_whole(wanted)
    assert late._words[wanted][0].value


def test_an_exception_of_a_late_kernel_reaches_its_caller_and_can_be_caught_there() -> None:
    @numba.njit
    def careless(x):
        refuse(x)
        return 1

    @numba.njit
    def careful(x):
        try:
            refuse(x)
        except Exception:
            return -1
        return 1

    short, long = np.zeros(2), np.zeros(4)
    assert (careless(short), careful(short), careful(long)) == (1, 1, -1)
    with pytest.raises(ValueError, match="too long"):
        careless(long)


def test_a_declared_result_that_is_another_is_refused() -> None:
    @numba.njit
    def caller_of_it(x):
        return says_float32_and_returns_float64(x)

    with pytest.raises(TypeError, match="returns float64; declared is float32"):
        caller_of_it(np.ones(1))


def test_one_type_serves_for_all_whole_numbers() -> None:
    @kernel(late=True)
    def fill(y, value):
        y[0] = value

    fill.__module__, fill.__qualname__ = __name__, "fill"
    globals()["fill"] = fill

    @numba.njit
    def fills(y, small, boundary):
        fill(y, 1)
        fill(y, small)
        fill(y, boundary + 1)

    y = np.zeros(1)
    fills(y, np.int8(3), 2**40)
    assert y[0] == 2**40 + 1
    assert len(fill.dispatcher.signatures) == 1


def test_a_thin_array_is_an_array_that_its_caller_keeps() -> None:
    for kind in (numba.float32[::1], numba.int64[:, ::1], numba.types.Array(numba.float64, 2, "C", readonly=True)):
        thin = as_thin(kind)
        assert isinstance(thin, ThinArray)
        assert (thin != kind, as_whole(thin), as_thin(thin)) == (True, kind, thin)
    for kind in (numba.float32[:], numba.float64, numba.types.Array(numba.float32, 1, "C", aligned=False)):
        assert as_thin(kind) is kind


def test_a_network_compiles_what_it_uses_and_no_more() -> None:
    """A step of 3-4-2 on one thread: no loop of threads, no norm, no dropout, no optimizer but its own."""
    source = """
import json
import numpy as np
import fastnn
from fastnn.compiler import jit as _jit
trainer = fastnn.mlp(3, 4, 2, seed=0).trainer("sgd", batch=32)
trainer.step(np.ones((32, 3), np.float32), np.zeros(32, np.int64))
print(json.dumps(sorted({d.__name__ for d in _jit.DISPATCHERS if d.overloads})))
"""
    used = set(run_python(source, covered=False, FASTNN_CACHE_DIR="", NUMBA_NUM_THREADS="1"))
    assert {"train_step", "cross_entropy_sum", "sgd"} <= used
    unused = {"adam", "momentum", "norm_forward", "dropout", "forward_operation", "cross_entropy_probabilities"}
    assert not used & unused
    assert not {name for name in used if name.endswith("parallel")}


# Another's parallel loop: its threads cannot have Python's lock, which the one that waits for them holds.
LOOP = """
import json, sys
import needs
import numba
import numpy as np
import fastnn
from fastnn import tape
from fastnn.learning.training import train_step

@numba.njit(parallel=True)
def learn(tapes, params, grads, states, controls, workspaces, x, y):
    losses = np.zeros(params.shape[0])
    for k in numba.prange(params.shape[0]):
        for _ in range(20):
            losses[k] = CALL
    return losses

@numba.njit
def one(tape_, params, grads, state, control, workspace, x, y):
    tape.forward(tape_, params, x, workspace)
    return train_step(tape_, params, grads, state, control, x, y, workspace)

trainers = [fastnn.mlp(3, 40, 2, seed=seed).trainer("sgd", batch=300) for seed in range(4)]
stacked = [np.stack(arrays) for arrays in zip(*(trainer.arrays for trainer in trainers))]
x, y = np.random.default_rng(0).random((300, 3), np.float32), np.arange(300) % 2
losses = learn(*stacked, x, y)
alone = [[trainer.step(x, y) for _ in range(20)][-1] for trainer in trainers]
print(json.dumps([losses.tolist(), alone]))
"""


@pytest.mark.parametrize(
    "call",
    [
        "train_step(tapes[k], params[k], grads[k], states[k], controls[k], x, y, workspaces[k])",
        "one(tapes[k], params[k], grads[k], states[k], controls[k], workspaces[k], x, y)",
    ],
)
def test_threads_of_somebody_elses_loop_find_all_kernels_bound(call: str) -> None:
    """A run that waits for ever is ended by its time limit."""
    losses, alone = run_python(LOOP.replace("CALL", call), NUMBA_NUM_THREADS="2")
    assert losses == alone


# A user's parallel loop around a layer: while its body is compiled, all that it may reach is.
AROUND = """
import json
import numba
import numpy as np
from fastnn.compiler.jit import DISPATCHERS
from fastnn.kernels.dense import _forward_large

@numba.njit(parallel=True)
def layers(y, x, w, b, scratch):
    for part in numba.prange(len(y)):
        _forward_large(y[part], y[part], x[part], w, b, 0, 0.0, scratch[part], 40, 30, 50)

x = np.ones((2, 2000), np.float32)
layers(np.empty((2, 1200), np.float32), x, np.ones(1500, np.float32), np.zeros(30, np.float32),
       np.empty((2, 9000), np.float32))
made = {}
for dispatcher in DISPATCHERS:
    if dispatcher.targetoptions["parallel"]:
        for result in dispatcher.overloads.values():
            made[dispatcher.py_func.__qualname__] = "numba_parallel_for" in result.library.get_llvm_str()
print(json.dumps(made))
"""


@needs.compiled_kernels
def test_what_is_bound_while_a_parallel_loop_is_compiled_keeps_its_own_threads() -> None:
    """Numba makes loops inside of loops serial, and what is bound then is every later caller's."""
    made = run_python(AROUND, covered=False, FASTNN_CACHE_DIR="")
    assert made["_forward_parallel"]
    assert all(made.values())


def test_ctrl_c_while_a_kernel_is_compiled_comes_after_it() -> None:
    source = """
    import json, os, signal, time
    import numpy as np
    import fastnn
    from fastnn.compiler import late
    trainer = fastnn.mlp(3, 4, 2, seed=0).trainer("sgd", batch=32)
    bind, bound = late.bind, []
    def bind_after_ctrl_c(wanted):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        result = bind(wanted)
        bound.append(result.signature is not None)
        return result
    late.bind = bind_after_ctrl_c
    x, y = np.ones((32, 3), np.float32), np.zeros(32, np.int64)
    losses = []
    while len(losses) < 1000:
        try:
            losses.append(trainer.step(x, y))
            time.sleep(0.1)
        except KeyboardInterrupt:
            break
    print(json.dumps([bound, len(losses) < 1000, trainer.step(x, y) > 0]))
    """
    bound, interrupted, works = run_python(textwrap.dedent(source))
    assert bound
    assert (all(bound), interrupted, works) == (True, True, True)


def test_a_kernel_that_cannot_be_compiled_is_an_error_and_no_crash() -> None:
    source = """
    import numpy as np
    import fastnn
    from fastnn.compiler import late
    trainer = fastnn.mlp(3, 4, 2, seed=0).trainer("sgd", batch=32)
    late.bind = None
    trainer.step(np.ones((32, 3), np.float32), np.zeros(32, np.int64))
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 1
    assert "TypeError" in run.stderr
    assert run.stderr.splitlines()[-1].startswith("RuntimeError: a kernel of fastnn could not be compiled")


def test_the_name_of_a_binding_tells_types_and_results_apart() -> None:
    kinds = (numba.float32[::1], numba.float64[::1], numba.float32[:, ::1], as_thin(numba.float32[::1]))
    results, conventions = (numba.float64, numba.types.none), ("0123", "4567")
    wanted = [late.Wanted("m", "f", (kind,), r, c) for kind in kinds for r in results for c in conventions]
    assert len({each.symbol for each in wanted}) == len(wanted)


def test_a_kernel_of_another_convention_or_other_parameters_is_not_that_kernel() -> None:
    kinds = (numba.float64[::1],)
    assert refuse.wanted(kinds).kernel() is refuse
    for other in (refuse.wanted(kinds)._replace(convention="0123"), refuse.wanted(kinds)._replace(returns=numba.int64)):
        with pytest.raises(late.StaleCallerError, match="test_compiler_late.refuse of 1 arguments"):
            other.kernel()
    named = {"wanted": add_scaled.convention, "total": total.convention, "refuse": refuse.convention}
    assert len(set(named.values())) == 3


def test_a_kernel_that_is_not_there_is_named() -> None:
    for module, function in (("fastnn.kernels.loss", "no_such"), ("fastnn.no_such", "f"), ("math", "sin")):
        with pytest.raises(late.StaleCallerError, match=rf"{module}\.{function} of 1 arguments.*delete the cache"):
            late.Wanted(module, function, (numba.float64,), numba.float64, "").kernel()
