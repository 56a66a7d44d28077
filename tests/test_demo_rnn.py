"""The demonstration of recurrent networks: what they remember, and that their gates are those that are drawn."""

from __future__ import annotations

import math
from io import StringIO
from typing import Any

import needs
import numpy as np
import pytest
from demos import numbers, run, shown

from fastnn import Network
from fastnn.demo import remembering
from fastnn.demo.display.maps import Maps
from fastnn.demo.display.terminal import console, print_demonstration
from fastnn.demo.remembering import Task
from fastnn.reference.recurrent import lstm_step

TASK = Task(4, 48)


def by_name() -> dict[str, Any]:
    return {each["name"]: each for each in numbers("rnn")["networks"]}


def drawn_lstm(task: Task, units: int) -> Network:
    """With weights far from where they begin."""
    network = dict(remembering.networks(task, units, 0))[f"LSTM, {units} units"]
    network.parameters[:] += np.random.default_rng(1).normal(0, 0.5, network.parameters.size).astype(np.float32)
    return network


def test_one_symbol_of_each_sequence_is_marked_and_asked_for() -> None:
    x, y, marked = remembering.sequences(TASK, np.random.default_rng(0), 200)
    assert (x[:, :, 4].sum(axis=1) == 1).all()
    assert (x[:, :, :4].sum(axis=2) == 1).all()
    assert (x[np.arange(200), marked, 4] == 1).all()
    assert (x[np.arange(200), marked, :4].argmax(axis=1) == y).all()
    assert set(y) == {0, 1, 2, 3}
    assert (remembering.sequences(TASK, np.random.default_rng(0), 9, 6).marked == 6).all()


def test_gated_networks_remember_and_plain_ones_stay_near_knowing_nothing() -> None:
    found = by_name()
    assert numbers("rnn")["nothing_known"] == pytest.approx(math.log(4))
    for name in ("GRU, 4 units", "LSTM, 4 units"):
        assert found[name]["loss"] < 0.05
        assert min(found[name]["right_by_distance"].values()) > 0.99
    for name in ("RNN, 4 units", "RNN, 9 units"):
        assert found[name]["loss"] > 0.5 * math.log(4)
        assert found[name]["right"] < 0.75


@pytest.mark.parametrize("seed", range(10))
def test_an_lstm_learns_it_from_every_seed(seed: int) -> None:
    network = dict(remembering.networks(TASK, 4, seed))["LSTM, 4 units"]
    held = remembering.sequences(TASK, np.random.default_rng(100 + seed), 500)
    found = remembering.learned("", network, TASK, held, 1500, seed)
    assert found.loss < 0.05
    assert found.right.mean() > 0.99


def test_counts_are_those_of_the_cells_and_of_t_minus_1_recurrent_products() -> None:
    for name, gates in (("RNN, 4 units", 1), ("RNN, 9 units", 1), ("GRU, 4 units", 3), ("LSTM, 4 units", 4)):
        found, units = by_name()[name], int(name.split()[1])
        assert found["macs_a_step"] == gates * units * (5 + units)
        assert found["macs"] == 48 * 5 * gates * units + 47 * gates * units**2 + units * 4
        assert found["parameters"] == gates * units * (5 + units + 2) + (units + 1) * 4


def test_the_wide_one_has_about_as_many_parameters_as_the_lstm() -> None:
    for task, units in ((TASK, 4), (TASK, 16), (Task(9, 20), 8), (Task(2, 8), 1)):
        (_, plain), (_, wide), _, (_, gated) = remembering.networks(task, units, 0)
        assert plain.named_parameters["0.hh_l0.weight"].shape == (units, units)
        width = wide.named_parameters["0.hh_l0.bias"].size
        unit = task.inputs + 2 * width + task.symbols + 3
        assert abs(wide.parameter_count - gated.parameter_count) <= unit


def test_gates_and_cells_are_those_of_the_reference() -> None:
    network = drawn_lstm(Task(4, 12), 5)
    x = remembering.sequences(Task(4, 12), np.random.default_rng(0), 7).x.astype(np.float64)
    found, named = remembering.gates(network, x), network.named_parameters
    v, w, b, c = (named[f"0.{name}"].astype(np.float64) for name in remembering.PARAMETERS)
    state = np.zeros((7, 5)), np.zeros((7, 5))
    for t in range(12):
        sums = x[:, t] @ v + b
        i, f, _, o = np.split(1 / (1 + np.exp(-(sums + state[0] @ w + c))), 4, axis=1)
        for mine, right in ((found.input, i), (found.forget, f), (found.output, o)):
            np.testing.assert_allclose(mine[:, t], right, atol=1e-12)
        state = lstm_step(state, sums, w, c)  # type: ignore[assignment]
        np.testing.assert_allclose(found.state[:, t], state[0], atol=1e-12)
        np.testing.assert_allclose(found.cell[:, t], state[1], atol=1e-12)
    np.testing.assert_allclose(found.state, found.output * np.tanh(found.cell), atol=1e-12)


def test_cells_are_pytorchs() -> None:
    torch = needs.package("torch")
    network = drawn_lstm(Task(4, 12), 5)
    x = remembering.sequences(Task(4, 12), np.random.default_rng(0), 7).x.astype(np.float64)
    found = remembering.gates(network, x)
    module = torch.nn.LSTM(5, 5, batch_first=True).double()
    with torch.no_grad():
        for name, values in zip(
            ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), remembering.parameters(network), strict=True
        ):
            getattr(module, name).copy_(torch.from_numpy(values.T.copy()))
        state = None
        for t in range(12):
            _, state = module(torch.from_numpy(x[:, t : t + 1]), state)
            np.testing.assert_allclose(found.state[:, t], state[0][0].numpy(), atol=1e-12)
            np.testing.assert_allclose(found.cell[:, t], state[1][0].numpy(), atol=1e-12)


def test_states_of_each_cell_end_in_what_the_network_answers_by() -> None:
    task = Task(4, 12)
    x = remembering.sequences(task, np.random.default_rng(0), 50).x
    for name, network in remembering.networks(task, 5, 2):
        named = network.named_parameters
        last = remembering.gates(network, x).state if "LSTM" in name else remembering.states(network, x)
        np.testing.assert_allclose(last[:, -1] @ named["1.weight"] + named["1.bias"], network(x), atol=1e-5)


def test_the_input_gate_opens_at_the_mark_and_the_cell_carries_it() -> None:
    found = numbers("rnn")
    sizes = np.array([(each["mark"], each["elsewhere"]) for each in found["let_in"]])
    assert sizes[:, 0].mean() > 2 * sizes[:, 1].mean()
    assert (sizes[:, 0] / sizes[:, 1]).max() > 4
    assert found["exchanged"]["the cell"] > 0.9
    assert found["exchanged"]["the state"] < 0.1
    assert found["exchanged"]["both"] > 0.99


def test_cells_that_are_exchanged_change_nothing_where_nothing_was_learned() -> None:
    """Answers of a network that answers the same always: those of the other as often as it has that symbol."""
    network = drawn_lstm(TASK, 4)
    named = network.named_parameters
    named["1.weight"][:], named["1.bias"][:] = 0, (1, 0, 0, 0)
    found = remembering.swapped(network, remembering.sequences(TASK, np.random.default_rng(0), 2000, 6))
    assert all(share == pytest.approx(1 / 4, abs=0.05) for share in found.values())


def test_what_is_left_of_the_mark_vanishes_without_gates() -> None:
    left = {name: each["left_of_the_mark"] for name, each in by_name().items()}
    assert all(values[0] == 1 and len(values) == 48 - 6 for values in left.values())
    assert left["LSTM, 4 units"][-1] > 0.5
    assert left["GRU, 4 units"][-1] > 0.5
    assert left["RNN, 9 units"][-1] < 0.01


def test_parameters_do_not_depend_on_the_length() -> None:
    network = drawn_lstm(TASK, 4)
    some = remembering.sequences(TASK._replace(positions=20), np.random.default_rng(3), 300)
    answers = remembering.gates(network, some.x).state[:, -1] @ network.named_parameters["1.weight"]
    right = (answers + network.named_parameters["1.bias"]).argmax(axis=1) == some.y
    assert remembering.right_at(network, some) == pytest.approx(right.mean(), abs=0.01)


def test_gates_are_drawn_over_time_with_the_mark() -> None:
    drawn = [block.maps[0] for block in shown("rnn").sections[2].blocks if isinstance(block, Maps)]
    assert [each.values.shape for each in drawn] == [(4, 48)] * 4 + [(9, 48)]
    assert {each.marks for each in drawn} == {(6,)}
    np.testing.assert_array_equal(drawn[0].values.T, numbers("rnn")["gates"]["input"])


@pytest.mark.parametrize(
    "settings",
    [
        {"positions": 64, "units": 16, "symbols": 9, "steps": 3},
        {"positions": 8, "units": 1, "symbols": 2, "steps": 1},
    ],
    ids=["largest", "smallest"],
)
def test_the_largest_and_the_smallest_fit_80_columns(settings: dict[str, int]) -> None:
    stream = StringIO()
    print_demonstration(console(stream), shown("rnn", **settings))
    assert max(map(len, stream.getvalue().splitlines())) <= 80


@pytest.mark.parametrize("option", [("--positions", "65"), ("--positions", "7"), ("--symbols", "1"), ("--units", "0")])
def test_what_cannot_be_drawn_is_refused(option: tuple[str, str]) -> None:
    assert run("rnn", *option).exit_code == 2
