"""The models of the times of networks of any layers, on a made-up machine whose costs are known."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pytest

from fastnn.bench.calibration.layered import cases_of
from fastnn.layers import LSTM, Conv2d, Dense, Flatten, MaxPool2d, TransformerBlock
from fastnn.study import machine_model
from fastnn.study.layered import FAMILIES, Family, Layered, LayeredCall
from fastnn.study.layered_model import LEAST_NETWORKS, Observed, fit_layered, layered_model_of
from fastnn.study.layered_work import terms
from fastnn.study.machine_model import MachineModel

PACE = 1e11
PHASES, THREADS = ("forward", "step"), (1, 2)
ERRORS = {key: (0.0,) for key in product(PHASES, THREADS)}
OF_PRODUCTS = {"forward, multiply-adds": 20.0, "weight, multiply-adds": 25.0, "outputs": 4.0}
MACHINE = MachineModel("float32", (2**15, 2**20), PACE, OF_PRODUCTS, ERRORS)
TRANSFORMERS, IMAGES, SEQUENCES = FAMILIES
COSTS = {
    "transformers": {
        "products": 1.2, "transcendentals": 30.0, "attention": 3.0, "elementwise": 5.0, "operations": 1e4,
        "update": 9.0,
    },
    "images": {
        "products": 0.9, "windows, multiply-adds": 33.0, "windows, tiles": 5e3, "depthwise": 12.0, "pools": 30.0,
        "elementwise": 25.0, "norms, step": 150.0, "call, step": 1e6, "threads started": 3e6,
    },
    "sequences": {
        "products": 0.8, "states, tiles": 4e3, "cells": 25.0, "rows of steps": 9e3,
        "panels": 40.0, "call, forward": 1e6, "regions": 3e6,
    },
}  # fmt: skip
SEEN, OTHERS = 24, 10
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def seconds(call: LayeredCall) -> float:
    costs = COSTS[call.network.family.name]
    return sum(costs.get(name, 0.0) * amount for name, amount in terms(call, MACHINE).items()) / PACE


def observed(family: Family, count: int, noise: float = 0.0) -> list[Observed]:
    rng = np.random.default_rng(1)
    calls = [
        LayeredCall(network, batch, threads, phase)
        for network, batch in cases_of(family, count)
        for threads in THREADS
        for phase in PHASES
    ]
    return [Observed(call, seconds(call) * math.exp(rng.normal(0, noise)), PACE) for call in calls]


@every_family
def test_networks_that_were_not_seen_are_predicted(family: Family) -> None:
    model = fit_layered(observed(family, SEEN), MACHINE, family)
    for (network, batch), phase, threads in product(cases_of(family, OTHERS, seed=7), PHASES, THREADS):
        call = LayeredCall(network, batch, threads, phase)
        found = model.predict(call, MACHINE)
        assert found.median == pytest.approx(seconds(call), rel=0.02)
        assert found.low < seconds(call) < found.high


@every_family
def test_costs_of_terms_that_others_do_not_follow_are_found(family: Family) -> None:
    found = fit_layered(observed(family, 40), MACHINE, family).costs
    for name in {"products", "windows, multiply-adds", "norms, step"} & set(COSTS[family.name]):
        assert found[name] == pytest.approx(COSTS[family.name][name], rel=0.1)


def test_intervals_are_as_wide_as_what_was_off() -> None:
    calm, restless = (fit_layered(observed(IMAGES, SEEN, noise), MACHINE, IMAGES) for noise in (0.0, 0.3))
    call = LayeredCall(*cases_of(IMAGES, 1, seed=5)[0], 1, "step")
    one, other = (each.predict(call, MACHINE) for each in (calm, restless))
    assert other.high / other.low > 1.5 * one.high / one.low
    assert math.log(one.high / one.low) == pytest.approx(2 * machine_model.DRIFT, rel=0.3)


@every_family
def test_it_is_kept_as_json(family: Family) -> None:
    model = fit_layered(observed(family, LEAST_NETWORKS), MACHINE, family)
    assert layered_model_of(json.loads(json.dumps(model.as_dict())), family) == model


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
    with pytest.raises(ValueError, match="model of convolutional networks"):
        layered_model_of(document, IMAGES)  # type: ignore[arg-type]


def test_too_few_networks_and_unknown_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="3 recurrent networks were measured; a model takes 16"):
        fit_layered(observed(SEQUENCES, 3), MACHINE, SEQUENCES)
    model = fit_layered(observed(SEQUENCES, LEAST_NETWORKS), MACHINE, SEQUENCES)
    (network, batch), *_ = cases_of(SEQUENCES, 1)
    with pytest.raises(ValueError, match="step with threads 7 of recurrent networks was not measured"):
        model.predict(LayeredCall(network, batch, 7, "step"), MACHINE)
    few = layered_model_of(document(errors=(0.1,) * (LEAST_NETWORKS - 1)), SEQUENCES)
    with pytest.raises(ValueError, match="was measured of 15 recurrent networks; an interval takes 16"):
        few.predict(LayeredCall(network, batch, 1, "step"), MACHINE)


def test_networks_of_two_kinds_or_of_none_are_of_no_family() -> None:
    image = Layered((Conv2d(4, 3), MaxPool2d(2), Flatten(), Dense(3)), (8, 8, 1))
    assert image.family is IMAGES
    assert Layered((LSTM(4),), (5, 3)).family is SEQUENCES
    assert Layered((TransformerBlock(2),), (5, 4)).family is TRANSFORMERS
    with pytest.raises(ValueError, match="language models and recurrent networks"):
        _ = Layered((TransformerBlock(2), LSTM(4)), (5, 4)).family
    with pytest.raises(ValueError, match="neither"):
        _ = Layered((Dense(3),), (5,)).family
