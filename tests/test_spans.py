"""Batches of more than a span: a fixed tree of sums, for any threads and calls, in the room of a span."""

from __future__ import annotations

from typing import Any

import needs
import numpy as np
import pytest
from example_networks import DTYPES, Array, normal, poison, tree

import fastnn
from fastnn import Concatenate, CrossEntropy, Dense, Dropout, LayerNorm, Network, Shared
from fastnn.kernels.dropout import NO_KEY
from fastnn.lowering import CHUNK_ROWS, CHUNKED_WORK, work_of
from fastnn.simd import pool
from fastnn.tape import backward, columns, forward, loss_and_gradient_with, output

SPAN = 64
NETWORKS: dict[str, list[Any]] = {
    "small": [Dense(11, "gelu"), LayerNorm(), Dense(3)],
    "large": [Dense(160, "tanh"), LayerNorm(), Dense(40, "relu"), Dense(3)],
    "a layer twice": [Dense(8, "tanh"), Shared("0"), Dense(3)],
    "branches": [Dense(120, "relu"), Concatenate([], Dense(30, "silu")), Dense(3)],
}
ROWS = [SPAN + 1, 2 * SPAN, 3 * SPAN + 5, 13 * SPAN, 40 * SPAN + 9]


def network(name: str, dtype: str = "float32", **settings: Any) -> Network:
    return Network(8, NETWORKS[name], dtype=dtype, seed=2, **settings)


def data(rows: int, dtype: str = "float32") -> tuple[Array, Array]:
    return normal(rows, 8, seed=rows).astype(dtype), np.random.default_rng(rows).integers(0, 3, rows)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("rows", ROWS)
def test_a_gradient_is_the_tree_of_those_of_its_spans(rows: int, name: str, dtype: str) -> None:
    net, (x, y) = network(name, dtype, loss=CrossEntropy(reduction="sum")), data(rows, dtype)
    spans = [slice(at, at + SPAN) for at in range(0, rows, SPAN)]
    trainer = net.trainer("sgd", rows, span=SPAN)
    loss = trainer.gradient(x, y)
    assert trainer.grads.tobytes() == tree([net.gradient(x[part], y[part]) for part in spans]).tobytes()
    assert loss == sum((net.loss(x[part], y[part]) for part in spans), 0.0)
    assert trainer.workspace[trainer.tape[0, columns.OUTPUT_AT] :][: 3 * rows].tobytes() == net(x).tobytes()


@pytest.mark.parametrize("name", NETWORKS)
def test_any_number_of_threads_gives_the_same_bits(name: str) -> None:
    threads, found = fastnn.get_num_threads(), set()
    x, y = data(40 * SPAN + 9)
    for count in range(1, threads + 1):
        fastnn.set_num_threads(count)
        trainer = network(name).trainer("adam", len(x), span=SPAN)
        losses = [trainer.step(x, y) for _ in range(3)]
        found.add((trainer.params.tobytes(), tuple(losses), trainer.forward(x).tobytes()))
    fastnn.set_num_threads(threads)
    assert len(found) == 1


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("sizes", [[1, 1], [2, 1, 3], [5, 8, 1], [40, 1]])
def test_parts_of_a_batch_give_the_bits_of_the_whole(sizes: list[int], name: str) -> None:
    weighted = CrossEntropy(class_weight=[0.3, 1.7, 0.9])
    ends = np.cumsum(sizes) * SPAN
    x, y = data(int(ends[-1]) - 7)
    whole, parts = (network(name, loss=weighted).trainer(fastnn.SGD(0.1, l2=0.1), len(x), span=SPAN) for _ in range(2))
    cut = [(x[end - size * SPAN : end], y[end - size * SPAN : end]) for end, size in zip(ends, sizes, strict=True)]
    assert parts.accumulate(cut) == whole.gradient(x, y)
    assert parts.grads.tobytes() == whole.grads.tobytes()


def test_parts_of_ignored_labels_alone_have_no_loss() -> None:
    trainer, (x, _) = network("small").trainer("sgd", 2 * SPAN, span=SPAN), data(2 * SPAN)
    y = np.full(2 * SPAN, -100)
    assert np.isnan(trainer.gradient(x, y))
    assert np.isnan(trainer.accumulate([(x[:SPAN], y[:SPAN]), (x[SPAN:], y[SPAN:])]))
    assert not trainer.grads.any()


@pytest.mark.parametrize("name", NETWORKS)
def test_backward_alone_and_any_workspace_give_the_bits_of_both_at_once(name: str) -> None:
    net, (x, y) = network(name), data(3 * SPAN + 5)
    plan, found = net.plan(len(x), span=SPAN), set()
    for byte in (0x00, 0xFF, None):
        workspace, gradient = plan.workspace(), np.zeros_like(net.parameters)
        poison(workspace, byte)
        loss_and_gradient_with(plan.tape, net.parameters, gradient, x, y, workspace, NO_KEY)
        found.add(gradient.tobytes())
        forward(plan.tape, net.parameters, x, workspace)
        assert output(plan.tape, workspace, len(x)).tobytes() == net(x).tobytes()
        loss = fastnn.learning.training.forward_and_loss(plan.tape, net.parameters, x, y, workspace, NO_KEY)
        assert loss == pytest.approx(net.loss(x, y), rel=1e-12)
        gradient[:] = 0
        backward(plan.tape, net.parameters, gradient, x, workspace)
        found.add(gradient.tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("name", ["small", "large"])
def test_a_batch_within_a_span_is_as_without_spans(name: str) -> None:
    """Also on a tape for larger ones, whose outputs lie elsewhere; with a fused update and without."""
    spanned, plain = (network(name).trainer("adam", batch, span=SPAN) for batch in (5 * SPAN, SPAN))
    x, y = data(SPAN)
    for _ in range(3):
        assert spanned.step(x, y) == plain.step(x, y)
        assert spanned.forward(x).tobytes() == plain.forward(x).tobytes()
    assert spanned.params.tobytes() == plain.params.tobytes()


@pytest.mark.parametrize("name", ["small", "large"])
def test_epochs_and_steps_take_the_same_rows(name: str) -> None:
    x, y = data(7 * SPAN)
    order = np.random.default_rng(0).permutation(len(x))
    by_epoch, by_step = (network(name).trainer("momentum", 3 * SPAN, span=SPAN) for _ in range(2))
    seen = by_epoch.epoch(x, y, order)
    batches = [order[at : at + 3 * SPAN] for at in range(0, len(x), 3 * SPAN)]
    losses = [by_step.step(x[rows], y[rows]) for rows in batches]
    assert by_epoch.params.tobytes() == by_step.params.tobytes()
    weights = [len(rows) for rows in batches]
    assert seen.loss == pytest.approx(np.average(losses, weights=weights), rel=1e-12)
    assert (seen.rows, seen.steps) == (len(x), 3)


def test_fit_takes_a_span() -> None:
    x, y = data(5 * SPAN)
    fitted, looped = network("large"), network("large")
    fitted.fit(x, y, epochs=2, batch=3 * SPAN, optimizer="adam", shuffle=False, span=SPAN)
    trainer = looped.trainer("adam", 3 * SPAN, span=SPAN)
    for _ in range(2):
        trainer.epoch(x, y, np.arange(len(x)))
    assert fitted.parameters.tobytes() == looped.parameters.tobytes()


@pytest.mark.parametrize("units", [9, 200])
def test_dropout_drops_by_the_row_of_the_batch(units: int) -> None:
    """What the spans of a batch drop is what they drop in one; no two spans drop the same."""
    layers = [Dense(units, "tanh"), Dropout(0.5), Dense(3)]
    x, y = data(6 * SPAN, "float64")
    spans, whole = (
        Network(8, layers, dtype="float64", seed=0).trainer("sgd", len(x), seed=5, span=span)
        for span in (SPAN, 1 << 20)
    )
    assert spans.gradient(x, y) == pytest.approx(whole.gradient(x, y), rel=1e-12)
    np.testing.assert_allclose(spans.grads, whole.grads, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy_with_logits"])
def test_targets_of_rows_are_cut_with_them(loss: str) -> None:
    net = Network(8, [Dense(7, "tanh"), Dense(2)], loss=loss, dtype="float64", seed=0)
    x, y = data(5 * SPAN + 1, "float64")[0], (normal(5 * SPAN + 1, 2) > 0).astype(float)
    spans, whole = (net.trainer("sgd", len(x), span=span) for span in (SPAN, len(x)))
    assert spans.gradient(x, y) == pytest.approx(whole.gradient(x, y), rel=1e-12)
    np.testing.assert_allclose(spans.grads, whole.grads, rtol=1e-10, atol=1e-15)


def test_rows_of_positions_are_cut_with_them() -> None:
    net = Network((3, 8), [Dense(7, "tanh"), Dense(4)], dtype="float64", seed=0)
    x, y = normal(5 * SPAN + 1, 3, 8), np.arange(3 * (5 * SPAN + 1)).reshape(-1, 3) % 4
    spans, whole = (net.trainer("sgd", len(x), span=span) for span in (SPAN, len(x)))
    assert spans.gradient(x, y) == pytest.approx(whole.gradient(x, y), rel=1e-12)
    np.testing.assert_allclose(spans.grads, whole.grads, rtol=1e-10, atol=1e-15)
    flat = net.trainer("sgd", len(x), span=SPAN)
    fastnn.learning.training.train_step(*flat.arrays[:5], x.reshape(len(x), -1), y.ravel(), flat.workspace)
    assert flat.grads.tobytes() == spans.grads.tobytes()


@needs.jit
@pytest.mark.parametrize("span", [SPAN, 2 * CHUNK_ROWS])
@pytest.mark.parametrize("call", ["gradient", "forward"])
def test_all_threads_share_spans_however_short_they_are(span: int, call: str) -> None:
    net = Network(32, [Dense(32, "relu"), Dense(32, "relu"), Dense(3)], seed=0)
    threads = fastnn.get_num_threads()
    x, y = normal(32 * span, 32).astype("float32"), np.zeros(32 * span, np.int64)
    trainer = net.trainer("sgd", len(x), span=span)
    slots, size = trainer.tape[0, [columns.SLOTS, columns.SLOT_SIZE]]
    assert slots == min(threads, 32)

    def all_share() -> bool:
        pool._state[pool.RESTS_UNTIL] = 0
        trainer.workspace[:] = 7
        trainer.gradient(x, y) if call == "gradient" else trainer.forward(x)
        return bool(np.any(trainer.workspace[: slots * size].reshape(slots, size) != 7, axis=1).all())

    # Where others have the cores, a thread may come when all is done.
    assert any(all_share() for _ in range(200))


@pytest.mark.parametrize(("units", "small"), [(16, True), (128, False)])
def test_the_room_is_that_of_a_span(units: int, small: bool) -> None:
    """Beside the outputs, their gradient and the losses of the batch it grows by no row."""
    net = Network(64, [Dense(units, "relu"), Dense(10)], seed=0)
    assert (work_of(net.operations) <= CHUNKED_WORK) == small
    sizes = [net.plan(rows).workspace_size - 21 * rows for rows in (200_000, 400_000)]
    partial = 2 * net.layout.size
    assert sizes[1] - sizes[0] <= partial


@pytest.mark.parametrize("spans", [2, 3, 7, 8])
def test_partial_gradients_have_the_levels_of_their_tree(spans: int) -> None:
    """Beside the gradient itself, which is the lowest."""
    net = Network(64, [Dense(900, "relu"), Dense(3)], seed=0)
    plan = net.plan(spans * SPAN, span=SPAN)
    tape = plan.tape[0]
    assert tape[columns.CHUNK] == 0
    others = net.plan(SPAN, span=SPAN).workspace_size + 20 * spans * SPAN
    assert (spans.bit_length() - 1) * net.layout.size <= plan.workspace_size
    assert plan.workspace_size < others + (spans.bit_length() - 1) * net.layout.size


def test_a_large_batch_is_nearer_to_float64_than_one_long_sum() -> None:
    """100,000 rows of softmax regression: in the norm within 1e-7, which a single chain of sums is not by far."""
    net = Network(20, [Dense(4)], seed=0)
    rows = 100_000
    x = np.random.default_rng(0).random((rows, 20)).astype("float32")
    y = (x[:, 0] > 0.7).astype(int)
    exact = Network(20, net.layers, dtype="float64")
    for name, values in exact.named_parameters.items():
        values[...] = net.named_parameters[name]
    right = np.concatenate([part.ravel() for part in exact.named(exact.gradient(x, y)).values()])
    errors = []
    for span in (1_024, rows):
        trainer = net.trainer("sgd", rows, span=span)
        trainer.gradient(x, y)
        found = np.concatenate([part.ravel() for part in net.named(trainer.grads).values()])
        errors.append(np.linalg.norm(found - right) / np.linalg.norm(right))
    assert errors[0] < 1e-7 < 0.1 * errors[1], errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net.plan(9, span=0), "span is 0"),
        (lambda net: net.plan(9, span=2**63), "span is 9223372036854775808; expected at most"),
        (lambda net: net.trainer("sgd", 9 * SPAN, span=SPAN).accumulate([data(SPAN)]), "the parts have 64 rows"),
        (lambda net: net.trainer("sgd", 2 * SPAN, span=SPAN).accumulate([data(3 * SPAN)]), "trainer's batch, 128"),
        (lambda net: net.trainer("sgd", 999, span=SPAN).accumulate([data(SPAN + 1), data(SPAN)]), "a part has 65 rows"),
        (lambda net: net.trainer("sgd", 9 * SPAN, span=SPAN).accumulate([]), "the parts have 0 rows"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(network("small"))
