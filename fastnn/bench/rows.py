"""The rows of one case: checked, trained, then timed, a row a phase."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from fastnn.bench.architecture import counts, described
from fastnn.bench.case import Case
from fastnn.bench.measuring import Budget, Measurement, measure
from fastnn.bench.peers.registry import GENERATE
from fastnn.bench.residual import NotChecked, Residual
from fastnn.cost import Cost
from fastnn.generation.cost import generation_cost
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.simd import machine
from fastnn.simd.machine import Ceilings, thread_limit

Row = dict[str, Any]
Result = TypeVar("Result")


def rows_of(case: Case, phases: Sequence[str], ceilings: Ceilings, budget: Budget) -> Iterator[Row]:
    """A row a phase. A row is refused, without times, where the kernels are wrong or training leaves the finite."""
    with thread_limit(case.threads):
        compiled = {phase: case.first_call(phase) for phase in phases}
        residual, reason = _checked(case)
        trained, reason = (None, reason) if reason else _finite(case.train)
        first, last = trained or (None, None)
        for phase in phases:
            measured, before = None, _pace(case)
            if not reason:
                measured, reason = _finite(partial(measure, case.run(phase), budget, ceilings.timer_s))
            row = (
                describe(case, phase) | times(case, phase, measured) | {"pace_flops_per_s": _mean(before, _pace(case))}
            )
            row |= {"compile_s": compiled[phase], "residual": residual and finite(residual.worst)}
            row |= {"loss_first": first, "loss_last": last}
            row["verdict"] = "refused" if measured is None else measured.verdict
            if reason:
                row["reason"] = reason
            yield under(row, ceilings)


def _checked(case: Case) -> tuple[Residual | None, str | None]:
    """How far the kernels are from the reference, and why the case may not be timed, if so."""
    try:
        residual = case.check()
    except NotChecked as error:
        return None, f"not checked, and so not timed: {error}"
    return residual, wrong(residual)


def _pace(case: Case) -> float | None:
    """FLOP/s of a core's registers at this moment, for comparisons of runs; see fastnn.bench.comparison."""
    return machine.pace(case.dtype) if case.network.device == "cpu" else None


def _mean(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else (before + after) / 2


def _finite(work: Callable[[], Result]) -> tuple[Result | None, str | None]:
    """What the work gives, or, where training left the finite, the reason why it gives nothing."""
    try:
        return work(), None
    except NonFiniteLoss as error:
        return None, str(error)


def wrong(residual: Residual) -> str | None:
    """What the reference disagrees with, in words."""
    parts = {"forward": residual.forward, "loss": residual.loss, "gradient": residual.gradient}
    bad = [f"{name} {value:.3g}" for name, value in parts.items() if not value <= 1]
    return f"error over limit, against the reference: {', '.join(bad)}" if bad else None


def finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def cost_of(case: Case, phase: str) -> Cost:
    """Of one call: the forward pass, a sequence that is generated, or a whole step."""
    if phase == GENERATE:
        return generation_cost(case.network)
    step = case.network.cost(case.batch, case.optimizer_name)
    return step.forward if phase == "forward" else step.total


def working_set(case: Case, phase: str) -> int:
    """Bytes that every call touches, at the least: parameters, one batch, for a step the optimizer's state."""
    held = case.network.parameters.nbytes + case.batches[0][0].nbytes
    return held if phase in ("forward", GENERATE) else held + case.trainer.state_bytes


def describe(case: Case, phase: str) -> Row:
    """Names and exact counts of one call; counts: of each phase of a step, whichever the row is of."""
    cost = cost_of(case, phase)
    return {
        "name": case.rung.name,
        **({"sizes": list(case.rung.sizes)} if case.rung.sizes else {}),
        "architecture": described(case.network),
        "params": case.network.parameter_count,
        "batch": case.batch,
        "threads": case.threads,
        "dtype": case.dtype,
        "optimizer": case.optimizer_name,
        "phase": phase,
        **({"tokens": tokens} if (tokens := case.tokens(phase)) else {}),
        "data": case.data.name,
        "macs": cost.macs,
        "flops": cost.flops,
        "flops_matmul": cost.flops_matmul,
        "flops_elementwise": cost.flops_elementwise,
        "transcendentals": cost.transcendentals,
        "bytes_min": cost.bytes,
        "counts": counts(case.network.cost(case.batch, case.optimizer_name)),
        "working_set": working_set(case, phase),
    }


def times(case: Case, phase: str, measured: Measurement | None) -> Row:
    """Seconds of one call, and rates from their median."""
    if measured is None:
        empty = ("median_s", "iqr_s", "min_s", "samples_per_s", "gflops")
        return {"times_s": [], "calls": 0, **dict.fromkeys(empty)}
    return {
        "times_s": list(measured.times),
        "calls": measured.calls,
        "median_s": measured.median,
        "iqr_s": measured.iqr,
        "min_s": measured.min,
        "samples_per_s": (1 if phase == GENERATE else case.batch) / measured.median,
        "gflops": cost_of(case, phase).flops / measured.median / 1e9,
    }


def under(row: Row, ceilings: Ceilings) -> Row:
    """The row with the floor and the share of peak that these ceilings give it."""
    gflops = row["gflops"]
    return row | {
        "floor_s": ceilings.floor(row["flops"], row["bytes_min"], row["working_set"]),
        "peak_fraction": None if gflops is None else gflops * 1e9 / ceilings.flops_per_s,
    }


def beats_floor(row: Row) -> bool:
    """Faster than the ceilings allow: they were measured while the machine was busy."""
    return row["median_s"] is not None and row["median_s"] < row["floor_s"]
