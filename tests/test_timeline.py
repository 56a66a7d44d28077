"""The timeline: what the papers say, what experiments find in small, and how it is shown. All of them at their own
size: test_timeline_experiments.py; in a browser: test_timeline_page.py."""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from fastnn.timeline.experiments import (
    alexnet,
    emergence,
    encoder,
    family_trees,
    kin,
    novikoff,
    parity,
    parity_order,
    preferences,
    pretraining,
    relu,
    reversing,
    scaling_law,
    symmetry,
    xor,
    zip_codes,
)
from fastnn.timeline.experiments.starts import SQUARES, Sweeps, descent, draw
from fastnn.timeline.papers.milestones import milestones, printed
from fastnn.timeline.repeated import chosen, names

# Of the papers, copied out a second time.
DATES = {
    "1958": "1958-11", "1969": "1969", "1986": "1986-10-09", "1989": "1989-12", "2012": "2012-12-03",
    "2014": "2014-09-01", "2017": "2017-06-12", "2018": "2018-10-11", "2020": "2020-05-28", "2022": "2022-11-30",
    "2023": "2023-03-14",
}  # fmt: skip
PRINTED = {
    ("1986", "symmetry sweeps"): 1425, ("1986", "XOR sweeps"): 558, ("1986", "parity presentations"): 2825,
    ("1986", "XOR sweeps by hidden units: constant"): 280, ("1986", "XOR sweeps by hidden units: slope"): -33,
    ("1989", "parameters"): 9760, ("1989", "passes"): 23, ("1989", "test error"): 0.05,
    ("1989", "LeNet-5 test error"): 0.0095, ("1986", "family trees facts"): 104, ("1986", "XOR minima"): 2,
    ("2012", "parameters"): 60e6, ("2012", "units"): 650_000,
    ("2012", "top-5 error"): 0.153, ("2012", "top-5 error of the next"): 0.262, ("2014", "BLEU from one vector"): 17.82,
    ("2014", "BLEU with attention"): 26.75, ("2017", "BLEU to German"): 28.4, ("2017", "BLEU to French"): 41.8,
    ("2020", "GPT-3 tokens"): 300e9, ("2020", "GPT-3 training FLOPs"): 3.14e23, ("2020", "alpha times dimension"): 4,
    ("2022", "parameters of the preferred"): 1.3e9, ("2023", "share of jumps by metric"): 0.92,
}  # fmt: skip


# What the papers say --------------------------------------------------------------------------------------------------


def test_milestones_have_their_dates_and_printed_numbers() -> None:
    assert {year: each.date for year, each in milestones().items()} == DATES
    assert {key: printed(*key) for key in PRINTED} == PRINTED
    for year, each in milestones().items():
        assert each.date.startswith(year)
        assert each.link.startswith("https://")
        assert each.claim.endswith(".")
        assert each.estimate or not each.training_flops or "printed" in each.sized


def test_the_sizes_are_those_that_are_counted() -> None:
    sizes = {year: each.parameters for year, each in milestones().items()}
    assert sizes["1986"] == family_trees._network().parameter_count == 630
    assert sizes["2012"] == alexnet.network().parameter_count == 60_965_224
    assert sizes["2020"] == 174_604_259_328
    assert sizes["2023"] == 1_800_000_000_000
    assert milestones()["2023"].estimate


def test_every_experiment_is_there_and_of_one_milestone() -> None:
    found = names()
    assert len(found) == len(set(found))
    assert not set(found) & set(DATES)
    for name in found:
        assert callable(import_module(f"fastnn.timeline.experiments.{name.replace('-', '_')}").run)


def test_a_year_or_an_experiment_is_chosen_by_name() -> None:
    assert list(chosen([])) == list(DATES)
    assert chosen(["1986"]) == {"1986": list(milestones()["1986"].experiments)}
    assert chosen(["xor", "novikoff"]) == {"1958": ["novikoff"], "1986": ["xor"]}
    with pytest.raises(ValueError, match="'1987' is no milestone; expected one of 1958, "):
        chosen(["1958", "1987"])


# Experiments in small -------------------------------------------------------------------------------------------------


def test_no_draw_breaks_novikoffs_bound() -> None:
    found = [novikoff.learned(seed) for seed in range(60)]
    assert all(each.corrections <= each.bound for each in found)
    assert max(each.corrections for each in found) > 50
    x, y, bound = novikoff.separable(3)
    assert {*y.tolist()} == {0, 1}
    assert bound > np.square(x).sum(axis=1).max()


def test_xor_and_parity_are_refused_with_certificates_that_are_checked() -> None:
    found = parity_order.run()
    assert all(each.holds for each in found.comparisons)
    xor_of_two = parity_order.ask(2, 1)
    assert not xor_of_two.possible
    assert xor_of_two.certificate == (Fraction(1, 4),) * 4
    assert parity_order.ask(3, 3).possible
    rows = parity_order.conditions(2, 1)
    assert not parity_order.is_certificate(rows, (Fraction(1, 2), Fraction(1, 2), Fraction(0), Fraction(0)))
    assert not parity_order.is_certificate(rows, (Fraction(0),) * 4)


def test_symmetry_is_learned_by_weights_that_mirror_each_other() -> None:
    starts = [symmetry.learned(seed) for seed in (1, 5, 6)]
    assert all(400 <= each.sweeps <= 6_000 for each in starts)
    for each in starts:
        assert each.mirrored < 0.01
        ratios = np.array(each.ratios)
        assert min(np.abs(ratios / code - 1).max() for code in (symmetry.PRINTED_CODE, symmetry.OTHER_CODE)) < 0.05
    stuck = symmetry.learned(4, most=4_000)
    assert (stuck.sweeps, round(stuck.error, 1)) == (0, symmetry.STUCK)


def test_sweeps_are_the_rule_of_1986() -> None:
    """Two sweeps of one sigmoid by hand: change = -rate * slope + momentum * last, E half the summed squares."""
    from fastnn.networks.models import mlp

    x, y = np.array([[0.5], [1.0]]), np.array([[0.0], [1.0]])
    network = draw(mlp(1, 1, output_activation="sigmoid", loss=SQUARES, dtype="float64"), 0.3, 0)
    (weight,), (bias,) = network.named_parameters["0.weight"][0].copy(), network.named_parameters["0.bias"].copy()
    assert max(abs(weight), abs(bias)) < 0.3
    last = np.zeros(2)
    for _ in range(2):
        output = 1 / (1 + np.exp(-(weight * x + bias)))
        delta = (output - y) * output * (1 - output)
        last = -0.1 * np.array([(delta * x).sum(), delta.sum()]) + 0.9 * last
        weight, bias = weight + last[0], bias + last[1]
    sweeps = Sweeps(network, descent(0.1, 0.9), x, y, 2)
    sweeps.go(2)
    assert network.named_parameters["0.weight"][0, 0] == pytest.approx(weight, abs=1e-14)
    assert network.named_parameters["0.bias"][0] == pytest.approx(bias, abs=1e-14)


def test_xor_parity_and_the_encoder_are_learned() -> None:
    alone = xor.sweeps_of(xor.around, xor.RATE, 10)
    assert len(alone) == 10
    assert 150 < np.median(alone) < 1_000
    medians = [
        np.median(xor.sweeps_of(lambda units=units: xor.layer(units), xor.LAYERED_RATE, 10)) for units in (4, 16)
    ]
    assert medians[0] > medians[1]
    assert len(parity.sweeps_of(1.0, 5)) >= 2
    codes = encoder.learned(0)
    assert 0 < codes.sweeps < 1_000
    assert codes.code.shape == (8, 3)
    distances = np.abs(codes.code[:, None] - codes.code).max(axis=2)
    assert distances[~np.eye(8, dtype=bool)].min() > 0.1


def test_the_family_trees_have_104_facts_and_the_printed_recipe_learns_none() -> None:
    facts = kin.facts()
    assert len(facts) == 104
    assert sum(map(len, facts.values())) == 112
    colin, aunt = kin.NAMES["English"].index("Colin"), kin.RELATIONS.index("aunt")
    assert {kin.NAMES["English"][each] for each in facts[colin, aunt]} == {"Margaret", "Jennifer"}
    printed_ones = [family_trees.learned(family_trees.PRINTED, seed) for seed in range(3)]
    mended = [family_trees.learned(family_trees.MENDED, seed) for seed in range(3)]
    assert max(each.learned for each in printed_ones) < 0.1
    assert min(each.learned for each in mended) > 0.9


def test_shrunk_digits_keep_their_ink() -> None:
    images = np.random.default_rng(0).random((5, 784), np.float32)
    small = zip_codes.shrunk(images)
    assert small.shape == (5, 16, 16, 1)
    assert (small.mean(axis=(1, 2, 3)) + 1) / 2 == pytest.approx(images.mean(axis=1), abs=0.01)
    assert zip_codes.shrunk(np.ones((1, 784), np.float32)) == pytest.approx(1.0)


def test_alexnets_units_are_counted() -> None:
    found = alexnet.run()
    assert found.numbers["units"] == 290_400 + 186_624 + 2 * 64_896 + 43_264 + 4_096 + 4_096 + 1_000
    assert all(each.holds for each in found.comparisons)


def test_a_power_is_found_and_the_loss_of_students_falls() -> None:
    exact = [scaling_law.Point(n, 3.0 * n**-0.7) for n in (10, 30, 100, 300)]
    assert scaling_law.power(exact) == pytest.approx(0.7)
    losses = [scaling_law.loss(4, width, 0, 0, 2_000) for width in (4, 16)]
    assert losses[0] > 2 * losses[1]


def test_no_policy_is_worth_more_than_the_closed_form() -> None:
    reference, rewards = np.array([0.5, 0.3, 0.2]), np.array([1.0, 2.0, 0.0])
    policy = preferences.closed_form(reference, rewards, 0.5)

    def worth(policy: Any) -> float:
        return float(policy @ rewards - 0.5 * preferences.divergence_of(policy, reference))

    others = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    assert all(worth(policy) >= worth(other) for other in others)


def test_a_judge_gives_to_an_answer_what_its_pairs_say() -> None:
    judge = preferences.judge(0)
    pairs = np.random.default_rng(1).normal(size=(20, 2, preferences.FEATURES))
    rewards = preferences.rewarded(judge.network, pairs)
    assert judge.network(pairs)[:, 0] == pytest.approx(rewards[:, 0] - rewards[:, 1], abs=1e-4)
    assert judge.network.named_parameters["3.weight"][:, 0].tolist() == [1, -1]
    assert 0.5 < judge.right < judge.best


def test_whole_numbers_are_the_power_of_single_digits() -> None:
    small, large = emergence.size(3, 2), emergence.size(16, 2)
    for each in (small, large):
        assert abs(each.whole - each.power) < 0.03
    assert small.right > 0.5
    assert small.whole < 0.05
    assert large.loss < small.loss


def test_pretraining_helps_with_few_labels() -> None:
    found = pretraining.tuned(0, 200, labels=(10,))
    assert found.pretrained[0] > 1.5 * found.scratch[0]


def test_windows_are_learned_to_an_error_in_steps() -> None:
    assert 1 <= relu.steps_to("tanh", 0.2, 0) < 100


def test_both_ways_of_writing_backwards_have_as_many_parameters() -> None:
    one, every = (reversing.recurrent(8, way, 0) for way in (True, False))
    assert one.parameter_count == every.parameter_count
    assert reversing.learned(reversing.transformer(4, 0), 4, 200, 0, watched=True).needed > 0
