"""CPU and GPU on one picture, and the size at which the GPU begins to win."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from fastnn.report.growth import PARAMETERS, TIME, words_of
from fastnn.report.picture import Picture, Series, series_of
from fastnn.report.query import PHASE_NAMES, phases, seconds, spread, times, values, variant_choice, variants, where
from fastnn.report.sources import Row, Run

CPU, GPU = "cpu", "cuda"


def pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    """A picture a phase and batch that were measured on both."""
    by_device = {device: [row for run in runs if run.device == device for row in run.ours] for device in (CPU, GPU)}
    both = by_device[CPU] + by_device[GPU]
    for variant, phase, batch in product(variants(both), phases(both), values(both, "batch")):
        found = {
            device: fastest(where(rows, phase=phase, batch=batch, **variant)) for device, rows in by_device.items()
        }
        if found[CPU] and found[GPU]:
            begins = crossing(found[CPU], found[GPU])
            drawn = [_series(found[CPU], "CPU, its best number of threads", 0), _series(found[GPU], "GPU", 1)]
            yield Picture(
                family="devices", title=f"{PHASE_NAMES[phase].capitalize()} on CPU and GPU, batch {batch}",
                x=PARAMETERS, y=TIME, series=(*drawn, *_border(begins, drawn)), words=_told(found, begins),
                choice=(("phase", PHASE_NAMES[phase]), ("batch", str(batch)), *variant_choice(variant, both)),
            )  # fmt: skip


def fastest(rows: Sequence[Row]) -> dict[int, Row]:
    """The least time of each number of parameters, whatever the threads and the run."""
    return {
        params: min(where(rows, params=params), key=lambda row: row["median_s"]) for params in values(rows, "params")
    }


def crossing(cpu: Mapping[int, Row], gpu: Mapping[int, Row]) -> float | None:
    """Parameters from which the GPU takes less time at all sizes that both have, between two of them on straight lines
    in logarithms. None: not at the largest size; the least size: at every one."""
    shared = sorted(cpu.keys() & gpu.keys())
    leads = [math.log(cpu[size]["median_s"] / gpu[size]["median_s"]) for size in shared]
    if not leads or leads[-1] <= 0:
        return None
    last = max((index for index, lead in enumerate(leads) if lead <= 0), default=-1)
    if last < 0:
        return float(shared[0])
    below, above = math.log(shared[last]), math.log(shared[last + 1])
    return math.exp(below + (above - below) * -leads[last] / (leads[last + 1] - leads[last]))


def _series(found: Mapping[int, Row], label: str, colour: int) -> Series:
    points = [(float(params), row["median_s"], *spread(row), words_of(row)) for params, row in found.items()]
    return series_of(points, name=label, kind="linked", colour=colour)


def _border(begins: float | None, drawn: Sequence[Series]) -> list[Series]:
    if begins is None:
        return []
    known = [time for series in drawn for time in series.y]
    return [
        Series(
            name="the GPU begins to win", x=(begins, begins), y=(min(known), max(known)), kind="line", colour=-1,
            dash="dash", faint=True,
        )
    ]  # fmt: skip


def _told(found: Mapping[str, Mapping[int, Row]], begins: float | None) -> tuple[str, ...]:
    shared = sorted(found[CPU].keys() & found[GPU].keys())
    if not shared:
        return ("No size was measured on both.",)
    ends = [
        f"{found[CPU][size]['name']} takes {seconds(found[CPU][size]['median_s'])} on the CPU and "
        f"{seconds(found[GPU][size]['median_s'])} on the GPU"
        for size in dict.fromkeys((shared[0], shared[-1]))
    ]
    wins = "The CPU is the faster one at the largest size." if begins is None else (
        "The GPU is the faster one at every size." if begins == shared[0]
        else f"The GPU begins to win at about {times(begins)} parameters."
    )  # fmt: skip
    return (wins, f"{'; '.join(ends)}.")
