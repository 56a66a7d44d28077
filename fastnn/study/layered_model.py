"""The time of a network of any layers that never ran, on a machine whose model is known.

A call's time is a sum of terms (fastnn.study.layered_work); the costs of these, none negative, are those that come
closest to the measured times of calibration networks of its family. See fastnn.study.machine_model, whose words are
used here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastnn.study.layered import Family, LayeredCall
from fastnn.study.layered_work import terms
from fastnn.study.machine_model import (
    LEAST_SHARE,
    ROUNDS,
    ROUNDS_LEFT_OUT,
    Errors,
    MachineModel,
    Prediction,
    costs_of,
    cycles_at,
    errors_of,
    listed,
    predicted,
)

# Of so many errors the outermost hold 15 of 17 that follow, 88 %.
LEAST_NETWORKS = 16


@dataclass(frozen=True, slots=True)
class Observed:
    """A call that took `seconds` while registers made `pace` FLOP/s."""

    call: LayeredCall
    seconds: float
    pace: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"call": self.call.as_dict(), "seconds": self.seconds, "pace": self.pace}


@dataclass(frozen=True)
class LayeredModel:
    """costs: by term, in FLOPs of registers. errors: log(measured / predicted) of networks left out, by phase and
    threads, ascending."""

    costs: Mapping[str, float]
    errors: Errors

    def predict(self, call: LayeredCall, machine: MachineModel) -> Prediction:
        """ValueError: a phase or number of threads that was not measured, or not of networks enough."""
        errors, title = self.errors.get((call.phase, call.threads)), call.network.family.title
        if errors is None:
            raise ValueError(f"{call.phase} with threads {call.threads} of {title} was not measured")
        if len(errors) < LEAST_NETWORKS:
            raise ValueError(
                f"{call.phase} with threads {call.threads} was measured of {len(errors)} {title}; an interval takes "
                f"{LEAST_NETWORKS}: `fastnn machine --anew` measures them"
            )
        seconds = cycles_at(self.costs, terms(call, machine)) / machine.pace
        return predicted(seconds, errors)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; see layered_model_of."""
        return asdict(self) | {"errors": listed(self.errors)}


def layered_model_of(document: Mapping[str, Any], family: Family) -> LayeredModel:
    """The model that as_dict gave. ValueError: it is none."""
    try:
        errors = errors_of(document["errors"])
        costs = {str(name): float(cost) for name, cost in document["costs"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it holds no model of {family.title} ({error!r})") from None
    numbers = [*costs.values(), *(error for each in errors.values() for error in each)]
    if not (costs and errors and all(errors.values()) and all(map(math.isfinite, numbers)) and min(costs.values()) > 0):
        raise ValueError(f"its model of {family.title} is none: numbers are missing, or not finite")
    return LayeredModel(costs, errors)


def fit_layered(observed: Sequence[Observed], machine: MachineModel, family: Family) -> LayeredModel:
    """Of networks of one family. ValueError: too few."""
    networks = [each.call.network for each in observed]
    if len(set(networks)) < LEAST_NETWORKS:
        raise ValueError(f"{len(set(networks))} {family.title} were measured; a model takes {LEAST_NETWORKS}")
    amounts = [terms(each.call, machine) for each in observed]
    names = sorted({name for each in amounts for name in each})
    counts = np.array([[each.get(name, 0.0) for name in names] for each in amounts])
    shares = counts / np.array([each.seconds * each.pace for each in observed])[:, None]
    errors: dict[tuple[str, int], list[float]] = {}
    for left_out in dict.fromkeys(networks):
        out = np.array([each == left_out for each in networks])
        found = shares[out] @ costs_of(shares[~out], ROUNDS_LEFT_OUT)
        for index, share in zip(np.flatnonzero(out), found, strict=True):
            call = observed[int(index)].call
            errors.setdefault((call.phase, call.threads), []).append(-math.log(max(float(share), LEAST_SHARE)))
    costs = {name: float(each) for name, each in zip(names, costs_of(shares, ROUNDS), strict=True) if each > 0}
    return LayeredModel(costs, {key: tuple(sorted(each)) for key, each in errors.items()})
