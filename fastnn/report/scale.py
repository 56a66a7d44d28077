"""Measured networks and published models on one axis, from 26 parameters to 1.8 trillion: time for one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastnn.bench.calibration.predict import default_rows
from fastnn.bench.table import si
from fastnn.paper.estimate import BACKWARD, UTILISATION, estimate
from fastnn.paper.models import Model, hardware, hardware_names, model, model_names
from fastnn.report.growth import PARAMETERS
from fastnn.report.origin import bandwidth
from fastnn.report.picture import Axis, Picture, Series, series_of
from fastnn.report.query import PHASE_NAMES, name_of, seconds, span, values, where
from fastnn.report.sources import Row, Run

__all__ = ["UTILISATION", "devices", "pictures", "pace"]

TIME_OF_ROW = Axis(title="time for one row", unit="s", log=True)
# Those whose names stand beside their points: the rest would cover one another.
TAGGED = ("lenet-5", "alexnet", "gpt2", "gpt2-xl", "llama-3-8b", "llama-3-70b", "gpt3", "gpt4")


def devices(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """What the models may run on: each machine that was measured, on all its threads, and published hardware."""
    published = [
        {
            "name": name, "title": f"{name}, {si(chip.flops_per_s, 'FLOP/s')} {chip.number}",
            "flops_per_s": chip.flops_per_s, "bytes_per_s": chip.bytes_per_s,
        }
        for name in hardware_names() for chip in [hardware(name)]
    ]  # fmt: skip
    measured = []
    for run in runs:
        if run.context["ceilings"]:
            best = max(run.context["ceilings"], key=lambda each: each["flops_per_s"])
            title = f"this machine{f' ({run.label})' if len(runs) > 1 else ''}"
            measured.append({
                "name": run.label, "title": f"{title}, {si(best['flops_per_s'], 'FLOP/s')} {best['dtype']}, measured",
                "flops_per_s": best["flops_per_s"], "bytes_per_s": bandwidth(best, list(best["bandwidth"])[-1]),
            })  # fmt: skip
    return [*measured, *published]


def pace(work: float, moved: float, device: dict[str, Any], utilisation: float) -> float:
    """Seconds: as fastnn.paper.estimate, and as the page's script does when its slider moves."""
    return float(max(work / (device["flops_per_s"] * utilisation), moved / device["bytes_per_s"]))


def pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    """A picture of the training step, and one of the forward pass."""
    device = devices(runs)[0]
    for phase in ("step", "forward"):
        measured = [_measured(run, phase, index, runs) for index, run in enumerate(runs)]
        drawn = [series for series in measured if series.x]
        if drawn:
            kinds = (True, False), (False, False), (True, True)
            paper = [_paper(phase, *kind, device, len(runs) + index) for index, kind in enumerate(kinds)]
            yield Picture(
                family="scale", title=f"Time of a {PHASE_NAMES[phase]} for one row, measured and on paper",
                x=PARAMETERS, y=TIME_OF_ROW, series=(_rule(phase, device, drawn), *drawn, *paper),
                words=_told(runs, phase), choice=(("phase", PHASE_NAMES[phase]),),
            )  # fmt: skip


def _measured(run: Run, phase: str, colour: int, runs: Sequence[Run]) -> Series:
    points = []
    for row in _best(run, phase):
        time = row["median_s"] / row["batch"]
        half = row["iqr_s"] / row["batch"] / 2
        about = f"{row['name']}: {seconds(time)} a row at batch {row['batch']}, {row['threads']} thr, {row['dtype']}"
        points.append((row["params"], time, max(time - half, time / 2), time + half, about))
    return series_of(points, name=f"{name_of(run, runs)}measured", colour=colour)


def _best(run: Run, phase: str) -> list[Row]:
    """The row of each size with the least time for a row of its batch."""
    rows = where(run.ours, phase=phase)
    return [
        min(where(rows, params=params), key=lambda row: row["median_s"] / row["batch"])
        for params in values(rows, "params")
    ]


def _paper(phase: str, tokens: bool, estimated: bool, device: dict[str, Any], colour: int) -> Series:
    points = []
    for name in model_names():
        shape = model(name)
        if shape.takes_tokens == tokens and shape.estimate == estimated:
            points.append((shape, *_row_costs(shape, phase)))
    points.sort(key=lambda point: point[0].parameters)
    times = tuple(pace(work, moved, device, UTILISATION) for _, work, moved in points)
    label = "estimates, a token" if estimated else f"published models, {'a token' if tokens else 'an image'}"
    return Series(
        name=label, x=tuple(float(shape.parameters) for shape, _, _ in points), y=times, colour=colour,
        hollow=estimated, about=tuple(_words_of(shape, work) for shape, work, _ in points),
        tags=tuple(shape.name if shape.name in TAGGED else "" for shape, _, _ in points),
        work=tuple(work for _, work, _ in points), moved=tuple(moved for _, _, moved in points),
    )  # fmt: skip


def _words_of(shape: Model, work: float) -> str:
    active = f", {shape.active_parameters:,} of them active" * (shape.active_parameters < shape.parameters)
    return f"{shape.name}, {shape.parameters:,} parameters{active}: {si(work, 'FLOP')} a row"


def _row_costs(shape: Model, phase: str) -> tuple[float, float]:
    """FLOPs and bytes of weights for one token of a full context, or one image."""
    rows = default_rows(shape)
    found = estimate(shape, rows)
    return (found.step_flops if phase == "step" else found.flops) / rows, found.bytes / rows


def _rule(phase: str, device: dict[str, Any], drawn: Sequence[Series]) -> Series:
    """2 N FLOPs forward, and twice as many backward."""
    factor = 2 * (1 + BACKWARD) if phase == "step" else 2
    x = (min(series.x[0] for series in drawn), 1.8e12)
    work = tuple(factor * each for each in x)
    y = tuple(pace(each, 0.0, device, UTILISATION) for each in work)
    return Series(
        name=f"{factor} N FLOPs", x=x, y=y, kind="line", colour=-1, dash="dash", faint=True, work=work, moved=(0.0, 0.0)
    )


def _told(runs: Sequence[Run], phase: str) -> tuple[str, ...]:
    told = []
    for run in runs:
        rows = _best(run, phase)
        if rows:
            least, most = span(rows, "peak_fraction")
            small, large = span(rows)
            ends = [f"{seconds(row['median_s'] / row['batch'])} a row for {row['name']}" for row in (small, large)]
            told.append(
                f"{name_of(run, runs) or 'Measured '}from {ends[0]} to {ends[1]}, at {least['peak_fraction']:.2%} to "
                f"{most['peak_fraction']:.0%} of the measured peak."
            )
    return tuple(told)
