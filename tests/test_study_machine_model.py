"""The machine model on a machine whose costs are known: predictions, intervals, documents."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fastnn.bench.calibration.networks import LADDER, LADDER_BATCHES, networks
from fastnn.study import machine_model
from fastnn.study.machine_model import LEAST_NETWORKS, MachineModel, Observation, fit, interval, model_of
from fastnn.study.work import Call, work

CACHES = 32 * 2**10, 2**20, 32 * 2**20
PACE = 1e11
NOISE = 0.05
# Networks without the ladder's, whose sizes come with three batches each.
DRAWN = networks(150)[-150:]
SEEN, UNSEEN = DRAWN[:100], DRAWN[100:]

# FLOPs that each term takes the time of on a made-up machine, by what its name begins or ends with.
FLOPS = (
    ("call", 60_000.0), ("threads started", 300_000.0), ("layer", 15_000.0), ("loss, rows", 1_500.0),
    ("multiply-adds", 40.0), ("loads", 3.0), ("straddling", 5.0), ("steps of tiles", 6.0), ("rows", 900.0),
    ("tiles", 1_000.0), ("packed", 20.0), ("swapped", 15.0), ("scalar outputs", 300.0), ("passing by", 8.0),
)  # fmt: skip


def flops(term: str) -> float:
    """What a term costs; bytes from beyond a cache the more, the farther it is."""
    if term.startswith("beyond"):
        return 2.0 * int(term[len("beyond L")])
    return next((cost for name, cost in FLOPS if term.endswith(name) or term.startswith(name)), 12.0)


def true_seconds(call: Call, pace: float = PACE) -> float:
    return sum(flops(name) * amount for name, amount in work(call, CACHES).items()) / pace


def calls(
    cases: Iterable[tuple[tuple[int, ...], int]], phases: Sequence[str] = ("forward", "step"),
    threads: Sequence[int] = (1, 2),
) -> list[Call]:  # fmt: skip
    return [Call(sizes, batch, count, phase) for sizes, batch in cases for count in threads for phase in phases]


def observed(called: Iterable[Call], seed: int, noise: float = NOISE, outliers: float = 0.0) -> list[Observation]:
    """Log-normal times of the made-up machine; some of them ten times as long."""
    rng = np.random.default_rng(seed)
    found = []
    for call in called:
        factor = math.exp(rng.normal(0, noise)) * (10 if rng.random() < outliers else 1)
        found.append(Observation(call, true_seconds(call) * factor, PACE))
    return found


def off(model: MachineModel, called: Iterable[Call]) -> np.ndarray[Any, Any]:
    """log(predicted / true) of each call."""
    return np.array([math.log(model.predict(call).median / true_seconds(call)) for call in called])


@pytest.fixture(scope="module")
def model() -> MachineModel:
    return fit(observed(calls(SEEN), seed=0), CACHES, "float32")


# Fit ------------------------------------------------------------------------------------------------------------------


def test_without_noise_unseen_networks_are_predicted_exactly() -> None:
    exact = fit(observed(calls(SEEN), seed=0, noise=0.0), CACHES, "float32")
    assert np.abs(off(exact, calls(SEEN))).max() < 1e-6
    assert np.quantile(np.abs(off(exact, calls(UNSEEN))), 0.95) < 1e-4


def test_with_noise_unseen_networks_are_predicted_within_it(model: MachineModel) -> None:
    errors = np.abs(off(model, calls(UNSEEN)))
    assert np.median(errors) < 0.5 * NOISE
    assert np.quantile(errors, 0.9) < 1.5 * NOISE
    assert abs(np.median(off(model, calls(UNSEEN)))) < 0.25 * NOISE


def test_costs_are_positive_and_of_terms_that_occur(model: MachineModel) -> None:
    names = {name for call in calls(SEEN) for name in work(call, CACHES)}
    assert set(model.costs) <= names
    assert min(model.costs.values()) > 0


def test_outliers_of_ten_times_do_not_bend_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in twenty; squares of logarithms would carry their mean, 0.05 log 10 = 12 %, into all predictions."""
    struck = observed(calls(SEEN), seed=1, outliers=0.05)
    assert sum(each.seconds > 5 * true_seconds(each.call) for each in struck) > 10
    errors = off(fit(struck, CACHES, "float32"), calls(UNSEEN))
    assert np.median(np.abs(errors)) < 0.6 * NOISE
    assert abs(np.median(errors)) < 0.4 * NOISE
    monkeypatch.setattr(machine_model, "HUBER", 100.0)
    assert np.median(off(fit(struck, CACHES, "float32"), calls(UNSEEN))) > NOISE


def test_a_small_network_counts_as_much_as_a_large_one(model: MachineModel) -> None:
    """Of times from microseconds to a second."""
    called = calls(UNSEEN)
    seconds = np.array([true_seconds(call) for call in called])
    errors = np.abs(off(model, called))
    third = len(called) // 3
    order = np.argsort(seconds)
    assert seconds.max() > 1000 * seconds.min()
    for part in (order[:third], order[-third:]):
        assert np.median(errors[part]) < 0.7 * NOISE


def test_twice_the_times_are_twice_the_predictions(model: MachineModel) -> None:
    slower = fit([replace(each, seconds=2 * each.seconds) for each in observed(calls(SEEN), seed=0)], CACHES, "float32")
    for call in calls(UNSEEN):
        expected, found = model.predict(call), slower.predict(call)
        for name in ("median", "low", "high"):
            assert getattr(found, name) == pytest.approx(2 * getattr(expected, name), rel=1e-6)


def test_the_pace_of_the_moment_cancels(model: MachineModel) -> None:
    """A clock that ran faster and slower while networks were measured: the same cycles, and so the same costs."""
    rng = np.random.default_rng(2)
    paced = []
    for each in observed(calls(SEEN), seed=0):
        change = math.exp(rng.uniform(-0.5, 0.5))
        paced.append(Observation(each.call, each.seconds / change, each.pace * change))
    other = fit(paced, CACHES, "float32")
    assert other.costs == pytest.approx(dict(model.costs), rel=1e-6)
    assert other.pace == np.median([each.pace for each in paced])
    call = calls(UNSEEN)[0]
    assert other.predict(call).median == pytest.approx(model.predict(call).median * model.pace / other.pace, rel=1e-6)


def test_restlessness_is_how_far_calls_were_off_when_they_were_timed_again() -> None:
    """Twice as long or half as long is the same."""
    timed = observed(calls(SEEN), seed=0)[:11]
    assert machine_model.restlessness(timed) == {"median": 0, "nine_in_ten": 0}
    factors = [1, 1.1, 1 / 1.1, 1.2, 1 / 1.2, 1.3, 1.4, 1.5, 2, 1 / 3, 1 / 5]
    again = [replace(each, again=math.log(factor)) for each, factor in zip(timed, factors, strict=True)]
    assert machine_model.restlessness(again) == pytest.approx({"median": 0.3, "nine_in_ten": 2})


# Errors and intervals -------------------------------------------------------------------------------------------------


def test_intervals_hold_what_networks_that_nobody_saw_take_nine_times_in_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the hour of the calibration."""
    monkeypatch.setattr(machine_model, "DRIFT", 0.0)
    inside = []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(DRAWN))
        seen, unseen = ([DRAWN[index] for index in part] for part in (order[:90], order[90:]))
        machine = fit(observed(calls(seen), seed), CACHES, "float32")
        for each in observed(calls(unseen), seed + 100):
            predicted = machine.predict(each.call)
            assert predicted.low < predicted.high
            inside.append(predicted.low <= each.seconds <= predicted.high)
    assert len(inside) >= 300
    assert 0.85 < np.mean(inside) < 0.95


def test_errors_tell_the_noise_for_each_phase_and_number_of_threads(model: MachineModel) -> None:
    assert set(model.errors) == {(phase, threads) for phase in ("forward", "step") for threads in (1, 2)}
    for errors in model.errors.values():
        assert len(errors) == len(SEEN)
        assert list(errors) == sorted(errors)
        # 0.67 standard deviations, and what a fit adds.
        assert 0.5 * NOISE < np.median(np.abs(errors)) < 1.0 * NOISE


def test_an_error_is_of_a_network_left_out_with_all_its_batches() -> None:
    """Only networks of one or two rows pass by row after row. Who has seen them at either batch knows what that costs;
    who has not takes it for nothing."""
    cases = [((20 + 7 * index, 30 + 11 * index, 10), 40) for index in range(LEAST_NETWORKS)]
    alone = [((900, 800), 1), ((900, 800), 2)]
    observations = observed(calls([*cases, *alone], ("forward",), (1,)), seed=0, noise=0.001)
    fitted = fit(observations, CACHES, "float32")
    assert np.abs(off(fitted, calls(alone, ("forward",), (1,)))).max() < 0.01
    errors = fitted.errors["forward", 1]
    assert sum(error > 0.2 for error in errors) == 2


@pytest.mark.parametrize(
    ("n", "low", "high"),
    # Of n errors, ranks floor(0.05 (n + 1)) from either end; all of them where there are fewer than 19.
    [(1, 0, 0), (5, 0, 4), (18, 0, 17), (19, 0, 18), (39, 1, 37), (99, 4, 94), (124, 5, 118)],
)
def test_an_interval_is_of_the_ranks_that_hold_the_next_error(n: int, low: int, high: int) -> None:
    assert interval([float(rank) for rank in range(n)]) == (low, high)
    if n >= 19:
        assert (high - low) / (n + 1) >= 0.9 - 1e-12


def test_the_next_error_lies_in_the_interval_as_often_as_is_said() -> None:
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(3000):
        *errors, following = rng.standard_cauchy(40)
        low, high = interval(sorted(errors))
        hits.append(low <= following <= high)
    assert abs(np.mean(hits) - 0.9) < 0.02


# Refusals and documents -----------------------------------------------------------------------------------------------


def test_too_few_networks_are_refused_and_batches_do_not_count() -> None:
    cases = [(sizes, batch) for sizes, _ in DRAWN[: LEAST_NETWORKS - 1] for batch in (1, 20, 300)]
    with pytest.raises(ValueError, match=f"{LEAST_NETWORKS - 1} networks were measured; a model takes"):
        fit(observed(calls(cases), seed=0), CACHES, "float32")
    assert len(LADDER) * len(LADDER_BATCHES) > LEAST_NETWORKS


@pytest.mark.parametrize("call", [Call((3, 4, 2), 1, 3, "step"), Call((3, 4, 2), 1, 1, "epoch")])
def test_what_was_not_measured_is_refused(model: MachineModel, call: Call) -> None:
    with pytest.raises(ValueError, match=r"was not measured on the machine; forward with 1, forward with 2, step with"):
        model.predict(call)


def test_a_model_comes_back_from_json(model: MachineModel) -> None:
    back = model_of(json.loads(json.dumps(model.as_dict(), allow_nan=False)))
    assert back == replace(model, caches=tuple(model.caches), costs=dict(model.costs))
    for call in calls(UNSEEN[:5]):
        assert back.predict(call) == model.predict(call)


def broken(**changes: Any) -> dict[str, Any]:
    errors = [{"phase": "step", "threads": 1, "errors": [-0.1, 0.1]}]
    whole = {"dtype": "float32", "caches": [1, 2, 3], "pace": 1e11, "costs": {"call, step": 1.0}, "errors": errors}
    model_of(whole)
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    "document",
    [
        {}, broken(errors=None), broken(costs=[1, 2]), broken(errors=[{"phase": "step"}]), broken(errors=[]),
        broken(errors=[{"phase": "step", "threads": 1, "errors": []}]), broken(caches=3), broken(pace="fast"),
        broken(pace=0.0), broken(pace=math.nan), broken(costs={}), broken(costs={"call, step": -1.0}),
        broken(costs={"call, step": math.inf}), broken(errors=[{"phase": "step", "threads": 1, "errors": ["x"]}]),
        broken(dtype="float16"), broken(caches=[0, 1, 2]),
    ],
)  # fmt: skip
def test_a_document_of_something_else_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="it holds no model of a machine .*fastnn machine --json FILE"):
        model_of(document)
