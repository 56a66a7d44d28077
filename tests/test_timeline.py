"""The timeline: what the papers say, what experiments find in small, and how it is shown. All of them at their own
size: test_timeline_experiments.py; in a browser: test_timeline_page.py."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from fastnn import cli
from fastnn.demo.display.demonstration import Table
from fastnn.report.picture import Axis, Picture, Series
from fastnn.timeline.drawing import Scale, histogram_svg, picture_svg
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
from fastnn.timeline.experiments.found import Comparison, Run, Spread, Work, within_twice
from fastnn.timeline.experiments.starts import SQUARES, Sweeps, descent, draw
from fastnn.timeline.page import page
from fastnn.timeline.papers.milestones import milestones, printed
from fastnn.timeline.repeated import Entry, Repeated, chosen, names, repeat
from fastnn.timeline.terminal import histogram

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


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["timeline", *arguments])


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


# What was found, and how it is shown ----------------------------------------------------------------------------------


def found_run(**changes: Any) -> Run:
    """One that has a block of every kind, and signs that HTML minds."""
    settings: dict[str, Any] = {
        "title": "a < b & c",
        "comparisons": (
            Comparison(what="sweeps", ours=300, published=150, low=100, high=400),
            Comparison(what="a share", ours=0.5, low=0.9, percent=True),
        ),
        "blocks": (
            "words <script>",
            Spread(what="sweeps", unit="sweeps", values=(1.0, 2.0, 3.0, 40.0), starts=5, published=20),
            Table(columns=("name", "number"), rows=(("a", "1"), ("<b>", "2"))),
            Picture(
                family="f", title="p", x=Axis(title="x & y", log=True), y=Axis(title="y", percent=True),
                series=tuple(
                    Series(name=kind, kind=kind, colour=colour, x=(1.0, 100.0), y=(0.0, 1.0))
                    for colour, kind in enumerate(("points", "linked", "line"))
                ),
            ),
        ),
        "sample": "5 starts",
        "work": Work(parameters=26, training_flops=1e6),
        "fails": "it stops",
    }  # fmt: skip
    return Run(**settings | changes)


def entries() -> list[Entry]:
    return [
        Entry(
            milestone=each,
            repeated=(Repeated(name=each.experiments[0], run=found_run(title=f"a < b & c, {each.year}"), seconds=1.0),),
        )
        for each in milestones().values()
    ]


def test_comparisons_have_ratios_and_hold_or_not() -> None:
    sweeps, share = found_run().comparisons
    assert (sweeps.asked, share.asked) == ("100 to 400", "≥ 90 %")
    assert Comparison(what="", ours=1, high=0.05).asked == "≤ 0.05"
    assert Comparison(what="", ours=1, low=104, high=104).asked == "= 104"
    twice = within_twice("", 2_800, 1_425)
    assert (twice.asked, twice.holds) == ("712 to 2,850", True)
    assert (sweeps.ratio, sweeps.holds) == (2.0, True)
    assert (share.ratio, share.holds) == (None, False)
    assert [sweeps.written(value) for value in (1425.0, 0.25, 1e-7, 3.14e23, 2.0)] == [
        "1,425", "0.25", "1.00e-07", "3.14e23", "2",
    ]  # fmt: skip
    assert share.written(0.505) == "50.5 %"


def test_a_spread_has_all_of_its_starts_and_the_papers_number() -> None:
    spread = Spread(what="s", unit="sweeps", values=tuple(float(n) for n in range(1, 72)), starts=100, published=90)
    edges, counts = spread.bins()
    assert counts.sum() == 71
    assert edges[0] <= 1
    assert edges[-1] >= 90
    assert (spread.share, spread.median, spread.above) == (0.71, 36, 0.0)
    assert "71 of 100" in spread.told
    none = Spread(what="s", unit="sweeps", values=(), starts=3, published=90)
    assert math.isnan(none.median)
    assert none.told == "None of 3 starts succeeded."
    assert "the paper" in "\n".join(histogram(spread).lines)
    assert histogram_svg(none)
    assert histogram(none).lines


def test_ticks_lie_on_the_axis_and_are_few() -> None:
    for log, values in ((True, [3.0, 8e5]), (True, [0.2, 0.9]), (False, [0.0, 71.0]), (False, [0.5, 0.5])):
        scale = Scale(Axis(title="", log=log), values, 40, 300)
        ticks = scale.ticks()
        assert 1 <= len(ticks) <= 8
        assert all(40 - 1e-6 <= scale(tick) <= 300 + 1e-6 for tick in ticks)


class Tags(HTMLParser):
    """Whether every tag that is opened is closed in its order."""

    VOID = ("meta", "link", "br", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_a_list_of_articles_with_their_times_and_asks_for_nothing() -> None:
    html = page(entries())
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert [attrs["datetime"] for tag, attrs in tags.seen if tag == "time"] == list(DATES.values())
    assert sum(tag == "article" for tag, _ in tags.seen) == len(DATES)
    ids = [attrs["id"] for _, attrs in tags.seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert not [tag for tag, attrs in tags.seen if tag == "script" or "src" in attrs]
    assert "default-src 'none'" in html
    assert "url(" not in html
    assert "words &lt;script&gt;" in html
    for words in (
        "a &lt; b &amp; c",
        "fastnn timeline novikoff",
        "1.8 trillion",
        "it stops",
        "McCulloch",
        "100 to 400",
        "≥ 90 %",
        "5 starts",
    ):
        assert words in html
    assert "512 (association units of the Mark I machine" in html
    assert picture_svg(found_run().blocks[3]).count("<circle") == 2  # type: ignore[arg-type]


def test_the_list_fits_a_terminal_and_names_are_refused_before_anything_runs(tmp_path: Path) -> None:
    listed = run()
    assert listed.exit_code == 0
    assert max(map(len, listed.stdout.splitlines())) <= 80
    assert all(name in listed.stdout for name in (*DATES, *names()))
    file = tmp_path / "found.json"
    refused = run("1986", "nothing", "--json", str(file))
    assert refused.exit_code == 2
    assert "'nothing' is no milestone" in refused.stderr
    assert not file.exists()
    assert run("gpt-3", "--html", str(tmp_path / "no" / "x" / "..")).exit_code == 2


def test_a_run_goes_to_the_terminal_to_json_and_to_a_page(tmp_path: Path) -> None:
    file, html = tmp_path / "found.json", tmp_path / "page.html"
    shown = run("gpt-3", "parity-order", "--json", str(file), "--html", str(html))
    assert shown.exit_code == 0
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "174,604,259,328" in shown.stdout
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["schema"] == "fastnn-timeline/1"
    assert [each["year"] for each in found["milestones"]] == ["1969", "2020"]
    (of_gpt,) = found["milestones"][1]["experiments"]
    assert of_gpt["command"] == "fastnn timeline gpt-3"
    assert of_gpt["comparisons"][0]["holds"] is True
    assert "<article" in html.read_text(encoding="utf-8")
    alone = json.loads(run("gpt-3", "--json", "-").stdout)
    assert alone["milestones"][0]["experiments"][0]["comparisons"] == of_gpt["comparisons"]


def test_a_run_is_the_same_each_time() -> None:
    again = [repeat("novikoff", draws=5).run.as_json() for _ in range(2)]
    assert again[0] == again[1]
