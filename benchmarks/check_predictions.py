"""How good predictions are, on this machine: python benchmarks/check_predictions.py [--layers] --json FILE.json

Of each rung of the ladder, by what `fastnn machine` measured of all other networks; and of ten networks that it did not
measure, deep and narrow, wide and shallow, of odd sizes, timed now. Both stand beside their predictions, with the share
of intervals that held. On several threads a prediction is for cores as far apart as they were: a virtual machine's may
move, and the time of a word between them tells.

--layers: in their place the networks of `fastnn bench --models images`, sequences and gpt, none of which `fastnn
machine` measures, and others that are drawn as its own are, from another seed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from fastnn.bench import results
from fastnn.bench.calibration import kept
from fastnn.bench.calibration.command import measured, restless_in_words
from fastnn.bench.calibration.layered import MOST_MACS, Case, cases_of, observe_layered, step_macs
from fastnn.bench.calibration.networks import observe
from fastnn.bench.command import thread_counts
from fastnn.bench.ladder import LADDER, name_of, parse, select
from fastnn.bench.progress import progress
from fastnn.bench.table import console, si
from fastnn.simd import machine
from fastnn.study.layered import FAMILIES
from fastnn.study.layered_model import Observed
from fastnn.study.machine_model import Errors, MachineModel, Observation, errors_left_out, later_interval
from fastnn.study.work import Call

SCHEMA = "fastnn-predictions/1"
NETWORKS = (
    "32-16x12-10", "64-48x8-10", "256-256x4-256", "784-3000-10", "2048-1500-100", "333-177-91-7", "100-129-65-33-17",
    "1000-500-250-125-10", "17-1001-13", "784-300-100-10",
)  # fmt: skip
BATCHES = 1, 8, 64, 512
SECONDS = 0.1
# Of `fastnn bench`, and of each kind that are drawn.
MODELS, DRAWN, OTHER_SEED = ("images", "sequences", "gpt"), 10, 1
LAYERED_BATCHES = 1, 8, 32, 128


@dataclass(frozen=True, slots=True)
class Checked:
    """error: log(measured / predicted). held: whether the interval did."""

    group: str
    name: str
    batch: int
    threads: int
    phase: str
    measured_s: float
    predicted_s: float
    error: float
    held: bool


def of_ladder(model: MachineModel, observations: Sequence[Observation]) -> list[Checked]:
    """Each rung by a fit that did not see it."""
    names = {rung.sizes: rung.name for rung in LADDER}
    errors = errors_left_out(observations, model.caches)
    return [
        _checked("ladder", names[each.call.sizes], model, model.errors, each, error)
        for each, error in zip(observations, errors, strict=True)
        if each.call.sizes in names
    ]


def of_others(model: MachineModel, observations: Sequence[Observation]) -> list[Checked]:
    """At the pace of their moment."""
    return [
        _checked("other", name_of(each.call.sizes), model, model.errors, each,
                 math.log(each.seconds * each.pace / model.pace / model.predict(each.call).median))
        for each in observations
    ]  # fmt: skip


def layered_cases() -> dict[Case, tuple[str, str]]:
    """The group and the name of each."""
    rungs = [(rung, models) for models in MODELS for rung in select(models=models)]
    found = {
        (rung.layered, batch): (models, rung.name) for rung, models in rungs for batch in LAYERED_BATCHES
    }  # fmt: skip
    for family in FAMILIES:
        drawn = cases_of(family, DRAWN, OTHER_SEED)
        found |= {case: (f"other {family.name}", f"{number}") for number, case in enumerate(drawn)}
    return {case: about for case, about in found.items() if step_macs(*case) <= MOST_MACS}


def of_layers(document: dict[str, Any], model: MachineModel, advance: Callable[[], object]) -> list[Checked]:
    """At the pace of their moment."""
    cases, found = layered_cases(), []
    own = {family: kept.layered_of(document, family) for family in FAMILIES}
    for case, (group, name) in cases.items():
        layered = own[case[0].family]
        for each in observe_layered([case], thread_counts(()), "float32", advance):
            predicted = layered.predict(each.call, model).median
            error = math.log(each.seconds * each.pace / model.pace / predicted)
            found.append(_checked(group, name, model, layered.errors, each, error))
    return found


def _checked(
    group: str, name: str, model: MachineModel, errors: Errors, observed: Observation | Observed, error: float
) -> Checked:  # fmt: skip
    call = observed.call
    low, high = later_interval(errors[call.phase, call.threads])
    seconds = observed.seconds * observed.pace / model.pace
    predicted = seconds / math.exp(error)
    return Checked(
        group, name, call.batch, call.threads, call.phase, seconds, predicted, error, low <= error <= high
    )  # fmt: skip


def observed(document: dict[str, Any]) -> list[Observation]:
    """What `fastnn machine` timed."""
    return [
        Observation(Call(**each["call"] | {"sizes": tuple(each["call"]["sizes"])}), each["seconds"], each["pace"])
        for each in document["observations"]
    ]


def summary(found: Sequence[Checked]) -> dict[str, float]:
    """Of errors as shares: |measured / predicted - 1|."""
    errors = np.abs(np.expm1([each.error for each in found]))
    within, held = errors <= 0.25, [each.held for each in found]
    return {
        "calls": len(found), "median": float(np.median(errors)), "nine_in_ten": float(np.quantile(errors, 0.9)),
        "within_25_percent": float(np.mean(within)), "intervals_held": float(np.mean(held)),
    }  # fmt: skip


def of_perceptrons(document: dict[str, Any], model: MachineModel) -> list[Checked]:
    """The ladder, and the ten."""
    cases = [(parse(name).sizes, batch) for name in NETWORKS for batch in BATCHES]
    with progress(len(cases)) as (_, advance):
        others = of_others(model, observe(cases, thread_counts(()), "float32", SECONDS, advance))
    return [*of_ladder(model, observed(document)), *others]


@click.command()
@click.option("--layers", is_flag=True, help="Convolutional networks, recurrent ones and language models.")
@click.option("--anew", is_flag=True, help="Measure the machine again first.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all of it here.")
def main(layers: bool, anew: bool, json_file: Path | None) -> None:
    document = measured("float32", "normal", anew)
    model = kept.model(document)
    apart = [machine.handover_of(document["ceilings"]), machine.handover_time()]
    if layers:
        with progress(len(layered_cases())) as (_, advance):
            found = of_layers(document, model, advance)
    else:
        found = of_perceptrons(document, model)
    apart.append(machine.handover_time())
    groups = {
        (group, phase, threads): [
            each for each in found if (each.group, each.phase, each.threads) == (group, phase, threads)
        ]
        for group, phase, threads in dict.fromkeys((each.group, each.phase, each.threads) for each in found)
    }
    summaries = [
        {"group": group, "phase": phase, "threads": threads, **summary(each)}
        for (group, phase, threads), each in groups.items()
    ]
    if json_file:
        about = {name: document.get(name) for name in ("machine", "date", "restless")}
        results.write(json_file, {
            "schema": SCHEMA, **about, "handover_s": apart, "all": summary(found), "summaries": summaries,
            "calls": [asdict(each) for each in found],
        })  # fmt: skip
    _show(found, summaries)
    if again := document.get("restless"):
        console(sys.stdout).print(restless_in_words(again))
    console(sys.stdout).print("a word between cores, there and back: " + ", ".join(
        f"{si(seconds, 's') if seconds else 'unknown'} {when}"
        for seconds, when in zip(apart, ("when the machine was measured", "before these", "after"), strict=True)
    ))  # fmt: skip


def _show(found: Sequence[Checked], summaries: Sequence[dict[str, Any]]) -> None:
    people = console(sys.stdout)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in ("networks", "phase", "threads", "calls", "median", "9 in 10", "within 25 %", "interval held"):
        table.add_column(heading, justify="left" if heading in ("networks", "phase") else "right")
    for each in [*summaries, {"group": "all", "phase": "", "threads": "", **summary(found)}]:
        table.add_row(each["group"], each["phase"], str(each["threads"]), str(each["calls"]), f"{each['median']:.1%}",
                      f"{each['nine_in_ten']:.0%}", f"{each['within_25_percent']:.0%}",
                      f"{each['intervals_held']:.0%}")  # fmt: skip
    people.print(table)
    for each in sorted(found, key=lambda each: -abs(each.error))[:8]:
        people.print(f"{each.group} {each.name}, batch {each.batch}, {each.threads} thread(s), {each.phase}: predicted "
                     f"{si(each.predicted_s, 's')}, took {si(each.measured_s, 's')}")  # fmt: skip


if __name__ == "__main__":
    main()
