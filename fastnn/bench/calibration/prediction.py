"""What `fastnn predict --sizes` does: the cost and the time of networks that never ran, by the model of a machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from fastnn import cost
from fastnn.bench.calibration import kept
from fastnn.bench.calibration.command import measured
from fastnn.bench.calibration.layered import MOST_MACS
from fastnn.bench.calibration.networks import MOST_BATCH, MOST_PARAMETERS
from fastnn.bench.command import DEFAULT_BATCH, hand_out, result_files, thread_counts
from fastnn.bench.ladder import parse
from fastnn.bench.rung import Rung
from fastnn.bench.table import console, si
from fastnn.simd import machine
from fastnn.simd.host import UNIT
from fastnn.study.layered import LayeredCall
from fastnn.study.machine_model import MachineModel, Prediction
from fastnn.study.work import Call

SCHEMA = "fastnn-predict/1"
DEFAULT_DTYPE = "float32"
PHASES = "forward", "step"
# What one call in ten, timed again, is off by on a machine that is called restless.
RESTLESS = 0.25


@dataclass(frozen=True)
class Predicted:
    """A network at a batch, on so many threads, called from Python: of relu layers, trained with sgd, or of other
    layers, with the optimizer of its family.

    macs, flops, bytes: of a forward pass; step_: of a training step. memory: bytes of parameters, gradient and the
    values and gradients of a batch. beyond: larger than what the machine was measured with.
    """

    name: str
    sizes: tuple[int, ...]
    batch: int
    threads: int
    dtype: str
    params: int
    macs: int
    flops: int
    bytes: int
    step_macs: int
    step_flops: int
    step_bytes: int
    memory: int
    beyond: bool
    forward_s: Prediction
    step_s: Prediction


def run_predict_sizes(
    sizes: Sequence[str], batches: Sequence[int], threads: Sequence[int], dtype: str | None,
    machine_file: Path | None, json_file: str | None,
) -> None:  # fmt: skip
    """click.UsageError: sizes that are none, a file that is no machine, threads or numbers that were not measured."""
    try:
        files = result_files(json_file, None)
        rungs = [parse(text) for text in sizes]
        document = kept.read(machine_file) if machine_file else _measured_here(dtype or DEFAULT_DTYPE, threads)
        model = _model(document, dtype)
        most = max(count for _, count in model.errors)
        cases = product(rungs, batches or [DEFAULT_BATCH], threads or sorted({1, most}))
        found = [predict(document, model, *case) for case in cases]
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    about = {"cpu": document["machine"].get("cpu"), "date": document["date"], "dtype": model.dtype}
    answer = {"schema": SCHEMA, "machine": about, "networks": [asdict(each) for each in found]}
    if hand_out(answer, json_file, files):
        return
    people = console(sys.stdout)
    people.print(_table(found))
    where = f"{about['cpu'] or 'a machine'} at {about['date']}"
    told = " and ".join(dict.fromkeys(_told(rung) for rung in rungs))
    people.print(f"by what networks of all shapes took on {where} ({model.dtype}, {told})")
    people.print("in brackets where nine in ten of the networks were that the model had not seen")
    if (again := document.get("restless", kept.CALM)["nine_in_ten"]) > RESTLESS:
        people.print(f"a restless machine: the same call timed again, within minutes, was {again:.0%} or more off one "
                     "time in ten")  # fmt: skip
    if machine_file is None and any(each.threads > 1 for each in found) and (moved := cores_moved(document)):
        people.print(moved)
    if any(each.beyond for each in found):
        people.print("* larger than the networks that were measured: the interval may not hold")
    for file in files:
        people.print(f"written: {file}")


def _measured_here(dtype: str, threads: Sequence[int]) -> dict[str, Any]:
    """ValueError, before it takes a minute: threads that are not measured."""
    known = thread_counts(())
    if unknown := sorted(set(threads) - set(known)):
        raise ValueError(f"--threads is {unknown[0]}; this machine is measured with {', '.join(map(str, known))}")
    return measured(dtype, "fast")


def _model(document: Mapping[str, Any], dtype: str | None) -> MachineModel:
    """ValueError: of other vectors or another version, whose work is counted otherwise, or of other numbers."""
    unit = document["machine"].get("vector_unit")
    if unit != UNIT.name:
        raise ValueError(f"the machine was measured with {unit} vectors, and this one has {UNIT.name}: predict there")
    if document["identity"].get("counting") != kept.counting():
        raise ValueError("the machine was measured by another version of fastnn: measure it again with this one")
    model = kept.model(document)
    if dtype not in (None, model.dtype):
        raise ValueError(f"--dtype is {dtype}; the machine was measured in {model.dtype}")
    return model


def _told(rung: Rung) -> str:
    """Of what its times were measured."""
    if rung.sizes:
        return "sgd, relu"
    family = rung.layered.family
    return f"{family.title} with {family.optimizer}"


def predict(document: Mapping[str, Any], model: MachineModel, rung: Rung, batch: int, threads: int) -> Predicted:
    """model: that of the document. ValueError: a number of threads, or a kind of networks, that was not measured."""
    itemsize = np.dtype(model.dtype).itemsize
    if rung.sizes:
        step = cost.multilayer_perceptron(rung.sizes, batch, itemsize=itemsize)
        forward_s, step_s = (model.predict(Call(rung.sizes, batch, threads, phase, itemsize)) for phase in PHASES)
        beyond = rung.params > MOST_PARAMETERS or batch > MOST_BATCH
    else:
        network, family = rung.layered, rung.layered.family
        own = kept.layered_of(document, family)
        step = cost.step_cost(network.graph, "cross_entropy", family.optimizer, batch, itemsize)
        calls = (LayeredCall(network, batch, threads, phase, itemsize) for phase in PHASES)
        forward_s, step_s = (own.predict(call, model) for call in calls)
        beyond = step.total.macs > MOST_MACS
    forward, total = step.forward, step.total
    return Predicted(
        name=rung.name, sizes=rung.sizes, batch=batch, threads=threads, dtype=model.dtype, params=rung.params,
        macs=forward.macs, flops=forward.flops, bytes=forward.bytes,
        step_macs=total.macs, step_flops=total.flops, step_bytes=total.bytes,
        memory=2 * itemsize * (rung.params + batch * rung.numbers),
        beyond=beyond, forward_s=forward_s, step_s=step_s,
    )  # fmt: skip


def cores_moved(document: Mapping[str, Any], now: float | None = None) -> str | None:
    """What to say where cores are not as far apart as when the machine was measured."""
    then, now = machine.handover_of(document["ceilings"]), now or machine.handover_time()
    if then is None or now is None or not machine.has_moved(then, now):
        return None
    return (
        f"a word between cores takes {si(now, 's')} there and back, and took {si(then, 's')}: what several threads "
        "take is for then; `fastnn machine --anew` measures now"
    )


def _table(found: Sequence[Predicted]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("network", no_wrap=True)
    for heading in ("params", "batch", "thr", "memory", "FLOPs", "forward", "FLOPs", "step", "GFLOP/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in found:
        counts = si(each.params), str(each.batch), str(each.threads), si(each.memory, "B")
        times = si(each.flops), _time(each.forward_s), si(each.step_flops), _time(each.step_s)
        rate = f"{each.step_flops / each.step_s.median / 1e9:.3g}"
        table.add_row(f"{each.name}{' *' * each.beyond}", *counts, *times, rate)
    return table


def _time(predicted: Prediction) -> str:
    return f"{si(predicted.median, 's')} [{si(predicted.low, 's')}, {si(predicted.high, 's')}]"
