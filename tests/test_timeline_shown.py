"""How the timeline shows what was found: comparisons, spreads, the terminal, JSON and the page."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from test_timeline import DATES

from fastnn import cli
from fastnn.demo.display.demonstration import Table
from fastnn.report.picture import Axis, Picture, Series
from fastnn.timeline.drawing import Scale, histogram_svg, picture_svg
from fastnn.timeline.experiments.found import Comparison, Run, Spread, Work, within_twice
from fastnn.timeline.page import page
from fastnn.timeline.papers.milestones import milestones
from fastnn.timeline.repeated import Entry, Repeated, names, repeat
from fastnn.timeline.terminal import histogram


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["timeline", *arguments])


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
