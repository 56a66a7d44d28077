"""Updates, schedules and clipping against the reference; padding; any number of threads."""

from __future__ import annotations

import math
from collections.abc import Callable

import numba
import numpy as np
import pytest
from case import DTYPES, Case, draw, verify
from cases import of
from limits import Array
from update_cases import BETA2, EPSILON, FACTOR, LEARNING_RATE

from fastnn.compiler.jit import DEBUG, DISABLED
from fastnn.kernels.optimizer import (
    CONSTANT,
    COSINE,
    INVERSE_SCALING,
    NAMES,
    NORM_BLOCK,
    PARALLEL_PARAMETERS,
    STATE,
    STEP_DECAY,
    clip_norm,
    learning_rate_at,
    squared_norm,
    update,
)
from fastnn.reference import optimizer as reference

OPTIONS = {"momentum": {"momentum": FACTOR}, "nesterov": {"momentum": FACTOR}}
BETAS = {"beta1": FACTOR, "beta2": BETA2, "epsilon": EPSILON}


def step(name: str, p: Array, g: Array, state: Array, number: int, decay: float = 0.0) -> None:
    update(p, g, state, NAMES.index(name), number, LEARNING_RATE, FACTOR, BETA2, EPSILON, decay)


@pytest.mark.parametrize("case", of("update"), ids=str)
def test_one_update_agrees_with_the_reference(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", NAMES)
def test_fifty_updates_follow_the_reference(name: str, decay: float) -> None:
    rng = np.random.default_rng(1)
    p = rng.normal(size=40)
    q, state = p.copy(), np.zeros(STATE[name] * 40)
    moments = reference.initial_state(name, p)
    options = OPTIONS.get(name, BETAS if name.startswith("adam") else {})
    for number in range(1, 51):
        g = rng.normal(size=40)
        step(name, p, g, state, number, decay)
        q, moments = reference.UPDATES[name](q, g, moments, number, LEARNING_RATE, weight_decay=decay, **options)
    np.testing.assert_allclose(p, q, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_padding_stays_zero(name: str, dtype: str) -> None:
    # Between the blocks of a parameter vector lie zeros, whose gradient is zero.
    p, g = np.zeros(16, dtype), np.zeros(16, dtype)
    p[:7], g[:7] = 1.0, -2.0
    state = np.zeros(STATE[name] * 16, dtype)
    for number in range(1, 30):
        step(name, p, g, state, number, decay=0.1)
    assert not p[7:].any()
    assert not state.reshape(-1, 16)[:, 7:].any()
    assert (p[:7] > 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_where_it_is(name: str) -> None:
    p, g, state = np.ones(5), np.ones(5), np.zeros(STATE[name] * 5)
    g[3] = np.nan
    step(name, p, g, state, 1)
    assert np.isnan(p).tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_threads_and_parts_do_not_change_a_bit(name: str, dtype: str) -> None:
    n = PARALLEL_PARAMETERS + 101
    rng = np.random.default_rng(2)
    p, g = rng.normal(size=n).astype(dtype), rng.normal(size=n).astype(dtype)
    results = []
    for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(threads)
        mine, state = p.copy(), np.zeros(STATE[name] * n, dtype)
        step(name, mine, g, state, 1, decay=0.1)
        results.append(mine.tobytes() + state.tobytes())
    parts = [p.copy(), np.zeros(STATE[name] * n, dtype)]
    for at in range(0, n, 70_001):  # small enough for the serial twin
        size = min(70_001, n - at)
        piece, state = p[at : at + size].copy(), np.zeros(STATE[name] * size, dtype)
        step(name, piece, g[at : at + size].copy(), state, 1, decay=0.1)
        parts[0][at : at + size] = piece
        parts[1].reshape(-1, n)[:, at : at + size] = state.reshape(-1, size)
    results.append(parts[0].tobytes() + parts[1].tobytes())
    assert len(set(results)) == 1
    assert len(results) > 2 or numba.config.NUMBA_NUM_THREADS == 1 or DEBUG or DISABLED


@pytest.mark.parametrize("case", of("clip_norm"), ids=str)
def test_clipping_agrees_with_the_reference(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gradient_shorter_than_the_maximum_is_left_as_it_is(dtype: str) -> None:
    g = draw("normal", (1001,), dtype, np.random.default_rng(3))
    clipped = g.copy()
    assert clip_norm(clipped, 1e3) == pytest.approx(math.sqrt(math.fsum(float(v) ** 2 for v in g)), rel=1e-13)
    assert clipped.tobytes() == g.tobytes()


def test_the_norm_of_float32_numbers_whose_squares_overflow_is_a_number() -> None:
    g = np.array([3e30, -4e30], np.float32)
    assert clip_norm(g, 1.0) == pytest.approx(5e30, rel=1e-6)
    np.testing.assert_allclose(g, [0.6, -0.8], rtol=1e-6)


@pytest.mark.parametrize("size", [1, NORM_BLOCK - 1, NORM_BLOCK, NORM_BLOCK + 1, 5 * NORM_BLOCK + 77])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_norm_is_that_of_its_blocks_in_their_order(size: int, dtype: str) -> None:
    """Whoever has the blocks, and wherever they begin in memory."""
    g, total = draw("normal", (size,), dtype, np.random.default_rng(size)), 0.0
    for at in range(0, size, NORM_BLOCK):
        total += squared_norm(g[at : at + NORM_BLOCK].copy())
    assert clip_norm(g.copy(), 1e3) == math.sqrt(total)


def test_clipping_nothing_and_nan() -> None:
    zero = np.zeros(5)
    assert clip_norm(zero, 1.0) == 0
    assert not zero.any()
    g = np.array([1.0, np.nan, 3.0])
    assert np.isnan(clip_norm(g, 1.0))


SCHEDULES: dict[str, tuple[int, tuple[float, float, float], Callable[[int], float]]] = {
    "constant": (CONSTANT, (0.0, 0.0, 0.0), lambda k: reference.constant(0.1, k)),
    "step": (STEP_DECAY, (7.0, 0.3, 0.0), lambda k: reference.step_decay(0.1, k, 7, 0.3)),
    "inverse_scaling": (INVERSE_SCALING, (0.0, 0.5, 0.0), lambda k: reference.inverse_scaling(0.1, k, 0.5)),
    "cosine": (COSINE, (40.0, 5.0, 0.01), lambda k: reference.cosine(0.1, k, 40, 5, 0.01)),
    "cosine without warm-up": (COSINE, (40.0, 0.0, 0.0), lambda k: reference.cosine(0.1, k, 40, 0)),
    "cosine all warm-up": (COSINE, (40.0, 40.0, 0.02), lambda k: reference.cosine(0.1, k, 40, 40, 0.02)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_agrees_with_the_reference_at_every_step(name: str) -> None:
    kind, (span, shape, floor), expected = SCHEDULES[name]
    for number in range(60):
        rate = learning_rate_at(kind, 0.1, float(number), span, shape, floor)
        assert rate == pytest.approx(expected(number), rel=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["momentum", "nesterov", "adam", "adamw"])
def test_moments_of_a_unit_that_died_become_zero_and_are_never_subnormal(name: str, dtype: str) -> None:
    """Intel's processors take several times as long over what is subnormal."""
    least = float(np.finfo(dtype).tiny)
    p, g = np.full(4, 0.5, dtype), np.zeros(4, dtype)
    state = np.full(4 * STATE[name], 64 * least, dtype)
    seen = []
    for number in range(1, 80):
        step(name, p, g, state, number)
        seen.append(float(state[0]))
    assert seen[0] == pytest.approx(FACTOR * 64 * least)
    assert all(moment == 0 or moment >= least for moment in seen)
    assert seen[-1] == 0
    assert (p == np.full(4, 0.5, dtype)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_least_moment_that_is_normal_is_kept(dtype: str) -> None:
    least = float(np.finfo(dtype).tiny)
    for gradient, kept in ((least, True), (-least, True), (least * 0.99, False)):
        p, g, state = np.ones(1, dtype), np.full(1, gradient, dtype), np.zeros(1, dtype)
        step("momentum", p, g, state, 1)
        assert (state[0] == gradient) == kept
        assert kept or state[0] == 0


def test_a_second_moment_stays_while_there_is_a_first() -> None:
    """With an epsilon of 1e-30 a step is bounded by the root of what is subnormal."""
    p, g, state = np.ones(1, np.float32), np.full(1, 1e-19, np.float32), np.zeros(2, np.float32)
    update(p, g, state, NAMES.index("adam"), 1, 1e-3, 0.9, 0.999, 1e-30, 0.0)
    assert state[1] > 0
    assert p[0] == pytest.approx(1 - 1e-3, rel=1e-3)
