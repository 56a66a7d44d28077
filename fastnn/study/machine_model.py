"""The time of a network that never ran, on a machine that measured some others.

A call's time is the sum of what the kernels do (fastnn.study.work), each term at a cost that no machine tells: the
costs, none negative, are those that come closest to the measured times of calibration networks. Closest in the
logarithm, by Huber's loss (1964), so that a small network counts as much as a large one and an interrupted measurement
no more than any; found by iteratively reweighted non-negative least squares (Lawson & Hanson 1974).

Times are kept in FLOPs that the registers of one core could have made meanwhile, since the clock of a shared machine is
not constant; a prediction is for the pace of the calibration.

An interval is made of the errors of networks that the fit did not see, left out in turn, all calls of the same layers
together: of n errors, those at the ranks that hold the next one with 90 % (conformal prediction, Vovk et al. 2005).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.study.products import Terms
from fastnn.study.work import Call, work

# Errors in the logarithm count linearly beyond this.
HUBER = 0.1
ROUNDS, ROUNDS_LEFT_OUT = 20, 6
CONFIDENCE = 0.9
# What another process at another hour differs by. Of ten networks timed after the calibration 85 % of intervals held
# without it, 88 % with 0.05, 90 % with 0.07.
DRIFT = 0.07
# Fewer errors say nothing about their tails.
LEAST_NETWORKS = 20
# A prediction of nothing, which costs of zero can make, counts as this share of what was measured.
LEAST_SHARE = 1e-3

Vector = NDArray[np.float64]
Errors = Mapping[tuple[str, int], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Observation:
    """A call that took `seconds` while registers made `pace` FLOP/s.

    again: log of what it took when it was timed once more, a little later and at the same pace, over the first time.
    """

    call: Call
    seconds: float
    pace: float
    again: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds of one call, and the interval that holds its measured time nine times in ten."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class MachineModel:
    """costs: FLOPs of registers that each term takes the time of. pace: FLOP/s. caches: bytes, nearest first.

    errors: log(measured / predicted) of networks left out, by phase and threads, ascending.
    """

    dtype: str
    caches: tuple[int, ...]
    pace: float
    costs: Mapping[str, float]
    errors: Errors

    def predict(self, call: Call) -> Prediction:
        """ValueError: a phase or number of threads that was not measured."""
        if (call.phase, call.threads) not in self.errors:
            known = ", ".join(f"{phase} with {threads}" for phase, threads in sorted(self.errors))
            raise ValueError(f"{call.phase} with threads {call.threads} was not measured on the machine; {known} were")
        seconds = self.cycles(work(call, self.caches)) / self.pace
        return predicted(seconds, self.errors[call.phase, call.threads])

    def cycles(self, terms: Terms) -> float:
        """What terms take, in FLOPs of registers."""
        return cycles_at(self.costs, terms)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; see model_of."""
        return asdict(self) | {"errors": listed(self.errors)}


def model_of(document: Mapping[str, Any]) -> MachineModel:
    """The model that as_dict gave. ValueError: it is none."""
    try:
        errors = errors_of(document["errors"])
        costs = {str(name): float(cost) for name, cost in document["costs"].items()}
        caches = tuple(int(size) for size in document["caches"])
        model = MachineModel(str(document["dtype"]), caches, float(document["pace"]), costs, errors)
        _require_numbers(model)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"it holds no model of a machine ({error!r}); `fastnn machine --json FILE` writes one"
        ) from None
    return model


def _require_numbers(model: MachineModel) -> None:
    """ValueError: nothing can be predicted with such."""
    errors = [error for each in model.errors.values() for error in each]
    if model.dtype not in ("float32", "float64"):
        raise ValueError(f"dtype is {model.dtype}")
    if not all(map(math.isfinite, (model.pace, *model.costs.values(), *errors))):
        raise ValueError("numbers are not finite")
    if not (model.pace > 0 and model.costs and min(model.costs.values()) > 0 and min(model.caches, default=1) > 0):
        raise ValueError("pace, costs and caches are not positive")
    if not (model.errors and all(model.errors.values())):
        raise ValueError("errors are missing")


def cycles_at(costs: Mapping[str, float], terms: Terms) -> float:
    """What terms take at these costs; one that was never measured takes nothing."""
    return sum(costs.get(name, 0.0) * amount for name, amount in terms.items())


def later_interval(errors: Sequence[float]) -> tuple[float, float]:
    """Errors of a later measurement, low and high: those of what was left out, and DRIFT."""
    low, high = interval(errors)
    return -math.hypot(low, DRIFT), math.hypot(high, DRIFT)


def predicted(seconds: float, errors: Sequence[float]) -> Prediction:
    """Those seconds, and the interval of a later measurement around them."""
    low, high = later_interval(errors)
    return Prediction(seconds, seconds * math.exp(low), seconds * math.exp(high))


def listed(errors: Errors) -> list[dict[str, Any]]:
    """For JSON; see errors_of."""
    return [{"phase": phase, "threads": n, "errors": list(each)} for (phase, n), each in errors.items()]


def errors_of(document: Iterable[Mapping[str, Any]]) -> Errors:
    """Those that were listed. KeyError, TypeError, ValueError: they are none."""
    return {(str(each["phase"]), int(each["threads"])): tuple(sorted(map(float, each["errors"]))) for each in document}


def fit(observations: Sequence[Observation], caches: Sequence[int], dtype: str) -> MachineModel:
    """ValueError: too few networks."""
    names, counts, cycles = _equations(observations, caches)
    costs = costs_of(counts / cycles[:, None], ROUNDS)
    errors: dict[tuple[str, int], list[float]] = {}
    for each, error in zip(observations, errors_left_out(observations, caches), strict=True):
        errors.setdefault((each.call.phase, each.call.threads), []).append(error)
    pace = float(np.median([each.pace for each in observations]))
    kept = {name: float(cost) for name, cost in zip(names, costs, strict=True) if cost > 0}
    return MachineModel(dtype, tuple(caches), pace, kept, {key: tuple(sorted(each)) for key, each in errors.items()})


def errors_left_out(observations: Sequence[Observation], caches: Sequence[int]) -> list[float]:
    """log(measured / predicted) of each, by a fit to the networks of other layers. ValueError: too few networks."""
    sizes = [each.call.sizes for each in observations]
    if len(set(sizes)) < LEAST_NETWORKS:
        raise ValueError(f"{len(set(sizes))} networks were measured; a model takes {LEAST_NETWORKS}")
    _, counts, cycles = _equations(observations, caches)
    errors = np.empty(len(observations))
    for left_out in set(sizes):
        out = np.array([each == left_out for each in sizes])
        share = counts[out] @ costs_of(counts[~out] / cycles[~out, None], ROUNDS_LEFT_OUT) / cycles[out]
        errors[out] = -np.log(np.maximum(share, LEAST_SHARE))
    return [float(error) for error in errors]


def _equations(observations: Sequence[Observation], caches: Sequence[int]) -> tuple[list[str], Vector, Vector]:
    """Names of the terms, how often each occurs in each observation, and the time it took in FLOPs of registers."""
    terms = [work(each.call, caches) for each in observations]
    names = sorted({name for each in terms for name in each})
    counts = np.array([[each.get(name, 0.0) for name in names] for each in terms])
    return names, counts, np.array([each.seconds * each.pace for each in observations])


def costs_of(shares: Vector, rounds: int) -> Vector:
    """Non-negative costs c that bring shares @ c, predicted over measured, near 1."""
    from scipy.optimize import nnls  # a quarter of a second, which commands that fit nothing need not wait for

    weights = np.ones(len(shares))
    scale = np.linalg.norm(shares, axis=0)
    scale[scale == 0] = 1.0
    costs = scale
    for _ in range(rounds):
        costs = nnls(shares / scale * weights[:, None], weights, maxiter=100 * shares.shape[1])[0] / scale
        weights = _weights(shares @ costs)
    return np.asarray(costs)


def _weights(ratio: Vector) -> Vector:
    """With which least squares of ratio - 1 have the gradient of Huber's loss of log(ratio)."""
    ratio = np.maximum(ratio, LEAST_SHARE)
    off = np.abs(ratio - 1) > 1e-6
    weights = np.ones_like(ratio)
    pull = np.clip(np.log(ratio[off]), -HUBER, HUBER)
    weights[off] = np.sqrt(pull / (ratio[off] * (ratio[off] - 1)))
    return weights


def restlessness(observations: Sequence[Observation]) -> dict[str, float]:
    """How far the same call was off when it was timed again, as shares, in the median and in nine of ten."""
    off = np.expm1(np.abs([each.again for each in observations]))
    return {"median": float(np.median(off)), "nine_in_ten": float(np.quantile(off, 0.9))}


def interval(errors: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The errors, ascending, between which the next one lies with that confidence, as far as so few can tell."""
    n = len(errors)
    beyond = math.floor(round((n + 1) * (1 - confidence) / 2, 9))  # 1 - 0.9 is less than 0.1
    return errors[max(beyond - 1, 0)], errors[min(n - beyond, n - 1)]
