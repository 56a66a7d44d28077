"""The README tells the truth: its commands are the ones that are run, its examples work, its files exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from fastnn.bench import results
from fastnn.bench.table import si

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


def test_ci_runs_the_test_command_word_for_word() -> None:
    (tests,) = (command for command in COMMANDS if "pytest" in command)
    assert tests in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_run(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})
    # Each prints a share of right answers last, of a network that has learned.
    assert float(capsys.readouterr().out.split()[-1]) > 0.9


def test_the_figures_are_those_of_the_kept_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from readme_table import tables

    files = re.findall(r"`(bench_results/[\w.-]+\.json)`", README)
    read = {file: json.loads((ROOT / file).read_text(encoding="utf-8")) for file in files}
    with_avx2 = [document for file, document in read.items() if "zen3" in file]
    transformers = next(read.pop(file) for file in files if "transformers" in file)
    kernels, steps, peers, predictions, gallery, estimators = (
        read[file] for file in read if not {"zen3", "emerald"} & {*file.split("-")}
    )
    results.validate(steps)
    results.validate(peers)
    for fit in peers["fits"]:
        if (fit["quantity"], fit["phase"], fit["threads"]) == ("time", "step", 1):
            assert f"law: {fit['title']}: {fit['sentence']}" in README
    found = predictions["all"]
    assert f"{found['calls']} calls: {found['median']:.1%} off in the median".replace("%", " %") in README
    assert f"{found['nine_in_ten']:.0%} or less nine times in ten".replace("%", " %") in README
    assert f"held\n{found['intervals_held']:.0%} of the time".replace("%", " %") in README
    for table in (*tables(kernels, steps), *tables(*with_avx2)):
        assert table in README
    for example, cells in gallery_cells(gallery).items():
        assert re.search(rf"^\| `{example}.py` \|[^|]*\| {re.escape(' | '.join(cells))} \|$", README, re.MULTILINE)
    assert estimators_sentence(estimators) in README.replace("\n", " ")
    check_transformers([row for row in transformers["rows"] if row["threads"] == 1])


@pytest.mark.parametrize("models", ["images", "sequences"])
def test_the_tables_of_images_and_sequences_are_of_their_files(models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from readme_table import steps_table

    (file,) = re.findall(rf"`(bench_results/[\w.-]+-{models}\.json)`", README)
    document = json.loads((ROOT / file).read_text(encoding="utf-8"))
    results.validate(document)
    assert steps_table([document]) in README


def check_transformers(rows: list[Any]) -> None:
    """A line of each step, and what is said of writing token by token."""
    for row in rows:
        ratios = {name: peer["ratio"]["median"] for name, peer in row["peers"].items()}
        if row["phase"] == "step":
            times = [f"{ratio:.{0 if ratio >= 10 else 1}f}" for ratio in ratios.values()]
            cells = [si(row["ours_s"], "s"), f"{row['share']:.0%}".replace("%", " %"), *times]
            assert re.search(
                rf"^\|[^|]*\| {row['parameters']:,} \|[^|]*\| {re.escape(' | '.join(cells))} \|$", README, re.MULTILINE
            )
        else:
            said = re.sub(r"\s+", " ", README)
            assert (
                f"writes {round(row['tokens_per_s'], -3):,.0f} a second on one thread, {row['share']:.0%}"[:-1] in said
            )
            cached, whole = ratios.values()
            assert f"cache takes {cached:.1f} times as long, without one {whole:.0f} times" in said


def test_what_is_said_of_steps_beside_a_busy_core_is_in_the_kept_results() -> None:
    for threads, name in (("one thread", "steps-1-thread-busy"), ("two threads", "steps-2-threads-busy")):
        file = ROOT / f"bench_results/2026-11-30-zen3-2-cores-{name}.json"
        rows = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
        leads = np.array([min(ratio["median"] for ratio in row["ratio_to"].values())
                          for row in rows if row["phase"] == "step" and "ratio_to" in row])  # fmt: skip
        cells = f"{(leads > 1).sum()} of {len(leads)} cells on {threads}"
        mean = f"geometric mean {np.exp(np.log(leads).mean()):.2f}"
        assert f"{cells}, the least {leads.min():.2f}, {mean}" in README.replace("\n", " ")


def test_what_is_said_of_predictions_on_a_restless_machine_is_in_the_kept_results() -> None:
    file = ROOT / "bench_results/2026-11-30-zen3-2-cores-predictions.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    again, found = document["restless"], document["all"]
    words = README.replace("\n", " ")
    assert f"{again['median']:.1%} off in the median and {again['nine_in_ten']:.0%} or".replace("%", " %") in words
    said = f"{found['median']:.1%} and {found['nine_in_ten']:.0%}, the intervals held {found['intervals_held']:.0%}"
    assert said.replace("%", " %") in words


def gallery_cells(document: dict[str, Any]) -> dict[str, list[str]]:
    """Of each example on one thread: step by step with modules and without, batched where it can be, and compiled."""
    found = {}
    rows = [row for row in document["rows"] if row["threads"] == 1]
    for example in dict.fromkeys(row["example"] for row in rows):
        tried = [row["peers"] for row in rows if row["example"] == example]
        many = next((peers for peers in tried if "batched" in peers), tried[0])
        ways = (tried[0]["loop"], tried[0]["bare"], many.get("batched"), many["compiled"])
        ratios = [way and way["ratio"]["median"] for way in ways]
        found[example] = ["-" if each is None else f"{each:.{1 if each < 9.95 else 0}f}x" for each in ratios]
    return found


def estimators_sentence(document: dict[str, Any]) -> str:
    spans = []
    for dtype in ("float64", "float32"):
        rows = [row for row in document["rows"] if (row["case"], row["dtype"]) == ("digits", dtype)]
        assert all(np.mean(row["ours_scores"]) == np.mean(row["sklearn_scores"]) for row in rows)
        spans += [f"{ends(row['ratio']['median'] for row in rows):.1f}" for ends in (min, max)]
    return (
        f"is {spans[0]} to {spans[1]} times as fast as scikit-learn's in float64 and "
        f"{spans[2]} to {spans[3]} times in float32"
    )


def test_the_table_of_models_on_paper_is_what_the_command_prints() -> None:
    from fastnn.cli import main

    (shown,) = re.findall(r"```\n\$ fastnn predict (.*)\n([^`]*)```", README)
    printed = CliRunner().invoke(main, ["predict", *shown[0].split()]).stdout
    assert [line.rstrip() for line in printed.splitlines()][: shown[1].count("\n")] == shown[1].splitlines()


def test_the_commands_of_the_table_exist() -> None:
    from fastnn.cli import main

    named = set(re.findall(r"^\| `fastnn ([\w-]+)`", README, re.MULTILINE))
    assert named == set(main.list_commands(click.Context(main)))


def test_the_paths_that_it_names_exist() -> None:
    named = re.findall(r"`((?:fastnn|benchmarks|bench_results|tests)/[\w./-]*)`", README)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
