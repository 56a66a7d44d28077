"""The law in a run's rows: one entry a group, its sentence, what bounds each regime, and 6 N D beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fastnn import cost
from fastnn.bench.fits import fits, sentence
from fastnn.bench.ladder import LADDER
from fastnn.simd.machine import Ceilings, Level
from fastnn.study.power_law import Estimate, Regime, fit

INFINITE = float("inf")
LEVELS = (Level("L1", 1e5, 100, {"copy": 1e11}), Level("DRAM", INFINITE, 100, {"copy": 4e10}))
CEILINGS = {1: Ceilings(1, "float32", 1e11, 5e-8, 2e-7, LEVELS)}


def rows(batch: int = 32, phase: str = "step", **about: Any) -> list[dict[str, Any]]:
    """Of the ladder, with times of 1.5 us + 2e-10 s a parameter."""
    found = []
    for rung in LADDER:
        step = cost.multilayer_perceptron(rung.sizes, batch)
        total = step.forward if phase == "forward" else step.total
        found.append({
            "name": rung.name, "params": rung.params, "batch": batch, "threads": 1, "dtype": "float32",
            "optimizer": "sgd", "phase": phase, "median_s": 1.5e-6 + 2e-10 * rung.params, "flops": total.flops,
            "bytes_min": total.bytes, "working_set": 4 * rung.params, **about,
        })  # fmt: skip
    return found


def test_a_group_has_a_law_of_time_flops_and_bytes_in_strict_json() -> None:
    found = fits(rows(), CEILINGS)
    assert [entry["quantity"] for entry in found] == ["time", "flops", "bytes"]
    for entry in found:
        json.dumps(entry, allow_nan=False)
        assert entry["points"] == len(LADDER)
        assert entry["curve"][0][0] == pytest.approx(26)
        assert entry["curve"][-1][0] == pytest.approx(101_972_650)
        assert all(low <= value <= high for _, value, low, high in entry["curve"])
    assert found[0]["overhead"] == pytest.approx(1.5e-6, rel=1e-4)


def test_the_sentence_says_overhead_break_and_exponent() -> None:
    found = fits(rows(), CEILINGS)[0]
    assert found["title"] == "step, batch 32, 1 thread"
    assert found["sentence"] == (
        "below 7,500 parameters [7,500, 7,500] 1.50 µs whatever the size; above, time grows as parameters^1.00 ± 0.00"
    )


def test_a_law_of_a_device_is_not_one_of_threads() -> None:
    found = fits(rows(), CEILINGS, "cuda")[0]
    assert (found["device"], found["title"]) == ("cuda", "step, batch 32, cuda")


def test_a_law_without_overhead_says_so_in_a_clause() -> None:
    linear = [row | {"median_s": 2e-10 * row["params"]} for row in rows()]
    assert fits(linear, CEILINGS)[0]["sentence"] == "time grows as parameters^1.00 ± 0.00"


def test_an_interval_beyond_all_networks_is_not_written_out() -> None:
    known, unknown = Estimate(1.0, 0.9, 1.1), Estimate(22_508.0, 0.02, 4.4e39)
    law = fit([26, 46, 1_210, 9_610, 101_770], [1.0, 1.1, 2.0, 9.0, 80.0])
    words = sentence(law, [Regime(None, unknown, known), Regime(unknown, None, known)], "s", "time grows")
    assert words.endswith("from 23,000 parameters [0, 4e+39] on as parameters^1.00 ± 0.10")


def test_a_regime_names_what_bounds_most_of_its_rows() -> None:
    flat, growth = fits(rows(batch=1), CEILINGS)[0]["regimes"]
    assert (flat["name"], flat["exponent"], flat["bound"]) == ("overhead", 0, "L1")
    assert (growth["name"], growth["bound"]) == ("growth", "DRAM")
    assert flat["to"] == growth["from"]
    assert fits(rows(batch=256), CEILINGS)[0]["regimes"][1]["bound"] == "multiply-adds"


def test_six_n_d_stands_beside_the_count_and_the_time() -> None:
    time, flops, moved = fits(rows(), CEILINGS)
    first = {each["name"]: each["error"] for each in flops["simple_model"]["errors"]}
    assert flops["simple_model"]["name"] == "6 N D"
    counted = cost.multilayer_perceptron((3, 4, 2), 32).total.flops
    assert first["3-4-2"] == pytest.approx(6 * 26 * 32 / counted - 1)
    assert moved["simple_model"] is None
    errors = time["simple_model"]["errors"]
    assert errors[-1]["error"] == pytest.approx(0)
    assert errors[0]["error"] < -0.99
    assert fits(rows(phase="forward"), CEILINGS)[0]["simple_model"]["name"] == "2 N D"


def test_groups_are_apart_and_peers_have_a_law_of_time_alone() -> None:
    found = fits(rows() + rows(batch=1) + rows(peer="numpy"), CEILINGS)
    assert [(entry["batch"], entry["peer"], entry["quantity"]) for entry in found] == [
        *((batch, None, quantity) for batch in (32, 1) for quantity in ("time", "flops", "bytes")),
        (32, "numpy", "time"),
    ]
    assert found[-1]["title"].startswith("numpy, step")


def test_refused_rows_and_too_few_networks_have_none() -> None:
    assert fits(rows()[:4], CEILINGS) == []
    assert fits([row | {"median_s": None} for row in rows()], CEILINGS) == []
