"""Figures for papers and pictures in a terminal: the same pictures as on the page, drawn elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from click.testing import CliRunner
from report_documents import document, everything, fit, picture, run, series, write

from fastnn import cli
from fastnn.report import extra, figures, gallery, growth, terminal
from fastnn.report.picture import Axis, Picture, Series
from fastnn.report.sources import run_of

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def step() -> Picture:
    measured = run_of("a", document() | {"fits": [fit()]})
    return picture(growth.time_pictures([measured]), phase="training step", threads="1")


def test_a_figure_draws_the_numbers_of_its_picture(step: Picture) -> None:
    axes = figures.draw(step).axes[0]
    lines = {container.get_label(): container.lines[0] for container in axes.containers}
    for name in ("batch 1", "batch 32"):
        assert list(lines[name].get_xdata()) == list(series(step, name).x)
        assert list(lines[name].get_ydata()) == list(series(step, name).y)
    (law,) = [line for line in axes.lines if line.get_label() == "batch 32, law"]
    assert list(law.get_ydata()) == list(series(step, "batch 32, law").y)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert {line.get_marker() for line in lines.values()} == {"o", "s"}
    assert axes.get_legend_handles_labels()[1].count("batch 1") == 1


def test_bars_of_a_figure_end_where_the_shares_do() -> None:
    sections = {section.family: section for section in gallery.sections(everything())}
    parts = sections["parts"].pictures[0]
    axes = figures.draw(parts).axes[0]
    ends = [bar.get_x() + bar.get_width() for bar in axes.containers[-1]]
    assert ends == pytest.approx([1, 1, 1])
    assert [label.get_text() for label in axes.get_yticklabels()] == list(parts.categories)
    assert len({container[0].get_hatch() for container in axes.containers}) == len(parts.series)


def test_figures_are_written_twice_each_and_the_same_from_run_to_run(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", document(networks=["3-4-2"], batches=[1], threads=[1], peers={}))
    written = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        result = CliRunner().invoke(
            cli.main, ["report", str(file), "-o", str(tmp_path / "r.html"), "--figures", str(folder)]
        )
        assert result.exit_code == 0, result.output
        written.append({each.name: each.read_bytes() for each in folder.iterdir()})
    assert written[0] == written[1]
    names = {Path(name).stem for name in written[0]}
    assert {f"{name}.{ending}" for name in names for ending in ("png", "svg")} == set(written[0])
    assert {name.partition("-")[0] for name in names} == {"time", "roofline", "parts", "counts", "scale"}
    svg = written[0]["time-training-step-threads-1.svg"]
    assert written[0]["time-training-step-threads-1.png"].startswith(PNG)
    assert b"Time of a training step, 1 thread</text>" in svg
    assert str(tmp_path).encode() not in svg


def test_every_kind_of_picture_can_be_a_figure() -> None:
    with matplotlib.rc_context(figures.SETTINGS):
        for section in gallery.sections(everything()):
            figures.draw(section.pictures[0])


def test_names_that_matplotlib_would_read_stay_names() -> None:
    """A legend leaves out what begins with an underscore; what is between dollars would be set as mathematics."""
    runs = [run("_before"), run("$a_$")]
    (svg,) = (c for e, c in figures.drawn(next(growth.time_pictures(runs))) if e == "svg")
    for label in ("_before: batch 1", "$a_$: batch 32"):
        assert label in svg.decode()


def test_missing_matplotlib_exits_2_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = extra.find_spec
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    page = tmp_path / "r.html"
    file = write(tmp_path / "a.json", document())
    result = CliRunner().invoke(cli.main, ["report", str(file), "-o", str(page), "--figures", str(tmp_path)])
    assert result.exit_code == 2
    assert "pip install 'fastnn[report]'" in result.stderr
    assert not page.exists()


# A terminal -----------------------------------------------------------------------------------------------------------


def test_a_terminal_of_80_columns_shows_title_axes_and_legend(step: Picture) -> None:
    drawn = terminal.text(step, coloured=False)
    lines = drawn.splitlines()
    assert max(map(len, lines)) <= terminal.WIDTH
    assert len(lines) <= terminal.HEIGHT
    assert "\x1b" not in drawn
    for word in ("Time of a training step, 1 thread", "batch 1", "batch 32", "time of one call", "parameters", "100 k"):
        assert word in drawn
    # A mark a network and one in the legend, where none hides another.
    assert drawn.count("o") >= 4
    assert drawn.count("#") >= 2


def test_colours_are_for_terminals_that_show_them(step: Picture) -> None:
    assert "\x1b[38;2;" in terminal.text(step, coloured=True)


def test_points_stand_where_their_numbers_say() -> None:
    """The largest at the right and the top, one of a hundredth two thirds down a scale of three powers."""
    drawn = Picture(
        family="a", title="", x=Axis(title="x", log=True), y=Axis(title="y", log=True),
        series=(Series(name="", x=(1.0, 10.0, 1000.0), y=(1.0, 1000.0, 10.0)),),
    )  # fmt: skip
    lines = terminal.text(drawn, coloured=False).splitlines()
    rows = [(y, line.index("o")) for y, line in enumerate(lines) if "o" in line]
    (top, second), (middle, last), (bottom, first) = rows
    assert first < second < last
    assert (second - first) / (last - first) == pytest.approx(1 / 3, abs=0.03)
    assert (bottom - middle) / (bottom - top) == pytest.approx(1 / 3, abs=0.06)


def test_ticks_of_an_even_axis_are_round_numbers_within_it() -> None:
    places, labels = terminal.ticks(Axis(title="", percent=True), [0.0, 1.0], 8)
    assert (places, labels) == ([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    assert terminal.ticks(Axis(title="", plain=True), [-0.3, 4.02], 8)[1] == ["0", "2", "4"]
    assert terminal.ticks(Axis(title="", plain=True), [7.0, 7.0], 8)[1] == ["7"]


def test_the_legend_stands_below_the_picture_and_names_lines_and_marks() -> None:
    series = [
        Series(name=f"a long name of number {place}", colour=place, x=(0.0, 1.0), y=(0.0, 1.0), kind=kind)
        for place, kind in enumerate(("points", "linked", "line"))
    ]
    drawn = Picture(family="a", title="", x=Axis(title="x"), y=Axis(title="y"), series=tuple(series))
    lines = terminal.text(drawn, coloured=False, height=20).splitlines()
    assert lines[-2:] == ["o a long name of number 0   # a long name of number 1", "⠒⠒ a long name of number 2"]
    assert len(lines) <= 20
    assert not any("long name" in line for line in lines[:-2])


def test_a_picture_without_points_is_no_text() -> None:
    empty = Picture(family="a", title="", x=Axis(title=""), y=Axis(title=""), series=())
    assert terminal.text(empty, coloured=False) == ""


def bench(*arguments: str) -> Any:
    return CliRunner().invoke(cli.main, ["bench", "--sizes", "3-4-2", "--fast", "--threads", "1", *arguments])


def test_bench_plots_to_stderr_after_its_table() -> None:
    result = bench("--plot")
    assert result.exit_code == 0, result.output
    assert "┤" in result.stderr
    assert "Time of a training step" in result.stderr
    assert "┤" not in result.stdout
    assert result.stdout.split()[0] == "network"


def test_bench_without_a_plot_imports_no_drawer() -> None:
    from processes import run_python

    found = run_python(
        "import json, sys\nfrom fastnn.bench import command\n"
        "print(json.dumps(sorted({'plotly', 'plotext', 'matplotlib', 'jinja2'} & set(sys.modules))))"
    )
    assert found == []
    assert "fastnn" in sys.modules
