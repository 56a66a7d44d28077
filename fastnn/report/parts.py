"""Where a training step goes: measured against its floor and against a step inside an epoch, and counted exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

from fastnn.bench.architecture import counts_of
from fastnn.bench.table import si
from fastnn.report.picture import Axis, Picture, Series
from fastnn.report.query import run_choice, seconds, threads_name, values, variant_choice, variants, where
from fastnn.report.sources import Row, Run

SHARE = Axis(title="share of the step", percent=True)
NETWORK = Axis(title="")

# Rows of one network, batch and number of threads, by phase.
Case = Mapping[str, Row]
Parts = dict[str, float]


def by_caller(case: Case) -> Parts:
    """A step called from Python, in seconds: what no kernel can save, the kernels' rest, the interpreter's part."""
    step, inside = case["step"]["median_s"], min(case["epoch"]["median_s"], case["step"]["median_s"])
    floor = min(case["epoch"]["floor_s"], inside)
    above, call = inside - floor, step - inside
    return {"floor of FLOPs and bytes": floor, "kernels above the floor": above, "call from Python": call}


def by_pass(case: Case) -> Parts:
    """Both called from Python, in seconds."""
    forward = min(case["forward"]["median_s"], case["step"]["median_s"])
    return {"forward pass": forward, "loss, backward, update": case["step"]["median_s"] - forward}


def by_flops(case: Case) -> Parts:
    return _by_phase(case, "flops")


def by_bytes(case: Case) -> Parts:
    return _by_phase(case, "bytes")


def _by_phase(case: Case, name: str) -> Parts:
    """Exact counts; none where the row says nothing of its network."""
    counts = counts_of(case["step"]) or {}
    return {phase: counted[name] for phase, counted in counts.items()}


# Name of the split, the phases it needs, how a part is written, the split.
SPLITS: tuple[tuple[str, tuple[str, ...], Callable[[float], str], Callable[[Case], Parts]], ...] = (
    ("time: floor, kernels, call", ("step", "epoch"), seconds, by_caller),
    ("time: forward and rest", ("step", "forward"), seconds, by_pass),
    ("FLOPs", ("step",), lambda part: si(float(part), "FLOP"), by_flops),
    ("bytes", ("step",), lambda part: si(float(part), "B"), by_bytes),
)


def pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    """A picture a split, batch and number of threads; a bar a network."""
    for run, (split, needs, write, parts_of) in product(runs, SPLITS):
        rows = run.ours
        for variant, batch, threads in product(variants(rows), values(rows, "batch"), values(rows, "threads")):
            cases = _cases(where(rows, batch=batch, threads=threads, **variant), needs)
            found = {name: parts for name, case in cases.items() if (parts := parts_of(case))}
            if found:
                told = (("split", split), ("batch", str(batch)), ("threads", str(threads)))
                yield Picture(
                    family="parts", title=f"Parts of a training step, {split}, batch {batch}, {threads_name(threads)}",
                    x=SHARE, y=NETWORK, series=tuple(_bars(found, write)), words=_told(found, write),
                    categories=tuple(found), choice=(*told, *run_choice(run, runs), *variant_choice(variant, rows)),
                )  # fmt: skip


def _cases(rows: Sequence[Row], needs: Sequence[str]) -> dict[str, Case]:
    """By the network's name, smallest first; those that have all phases."""
    found: dict[str, dict[str, Row]] = {}
    for row in sorted(rows, key=lambda row: row["params"]):
        found.setdefault(row["name"], {})[row["phase"]] = row
    return {name: case for name, case in found.items() if all(phase in case for phase in needs)}


def _bars(found: Mapping[str, Parts], write: Callable[[float], str]) -> Iterator[Series]:
    for colour, part in enumerate(next(iter(found.values()))):
        yield Series(
            name=part, x=tuple(parts[part] / sum(parts.values()) for parts in found.values()),
            y=tuple(float(place) for place in range(len(found))), kind="bar", colour=colour,
            about=tuple(
                f"{write(parts[part])} of {write(sum(parts.values()))}, {parts[part] / sum(parts.values()):.1%}"
                for parts in found.values()
            ),
        )  # fmt: skip


def _told(found: Mapping[str, Parts], write: Callable[[float], str]) -> tuple[str, ...]:
    ends = list(dict.fromkeys([next(iter(found)), list(found)[-1]]))
    return tuple(
        f"{name}: {write(sum(found[name].values()))}; of it "
        + ", ".join(f"{part} {value / sum(found[name].values()):.1%}" for part, value in found[name].items()) + "."
        for name in ends
    )  # fmt: skip
