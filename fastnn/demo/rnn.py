"""Recurrent networks remember a symbol: what a plain one and gated ones manage, and the gates of an LSTM at work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fastnn.demo.display.demonstration import Block, Demonstration, Drawing, Section, Table
from fastnn.demo.display.maps import Map, Maps
from fastnn.demo.parameters import SEED
from fastnn.demo.remembering import (
    OPEN,
    ROWS,
    SPAN,
    Gates,
    Learned,
    Sequences,
    Task,
    gates,
    learned,
    left_of_the_mark,
    networks,
    right_at,
    sequences,
    states,
    swapped,
)
from fastnn.networks.network import Network
from fastnn.report.picture import Axis, Picture, Series

OPTIONS = (
    click.Option(["--symbols"], type=click.IntRange(2, 9), default=4, show_default=True, help="One of them is marked."),
    click.Option(["--positions"], type=click.IntRange(8, 64), default=48, show_default=True, help="Of a sequence."),
    click.Option(["--units"], type=click.IntRange(1, 16), default=4, show_default=True),
    click.Option(["--steps"], type=click.IntRange(min=1), default=1500, show_default=True,
                 help=f"Of {ROWS} sequences each."),
    SEED,
)  # fmt: skip

# Sequences to judge by, and to look into; seeds of theirs.
TESTED, LOOKED = 2000, 256
TEST_SEED, LOOK_SEED, LONGER_SEED = 1, 2, 3
# Groups of distances to the end.
GROUPS = 8
LONGER = (2, 4, 8)
LETTERS = "abcdefghi"

Array = NDArray[Any]


def show(symbols: int, positions: int, units: int, steps: int, seed: int) -> Demonstration:
    """A memory that one can see: a symbol is marked somewhere in a sequence, and asked for at its end.

    A plain recurrent network, a GRU and an LSTM learn it, as far as they do. What each costs, exactly; the LSTM's gates
    and its cell over one sequence; how much is left of the mark; and whose answer follows when cells are exchanged.
    """
    task, marked = Task(symbols, positions), positions // 8
    held = sequences(task, np.random.default_rng([seed, TEST_SEED]), TESTED)
    found = [learned(name, network, task, held, steps, seed) for name, network in networks(task, units, seed)]
    plain, gated = found[1], found[-1]
    looked = sequences(task, np.random.default_rng([seed, LOOK_SEED]), LOOKED, marked)
    inside = gates(gated.network, looked.x)
    left = {each.name: left_of_the_mark(each.network, looked) for each in found}
    exchanged = swapped(gated.network, looked)
    rng = np.random.default_rng([seed, LONGER_SEED])
    long = [sequences(task._replace(positions=positions * by), rng, LOOKED) for by in LONGER]
    longer = {each.name: [right_at(each.network, some) for some in long] for each in found}
    let_in = _let_in(inside, marked)
    return Demonstration(
        title=f"One of {symbols} symbols to be remembered over up to {positions - 1} positions: "
        f"{', '.join(f'{each.name} {each.right.mean():.0%}' for each in (plain, gated))}",
        sections=(
            Section("What is to be remembered", _question(task, looked)),
            Section("Four networks", _four(found, task, held, steps)),
            Section("One sequence through the LSTM", _one_sequence(gated, plain, looked, inside, marked, let_in)),
            Section("What is left of the mark", _left(left, exchanged, positions, marked)),
            Section("Longer than any it has seen", _longer(longer, positions)),
        ),
        numbers={
            "symbols": symbols, "positions": positions, "steps": steps, "seed": seed,
            "nothing_known": float(np.log(symbols)),
            "networks": [
                {
                    "name": each.name, "parameters": each.network.parameter_count, "macs_a_step": _a_step(each.network),
                    "macs": each.network.cost(1).forward.macs, "loss": each.loss, "right": float(each.right.mean()),
                    "losses": each.losses, "right_by_distance": dict(_by_distance(each, held, positions)),
                    "left_of_the_mark": left[each.name].tolist(), "right_at_longer": longer[each.name],
                }
                for each in found
            ],
            "marked": marked, "exchanged": exchanged,
            "let_in": [dict(zip(("mark", "elsewhere"), sizes, strict=True)) for sizes in let_in.tolist()],
            "gates": {name: values[0].tolist() for name, values in inside._asdict().items()},
        },
    )  # fmt: skip


def _let_in(inside: Gates, marked: int) -> Array:
    """(units, 2): the mean size of what the input gate of each unit lets in, at the mark and elsewhere."""
    sizes = np.abs(inside.input * inside.candidate).mean(axis=0)
    return np.stack([sizes[marked], np.delete(sizes, marked, axis=0).mean(axis=0)], axis=1)


def _question(task: Task, looked: Sequences) -> tuple[Block, ...]:
    letters = "".join(LETTERS[each] for each in looked.x[0, :, : task.symbols].argmax(axis=1))
    return (
        f"{task.positions} positions, at each one of {task.symbols} symbols, one of them marked; after the last, which "
        f"was it? All others are there to distract. Here it is {LETTERS[looked.y[0]]}:",
        Drawing((letters, " " * int(looked.marked[0]) + "^")),
        f"Who knows nothing loses ln {task.symbols} = {np.log(task.symbols):.3f} nats an answer, who remembers 0. In "
        f"training the mark is anywhere, its distance to the end from 0 to {task.positions - 1}.",
    )


def _a_step(network: Network) -> int:
    """Multiply-adds of one position: those with the inputs, and with the state before it."""
    named = network.named_parameters
    return int(named["0.ih_l0.weight"].size + named["0.hh_l0.weight"].size)


def _four(found: Sequence[Learned], task: Task, held: Sequences, steps: int) -> tuple[Block, ...]:
    rows = tuple(
        (
            each.name, f"{each.network.parameter_count:,}", f"{_a_step(each.network):,}",
            f"{each.network.cost(1).forward.macs:,}", f"{each.loss:.4f}", f"{each.right.mean():.1%}",
        )
        for each in found
    )  # fmt: skip
    network, positions = found[-1].network, task.positions
    (inputs, gated), (units, _) = (network.named_parameters[f"0.{of}_l0.weight"].shape for of in ("ih", "hh"))
    return (
        Table(
            columns=("network", "parameters", "multiply-adds a step", "a sequence", "loss", "right"), rows=rows
        ),
        f"{steps:,} steps of {ROWS} sequences drawn anew; loss and share right of {len(held.y):,} others. The second "
        f"has about as many parameters as the LSTM. A sequence of the LSTM is {positions} x {inputs} x {gated} "
        f"multiply-adds with inputs, {positions - 1} x {units} x {gated} with states, as the first is 0 and not "
        f"multiplied, and {units} x {task.symbols} of the answer.",
        Picture(
            family="rnn", title="Loss by step", x=Axis(title="step"),
            y=Axis(title="nats an answer", plain=True),
            series=(
                *_linked(found, {each.name: {float(SPAN * at): loss for at, loss in enumerate(each.losses, 1)}
                                 for each in found}),
                Series(name="nothing known", kind="line", colour=-1, dash="dash",
                       x=(float(SPAN), float(max(steps, SPAN))), y=(float(np.log(task.symbols)),) * 2),
            ),
        ),
        Picture(
            family="rnn distance", title="Symbols right, of 100, by how far the mark is from the end",
            x=Axis(title="positions", plain=True), y=Axis(title="right, %", plain=True),
            series=tuple(_linked(found, {
                each.name: {x: 100 * right for x, right in _by_distance(each, held, positions)} for each in found
            })),
        ),
    )  # fmt: skip


def _linked(found: Sequence[Learned], points: dict[str, dict[float, float]]) -> list[Series]:
    return [
        Series(
            name=each.name,
            kind="linked",
            colour=colour,
            x=tuple(points[each.name]),
            y=tuple(points[each.name].values()),
        )
        for colour, each in enumerate(found)
    ]


def _by_distance(each: Learned, held: Sequences, positions: int) -> list[tuple[float, float]]:
    """Middles of groups of distances, and the share that is right there."""
    distances = positions - 1 - held.marked
    groups = distances * GROUPS // positions
    return [
        (float(distances[groups == group].mean()), float(each.right[groups == group].mean()))
        for group in range(GROUPS)
        if (groups == group).any()
    ]


def _one_sequence(
    gated: Learned, plain: Learned, looked: Sequences, inside: Gates, marked: int, let_in: Array
) -> tuple[Block, ...]:
    one = Gates(*(values[0] for values in inside))
    unit = int((let_in[:, 0] / let_in[:, 1]).argmax())
    at, elsewhere = let_in[unit]
    kept = float(inside.forget[:, marked + 1 :, unit].mean())

    def over_time(name: str, values: Array, signed: bool) -> Maps:
        title = f"{name}: {values.shape[1]} units over {len(values)} positions"
        return Maps(
            title=title, maps=(Map(caption=name, values=values.T, marks=(marked,)),), signed=signed, largest=1.0
        )

    return (
        "A row is a unit, a column a position; below the mark is an arrow. The cell c keeps a share f of what it had, "
        "and takes a share i of a candidate g: c = f c + i g. The state, which the answer sees, is o tanh(c). Input "
        f"gates began almost closed (biases {-OPEN:g}), and forget gates open ({OPEN:g}).",
        over_time("input gates i, from 0 to 1", one.input, False),
        over_time("forget gates f, from 0 to 1", one.forget, False),
        over_time("output gates o, from 0 to 1", one.output, False),
        over_time("cells, tanh(c), from -1 to 1", np.tanh(one.cell), True),
        f"Over {len(inside.cell)} sequences the mean of |i g| of all units is {let_in[:, 0].mean():.3f} at the mark "
        f"and {let_in[:, 1].mean():.3f} elsewhere. That of unit {unit + 1}, the most for the mark: {at:.3f} and "
        f"{elsewhere:.3f}; thereafter its forget gate keeps {kept:.1%} a position.",
        _unit_over_time(one, unit),
        f"The {plain.name}, has no gates: each position multiplies the whole state, and squeezes it.",
        over_time("its state, from -1 to 1", states(plain.network, looked.x[:1])[0], True),
    )


def _unit_over_time(one: Gates, unit: int) -> Picture:
    times = tuple(float(t) for t in range(len(one.cell)))
    lines = {
        "input gate": one.input,
        "forget gate": one.forget,
        "output gate": one.output,
        "tanh(c)": np.tanh(one.cell),
    }
    return Picture(
        family="rnn unit", title=f"Unit {unit + 1} over time", x=Axis(title="position", plain=True),
        y=Axis(title="value", plain=True),
        series=tuple(
            Series(name=name, kind="linked", colour=colour, x=times, y=tuple(values[:, unit].tolist()))
            for colour, (name, values) in enumerate(lines.items())
        ),
    )  # fmt: skip


def _left(left: dict[str, Array], exchanged: dict[str, float], positions: int, marked: int) -> tuple[Block, ...]:
    last = positions - 1 - marked
    shares = "; ".join(f"{name} {values[-1]:.2g}" for name, values in left.items())
    return (
        "Another symbol at the mark, and all else as it was: how far the states are apart then, of the LSTM tanh(c), "
        f"times as far as at the mark. After {last} positions: {shares}.",
        Picture(
            family="rnn left", title="Distance of the states, times that at the mark",
            x=Axis(title="positions after the mark", plain=True), y=Axis(title="times", plain=True),
            series=tuple(
                Series(name=name, kind="linked", colour=colour,
                       x=tuple(float(t) for t in range(len(values))), y=tuple(values.tolist()))
                for colour, (name, values) in enumerate(left.items())
            ),
        ),
        f"And where it lies: in the middle, after {positions // 2} positions, a sequence gets the cell of "
        "another, the state of another, or both. The share of answers that are the other's symbol then:",
        Table(
            columns=("what is the other's", "answers that are"),
            rows=tuple((name, f"{share:.1%}") for name, share in exchanged.items()),
        ),
    )  # fmt: skip


def _longer(longer: dict[str, list[float]], positions: int) -> tuple[Block, ...]:
    return (
        "The same parameters on longer sequences, the mark anywhere:",
        Table(
            columns=("network", *(f"{positions * by} positions" for by in LONGER)),
            rows=tuple((name, *(f"{right:.1%}" for right in rights)) for name, rights in longer.items()),
        ),
    )
