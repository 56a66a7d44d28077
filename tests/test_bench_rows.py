"""Cases and rows: checked against the reference, trained until the loss falls, timed, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bench_rows import CONTEXT

import fastnn
from fastnn import reference
from fastnn.bench import residual as residuals
from fastnn.bench import results, rows
from fastnn.bench.case import LEARNING_RATES, Case, optimizer_for
from fastnn.bench.ladder import LADDER, parse
from fastnn.bench.measuring import Budget, Measurement
from fastnn.bench.results import PHASES
from fastnn.bench.run import Report, Settings
from fastnn.cost import multilayer_perceptron
from fastnn.simd.machine import Ceilings, Level, thread_limit

QUICK = Budget(0.02)
CEILINGS = Ceilings(1, "float32", 1e11, 5e-8, 2e-7, (Level("DRAM", float("inf"), 1000, {"copy": 1e10}),))
SMALL = [rung.name for rung in LADDER[:5]]


def case(
    name: str = "3-4-2", batch: int = 32, threads: int = 1, dtype: str = "float32", optimizer: str = "sgd"
) -> Case:
    return Case(parse(name), batch, threads, dtype, optimizer)


def train(of: Case) -> tuple[float, float]:
    with thread_limit(of.threads):
        return of.train()


def rows_of(of: Case) -> list[dict[str, Any]]:
    return list(rows.rows_of(of, PHASES, CEILINGS, QUICK))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 32, 256])
@pytest.mark.parametrize("name", SMALL)
def test_the_kernels_stay_within_half_of_what_rounding_explains(name: str, batch: int, dtype: str) -> None:
    found = case(name, batch, dtype=dtype).check()
    assert 0 <= found.worst < 0.5


@pytest.mark.parametrize("name", [*SMALL, "784-512-512-10"])
def test_every_rung_learns(name: str) -> None:
    first, last = train(case(name))
    assert last < 0.8 * first


@pytest.mark.parametrize(
    ("batch", "optimizer"), [(1, "sgd"), (256, "sgd"), (32, "momentum"), (32, "adam"), (1, "adamw")]
)
@pytest.mark.parametrize("name", ["3-4-2", "64-16-10", "784-128-10"])
def test_rungs_learn_at_other_batches_and_by_other_optimizers(name: str, batch: int, optimizer: str) -> None:
    first, last = train(case(name, batch, optimizer=optimizer))
    assert last < 0.8 * first


def test_training_is_the_same_every_time_and_for_every_number_of_threads() -> None:
    of = case("784-512-512-10")  # large enough for its products to be shared among threads
    once = train(of)
    for threads in {1, fastnn.get_num_threads()}:
        assert train(case("784-512-512-10", threads=threads)) == once


def test_a_case_begins_again_where_it_began() -> None:
    of = case("3-4-2", optimizer="adam")
    of.train()
    assert (of.network.parameters != of.initial).any()
    of.restart()
    assert (of.network.parameters == of.initial).all()
    assert not of.trainer.state.any()
    assert of.trainer.steps == 0


def test_batches_are_whole_contiguous_and_different() -> None:
    of = case("64-16-10", batch=100)
    assert len(of.batches) == 1797 // 100
    assert all(x.shape == (100, 64) and x.flags.c_contiguous and x.dtype == np.float32 for x, _ in of.batches)
    assert (of.batches[0][0] != of.batches[1][0]).any()
    assert len(set(of.batches[0][1].tolist())) == 10


def test_a_batch_larger_than_the_data_repeats_rows() -> None:
    of = case("64-16-10", batch=2000)
    assert len(of.batches) == 1
    assert len(of.batches[0][0]) == 2000


@pytest.mark.parametrize("phase", ["step", "epoch"])
def test_a_run_makes_the_steps_it_is_asked_for(phase: str) -> None:
    of = case("3-4-2", batch=512)
    of.run(phase)(5000)
    assert of.trainer.steps == 5000


def test_steps_from_python_and_in_one_call_are_the_same_steps() -> None:
    by_step, by_epoch = case("3-4-4-2"), case("3-4-4-2")
    by_step.run("step")(300)
    by_epoch.run("epoch")(300)
    np.testing.assert_array_equal(by_step.network.parameters, by_epoch.network.parameters)


def test_rows_keep_the_contract_and_count_what_the_cost_model_counts() -> None:
    found = rows_of(case("64-16-10"))
    results.validate(results.document(CONTEXT, found))
    step = multilayer_perceptron([64, 16, 10], 32)
    for row, cost in zip(found, (step.forward, step.total, step.total), strict=True):
        assert (row["macs"], row["flops"], row["bytes_min"]) == (cost.macs, cost.flops, cost.bytes)
        assert row["gflops"] == pytest.approx(cost.flops / row["median_s"] / 1e9)
        assert row["peak_fraction"] == pytest.approx(row["gflops"] / 100)
        assert row["floor_s"] == max(cost.flops / 1e11, cost.bytes / 1e10)
        assert row["samples_per_s"] == pytest.approx(32 / row["median_s"])
        assert row["min_s"] <= row["median_s"]
        assert row["loss_last"] < row["loss_first"]
    assert [row["phase"] for row in found] == list(PHASES)


def test_nothing_compiles_for_another_architecture() -> None:
    rows_of(case("3-4-2"))
    assert [row["compile_s"] for row in rows_of(case("64-7-5-10"))] == [0, 0, 0]


def wrong_loss(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda logits, y: (original(logits, y)[0] * (1 + 1e-5), original(logits, y)[1])


def test_rows_that_disagree_with_the_reference_are_refused_and_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference.loss, "cross_entropy", wrong_loss(reference.loss.cross_entropy))
    found = rows_of(case())
    results.validate(results.document(CONTEXT, found))
    for row in found:
        assert row["verdict"] == "refused"
        assert row["times_s"] == []
        assert row["residual"] > 1
        assert "loss" in row["reason"]
        assert row["loss_last"] is None


def test_training_that_leaves_the_finite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEARNING_RATES, "sgd", 1e30)
    found = rows_of(case())
    results.validate(results.document(CONTEXT, found))
    assert {row["verdict"] for row in found} == {"refused"}
    assert "the loss became" in found[0]["reason"]


@pytest.mark.parametrize("phase", ["step", "epoch"])
def test_a_row_is_not_timed_on_steps_that_change_nothing(phase: str) -> None:
    spoilt = case()
    spoilt.network.parameters[0] = np.nan
    with pytest.raises(fastnn.NonFiniteLoss):
        spoilt.run(phase)(3)


def test_a_residual_that_is_not_finite_is_refused_and_written_as_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastnn.Trainer, "gradient", lambda self, x, y: float("nan"))
    found = rows_of(case())
    results.validate(results.document(CONTEXT, found))
    assert found[0]["verdict"] == "refused"
    assert found[0]["residual"] is None


# What a wrong kernel would give: the output, the loss and the gradient of a right one, spoilt.
SPOILT: dict[str, Callable[[fastnn.Trainer, Any, Any], tuple[Any, float]]] = {}


def spoils(function: Callable[[fastnn.Trainer, Any, Any], tuple[Any, float]]) -> None:
    SPOILT[function.__name__] = function


@spoils
def output_off_by_1e_4(trainer: fastnn.Trainer, output: Any, loss: float) -> tuple[Any, float]:
    return output * np.float32(1.0001), loss


@spoils
def output_without_last_bias(trainer: fastnn.Trainer, output: Any, loss: float) -> tuple[Any, float]:
    return output - trainer.network.named_parameters["1.bias"], loss


@spoils
def rows_of_the_output_exchanged(trainer: fastnn.Trainer, output: Any, loss: float) -> tuple[Any, float]:
    return output[::-1], loss


@spoils
def loss_off_by_1e_5(trainer: fastnn.Trainer, output: Any, loss: float) -> tuple[Any, float]:
    return output, loss * (1 + 1e-5)


@spoils
def gradient_of_the_sum(trainer: fastnn.Trainer, output: Any, loss: float) -> tuple[Any, float]:
    trainer.grads *= 32
    return output, loss


@spoils
def one_element_of_the_gradient_missing(trainer: fastnn.Trainer, output: Any, loss: float) -> tuple[Any, float]:
    gradient = trainer.network.named(trainer.grads)["1.weight"]
    gradient[np.unravel_index(np.abs(gradient).argmax(), gradient.shape)] = 0
    return output, loss


@spoils
def bias_gradient_of_one_row_too_few(trainer: fastnn.Trainer, output: Any, loss: float) -> tuple[Any, float]:
    trainer.network.named(trainer.grads)["0.bias"][:] *= np.float32(31 / 32)
    return output, loss


@spoils
def relu_let_through_backward(trainer: fastnn.Trainer, output: Any, loss: float) -> tuple[Any, float]:
    network = trainer.network
    linear = network.named_parameters
    x, y = case("64-16-10").batches[0]
    probability = reference.softmax.softmax(output)
    probability[np.arange(len(y)), y] -= 1
    network.named(trainer.grads)["0.weight"][...] = x.T @ (probability / len(y) @ linear["1.weight"].T)
    return output, loss


@pytest.mark.parametrize("name", SPOILT)
def test_a_wrong_kernel_has_a_residual_above_1(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = case("64-16-10")
    of.network.parameters[:] += np.float32(0.01)  # biases are 0 at first
    forward, gradient, spoil = fastnn.Trainer.forward, fastnn.Trainer.gradient, SPOILT[name]
    assert of.check().worst < 0.5
    monkeypatch.setattr(fastnn.Trainer, "forward", lambda self, x: spoil(self, forward(self, x), 0.0)[0])
    monkeypatch.setattr(
        fastnn.Trainer, "gradient", lambda self, x, y: spoil(self, forward(self, x), gradient(self, x, y))[1]
    )
    assert of.check().worst > 1


def test_a_limit_of_zero_allows_no_error() -> None:
    expected = residuals._Value(np.zeros(3), np.zeros(3))
    assert residuals._ratio(np.zeros(3, np.float32), expected) == 0
    assert residuals._ratio(np.array([0, 1e-30, 0], np.float32), expected) > 1


def test_data_is_chosen_by_the_inputs_and_needs_as_many_outputs_as_it_has_classes() -> None:
    assert parse("3-4-2").data().name == "spam"
    assert parse("64-16-10").data().name == "digits"
    assert parse("10-5-7").data().name == "synthetic"
    assert parse("10-5-7").data().classes == 7
    with pytest.raises(ValueError, match="64-16-2 has 2 outputs; its data, digits, has 10 classes"):
        parse("64-16-2").data()


def test_smaller_batches_take_smaller_steps() -> None:
    rates = [optimizer_for("sgd", batch).learning_rate for batch in (1, 8, 32, 256)]
    assert rates == sorted(rates)
    assert rates[2] == rates[3] == 0.1


def test_a_row_that_beats_its_floor_has_the_ceilings_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report(Settings([parse("3-4-2")], [32], [1]))
    slow = Ceilings(1, "float32", 1.0, 5e-8, 2e-7, CEILINGS.levels)
    report.ceilings = {1: slow}
    monkeypatch.setattr("fastnn.simd.machine.measure", lambda threads, dtype, seconds: CEILINGS)
    of = case()
    unplaced = rows.describe(of, "step") | rows.times(of, "step", Measurement((1e-6,), 1))
    row = rows.under(unplaced, slow)
    assert rows.beats_floor(row)
    report.add(row)
    assert report.ceilings[1].flops_per_s == 1e11
    assert report.rows[0]["floor_s"] < 1e-6
    assert not rows.beats_floor(report.rows[0])
    report.add(rows.under(unplaced, slow))  # made before the ceilings rose
    assert report.rows[1]["floor_s"] == report.rows[0]["floor_s"]
