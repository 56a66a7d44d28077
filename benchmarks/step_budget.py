"""Where each microsecond of a training step goes: python benchmarks/step_budget.py --markdown benchmarks/step_budget.md

The parts of a step (see budget/parts.py) are timed as kernels on their own: in the order of the step, by a clock that
is read between them, and warm, each again and again. Beside their sum stands the whole step, in nopython code and from
Python. The rest, which is the walker and its calls, is below zero where the step fuses what here is apart.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from budget.parts import INPUTS, KIND, LAYER, OUTPUTS, PARTS, UPDATE, Step
from comparison.ours import repeated
from comparison.run import pinned
from rich.table import Table

from fastnn.bench.case import Case
from fastnn.bench.ladder import parse
from fastnn.bench.measuring import Budget, Run, measure
from fastnn.bench.table import console, si
from fastnn.edge.atomic import write_atomically
from fastnn.learning import training
from fastnn.simd.machine import thread_limit

NETWORKS = ("3-4-2", "64-16-10", "784-128-10", "784-2048x3-10")
BATCH = 32
HEADINGS = ("part", "layer", "in the step", "share", "warm", "GFLOP/s in the step")
# A walk's block is long against the clock, and there are enough of them for a median.
BLOCKS, BLOCK_SECONDS = 31, 5e-3
PART_BUDGET, STEP_BUDGET = Budget(0.1), Budget(0.5)
FAST = 0.02


@dataclass(frozen=True, slots=True)
class Part:
    """Seconds of one part: in the step, and warm. flops: of a product, else 0."""

    name: str
    layer: str
    in_step: float
    warm: float
    flops: int


@dataclass(frozen=True, slots=True)
class StepBudget:
    """nopython and python: seconds of the whole step, called from there."""

    name: str
    params: int
    parts: Sequence[Part]
    nopython: float
    python: float

    @property
    def sum(self) -> float:
        return sum(part.in_step for part in self.parts)


def budget_of(network: str, batch: int = BATCH, effort: float = 1.0) -> StepBudget:
    """effort: share of the usual time."""
    case = Case(parse(network), batch, 1, "float32", "sgd")
    step = Step(case)
    in_step = _in_step(step, effort)
    warm = np.array([_seconds(step.repeated(index), PART_BUDGET, effort) for index in range(len(step.program))])
    # The first row reads the clock, or does nothing, and what that costs every row costs.
    parts = [
        _part(row, batch, max(each, 0.0), max(alone, 0.0))
        for row, each, alone in zip(step.program[1:], in_step[1:] - in_step[0], warm[1:] - warm[0], strict=True)
    ]
    x, labels = case.batches[0]
    tape, params, grads, state, control, workspace = case.trainer.arrays
    control[training.LEARNING_RATE] = 0.0  # as the parts
    arguments = tape, params, grads, state, control, x, labels, workspace
    nopython = _seconds(lambda steps: repeated(training.train_step)(steps, *arguments), STEP_BUDGET, effort)
    return StepBudget(network, case.rung.params, parts, nopython, _seconds(case.run("step"), STEP_BUDGET, effort))


def _seconds(run: Run, budget: Budget, effort: float) -> float:
    run(1)  # compiles
    return measure(run, Budget(effort * budget.seconds)).median


def _in_step(step: Step, effort: float) -> np.ndarray:
    """Median seconds of each part over blocks of walks."""
    once = max(step.walk(3).sum(), 1e-9)
    steps = max(1, int(effort * BLOCK_SECONDS / once))
    return np.median([step.walk(steps) for _ in range(BLOCKS)], axis=0)


def _part(row: np.ndarray, batch: int, in_step: float, warm: float) -> Part:
    whole = row[KIND] == UPDATE
    product = PARTS[row[KIND]] in ("product", "dW", "dx")
    flops = 2 * batch * int(row[INPUTS] * row[OUTPUTS]) if product else 0
    return Part(PARTS[row[KIND]], "" if whole else str(row[LAYER]), in_step, warm, flops)


def lines(budget: StepBudget) -> list[tuple[str, ...]]:
    """Cells below HEADINGS."""

    def total(name: str, seconds: float) -> tuple[str, ...]:
        return name, "", _signed(seconds), f"{100 * seconds / budget.nopython:.1f}%", "", ""

    found = [
        (part.name, part.layer, si(part.in_step, "s"), f"{100 * part.in_step / budget.nopython:.1f}%",
         si(part.warm, "s"), f"{part.flops / part.in_step / 1e9:.3g}" if part.flops and part.in_step else "")
        for part in budget.parts
    ]  # fmt: skip
    return [
        *found,
        total("sum of the parts", budget.sum),
        total("the rest: walker and calls", budget.nopython - budget.sum),
        total("whole step, nopython", budget.nopython),
        total("call from Python", budget.python - budget.nopython),
    ]


def _signed(seconds: float) -> str:
    return si(seconds, "s") if seconds >= 0 else f"-{si(-seconds, 's')}"


def caption(budget: StepBudget, batch: int = BATCH) -> str:
    return f"{budget.name}, {budget.params:,} parameters, batch {batch}, sgd, float32, one thread"


def as_table(budget: StepBudget) -> Table:
    table = Table(title=caption(budget), box=None, padding=(0, 2, 0, 0), title_justify="left", header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for cells in lines(budget):
        table.add_row(*cells)
    return table


def as_markdown(budgets: Sequence[StepBudget]) -> str:
    text = [
        f"# Where a training step's time goes\n\nMade by `python benchmarks/{Path(__file__).name} --markdown FILE`.\n"
    ]
    for budget in budgets:
        rows = [HEADINGS, ("---",) + ("---:",) * (len(HEADINGS) - 1), *lines(budget)]
        text.append(f"## {caption(budget)}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in rows) + "\n")
    return "\n".join(text)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--sizes", multiple=True, default=NETWORKS, show_default=True, help="Layer sizes, such as 3-4-2.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables to this file.")
@click.option("--fast", is_flag=True, help="Little time, to see that it works.")
def main(sizes: Sequence[str], markdown: Path | None, fast: bool) -> None:
    """Times the parts of a step, and the step."""
    budgets = []
    with pinned(1), thread_limit(1):
        for network in sizes:
            budgets.append(budget_of(network, effort=FAST if fast else 1.0))
            console(sys.stdout).print(as_table(budgets[-1]))
    if markdown is not None:
        write_atomically(markdown, as_markdown(budgets).encode())


if __name__ == "__main__":
    main()
