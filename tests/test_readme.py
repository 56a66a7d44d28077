"""The README tells the truth: its commands are the ones that are run, its examples work, its files exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fastnn.bench import results

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
    kernels, steps, peers, predictions = (json.loads((ROOT / file).read_text(encoding="utf-8")) for file in files)
    results.validate(steps)
    results.validate(peers)
    for fit in peers["fits"]:
        if (fit["quantity"], fit["phase"], fit["threads"]) == ("time", "step", 1):
            assert f"law: {fit['title']}: {fit['sentence']}" in README
    found = predictions["all"]
    assert f"{found['calls']} calls: {found['median']:.1%} off in the median".replace("%", " %") in README
    assert f"{found['nine_in_ten']:.0%} or less nine times in ten".replace("%", " %") in README
    assert f"held\n{found['intervals_held']:.0%} of the time".replace("%", " %") in README
    for table in tables(kernels, steps):
        assert table in README


def test_the_table_of_models_on_paper_is_what_the_command_prints() -> None:
    from fastnn.cli import main

    (shown,) = re.findall(r"```\n\$ fastnn predict (.*)\n([^`]*)```", README)
    printed = CliRunner().invoke(main, ["predict", *shown[0].split()]).stdout
    assert [line.rstrip() for line in printed.splitlines()][: shown[1].count("\n")] == shown[1].splitlines()


def test_the_commands_of_the_table_exist() -> None:
    from fastnn.cli import main

    named = set(re.findall(r"^\| `fastnn (\w+)`", README, re.MULTILINE))
    assert named == set(main.list_commands(click.Context(main)))


def test_the_paths_that_it_names_exist() -> None:
    named = re.findall(r"`((?:fastnn|benchmarks|bench_results|tests)/[\w./-]*)`", README)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
