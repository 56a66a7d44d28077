"""How demonstrations are shown: in a terminal, a pipe, as JSON, as a page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import needs
import pytest
from demos import run, shown
from processes import uncovered

from fastnn.demo.catalogue import SUMMARIES
from fastnn.demo.display.demonstration import Table, decimal
from fastnn.demo.display.terminal import is_numeric

QUICK = ("neuron", "losses", "temperature")


def test_demo_alone_lists_them_all() -> None:
    result = run()
    assert result.exit_code == 0
    assert [line.split()[2] for line in result.stdout.splitlines() if line.strip()] == list(SUMMARIES)
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert run("nothing").exit_code == 2


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_demonstration_fits_80_columns_of_a_pipe_and_is_the_same_each_time(name: str) -> None:
    from io import StringIO

    from fastnn.demo.display.terminal import console, print_demonstration

    stream = StringIO()
    print_demonstration(console(stream), shown(name))
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert text.startswith(shown(name).title[:40])
    json.dumps(shown(name).numbers, allow_nan=False)


@pytest.mark.parametrize("name", SUMMARIES)
def test_each_has_help_and_a_seed_where_it_draws(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    for option in ("--json", "--html"):
        assert option in result.stdout


@pytest.mark.parametrize("name", QUICK)
def test_json_goes_to_stdout_alone_or_to_a_file_beside_the_text(name: str, tmp_path: Path) -> None:
    alone = json.loads(run(name, "--json", "-").stdout)
    assert (alone["schema"], alone["name"]) == ("fastnn-demo/1", name)
    file = tmp_path / "found.json"
    beside = run(name, "--json", str(file))
    assert json.loads(file.read_text()) == alone
    assert "written" in beside.stderr
    assert len(beside.stdout) > 200


@pytest.mark.parametrize("name", ["losses", "perceptron", "rnn"])
def test_a_page_holds_all_it_needs(name: str, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    assert run(name, "--html", str(file)).exit_code == 0
    html = file.read_text(encoding="utf-8")
    assert shown(name).title in html
    assert "<svg" in html
    assert "<script" not in html
    assert "default-src 'none'" in html
    # What is loaded stands in these; addresses of vocabularies, in others, are only names.
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:|//)", html)


def test_a_page_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    result = run("neuron", "--html", str(tmp_path / "neuron.html" / "x" / ".."))
    assert result.exit_code == 2
    assert result.stdout == ""


def test_a_page_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fastnn.report import extra

    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    result = run("neuron", "--html", str(tmp_path / "page.html"))
    assert result.exit_code == 2
    assert "pip install 'fastnn[report]'" in result.stderr
    assert not (tmp_path / "page.html").exists()


def test_columns_of_numbers_stand_to_the_right() -> None:
    assert is_numeric(["1", "-0.5", "1e-05", "97.2%", "1,000", "-"])
    assert not is_numeric(["1", "hidden"])


def test_a_table_with_a_short_row_is_refused() -> None:
    with pytest.raises(ValueError, match="another number of cells"):
        Table(columns=("a", "b"), rows=(("1",),))


def test_decimals_have_no_zeros_at_the_end() -> None:
    assert [decimal(value) for value in (0.98, -0.09, 0.0, -0.00001, 10.0, 0.70000001)] == [
        "0.98", "-0.09", "0", "0", "10", "0.7",
    ]  # fmt: skip


def test_one_place_for_two_files_is_refused(tmp_path: Path) -> None:
    file = str(tmp_path / "x.html")
    result = run("neuron", "--html", file, "--json", file)
    assert result.exit_code == 2
    assert "named twice" in result.stderr
    assert list(tmp_path.iterdir()) == []


@needs.compiled_kernels
def test_what_is_compiled_first_is_announced(tmp_path: Path) -> None:
    environment = {**uncovered(), "FASTNN_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "fastnn", "demo", "temperature"]
    first, then = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
        for _ in range(2)
    )
    assert "compiling kernels, once" in first.stderr
    assert then.stderr == ""
    assert then.stdout == first.stdout
