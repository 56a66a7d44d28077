"""fastnn compare: what changed is found, what only drifted is not, and what cannot be compared is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_rows import CONTEXT, row
from click.testing import CliRunner, Result

from fastnn.bench import comparison, results
from fastnn.bench.comparison import FASTER, SAME, SLOWER, UNDECIDED, NotComparable
from fastnn.cli import main

NETWORKS = tuple(f"3-{units}-2" for units in range(4, 24))


def document(seed: int, factors: dict[str, float] | None = None, clock: float = 1.0, noise: float = 0.01) -> Any:
    """A run of 20 networks whose times differ by `noise` within and between runs, on a machine at some clock."""
    rng = np.random.default_rng(seed)
    rows = []
    for index, name in enumerate(NETWORKS):
        true = 1e-5 * (1 + index) * (factors or {}).get(name, 1.0) / clock
        times = true * np.exp(noise * rng.standard_normal()) * np.exp(noise * rng.standard_normal(40))
        rows.append(
            row(name=name, times_s=times.tolist(), median_s=float(np.median(times)), pace_flops_per_s=1e11 * clock)
        )
    return results.document(CONTEXT, rows)


def verdicts(before: Any, after: Any, thresholds: dict[str, float] | None = None) -> dict[str, str]:
    return {found.key[0]: found.verdict for found in comparison.compare(before, after, thresholds or {}).rows}


def test_two_runs_of_the_same_code_are_found_neither_faster_nor_slower() -> None:
    changed = 0
    for seed in range(10):
        found = verdicts(document(2 * seed), document(2 * seed + 1))
        changed += sum(verdict in (FASTER, SLOWER) for verdict in found.values())
    assert changed <= 0.05 * 10 * len(NETWORKS)


def test_a_kernel_slowed_by_a_tenth_is_found_and_one_made_faster() -> None:
    for seed in range(5):
        found = verdicts(document(seed), document(99 + seed, {"3-7-2": 1.1, "3-9-2": 1 / 1.1}))
        assert (found["3-7-2"], found["3-9-2"]) == (SLOWER, FASTER)
        assert sum(verdict in (FASTER, SLOWER) for verdict in found.values()) <= 3


def test_where_one_run_has_no_pace_seconds_are_compared() -> None:
    before = document(0)
    for each in before["benchmarks"]:
        del each["pace_flops_per_s"]
    assert comparison.compare(before, document(1), {}).mean == pytest.approx(1, rel=0.05)
    assert comparison.compare(document(1), before, {}).mean == pytest.approx(1, rel=0.05)


def test_all_that_is_slower_is_found_and_a_slower_clock_is_not_blamed() -> None:
    everything = dict.fromkeys(NETWORKS, 1.1)
    found = list(verdicts(document(0), document(1, everything)).values())
    assert found.count(SLOWER) >= 18
    assert comparison.compare(document(0), document(1, everything), {}).mean == pytest.approx(1.1, rel=0.01)
    assert SLOWER not in verdicts(document(0), document(1, clock=0.9)).values()


def test_little_change_is_the_same_and_much_noise_leaves_it_undecided() -> None:
    assert set(verdicts(document(0, noise=0.002), document(1, noise=0.002)).values()) == {SAME}
    assert UNDECIDED in verdicts(document(0, noise=0.2), document(1, noise=0.2)).values()


def test_thresholds_are_of_all_rows_or_of_a_network() -> None:
    before, after = document(0, noise=0.002), document(1, {"3-7-2": 1.1, "3-9-2": 1.1}, noise=0.002)
    found = verdicts(before, after, {"3-7-2": 0.2})
    assert (found["3-7-2"], found["3-9-2"]) == (SAME, SLOWER)
    assert verdicts(before, after, {"": 0.2})["3-9-2"] == SAME


def test_few_rows_are_given_the_scatter_that_others_have_shown() -> None:
    assert comparison.scatter_of([1.0, 1.5]) == comparison.ASSUMED_SCATTER
    logs = np.random.default_rng(0).normal(0.3, 0.04, 500)
    assert comparison.scatter_of(np.exp(logs).tolist()) == pytest.approx(0.04, rel=0.1)


def test_calls_of_a_microsecond_scatter_more_and_must_change_more() -> None:
    """Code lies elsewhere in every process."""

    def short(seed: int, factor: float) -> Any:
        found = document(seed, {"3-7-2": factor}, noise=0.002)
        row = found["benchmarks"][3]
        row["times_s"], row["median_s"] = [time / 40 for time in row["times_s"]], row["median_s"] / 40
        return found

    assert verdicts(short(0, 1.0), short(1, 1.1))["3-7-2"] == UNDECIDED
    assert verdicts(short(0, 1.0), short(1, 1.3))["3-7-2"] == SLOWER
    assert verdicts(document(0, noise=0.002), document(1, {"3-7-2": 1.1}, noise=0.002))["3-7-2"] == SLOWER


def test_cores_that_moved_apart_are_named() -> None:
    near, far = document(0), document(1)
    for found, seconds in ((near, 1e-7), (far, 4e-7)):
        found["context"] = found["context"] | {"ceilings": [{"handover_s": None}, {"handover_s": seconds}]}
    (warning,) = comparison.compare(near, far, {}).warnings
    assert "went between cores and back in 1e-07 s, now in 4e-07 s" in warning
    assert comparison.compare(near, near, {}).warnings == []


def test_what_cannot_be_compared_is_refused_or_left_out_and_named() -> None:
    good = document(0)
    with pytest.raises(NotComparable, match="different machines: cpu is"):
        comparison.compare(good, good | {"context": good["context"] | {"cpu": "abacus"}}, {})
    with pytest.raises(NotComparable, match="no timed row in common"):
        comparison.compare(good, good | {"benchmarks": []}, {})
    first, second, third, *rest = good["benchmarks"]
    other = [first | {"times_s": []}, second | {"flops": 7}, third | {"batch": 64}, *rest]
    found = comparison.compare(good, good | {"benchmarks": other}, {})
    assert len(found.rows) == len(rest)
    text = "\n".join(found.left_out)
    assert "3-4-2, batch 32, 1 thread(s), step: refused in one of the runs" in text
    assert "3-5-2, batch 32, 1 thread(s), step: its FLOPs differ" in text
    assert "3-6-2, batch 64, 1 thread(s), step: only in one of the runs" in text


def test_what_differs_beside_the_code_is_told() -> None:
    good = document(0)
    versions = good["context"]["versions"] | {"numpy": "0.1"}
    found = comparison.compare(good, good | {"context": good["context"] | {"versions": versions}}, {})
    assert found.warnings == [f"numpy was {good['context']['versions']['numpy']}, is 0.1"]


def invoke(tmp_path: Path, before: Any, after: Any, *options: str) -> Result:
    files = []
    for name, content in (("before", before), ("after", after)):
        file = tmp_path / f"{name}.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        files.append(str(file))
    return CliRunner().invoke(main, ["compare", *files, *options])


def test_the_command_prints_verdicts_and_fails_where_it_is_told_to(tmp_path: Path) -> None:
    before, after = document(0, noise=0.002), document(1, {"3-7-2": 1.2}, noise=0.002)
    result = invoke(tmp_path, before, after)
    assert result.exit_code == 0, result.output
    assert "1 SLOWER, 19 SAME" in result.stdout
    assert "geometric mean of the ratios 1.0" in result.stdout
    failed = invoke(tmp_path, before, after, "--fail-on", "slower:10%")
    assert failed.exit_code == 1
    assert "fails: 3-7-2, batch 32, 1 thread(s), step is SLOWER" in failed.stdout
    assert invoke(tmp_path, before, after, "--fail-on", "slower:30%").exit_code == 0
    assert invoke(tmp_path, before, after, "--fail-on", "faster").exit_code == 0


def test_the_command_writes_json(tmp_path: Path) -> None:
    before, after = document(0, noise=0.002), document(1, {"3-7-2": 1.2}, noise=0.002)
    printed = json.loads(invoke(tmp_path, before, after, "--json", "-").stdout)
    out = tmp_path / "out.json"
    assert invoke(tmp_path, before, after, "--json", str(out)).exit_code == 0
    assert json.loads(out.read_text()) == printed
    (slower,) = [found for found in printed["rows"] if found["verdict"] == SLOWER]
    assert (slower["name"], slower["phase"]) == ("3-7-2", "step")
    assert slower["low"] < slower["ratio"] < slower["high"]


@pytest.mark.parametrize(
    ("after", "options", "complaint"),
    [
        ("{", (), "cannot be read"),
        ("{}", (), "is no result of fastnn bench"),
        ("[]", (), "is no result of fastnn bench"),
        (None, ("--threshold", "much"), "'much' is no share"),
        (None, ("--fail-on", "older:5%"), "expected slower or faster"),
    ],
)
def test_bad_input_ends_with_2(tmp_path: Path, after: str | None, options: tuple[str, ...], complaint: str) -> None:
    result = invoke(tmp_path, document(0), document(1) if after is None else after, *options)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())
