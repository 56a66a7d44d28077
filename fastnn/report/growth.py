"""Cost against parameters: measured time with its law, and the exact counts of FLOPs and bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from fastnn.bench.table import si
from fastnn.report.picture import Axis, Picture, Series, series_of
from fastnn.report.query import (
    PHASE_NAMES,
    name_of,
    phases,
    seconds,
    sentence,
    span,
    spread,
    threads_name,
    times,
    values,
    variant_choice,
    variants,
    where,
)
from fastnn.report.sources import Row, Run

PARAMETERS = Axis(title="parameters", log=True)
TIME = Axis(title="time of one call", unit="s", log=True)
# Name, field of a row, axis.
COUNTS = (
    ("FLOPs", "flops", Axis(title="FLOPs of one call", log=True)),
    ("bytes", "bytes_min", Axis(title="bytes that one call must move", unit="B", log=True)),
)
DASH_OF_RUN = ("solid", "dash", "dot", "dashdot")


def time_pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    """A picture a phase and number of threads; a series a run and batch."""
    rows = [row for run in runs for row in run.ours]
    for variant, phase, threads in product(variants(rows), phases(rows), values(rows, "threads")):
        found = where(rows, phase=phase, threads=threads, **variant)
        if found:
            measured, sentences = _times_of(runs, {"phase": phase, "threads": threads, **variant})
            yield Picture(
                family="time", title=f"Time of a {PHASE_NAMES[phase]}, {threads_name(threads)}",
                x=PARAMETERS, y=TIME, series=measured, words=tuple(sentences),
                choice=(("phase", PHASE_NAMES[phase]), ("threads", str(threads)), *variant_choice(variant, rows)),
            )  # fmt: skip


def _times_of(runs: Sequence[Run], wanted: dict[str, Any]) -> tuple[tuple[Series, ...], list[str]]:
    batches = values([row for run in runs for row in run.ours], "batch")
    drawn: list[Series] = []
    sentences = []
    for index, run in enumerate(runs):
        for colour, batch in enumerate(batches):
            found = where(run.ours, batch=batch, **wanted)
            if not found:
                continue
            label = f"{name_of(run, runs)}batch {batch}"
            fit = fit_of(run, "time", wanted | {"batch": batch, "peer": None, "device": run.device})
            look: dict[str, Any] = {"colour": colour, "dash": DASH_OF_RUN[index % 4], "hollow": index % 2 == 1}
            drawn.append(_measured(found, label, "points" if fit else "linked", look))
            if fit:
                drawn.append(law(fit, f"{label}, law", look))
            sentences.append(_told(label if len(runs) > 1 else sentence(label), found, fit))
    return tuple(drawn), sentences


def _measured(found: Sequence[Row], label: str, kind: str, look: Mapping[str, Any]) -> Series:
    return series_of(
        [(row["params"], row["median_s"], *spread(row), words_of(row)) for row in found], name=label, kind=kind, **look
    )


def words_of(row: Row) -> str:
    return (
        f"{row['name']}, {row['params']:,} parameters: {seconds(row['median_s'])} ± {seconds(row['iqr_s'] / 2)}, "
        f"{si(row['gflops'] * 1e9, 'FLOP/s')}, {row['peak_fraction']:.1%} of peak"
    )


def fit_of(run: Run, quantity: str, wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The law of these rows, where the document has one. A fit that does not say a field stands for all of it."""
    for fit in run.document["fits"]:
        told = fit.get("quantity") == quantity and fit.get("curve")
        if told and all(name not in fit or fit[name] == value for name, value in wanted.items()):
            return fit  # type: ignore[no-any-return]
    return None


def law(fit: Mapping[str, Any], label: str, look: Mapping[str, Any]) -> Series:
    """The curve of a fit and its band."""
    x, y, low, high = zip(*fit["curve"], strict=True)
    return Series(name=label, x=x, y=y, low=low, high=high, kind="line", **look)


def _told(label: str, found: Sequence[Row], fit: Mapping[str, Any] | None) -> str:
    least, most = span(found)
    if fit and fit.get("sentence"):
        return f"{label}: {fit['sentence']}"
    if least["params"] == most["params"]:
        return f"{label}: {seconds(least['median_s'])} for {least['name']}."
    grown, larger = most["median_s"] / least["median_s"], most["params"] / least["params"]
    return (
        f"{label}: from {seconds(least['median_s'])} for {least['name']} to {seconds(most['median_s'])} for "
        f"{most['name']}, {times(grown)} times the time for {times(larger)} times the parameters "
        f"(exponent {math.log(grown) / math.log(larger):.2f} from end to end)."
    )


def count_pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    """Exact counts, the same on every machine: a picture a quantity and phase, a series a batch."""
    rows = [row for run in runs for row in run.ours]
    for variant, (name, field, axis), phase in product(variants(rows), COUNTS, ("step", "forward")):
        found = where(rows, phase=phase, **variant)
        if found:
            drawn = []
            for colour, batch in enumerate(values(found, "batch")):
                drawn += _counted(runs, where(found, batch=batch), name, field, batch, colour)
            yield Picture(
                family="counts", title=f"{name} of a {PHASE_NAMES[phase]}", x=PARAMETERS, y=axis, series=tuple(drawn),
                words=_counts_told(found, name, field),
                choice=(("quantity", name), ("phase", PHASE_NAMES[phase]), *variant_choice(variant, rows)),
            )  # fmt: skip


def _counted(
    runs: Sequence[Run], found: Sequence[Row], name: str, field: str, batch: int, colour: int
) -> list[Series]:  # fmt: skip
    unit = "B" if field == "bytes_min" else ""
    once = {(row["params"], row["name"]): row for row in found}.values()
    points = [
        (row["params"], row[field], row[field], row[field], f"{row['name']}: {row[field]:,} {unit or name}")
        for row in once
    ]
    wanted = {name: found[0][name] for name in ("phase", "batch", "dtype", "optimizer")}
    fit = next((fit for run in runs if (fit := fit_of(run, name.lower(), wanted))), None)
    drawn = [series_of(points, name=f"batch {batch}", kind="points" if fit else "linked", colour=colour)]
    return drawn + ([law(fit, f"batch {batch}, law", {"colour": colour})] if fit else [])


def _counts_told(found: Sequence[Row], name: str, field: str) -> tuple[str, ...]:
    told, unit = [], "B" if field == "bytes_min" else ""
    for batch in values(found, "batch"):
        least, most = span(where(found, batch=batch))
        each = [f"{si(float(row[field]), unit)} for {row['name']}" for row in (least, most)]
        rate = most[field] / batch / most["params"]
        told.append(f"Batch {batch}: {each[0]}, {each[1]}; there {rate:.2f} {name} a parameter and row.")
    return tuple(told)
