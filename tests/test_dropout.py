"""Dropout: its draws, its mean, when it drops, and that nothing changes them: threads, chunks, resuming."""

from __future__ import annotations

import json
from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import Case, verify
from cases import of
from example_networks import DTYPES, normal
from limits import Array
from processes import run_python

import fastnn
from fastnn import Adam, Dense, Dropout, Network, Residual
from fastnn.kernels.dropout import NO_KEY, SEEDS, dropout, key_of
from fastnn.learning.trainer import Trainer
from fastnn.learning.training import CONTROL_SIZE, FUSED_PARAMETERS, SEED, STEP
from fastnn.learning.training import train_step as step_of_training
from fastnn.lowering import CHUNK_ROWS, CHUNKED_WORK, work_of
from fastnn.reference import dropout as reference
from fastnn.simd.splitmix import splitmix
from fastnn.tape import columns, forward, output

LABELS = np.arange(48) % 3


def dropping(rate: float = 0.4, dtype: str = "float64", units: int = 12) -> Network:
    layers = [Dense(units, "tanh"), Dropout(rate), Residual(Dense(units, "gelu"), Dropout(rate)), Dense(3)]
    return Network(5, layers, dtype=dtype, seed=0)


def factors(rate: float, n: int, seed: int = 0, step: int = 0, operation: int = 1) -> Array:
    y = np.empty(n)
    dropout(y, np.ones(n), rate, key_of(seed, step), operation, 0)
    return y


# Draws ----------------------------------------------------------------------------------------------------------------


def test_splitmix_gives_the_published_numbers() -> None:
    """The first outputs of Vigna's splitmix64.c from the state 1234567."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [reference.splitmix(1234567, i) for i in range(5)] == published
    assert [int(splitmix_compiled(1234567, i)) % 2**64 for i in range(5)] == published


@numba.njit
def splitmix_compiled(state: Any, index: Any) -> Any:
    return splitmix(state, index)


@pytest.mark.parametrize("case", of("dropout"), ids=str)
def test_dropout_agrees_with_the_reference(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_of_zeros_is_the_rate_and_the_mean_is_kept(rate: float) -> None:
    n = 1_000_000
    y = factors(rate, n)
    assert set(np.unique(y)) == {0.0, 1 / (1 - rate)}
    deviations = abs(np.mean(y == 0) - rate) / np.sqrt(rate * (1 - rate) / n)
    assert deviations < 4
    assert y.mean() == pytest.approx(1, abs=4 * np.sqrt(rate / (1 - rate) / n))


def test_neighbours_steps_operations_and_seeds_drop_independently() -> None:
    n, rate = 200_000, 0.5
    first = factors(rate, n) > 0
    others = [factors(rate, n, step=1), factors(rate, n, seed=1), factors(rate, n, operation=2)]
    for other in [np.roll(first, k) for k in (1, 2, 64, 4096)] + [y > 0 for y in others]:
        assert abs(np.mean(first == other) - 0.5) < 4 * 0.5 / np.sqrt(n)


def test_no_two_steps_have_one_key_and_none_that_of_no_step() -> None:
    keys = {key_of(seed, step) for seed in (0, 1, SEEDS - 1) for step in (0, 1, 2**32 - 2)}
    assert len(keys) == 9
    assert NO_KEY not in keys
    assert max(keys) < 2**63


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_passes_even_where_it_is_dropped(dtype: str) -> None:
    x = np.full(100, np.nan, dtype)
    y = np.empty_like(x)
    dropout(y, x, 0.5, key_of(0, 0), 1, 0)
    assert np.isnan(y).all()


# When -----------------------------------------------------------------------------------------------------------------


def test_inference_loss_and_gradient_are_of_the_whole_network() -> None:
    net, plain = dropping(0.5), dropping(0.0)
    x = normal(48, 5)
    assert net(x).tobytes() == plain(x).tobytes()
    assert net.loss(x, LABELS) == plain.loss(x, LABELS)
    assert net.gradient(x, LABELS).tobytes() == plain.gradient(x, LABELS).tobytes()
    trainer = net.trainer("sgd", 48)
    assert trainer.forward(x).tobytes() == plain(x).tobytes()
    assert trainer.gradient(x, LABELS) != net.loss(x, LABELS)
    assert trainer.forward(x).tobytes() == plain(x).tobytes()


def test_forward_in_nopython_code_drops_nothing_and_train_step_does() -> None:
    net = dropping(0.5)
    x, labels = normal(48, 5), LABELS.astype(np.int64)
    trainer = net.trainer("sgd", 48)

    @numba.njit
    def both(tape, params, grads, state, control, workspace, x, y):  # type: ignore[no-untyped-def]
        forward(tape, params, x, workspace)
        before = output(tape, workspace, x.shape[0]).copy()
        return before, step_of_training(tape, params, grads, state, control, x, y, workspace)

    expected, loss = net(x), net.loss(x, LABELS)
    before, trained = both(*trainer.arrays, x, labels)
    assert before.tobytes() == expected.tobytes()
    assert trained != loss


def test_each_step_drops_others() -> None:
    trainer = dropping(0.5).trainer(fastnn.SGD(0.0), 48)
    x = normal(48, 5)
    losses = [trainer.step(x, LABELS) for _ in range(5)]
    assert len(set(losses)) == 5
    trainer.reset()
    assert trainer.step(x, LABELS) == losses[0]
    another = dropping(0.5).trainer(fastnn.SGD(0.0), 48, seed=1)
    assert another.step(x, LABELS) != losses[0]


@pytest.mark.parametrize("units", [12, 60], ids=["plain", "fused"])
def test_a_step_is_the_gradient_of_the_same_mask_and_its_application(units: int) -> None:
    stepped, plain = (dropping(0.4, "float32", units).trainer(Adam(0.01), 48) for _ in range(2))
    assert (stepped.params.size >= FUSED_PARAMETERS) == (units == 60)
    for step in range(4):
        x = normal(48, 5, seed=step).astype("f4")
        assert stepped.step(x, LABELS) == plain.gradient(x, LABELS)
        plain.apply()
    assert stepped.params.tobytes() == plain.params.tobytes()


def test_the_gradient_is_the_slope_of_the_loss_with_the_same_mask() -> None:
    net = dropping(0.4)
    x = normal(48, 5)
    trainer = net.trainer("sgd", 48, seed=3)
    trainer.control[STEP] = 17
    loss = trainer.gradient(x, LABELS)
    gradient = net.named(trainer.grads.copy())
    assert loss == trainer.gradient(x, LABELS)
    for name, view in net.named_parameters.items():
        for index in list(np.ndindex(view.shape))[::7]:
            kept, losses = view[index], []
            for shift in (1e-5, -1e-5):
                view[index] = kept + shift
                losses.append(trainer.gradient(x, LABELS))
            view[index] = kept
            assert gradient[name][index] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6, abs=1e-8)


# Determinism ----------------------------------------------------------------------------------------------------------

ROWS = 5 * CHUNK_ROWS + 3


def test_chunks_drop_what_the_whole_batch_drops() -> None:
    net = dropping(0.5)
    assert work_of(net.operations) <= CHUNKED_WORK
    x, y = normal(ROWS, 5), np.arange(ROWS) % 3
    chunked, whole = (net.trainer("sgd", ROWS) for _ in range(2))
    whole.tape[0, columns.CHUNK] = 0
    assert chunked.tape[0, columns.CHUNK] == CHUNK_ROWS
    assert chunked.gradient(x, y) == whole.gradient(x, y)
    np.testing.assert_allclose(chunked.grads, whole.grads, rtol=1e-12, atol=1e-15)


def trained(units: int, rows: int, threads: int) -> str:
    numba.set_num_threads(threads)
    trainer = dropping(0.3, "float32", units).trainer(Adam(0.01), rows)
    for step in range(3):
        trainer.step(normal(rows, 5, seed=step).astype("f4"), np.arange(rows) % 3)
    return trainer.params.tobytes().hex()


def with_four_threads() -> None:
    print(json.dumps([len({trained(*size, threads) for threads in (1, 2, 3, 4)}) for size in ((12, ROWS), (400, 64))]))


@needs.compiled_kernels
def test_any_number_of_threads_drops_the_same() -> None:
    assert run_python("import test_dropout; test_dropout.with_four_threads()", NUMBA_NUM_THREADS="4") == [1, 1]


def test_a_resumed_run_drops_what_it_would_have_dropped() -> None:
    x, order = normal(48, 5), np.arange(48)
    whole, first, second = (dropping().trainer(Adam(0.01), 16, seed=5) for _ in range(3))
    for _ in range(4):
        whole.epoch(x, LABELS, order)
    for _ in range(2):
        first.epoch(x, LABELS, order)
    second.control[SEED] = 0
    second.restore(first.snapshot())
    for _ in range(2):
        second.epoch(x, LABELS, order)
    assert second.params.tobytes() == whole.params.tobytes()


def test_fit_with_one_seed_drops_the_same_and_with_another_something_else() -> None:
    losses = [dropping().fit(normal(48, 5), LABELS, epochs=2, seed=seed).loss for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_without_dropout_a_seed_shuffles_as_it_always_did() -> None:
    x, rng = normal(48, 5), np.random.default_rng(4)
    fitted, by_hand = (fastnn.mlp(5, 4, 3, seed=0) for _ in range(2))
    fitted.fit(x, LABELS, epochs=1, batch=16, seed=4)
    order = np.arange(48)
    rng.shuffle(order)
    trainer = by_hand.trainer("adam", 16)
    assert isinstance(trainer, Trainer)
    trainer.epoch(x, LABELS, order)
    assert fitted.parameters.tobytes() == by_hand.parameters.tobytes()


def test_the_seed_has_a_slot_of_control() -> None:
    trainer = dropping().trainer("sgd", 4, seed=SEEDS - 1)
    assert trainer.control.size == CONTROL_SIZE
    assert trainer.control[SEED] == SEEDS - 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dropout(1), ValueError, "rate is 1; expected less"),
        (lambda: Dropout(-0.1), ValueError, "rate is -0.1"),
        (lambda: Dropout(1.5), ValueError, "rate is 1.5"),
        (lambda: Dropout("half"), TypeError, "rate is 'half'"),
        (lambda: dropping().trainer("sgd", 4, seed=-1), ValueError, "seed is -1"),
        (lambda: dropping().trainer("sgd", 4, seed=SEEDS), ValueError, f"expected less than {SEEDS}"),
        (lambda: dropping().trainer("sgd", 4, seed=0.5), TypeError, "seed is 0.5"),
    ],
)
def test_bad_rates_and_seeds_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
