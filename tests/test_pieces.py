"""Losses of so many classes that outputs are not kept: made piece by piece, they are what they are made whole."""

from __future__ import annotations

import sys
from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import DTYPES

from fastnn import GPT, CrossEntropy, Dense, Embedding, Network, TransformerBlock
from fastnn.products.blocks import NN, TN
from fastnn.products.matmul import matmul, scratch_size
from fastnn.products.onto import matmul_onto
from fastnn.tape.columns import PIECE

Array = Any
TOKENS, LENGTH, ROWS = 301, 16, 70
LOWER = sys.modules["fastnn.lowering.lower"]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 50 positions in float32, of 25 in float64: pieces end inside of rows."""
    monkeypatch.setattr(LOWER, "PIECE_BYTES", TOKENS * 4 * 50)


def tied(dtype: str, **settings: Any) -> Network:
    return GPT(TOKENS, LENGTH, 1, 32, 4, seed=0, dtype=dtype, **settings)


def plain(dtype: str, **settings: Any) -> Network:
    layers = [Embedding(TOKENS, 32), TransformerBlock(4), Dense(TOKENS, bias=False)]
    return Network(LENGTH, layers, seed=0, dtype=dtype, **settings)


def with_bias(dtype: str, **settings: Any) -> Network:
    return Network(LENGTH, [Embedding(TOKENS, 32), Dense(TOKENS)], seed=0, dtype=dtype, **settings)


def data(rows: int = ROWS) -> tuple[Array, Array]:
    """Ids, and labels of which some are ignored."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, TOKENS, (rows, LENGTH))
    y[rng.random(y.shape) < 0.1] = -100
    return rng.integers(0, TOKENS, (rows, LENGTH)), y


def pair(make: Any, dtype: str, batch: int = ROWS, **settings: Any) -> tuple[Any, Any]:
    """The same network in two trainers, one of which keeps no outputs."""
    whole, pieces = (make(dtype, **settings).trainer("adam", batch, keep_output=kept) for kept in (True, False))
    assert whole.tape[0, PIECE] == 0
    assert pieces.tape[0, PIECE] == min(batch * LENGTH, 50 if dtype == "float32" else 25)
    return whole, pieces


@pytest.mark.parametrize("batch", [1, 20, ROWS])
@pytest.mark.parametrize("make", [tied, plain, with_bias])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_is_that_of_whole_outputs(dtype: str, make: Any, batch: int) -> None:
    """Gradients of matrices to the bit; sums of losses, and of biases, are added in another order. 70 rows are more
    than a span."""
    (whole, pieces), (x, y) = pair(make, dtype, batch), data(batch)
    tight = 1e-12 if dtype == "float64" else 1e-6
    for weights in (None, np.r_[0, np.random.default_rng(1).random(batch - 1)] if batch > 1 else None):
        assert pieces.gradient(x, y, weights) == pytest.approx(whole.gradient(x, y, weights), rel=1e-14)
        if make is with_bias:
            np.testing.assert_allclose(pieces.grads, whole.grads, rtol=0, atol=tight)
        else:
            assert pieces.grads.tobytes() == whole.grads.tobytes()
    for _ in range(3):
        assert pieces.step(x, y) == pytest.approx(whole.step(x, y), rel=tight)
    if make is not with_bias:
        assert pieces.params.tobytes() == whole.params.tobytes()


def test_classes_may_weigh_and_labels_be_smooth_or_rows() -> None:
    loss = CrossEntropy(class_weight=np.linspace(0.5, 2, TOKENS), label_smoothing=0.1)
    (whole, pieces), (x, y) = pair(tied, "float64", loss=loss), data()
    assert pieces.gradient(x, y) == pytest.approx(whole.gradient(x, y), rel=1e-13)
    np.testing.assert_allclose(pieces.grads, whole.grads, rtol=0, atol=1e-15)
    probabilities = np.random.default_rng(2).dirichlet(np.ones(TOKENS), (ROWS, LENGTH))
    assert pieces.gradient(x, probabilities) == pytest.approx(whole.gradient(x, probabilities), rel=1e-13)
    np.testing.assert_allclose(pieces.grads, whole.grads, rtol=0, atol=1e-15)


def test_a_fit_reports_what_it_reports_of_whole_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    (x, y), histories = data(), []
    y[:3] = -100  # batches of one: no step is made on what is ignored alone
    for kept in (1 << 30, 0):
        monkeypatch.setattr(LOWER, "KEPT_BYTES", kept)
        net = tied("float32")
        assert net.plan(3).keeps_output == (kept > 0)
        histories.append([net.fit(x, y, epochs=2, batch=batch, seed=0) for batch in (1, 4)])
    for whole, pieces in zip(*histories, strict=True):
        assert pieces.accuracy == whole.accuracy
        assert max(whole.accuracy) > 0
        np.testing.assert_allclose(pieces.loss, whole.loss, rtol=1e-6)


@needs.two_cores
def test_threads_change_no_bit() -> None:
    found = set()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        net = GPT(3_000, LENGTH, 1, 64, 4, seed=0)
        rng = np.random.default_rng(0)
        x, y = rng.integers(0, 3_000, (2, 40, LENGTH))
        trainer = net.trainer("adam", 40, keep_output=False)
        for _ in range(2):
            trainer.step(x, y)
        found.add(net.parameters.tobytes())
    assert len(found) == 1


def test_what_is_kept_of_100_000_classes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs and their gradients were 1.6 GB."""
    monkeypatch.undo()
    net = GPT(100_000, 64, 1, 16, 2, seed=0)
    plan = net.plan(32)
    assert not plan.keeps_output
    positions = 32 * 64
    kept = 4 * 100_000 * positions
    assert net.plan(32, keep_output=True).workspace_size * 4 > 2 * kept
    assert plan.workspace_size * 4 < 0.2 * kept
    more = net.plan(64)
    assert more.workspace_size * 4 < 0.2 * kept + net.layout.size * 4 * 2


def test_outputs_that_are_not_kept_are_asked_of_the_network() -> None:
    trainer = tied("float32").trainer(batch=4, keep_output=False)
    with pytest.raises(ValueError, match="keeps no outputs; call the network"):
        trainer.forward(data(4)[0])


@pytest.mark.parametrize(
    "layers", [[Embedding(TOKENS, 8), Dense(5, "relu")], [Embedding(TOKENS, 8), Dense(5), TransformerBlock(1)]]
)
def test_where_outputs_must_be_kept_is_said(layers: Any) -> None:
    with pytest.raises(ValueError, match="keep_output=False is for a cross-entropy"):
        Network(LENGTH, layers).trainer(keep_output=False)
    with pytest.raises(ValueError, match="keep_output=False is for a cross-entropy"):
        Network(LENGTH, [Embedding(TOKENS, 8), Dense(5)], loss="mse").trainer(keep_output=False)


@pytest.mark.parametrize("loss", ["cross_entropy", CrossEntropy(reduction="sum")])
def test_many_outputs_are_evaluated_in_parts(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net, (x, y) = tied("float32", loss=loss), data()
    weights = np.random.default_rng(0).random(ROWS)
    whole = net.evaluate(x, y), net.loss(x, y, weights), net.accuracy(x, y)
    y_before, sizes = y.copy(), []
    monkeypatch.setattr("fastnn.networks.network.KEPT_BYTES", TOKENS * LENGTH * 4 * 8)
    called = Network.__call__
    monkeypatch.setattr(Network, "__call__", lambda net, x: sizes.append(len(x)) or called(net, x))
    parts = net.evaluate(x, y), net.loss(x, y, weights), net.accuracy(x, y)
    assert max(sizes) == 8
    assert sum(sizes) == 3 * ROWS
    assert parts[0].loss == pytest.approx(whole[0].loss, rel=1e-12)
    assert parts[0][1:] == whole[0][1:]
    assert parts[1] == pytest.approx(whole[1], rel=1e-12)
    assert parts[2] == whole[2]
    assert (y == y_before).all()


@pytest.mark.parametrize("parts", [(1, 1), (50, 100, 13), (256, 256), (5,)])
@pytest.mark.parametrize("form", [NN, TN])
@pytest.mark.parametrize("dtype", DTYPES)
def test_terms_that_come_in_parts_make_the_bits_of_all(dtype: str, form: int, parts: tuple[int, ...]) -> None:
    k = sum(parts)
    for m, n in ((3, 5), (130, 70), (64, 500), (500, 64)):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(k, m) if form == TN else (m, k)).astype(dtype)
        w = rng.normal(size=(k, n)).astype(dtype)
        whole, joined = np.full((m, n), np.nan, dtype), np.zeros((m, n), dtype)
        for room in (int(scratch_size(form, m, n, k, whole.itemsize, 2)), 0):
            scratch = np.full(room, np.nan, dtype)
            if room:
                matmul(whole.ravel(), n, x.ravel(), x.shape[1], w.ravel(), n, scratch[:0], scratch, form, m, n, k)
            joined[:] = 0
            at = 0
            for terms in parts:
                some = np.ascontiguousarray(x[at : at + terms] if form == TN else x[:, at : at + terms])
                more = w[at : at + terms].ravel()
                matmul_onto(joined.ravel(), n, some.ravel(), some.shape[1], more, n, scratch, form, m, n, terms)
                at += terms
            if room or np.isfinite(whole).all():
                assert joined.tobytes() == whole.tobytes(), (m, n, room)


@pytest.mark.parametrize("layers", [[Dense(8, "tanh"), Dense(5)], [Dense(5, bias=False)]])
def test_a_small_network_that_goes_in_chunks_may_do_without_outputs_too(layers: Any) -> None:
    rng, found = np.random.default_rng(0), []
    x, y = rng.normal(size=(3_000, 4)), rng.integers(0, 5, 3_000)
    for kept in (True, False):
        net = Network(4, layers, dtype="float64", seed=0)
        trainer = net.trainer("adam", 3_000, keep_output=kept)
        found.append([trainer.gradient(x, y), trainer.grads.copy(), [trainer.step(x, y) for _ in range(3)]])
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-13)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=0, atol=1e-15)
    assert found[1][2] == pytest.approx(found[0][2], rel=1e-12)
