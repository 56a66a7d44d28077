"""What `fastnn machine` does: measures this machine, or shows what is kept of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
import numpy as np

from fastnn.bench.calibration import kept
from fastnn.bench.calibration.layered import COUNTS, cases_of, observe_layered
from fastnn.bench.calibration.networks import EFFORTS, networks, observe
from fastnn.bench.command import hand_out, result_files, thread_counts
from fastnn.bench.compiling import announced
from fastnn.bench.progress import progress, say
from fastnn.bench.run import CEILING_SECONDS
from fastnn.bench.table import ceilings_table, console
from fastnn.compiler.jit import DISABLED, threading_layer
from fastnn.edge.options import INTERRUPTED
from fastnn.simd import machine
from fastnn.simd.caches import sane_caches
from fastnn.study.layered import FAMILIES
from fastnn.study.layered_model import fit_layered
from fastnn.study.machine_model import fit, restlessness

PHASES = {"forward": "forward pass", "step": "training step"}


def run_machine(dtype: str, fast: bool, anew: bool, json_file: str | None) -> None:
    """click.UsageError: a file that cannot be written, or kernels that are not compiled."""
    try:
        files = result_files(json_file, None)
        document = measured(dtype, "fast" if fast else "normal", anew)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if hand_out(document, json_file, files):
        return
    _show(document)
    for file in files:
        say(f"written: {file}")


def measured(dtype: str, effort: str = "normal", anew: bool = False) -> dict[str, Any]:
    """What is kept of this machine, or, after a minute, what was measured and is kept from now on.

    ValueError: kernels are not compiled. SystemExit where the user interrupts.
    """
    if DISABLED:
        raise ValueError("NUMBA_DISABLE_JIT=1 runs plain Python, of which there is nothing to measure: unset it")
    found = None if anew else kept.kept(dtype)
    if found is None:
        try:
            found = _measure(dtype, effort)
        except KeyboardInterrupt:
            say("interrupted; nothing is kept")
            sys.exit(INTERRUPTED)
        kept.keep(found, dtype)
    return found


def _measure(dtype: str, effort: str) -> dict[str, Any]:
    threads = thread_counts(())
    count, seconds = EFFORTS[effort]
    cases, layered = networks(count), {family: cases_of(family, COUNTS[effort][family.name]) for family in FAMILIES}
    once = "once" if kept.file_for(dtype) else "and no cache directory keeps that for the next time"
    whole = len(cases) + sum(map(len, layered.values()))
    say(f"measuring this machine and {whole} networks on it, {once} ...")
    with announced(say), progress(whole) as (_, advance):
        ceilings = machine.measure_each(threads, dtype, CEILING_SECONDS[effort])
        observations = observe(cases, threads, dtype, seconds, advance)
        observed = {family: observe_layered(each, threads, dtype, advance) for family, each in layered.items()}
    model = fit(observations, list(sane_caches().values()), dtype)
    return {
        "schema": kept.SCHEMA,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "effort": effort,
        "identity": kept.identity(),
        "machine": machine.description() | {"threading_layer": threading_layer()},
        "ceilings": [each.as_dict() for each in ceilings.values()],
        "model": model.as_dict(),
        **{family.name: fit_layered(each, model, family).as_dict() for family, each in observed.items()},
        "restless": restlessness(observations),
        "observations": [asdict(each) for each in observations],
        **{f"observations_of_{family.name}": [each.as_dict() for each in seen] for family, seen in observed.items()},
    }


def _show(document: Mapping[str, Any]) -> None:
    people = console(sys.stdout)
    for name, value in document["machine"].items():
        people.print(f"{name.replace('_', ' ')}: {_in_words(name, value)}")
    people.print()
    people.print(ceilings_table(document["ceilings"]))
    people.print()
    for line in _about_model(kept.model(document).errors, "networks"):
        people.print(line)
    for family in FAMILIES:
        if family.name in document:
            for line in _about_model(kept.layered_of(document, family).errors, family.title):
                people.print(line)
    if again := document.get("restless"):
        people.print(restless_in_words(again))
    people.print(f"measured {document['date']}; `fastnn machine --anew` measures again")


def _about_model(errors: Mapping[tuple[str, int], Any], of_what: str) -> list[str]:
    """How far its predictions were off, of networks that the fit had not seen."""
    return [
        f"predicting a {PHASES[phase]} of {of_what} on {threads} thread{'s' * (threads > 1)}: "
        f"{np.median(np.abs(each)):.1%} off in the median, {np.quantile(np.abs(each), 0.9):.0%} or less nine times in "
        f"ten; {len(each)} calls, each left out"
        for (phase, threads), each in errors.items()
    ]


def restless_in_words(again: Mapping[str, float]) -> str:
    """again: shares, as fastnn.study.machine_model.restlessness gives them."""
    return (
        f"the same call timed again, within minutes: {again['median']:.1%} off in the median, "
        f"{again['nine_in_ten']:.0%} or less nine times in ten"
    )


def _in_words(name: str, value: Any) -> str:
    if name == "caches":
        return ", ".join(f"{level} {_in_words('memory', size)}" for level, size in value.items())
    if value is None:
        return "unknown"
    if name != "memory":
        return str(value)
    return f"{value / 2**10:,.0f} KiB" if value < 2**20 else f"{value / 2**20:,.0f} MiB"
