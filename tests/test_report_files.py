"""The report as a file: tables that hold every row, a page that fetches nothing, and the command that writes it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from bench_rows import private_words
from click.testing import CliRunner, Result
from report_documents import (
    CEILINGS,
    document,
    everything,
    gpu,
    of_peer,
    run,
    suite,
    write,
)

from fastnn import cli
from fastnn.bench import results
from fastnn.report import (
    extra,
    gallery,
    headline,
    listing,
    origin,
    page,
    palette,
    sources,
)
from fastnn.report.sources import Sources, run_of

LIMIT = 6_000_000


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["report", *arguments])


# Tables and words -----------------------------------------------------------------------------------------------------


def test_the_table_holds_every_row_refused_ones_too() -> None:
    found = document()
    refused = found["benchmarks"][0] | {"verdict": "refused", "times_s": []} | dict.fromkeys(results.TIMED_FIELDS)
    whole = run_of("a", found | {"benchmarks": [*found["benchmarks"], refused]})
    cells = listing.cells([whole])
    assert len(cells) == len(found["benchmarks"]) + 1
    names = [column["name"] for column in listing.columns()]
    table = [dict(zip(names, row, strict=True)) for row in cells]
    for row, cell in zip(whole.document["benchmarks"], table, strict=True):
        for name in ("name", "params", "batch", "threads", "phase", "flops", "bytes_min", "macs", "verdict"):
            assert cell[name] == row[name]
        assert cell["program"] == row.get("peer", "fastnn")
        assert cell["median_s"] == (row["median_s"] and pytest.approx(row["median_s"], rel=1e-5))
        assert cell["ratio"] == (row["ratio"]["median"] if "ratio" in row else None)
    assert table[-1]["median_s"] is None
    assert whole.refused == 1
    assert all(row["median_s"] is not None for row in whole.rows)


def test_the_headline_counts_and_compares() -> None:
    cards = headline.headline(Sources((run(),)))
    assert [card.number for card in cards] == ["26 to 102 k", "2.00 µs", "50%", "3.00x"]
    assert cards[3].detail == "geometric mean of 12 cases; ours leads in 12"
    assert headline.headline(Sources((run_of("a", document(networks=[])),))) == []


def test_the_headline_names_the_phase_that_it_is_of() -> None:
    forward = [row for row in document()["benchmarks"] if row["phase"] == "forward"]
    cards = headline.headline(Sources((run_of("a", document() | {"benchmarks": forward}),)))
    assert cards[1].title == "a forward pass of 3-4-2"


def test_the_command_measures_the_same_again() -> None:
    assert origin.command(run("x")) == (
        "fastnn bench --sizes 3-4-2 64-16-10 784-128-10 --batch 1 32 --threads 1 2 --dtype float32 --optimizer sgd "
        "--peers numpy,torch --json x.json"
    )
    assert origin.command(run("x", effort="fast")).endswith(" --fast --json x.json")
    assert origin.command(run("x", effort="normal")) == origin.command(run("x"))
    assert "--device cuda" in origin.command(gpu())
    assert "--threads" not in origin.command(gpu())
    assert origin.command(run_of("a", document(networks=[]))) == "fastnn bench"


def test_the_machine_is_told_without_names_of_people() -> None:
    found = origin.of_run(run(memory=2**34, git_revision="0123456789abcdef", git_dirty=True, gpu={"name": "a GPU"}))
    facts = dict(found.facts)
    assert facts["memory"] == "16 GiB"
    assert facts["caches"] == "L1d 32 KiB"
    assert facts["revision"] == "0123456789ab, with changes"
    assert facts["GPU"] == "a GPU"
    assert found.ceilings[1] == ("multiply-adds", "100 GFLOP/s", "200 GFLOP/s")
    assert origin.of_run(run(ceilings=[])).ceilings == ()
    assert ("cores", "4 logical") in origin.of_run(run(cores_physical=None, cores_logical=4)).facts
    assert "cores" not in dict(origin.of_run(run(cores_physical=None, cores_logical=None)).facts)
    assert ("peers", "torch 2.13.0") in origin.of_run(run(peer_versions={"torch": "2.13.0"})).facts
    apart = [each | {"handover_s": seconds} for each, seconds in zip(CEILINGS, (None, 1e-7), strict=False)]
    assert ("between cores", "", "100 ns") in origin.of_run(run(ceilings=apart)).ceilings


# The page -------------------------------------------------------------------------------------------------------------


class Resources(HTMLParser):
    """Addresses that a browser would fetch when it shows the page."""

    FETCHED = {("link", "href"), ("use", "href"), *((tag, "src") for tag in ("script", "img", "iframe", "source"))}

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [str(value) for name, value in attrs if (tag, name) in self.FETCHED]


def data_of(html: str) -> dict[str, Any]:
    packed = re.search(r'id="data">([^<]+)<', html)
    assert packed
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    return found


@pytest.fixture(scope="module")
def html() -> str:
    return page.page(everything())


def test_the_page_fetches_nothing(html: str) -> None:
    resources = Resources()
    resources.feed(html)
    assert resources.found == ["data:,"]
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in html


def test_the_page_holds_every_row_and_every_picture(html: str) -> None:
    found = data_of(html)
    everything_ = everything()
    assert len(found["rows"]) == sum(len(each.document["benchmarks"]) for each in everything_.runs)
    assert {name: len(each) for name, each in found["families"].items()} == {
        section.family: len(section.pictures) for section in gallery.sections(everything_)
    }
    assert len(found["suites"][0]["rows"]) == 3
    assert private_words(json.dumps(found)) == []


def test_the_page_is_the_same_from_run_to_run(html: str) -> None:
    assert page.page(everything()) == html


def test_three_large_files_make_a_page_below_6_mb() -> None:
    """As large as a run of the whole ladder: 9 networks, 3 batches, 2 threads, 3 peers are 486 rows."""
    ladder = [f"{64 + n}-{2**n}-10" for n in range(9)]
    three = {"numpy": 3.0, "torch": 8.1, "jax": 1.7}
    runs = tuple(
        run(f"a-long-name-of-a-file-{n}", networks=ladder, batches=[1, 32, 256], peers=three, call_s=n * 1e-7)
        for n in range(3)
    )
    assert sum(len(each.rows) for each in runs) == 3 * 486
    assert len(page.page(Sources(runs)).encode()) < LIMIT


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_stands_out_from_the_ground(theme: str) -> None:
    """By the contrast of WCAG 2.2, 1.4.11."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    ground = luminance(palette.GROUND[theme])
    for colour in palette.LIGHT if theme == "light" else palette.DARK:
        dark, light = sorted((ground, luminance(colour)))
        assert (light + 0.05) / (dark + 0.05) >= 3


def test_results_without_rows_make_a_page_that_says_where_they_are_from() -> None:
    html = page.page(Sources((run(networks=[]),)))
    assert 'id="rows"' not in html
    assert 'id="origin"' in html
    refused = document()["benchmarks"][0] | {"verdict": "refused", "times_s": []} | dict.fromkeys(results.TIMED_FIELDS)
    html = page.page(Sources((run_of("a", document() | {"benchmarks": [refused]}),)))
    assert len(data_of(html)["rows"]) == 1
    assert data_of(html)["families"] == {}
    assert 'id="rows"' in html


def test_what_names_bring_into_the_page_is_text() -> None:
    bad = run("</script><script>alert(1)</script>", cpu="<img src=x onerror=alert(1)>")
    html = page.page(Sources((bad,)))
    assert "<img src=x" not in html
    assert "<script>alert" not in html


def test_nothing_inside_a_script_ends_it() -> None:
    assert page.inside_script('a = "</SCRIPT>"; b = "<!--"; c</d/') == 'a = "<\\/SCRIPT>"; b = "<\\u0021--"; c</d/'


# The command ----------------------------------------------------------------------------------------------------------


def test_report_writes_a_page_of_several_files(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.json", document()), write(tmp_path / "b.json", suite())]
    (tmp_path / "other").mkdir()
    files.append(write(tmp_path / "other" / "a.json", document()))
    result = invoke(*map(str, files), "-o", str(tmp_path / "r.html"))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert f"written: {tmp_path / 'r.html'}" in result.stderr
    found = data_of((tmp_path / "r.html").read_text())
    assert {row[0] for row in found["rows"]} == {"a (1)", "a (2)"}
    assert found["suites"][0]["label"] == "b"


def test_the_page_can_go_to_stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(str(write(tmp_path / "a.json", document())), "-o", "-")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("<!doctype html>")
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_without_files_the_newest_that_validates_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke()
    assert result.exit_code == 2
    assert "there is no result file in bench_results" in result.stderr
    folder = tmp_path / "bench_results"
    folder.mkdir()
    write(folder / "a.json", document(date="2026-01-02T00:00:00+00:00"))
    write(folder / "b.json", document(date="2026-03-02T00:00:00+00:00"))
    write(folder / "c.json", {"schema": "fastnn-kernels/1", "rows": []})
    (folder / "d.json").write_text("{")
    result = invoke()
    assert result.exit_code == 0, result.output
    assert "the newest result file: bench_results/b.json" in result.stderr
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "it is a list"),
        ('{"schema": "fastnn-kernels/1"}', "schema is 'fastnn-kernels/1'"),
        ('{"machine_info": {}, "benchmarks": [{"name": "a"}]}', "'stats'"),
        ('{"machine_info": {}, "benchmarks": 3}', "where a row was expected"),
    ],
)
def test_a_file_of_another_kind_exits_2_names_it_and_leaves_the_old_page(
    content: str, message: str, tmp_path: Path
) -> None:
    bad, output = tmp_path / "bad.json", tmp_path / "r.html"
    bad.write_text(content)
    output.write_text("old")
    result = invoke(str(write(tmp_path / "good.json", document())), str(bad), "-o", str(output))
    assert result.exit_code == 2
    assert str(bad) in result.stderr.replace("\n", "")
    assert message in result.stderr
    assert output.read_text() == "old"


def test_a_missing_file_and_a_folder_for_the_page_exit_2(tmp_path: Path) -> None:
    missing = invoke(str(tmp_path / "none.json"), "-o", str(tmp_path / "r.html"))
    assert missing.exit_code == 2
    assert "cannot read" in missing.stderr
    good = write(tmp_path / "good.json", document())
    folder = invoke(str(good), "-o", str(tmp_path))
    assert folder.exit_code == 2
    assert "it is a folder" in folder.stderr


def test_a_missing_package_exits_2_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = extra.find_spec
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "plotly" else find(name))
    result = invoke(str(write(tmp_path / "a.json", document())), "-o", str(tmp_path / "r.html"))
    assert result.exit_code == 2
    assert "plotly must be installed for this: pip install 'fastnn[report]'" in result.stderr


@pytest.mark.parametrize("name", ["2026-11-21-zen4-2-cores-peers", "2026-11-24-zen5-2-cores-steps"])
def test_the_results_under_git_can_be_reported(name: str) -> None:
    found = sources.read([Path(__file__).parents[1] / "bench_results" / f"{name}.json"])
    assert [section.family for section in gallery.sections(found)] == [
        "time", "peers", "ratios", "roofline", "parts", "counts", "scale"
    ]  # fmt: skip


def test_of_peer_rows_keep_the_contract() -> None:
    """The documents of these tests are of the kind that is reported."""
    results.validate(document())
    assert of_peer(document()["benchmarks"][0], "numpy", 2.0)["peer"] == "numpy"


def pytest_entry(name: str, stats: Any = (), **extra: Any) -> dict[str, Any]:
    times = {"median": 1e-5, "iqr": 1e-6, "min": 9e-6} | dict(stats)
    return {"name": name, "group": "g", "stats": times, "extra_info": extra}


@pytest.mark.parametrize(
    "entry",
    [
        pytest_entry("a", flops=1000, residual=float("nan"), speedup=float("-inf"), deep={"list": [float("nan")]}),
        pytest_entry("a", flops=float("nan")),
        pytest_entry("a", flops="1e9"),
        pytest_entry("a", {"median": 0.0, "iqr": 0.0, "min": 0.0}, flops=1000),
    ],
)
def test_a_page_of_numbers_that_are_none_has_null(entry: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text(json.dumps({"machine_info": {}, "benchmarks": [pytest_entry("fine", flops=10), entry]}))
    found = sources.read([file])
    packed = page.packed(page.page_data(found, gallery.sections(found)))
    text = gzip.decompress(base64.b64decode(packed)).decode()
    assert "fine" in text
    assert "NaN" not in text


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (pytest_entry("a", {"median": float("nan")}), "a: median is None"),
        (pytest_entry("a", {"iqr": "1"}), "a: iqr is '1'"),
        (pytest_entry("a", {"min": -1.0}), "a: min is -1.0"),
        (pytest_entry("a", calls=0), "a: calls is 0"),
    ],
)
def test_times_that_are_none_are_refused_by_file_and_name(entry: dict[str, Any], told: str, tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text(json.dumps({"machine_info": {}, "benchmarks": [entry]}))
    with pytest.raises(ValueError, match=f"b.json .*{told}"):
        sources.read([file])
