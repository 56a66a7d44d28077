"""The law of cost in a run's rows: how time, FLOPs and bytes grow with parameters, in numbers and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnn.bench.table import si
from fastnn.simd.machine import Ceilings
from fastnn.study.power_law import Estimate, PowerLaw, Regime, fit

Row = Mapping[str, Any]
Group = Sequence[Row]

# Quantity, the field of a row that holds it, its unit, and the subject of its sentence.
QUANTITIES = (
    ("time", "median_s", "s", "time grows"),
    ("flops", "flops", "FLOP", "FLOPs grow"),
    ("bytes", "bytes_min", "B", "traffic grows"),
)
# Rows of one law differ in their network alone.
GROUP = ("phase", "batch", "threads", "dtype", "optimizer", "peer")
CURVE_POINTS = 60
# Parameters beyond these stand with an exponent in sentences.
MOST_WRITTEN_OUT = 1e13
# FLOPs a parameter and sample, or token (Kaplan et al. 2020, arXiv 2001.08361): 2 forward, 4 backward.
SIMPLE = {"forward": ("2 N D", 2), "step": ("6 N D", 6), "epoch": ("6 N D", 6), "generate": ("2 N D", 2)}


def fits(rows: Sequence[Row], ceilings: Mapping[int, Ceilings], device: str = "cpu") -> list[dict[str, Any]]:
    """An entry a quantity and group of rows with enough networks; FLOPs and bytes, which are counted, once."""
    found = []
    for group in _groups(rows):
        counted = group[0].get("peer") is None and group[0]["threads"] == min(ceilings)
        for quantity in QUANTITIES if counted else QUANTITIES[:1]:
            try:
                law = fit([row["params"] for row in group], [row[quantity[1]] for row in group])
            except ValueError:  # too few
                continue
            found.append(_entry(law, group, quantity, ceilings, device))
    return found


def _groups(rows: Sequence[Row]) -> list[Group]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row["median_s"] is not None:
            found.setdefault(tuple(row.get(name) for name in GROUP), []).append(row)
    return list(found.values())


def _entry(
    law: PowerLaw, group: Group, quantity: tuple[str, str, str, str], ceilings: Mapping[int, Ceilings], device: str
) -> dict[str, Any]:
    name, field, unit, subject = quantity
    params = [row["params"] for row in group]
    sizes = np.geomspace(min(params), max(params), CURVE_POINTS)
    regimes = seen(law, params)
    return {
        "quantity": name,
        "device": device,
        **{key: group[0].get(key) for key in GROUP},
        "points": len(group),
        "law": law.kind.name,
        "curve": [
            [float(at), each.value, each.low, each.high] for at, each in zip(sizes, law.at(list(sizes)), strict=True)
        ],
        "regimes": [_regime(regime, group, ceilings) for regime in regimes],
        "breaks": [{"params": each.value, "low": each.low, "high": each.high} for each in law.breaks],
        "overhead": law.overhead and law.overhead.value,
        "scatter": law.scatter,
        "title": _title(group[0], device),
        "sentence": sentence(law, regimes, unit, subject),
        "simple_model": _simple_model(group, field),
    }


def seen(law: PowerLaw, params: Sequence[int]) -> list[Regime]:
    """The regimes that networks of these sizes are in."""
    least, most = min(params), max(params)
    return [
        regime for regime in law.regimes
        if (regime.begin is None or regime.begin.value < most) and (regime.end is None or regime.end.value > least)
    ]  # fmt: skip


def _regime(regime: Regime, group: Group, ceilings: Mapping[int, Ceilings]) -> dict[str, Any]:
    """From its first network to its last. bound: what the floor of most of its rows is made of."""
    params, exponent = [row["params"] for row in group], regime.exponent or Estimate(0.0, 0.0, 0.0)
    begin = max(regime.begin.value, min(params)) if regime.begin else float(min(params))
    end = min(regime.end.value, max(params)) if regime.end else float(max(params))
    bounds = Counter(_bound(row, ceilings) for row in group if begin <= row["params"] <= end)
    return {
        "name": "growth" if regime.exponent else "overhead",
        "bound": bounds.most_common(1)[0][0] if bounds else None,
        "from": begin, "to": end,
        "exponent": exponent.value, "low": exponent.low, "high": exponent.high,
    }  # fmt: skip


def _bound(row: Row, ceilings: Mapping[int, Ceilings]) -> str:
    """Multiply-adds, or the level of memory that its floor is read from."""
    known = ceilings[row["threads"]]
    level = known.level_of(row["working_set"])
    adds, moved = row["flops"] / known.flops_per_s, row["bytes_min"] / max(level.bandwidth.values())
    return "multiply-adds" if adds >= moved else level.name


def sentence(law: PowerLaw, regimes: Sequence[Regime], unit: str, subject: str) -> str:
    """Below 2,500 parameters [1,800, 3,500] 1.52 µs whatever the size; above, time grows as parameters^1.03 ± 0.04."""
    parts: list[str] = []
    for regime in regimes:
        if regime.exponent is None:
            assert law.overhead
            below = f"below {_count(regime.end)} " if regime is not regimes[-1] else ""
            parts.append(f"{below}{si(law.overhead.value, unit)} whatever the size")
            continue
        power = f"as parameters^{regime.exponent.value:.2f} ± {(regime.exponent.high - regime.exponent.low) / 2:.2f}"
        if regime is regimes[0]:
            parts.append(f"{subject} {power}")
        elif regimes[0].exponent is None and regime is regimes[1]:
            parts.append(f"above, {subject} {power}")
        else:
            parts.append(f"from {_count(regime.begin)} on {power}")
    return "; ".join(parts)


def _count(estimate: Estimate | None) -> str:
    assert estimate is not None
    value, low, high = map(_rounded, (estimate.value, estimate.low, estimate.high))
    return f"{value} parameters [{low}, {high}]"


def _rounded(value: float) -> str:
    """Two digits are more than a break point is known to; the end of an interval may be beyond all networks."""
    return f"{float(f'{value:.2g}'):,.0f}" if value < MOST_WRITTEN_OUT else f"{value:.0e}"


def _title(row: Row, device: str) -> str:
    where = f"{row['threads']} thread{'s' * (row['threads'] > 1)}" if device == "cpu" else device
    return f"{row['peer'] + ', ' if row.get('peer') else ''}{row['phase']}, batch {row['batch']}, {where}"


def _simple_model(group: Group, field: str) -> dict[str, Any] | None:
    """2 N D or 6 N D beside what was counted, or, at the rate of the largest network, beside what was measured."""
    if field == "bytes_min":
        return None
    name, factor = SIMPLE[group[0]["phase"]]
    flops = [factor * row["params"] * row.get("tokens", row["batch"]) for row in group]
    largest = max(range(len(group)), key=lambda index: group[index]["params"])
    rate = 1.0 if field == "flops" else flops[largest] / group[largest][field]
    return {
        "name": name,
        "flops_per_s": None if field == "flops" else rate,
        "errors": [
            {"name": row["name"], "params": row["params"], "error": count / rate / row[field] - 1}
            for row, count in zip(group, flops, strict=True)
        ],
    }
