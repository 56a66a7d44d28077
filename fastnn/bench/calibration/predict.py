"""What `fastnn predict` does between its options and the estimates."""

from __future__ import annotations

import sys

import click
from rich.table import Table

from fastnn.bench.calibration.command import measured
from fastnn.bench.command import hand_out, result_files
from fastnn.bench.table import console, si
from fastnn.paper.estimate import Estimate, Interval, devices_needed, estimate
from fastnn.paper.models import Hardware, Model, hardware, model, model_names
from fastnn.paper.transformer import Transformer

SCHEMA = "fastnn-predict/1"
# Hardware by this name is the machine that the command runs on.
THIS = "this"
DAY = 86_400.0


def run_predict(
    names: tuple[str, ...], rows: int | None, device: str | None, devices: int | None, utilisation: float,
    json_file: str | None,
) -> None:  # fmt: skip
    """click.UsageError: a model or hardware that is not known or cannot be."""
    try:
        files = result_files(json_file, None)
        chip = None if device is None else this_machine() if device == THIS else hardware(device)
        found = []
        for name in names or model_names():
            shape = model(name)
            count = rows or default_rows(shape)
            if not names and isinstance(shape.shape, Transformer):
                count = min(count, shape.shape.context)
            needed = devices_needed(estimate(shape, count), chip, training=False) if chip else 1
            found.append((shape, estimate(shape, count, chip, devices or needed, utilisation), devices or needed))
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from error
    document = {
        "schema": SCHEMA, "hardware": chip and chip.name, "utilisation": utilisation,
        "models": [
            {
                "name": shape.name, "source": shape.source, "devices": count if chip else None,
                "devices_to_train": devices_needed(about, chip, training=True) if chip else None, **about.as_dict(),
            }
            for shape, about, count in found
        ],
    }  # fmt: skip
    if hand_out(document, json_file, files):
        return
    people = console(sys.stdout)
    people.print(_table(found, chip))
    for line in _notes(found, chip, utilisation):
        people.print(line)
    for file in files:
        people.print(f"written: {file}")


def this_machine() -> Hardware:
    """This machine's measured peak of all threads, in float32, the bandwidth of its memory, and its size."""
    document = measured("float32", "fast")
    most = document["ceilings"][-1]
    rates = most["bandwidth"]["DRAM"]
    fastest = max(rate for name, rate in rates.items() if name != "bytes")
    return Hardware(
        name="this machine", flops_per_s=most["flops_per_s"], memory=document["machine"]["memory"], bytes_per_s=fastest,
        number="float32, measured", source=str(document["machine"]["cpu"]),
    )  # fmt: skip


def default_rows(shape: Model) -> int:
    """A full context of tokens, or one image."""
    if isinstance(shape.shape, Transformer):
        return shape.shape.context
    return 2048 if shape.takes_tokens else 1


Found = list[tuple[Model, Estimate, int]]


def _table(found: Found, chip: Hardware | None) -> Table:
    """A line a model: what it is and costs, or with hardware how long it takes there."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("model", no_wrap=True)
    counts = ("parameters", "rows", "forward", "training", "6ND", "weights", "with Adam")
    times = ("parameters", "weights", "devices", "rows", "forward", "training", "to train")
    for heading in times if chip else counts:
        table.add_column(heading, justify="right", no_wrap=True)
    for shape, about, count in found:
        name, params, rows = f"{shape.name}{' *' if shape.estimate else ''}", f"{about.params:,}", f"{about.rows:,}"
        weights = si(float(about.weight_bytes), "B")
        if chip:
            held_by = f"{devices_needed(about, chip, training=True):,}"
            cells = [params, weights, f"{count:,}", rows, _time(about.forward_s), _time(about.training_s), held_by]
        else:
            held = about.weight_bytes + about.gradient_bytes + about.optimizer_bytes
            forward = si(float(about.flops), "FLOP")
            training = [_flops(about.training_flops), _flops(about.six_n_d)]
            cells = [params, rows, forward, *training, weights, si(float(held), "B")]
        table.add_row(name, *cells)
    return table


def _flops(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _time(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    if interval.median < DAY:
        return f"{si(interval.median, 's')} [{si(interval.low, 's')}, {si(interval.high, 's')}]"
    return f"{interval.median / DAY:,.0f} [{interval.low / DAY:,.0f}, {interval.high / DAY:,.0f}] days"


def _notes(found: Found, chip: Hardware | None, utilisation: float) -> list[str]:
    notes = [
        "rows: tokens of one sequence, or images. FLOPs are 2 x multiply-adds; training is three forward passes a row"
    ]
    for shape, about, _ in found:
        if shape.estimate:
            active = f"{about.active_params:,} of {about.params:,} parameters active"
            notes.append(f"* {shape.name} is an estimate, {active}: {shape.source}")
    if chip:
        notes.append(
            f"{chip.name}: {si(chip.flops_per_s, 'FLOP/s')} {chip.number}, {si(chip.memory, 'B')} a device; times at "
            f"{utilisation:.0%} of peak, in brackets at 55 % and 20 %, as published runs reach; to train: "
            "as many devices as hold gradients and optimizer too"
        )
    return notes
