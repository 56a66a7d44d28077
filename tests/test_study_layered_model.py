"""The model of language models' times, on a made-up machine whose costs are known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from fastnn.networks.models import GPT
from fastnn.study import machine_model
from fastnn.study.machine_model import MachineModel
from fastnn.study.transformer_model import (
    ModelCall,
    Observed,
    Shape,
    fit_transformers,
    terms,
    transformer_model_of,
)

PACE = 1e11
ERRORS = {(phase, threads): (0.0,) for phase in ("forward", "step") for threads in (1, 2)}
OF_PRODUCTS = {"forward, multiply-adds": 20.0, "weight, multiply-adds": 25.0, "outputs": 4.0}
MACHINE = MachineModel("float32", (2**15, 2**20), PACE, OF_PRODUCTS, ERRORS)
COSTS = {
    "products": 1.2, "transcendentals": 30.0, "attention": 3.0, "elementwise": 5.0, "operations": 1e4, "update": 9.0,
}  # fmt: skip


def drawn(count: int, seed: int) -> list[tuple[Shape, int]]:
    rng = np.random.default_rng(seed)
    found = []
    for heads in rng.integers(1, 5, count):
        sizes = *(rng.integers(*bounds) for bounds in ((20, 500), (8, 100), (1, 5))), heads * rng.integers(8, 50), heads
        found.append((Shape(*map(int, sizes)), int(rng.integers(1, 16))))
    return found


def seconds(call: ModelCall) -> float:
    return sum(COSTS.get(name, 0.0) * amount for name, amount in terms(call, MACHINE).items()) / PACE


def observed(count: int, noise: float = 0.0) -> list[Observed]:
    rng = np.random.default_rng(1)
    calls = [
        ModelCall(shape, batch, threads, phase)
        for shape, batch in drawn(count, 0)
        for threads in (1, 2)
        for phase in ("forward", "step")
    ]
    return [Observed(call, seconds(call) * math.exp(rng.normal(0, noise)), PACE) for call in calls]


def test_models_that_were_not_seen_are_predicted() -> None:
    model = fit_transformers(observed(16), MACHINE)
    for shape, batch in drawn(10, 7):
        for phase in ("forward", "step"):
            call = ModelCall(shape, batch, 2, phase)
            found = model.predict(call, MACHINE)
            assert found.median == pytest.approx(seconds(call), rel=0.02)
            assert found.low < seconds(call) < found.high


def test_intervals_are_as_wide_as_what_was_off() -> None:
    calm, restless = (fit_transformers(observed(16, noise), MACHINE) for noise in (0.0, 0.3))
    call = ModelCall(*drawn(1, 5)[0], 1, "step")
    one, other = (each.predict(call, MACHINE) for each in (calm, restless))
    assert other.high / other.low > 1.5 * one.high / one.low
    assert math.log(one.high / one.low) == pytest.approx(2 * machine_model.DRIFT, rel=0.3)


def test_what_is_counted_is_what_the_network_costs() -> None:
    shape = Shape(50, 12, 2, 24, 3)
    network = GPT(*shape, bias=False, seed=0)
    assert ModelCall(shape, 1, 1, "step").parameters == network.parameter_count
    cost = network.cost(3, "adamw")
    found = terms(ModelCall(shape, 3, 1, "forward"), MACHINE)
    every = found["transcendentals"] + found["activations"] + found["attention, pairs"]
    assert every == cost.forward.transcendentals
    two = terms(ModelCall(shape, 3, 2, "forward"), MACHINE)
    assert two["attention"] == found["attention"]  # too little for threads


def test_threads_share_attention_that_is_worth_it() -> None:
    shape = Shape(50, 128, 1, 256, 4)
    one, two = (terms(ModelCall(shape, 4, threads, "forward"), MACHINE) for threads in (1, 2))
    assert two["attention"] == one["attention"] / 2
    assert two["elementwise"] == one["elementwise"]


def test_it_is_kept_as_json() -> None:
    model = fit_transformers(observed(10), MACHINE)
    assert transformer_model_of(json.loads(json.dumps(model.as_dict()))) == model


def document(cost: object = 1.0, errors: object = (0.1,)) -> dict[str, object]:
    return {"costs": {"products": cost}, "errors": [{"phase": "step", "threads": 1, "errors": errors}]}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"costs": {}, "errors": []},
        {"costs": 3, "errors": []},
        document(cost=float("nan")),
        document(errors=()),
        document(cost=-1),
        document(errors=5),
    ],
)
def test_what_is_no_model_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="model of language models"):
        transformer_model_of(document)  # type: ignore[arg-type]


def test_too_few_models_and_unknown_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="3 language models were measured; a model takes 8"):
        fit_transformers(observed(3), MACHINE)
    model = fit_transformers(observed(10), MACHINE)
    with pytest.raises(ValueError, match="step with threads 7 of language models was not measured"):
        model.predict(ModelCall(Shape(50, 12, 2, 24, 3), 1, 7, "step"), MACHINE)
