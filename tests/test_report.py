"""The report's pictures: what stands in them, and in the words above them, is what the result files say."""

from __future__ import annotations

import json
import math
from typing import Any

import plotly.graph_objects
import pytest
from report_documents import (
    CALL,
    PEAK,
    PEERS,
    STREAM,
    document,
    everything,
    fit,
    gpu,
    picture,
    run,
    series,
    suite,
)

from fastnn.cost import UPDATES, multilayer_perceptron
from fastnn.paper.estimate import estimate
from fastnn.paper.models import hardware, model
from fastnn.report import (
    devices,
    gallery,
    growth,
    headline,
    parts,
    peers,
    roofline,
    scale,
)
from fastnn.report.formulas import formulas
from fastnn.report.picture import Axis, Series
from fastnn.report.plotly_html import figure
from fastnn.report.sources import Sources, run_of, suite_of

# Pictures -------------------------------------------------------------------------------------------------------------


def test_times_on_the_picture_are_those_of_the_rows() -> None:
    measured = run()
    for phase, name in (("forward", "forward pass"), ("step", "training step"), ("epoch", "step inside an epoch")):
        drawn = picture(growth.time_pictures([measured]), phase=name, threads="2")
        for batch in (1, 32):
            rows = [r for r in measured.ours if (r["phase"], r["batch"], r["threads"]) == (phase, batch, 2)]
            found = series(drawn, f"batch {batch}")
            assert found.x == tuple(r["params"] for r in rows)
            assert found.y == tuple(r["median_s"] for r in rows)
            assert found.low == tuple(pytest.approx(0.95 * r["median_s"]) for r in rows)
            assert found.high == tuple(pytest.approx(1.05 * r["median_s"]) for r in rows)


def test_a_law_is_drawn_with_its_band_beside_the_points_that_it_is_of() -> None:
    measured = run_of("a", document() | {"fits": [fit(), fit(quantity="flops", batch=1, threads=None)]})
    drawn = picture(growth.time_pictures([measured]), phase="training step", threads="1")
    law = series(drawn, "batch 32, law")
    assert (law.kind, law.x, law.y) == ("line", (26.0, 1e3, 1e5), tuple(1e-9 * x for x in law.x))
    assert law.low < law.y < law.high
    assert series(drawn, "batch 32").kind == "points"
    assert series(drawn, "batch 1").kind == "linked"
    assert drawn.words[1] == "Batch 32: grows as the parameters."
    other = picture(growth.time_pictures([measured]), phase="training step", threads="2")
    assert [each.name for each in other.series] == ["batch 1", "batch 32"]
    counted = picture(growth.count_pictures([measured]), quantity="FLOPs", phase="training step")
    assert [each.name for each in counted.series] == ["batch 1", "batch 1, law", "batch 32"]


def test_counts_on_the_picture_are_exact() -> None:
    drawn = picture(growth.count_pictures([run()]), quantity="bytes", phase="training step")
    expected = [multilayer_perceptron(sizes, 32).total.bytes for sizes in ((3, 4, 2), (64, 16, 10), (784, 128, 10))]
    assert list(series(drawn, "batch 32").y) == expected


def test_runs_share_a_picture_and_are_told_apart_by_more_than_hue() -> None:
    drawn = picture(growth.time_pictures([run("a"), run("b")]), phase="training step", threads="1")
    assert [each.name for each in drawn.series] == ["a: batch 1", "a: batch 32", "b: batch 1", "b: batch 32"]
    looks = {(each.colour, each.dash, each.hollow) for each in drawn.series}
    assert len(looks) == 4
    assert all(word.startswith(("a: ", "b: ")) for word in drawn.words)


def test_dtypes_are_never_mixed() -> None:
    rows = [*document(batches=[1])["benchmarks"]]
    mixed = [each | {"dtype": dtype} for each in rows for dtype in ("float32", "float64")]
    found = run_of("a", document() | {"benchmarks": mixed})
    drawn = picture(growth.time_pictures([found]), dtype="float64", phase="training step", threads="1")
    assert len(series(drawn, "batch 1").x) == 3


def test_peers_stand_beside_ours_and_their_ratios_have_intervals() -> None:
    measured = run()
    times = picture(peers.time_pictures([measured]), phase="training step", threads="1", batch="32")
    assert [each.name for each in times.series] == ["fastnn", "numpy", "torch"]
    for peer, factor in PEERS.items():
        assert series(times, peer).y == tuple(pytest.approx(factor * y) for y in series(times, "fastnn").y)
    assert times.words == ("The least time of 3 sizes: fastnn at 3.",)
    torch = picture(peers.ratio_pictures([measured]), peer="torch", phase="forward pass", threads="1")
    found = series(torch, "batch 1")
    assert (set(found.y), set(found.low), set(found.high)) == ({8.0}, {0.9 * 8.0}, {1.2 * 8.0})
    fastest = picture(peers.ratio_pictures([measured]), peer=peers.EVERY)
    assert set(series(fastest, "batch 1").y) == {3.0}
    assert "takes 3 times as long" in fastest.words[0]


def test_a_run_without_peers_has_no_pictures_of_them() -> None:
    alone = run(peers={})
    assert not list(peers.time_pictures([alone]))
    assert not list(peers.ratio_pictures([alone]))
    assert not any(card.title.startswith("the time of ours") for card in headline.headline(Sources((alone,))))


def test_the_roofline_has_the_measured_roofs_and_rates_below_them() -> None:
    drawn = picture(roofline.pictures([run()]), phase="training step", threads="2")
    peak = series(drawn, "peak, 200 GFLOP/s")
    assert set(peak.y) == {2 * PEAK}
    memory = series(drawn, "DRAM, 50.0 GB/s")
    assert memory.y[0] / memory.x[0] == pytest.approx(STREAM)
    assert memory.y[1] == pytest.approx(2 * PEAK)
    points = series(drawn, "batch 32")
    cost = multilayer_perceptron((3, 4, 2), 32).total
    assert points.x[0] == pytest.approx(cost.flops / cost.bytes)
    assert max(points.y) < 2 * PEAK
    assert "Nearest to its roof is 784-128-10" in drawn.words[0]


def test_no_roof_of_memory_rises_above_the_peak() -> None:
    """Of one network whose intensity is beyond all corners, roofs reach back to the corners."""
    drawn = next(roofline.pictures([run(networks=["784-128-10"], batches=[32], threads=[1])]))
    roofs = [each for each in drawn.series if each.kind == "line"]
    assert len(roofs) == 3
    for roof in roofs:
        assert roof.x[0] < roof.x[1]
        assert max(roof.y) == PEAK


def test_a_rate_above_its_roof_is_said_to_be() -> None:
    drawn = picture(roofline.pictures([run(networks=["784-128-10"], pace=2.0, batches=[32])]), phase="training step")
    assert "beat the roof" in drawn.words[-1]


def test_a_run_without_ceilings_has_no_roofline() -> None:
    assert not list(roofline.pictures([run(ceilings=[])]))


def test_parts_of_a_step_add_up_to_it() -> None:
    measured = run()
    for drawn in parts.pictures([measured]):
        shares = [sum(each) for each in zip(*(each.x for each in drawn.series), strict=True)]
        assert shares == pytest.approx([1, 1, 1])
    drawn = picture(parts.pictures([measured]), split="time: floor, kernels, call", batch="1", threads="1")
    step = next(r["median_s"] for r in measured.ours if (r["name"], r["phase"]) == ("3-4-2", "step"))
    assert series(drawn, "call from Python").x[0] == pytest.approx((CALL["step"] - CALL["epoch"]) / step)
    assert drawn.categories == ("3-4-2", "64-16-10", "784-128-10")
    flops = picture(parts.pictures([measured]), split="FLOPs", batch="32", threads="1")
    cost = multilayer_perceptron((784, 128, 10), 32)
    together = cost.forward.flops + cost.loss.flops + cost.backward.flops + cost.update.flops
    for name in ("forward", "loss", "backward", "update"):
        assert series(flops, name).x[2] == getattr(cost, name).flops / together


def test_an_epoch_that_is_slower_than_its_steps_leaves_no_negative_part() -> None:
    slow = [each | {"median_s": 1.0} if each["phase"] == "epoch" else each for each in document()["benchmarks"]]
    for drawn in parts.pictures([run_of("a", document() | {"benchmarks": slow})]):
        assert min(share for each in drawn.series for share in each.x) >= 0


def test_paper_models_take_what_predict_says_on_the_chosen_hardware() -> None:
    measured = run()
    drawn = picture(scale.pictures([measured]), phase="training step")
    models = series(drawn, "published models, a token")
    index = models.x.index(float(model("gpt3").parameters))
    chip = hardware("h100")
    device = next(each for each in scale.devices([measured]) if each["name"] == "h100")
    predicted = estimate(model("gpt3"), 2048, chip, devices=1, utilisation=0.3)
    assert predicted.step_s is not None
    found = scale.pace(models.work[index], models.moved[index], device, 0.3)
    assert found * 2048 == pytest.approx(predicted.step_s.median)
    assert max(x for each in drawn.series for x in each.x) == 1.8e12
    assert min(x for each in drawn.series for x in each.x) == 26
    assert series(drawn, "estimates, a token").hollow
    here = scale.devices([measured])[0]
    assert (here["flops_per_s"], here["bytes_per_s"]) == (2 * PEAK, STREAM)
    assert models.y[index] == scale.pace(models.work[index], models.moved[index], here, scale.UTILISATION)


def test_measured_points_on_the_paper_scale_are_the_best_of_their_size() -> None:
    drawn = picture(scale.pictures([run()]), phase="forward pass")
    rows = [r for r in run().ours if r["name"] == "784-128-10" and r["phase"] == "forward"]
    assert series(drawn, "measured").y[-1] == min(r["median_s"] / r["batch"] for r in rows)


def test_the_size_at_which_the_gpu_begins_to_win_is_where_the_lines_cross() -> None:
    drawn = picture(devices.pictures([run("cpu"), gpu()]), phase="training step", batch="32")
    border = series(drawn, "the GPU begins to win")
    (begins, again), on_cpu, on_gpu = border.x, drawn.series[0], drawn.series[1]
    assert begins == again
    assert 1210 < begins < 101_770

    def at(of: Series) -> float:
        """On the line between the two sizes around, in logarithms."""
        share = math.log(begins / of.x[1]) / math.log(of.x[2] / of.x[1])
        return math.log(of.y[1]) + share * math.log(of.y[2] / of.y[1])

    assert at(on_cpu) == pytest.approx(at(on_gpu))
    assert drawn.words[0].startswith("The GPU begins to win at about ")
    # The CPU takes part with its best number of threads.
    both = [r["median_s"] for r in run().ours if (r["name"], r["phase"], r["batch"]) == ("784-128-10", "step", 32)]
    assert on_cpu.y[2] == min(both)


@pytest.mark.parametrize(
    ("change", "words", "lines"),
    [
        ({"call_s": 1.0}, "The CPU is the faster one at the largest size.", 2),
        ({"call_s": -1.9e-6}, "The GPU is the faster one at every size.", 3),
        ({"networks": ["64-128-10"]}, "No size was measured on both.", 2),
    ],
)
def test_no_crossing_is_said_so(change: dict[str, Any], words: str, lines: int) -> None:
    drawn = picture(devices.pictures([run("cpu"), gpu(**change)]), phase="training step", batch="32")
    assert drawn.words[0] == words
    assert len(drawn.series) == lines


def test_without_a_gpu_there_is_no_picture_of_both() -> None:
    assert "devices" not in [section.family for section in gallery.sections(Sources((run(),)))]


def test_benchmarks_under_pytest_have_the_time_of_one_call() -> None:
    found = suite_of("s", suite())
    assert [row["median_s"] for row in found.rows] == [1e-5, 1e-5, 1e-3]
    (section,) = gallery.sections(Sources((), (found,)))
    (drawn,) = section.pictures
    assert series(drawn, "step").y == (5000 / 1e-5,)
    assert series(drawn, "matmul").y == (1000 / 1e-5,)
    assert "2 benchmarks, from 100 MFLOP/s (test_kernel[a]) to 500 MFLOP/s" in drawn.words[0]


def test_a_series_whose_lists_differ_is_refused() -> None:
    with pytest.raises(ValueError, match="series 'a'"):
        Series(name="a", x=(1.0, 2.0), y=(1.0,))
    with pytest.raises(ValueError, match="series 'a'"):
        Series(name="a", x=(1.0,), y=(1.0,), low=(1.0,))


def test_ticks_say_numbers_with_prefixes() -> None:
    assert Axis(title="", unit="s").label(1e-5) == "10 µs"
    assert Axis(title="").label(2.5e6) == "2.5 M"
    assert Axis(title="", percent=True).label(0.4) == "40%"


def test_every_picture_is_one_that_plotly_accepts_and_its_choice_is_its_own() -> None:
    found = gallery.sections(everything())
    assert len(found) == 9
    for section in found:
        choices = [each.choice for each in section.pictures]
        assert len(set(choices)) == len(choices)
        assert len({each.name for each in section.pictures}) == len(choices)
        for each in section.pictures:
            drawn = json.loads(json.dumps(figure(each)).replace('"--', '"#123456--'))
            for trace in drawn["data"]:
                plotly.graph_objects.Figure({"data": [_coloured(trace)], "layout": drawn["layout"]})
            assert each.words


def _coloured(part: Any) -> Any:
    """Names of colours as colours."""
    if isinstance(part, dict):
        return {key: _coloured(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_coloured(value) for value in part]
    return "#123456" if isinstance(part, str) and part.startswith("#123456--") else part


# Formulas -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [name for name in UPDATES if name != "nesterov"])
@pytest.mark.parametrize("batch", [1, 32])
def test_formulas_with_numbers_put_in_give_the_exact_costs(optimizer: str, batch: int) -> None:
    rows = [each | {"optimizer": optimizer} for each in document(batches=[batch], threads=[1])["benchmarks"]]
    networks = (3, 4, 2), (64, 16, 10), (784, 128, 10)
    for found, sizes in zip(formulas([run_of("a", document() | {"benchmarks": rows})]), networks, strict=True):
        cost = multilayer_perceptron(sizes, batch, optimizer=optimizer)
        lines = [line for part in found.parts for line in part.lines]

        def total(what: str, lines: Any = lines) -> int:
            return sum(line.value for line in lines if line.what == what)

        for name in ("forward", "loss", "backward", "update"):
            assert total(f"{name} FLOPs") == getattr(cost, name).flops
            assert total(f"{name} bytes") == getattr(cost, name).bytes
        assert total("loss transcendentals") == cost.loss.transcendentals
        assert total("forward multiply-adds") == cost.forward.macs
        assert (total("step FLOPs"), total("step bytes")) == (cost.total.flops, cost.total.bytes)
        assert total("bytes saved") == cost.saved_bytes
        assert total("parameters") == sum(i * o + o for i, o in zip(sizes[:-1], sizes[1:], strict=True))
