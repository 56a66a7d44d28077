"""The page in a real Chromium: nothing is fetched, nothing fails, and what can be pressed does what it says."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import needs
import pytest
from report_documents import everything

from fastnn.report import page

needs.chromium()
needs.package("playwright.sync_api")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page.page(everything()), encoding="utf-8")
    return path


class Opened:
    """The page in a window: requests that it made, and what it complained of."""

    def __init__(self, browser: Any, file: Path, width: int = 1280, dark: bool = False) -> None:
        self.window = browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme="dark" if dark else "light", offline=True
        )
        self.page = self.window.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached")

    def of(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.fixture(scope="module")
def wide(browser: Any, file: Path) -> Iterator[Opened]:
    opened = Opened(browser, file)
    yield opened
    opened.window.close()


def column(opened: Opened, name: str) -> list[str]:
    """What stands in that column of the table of rows, from the top."""
    cells: list[str] = opened.page.eval_on_selector(
        "#rows-table",
        """(table, name) => {
            const at = [...table.querySelectorAll("th")].findIndex((head) => head.textContent === name);
            return [...table.querySelectorAll("tbody tr")].map((row) => row.children[at].textContent);
        }""",
        name,
    )
    return cells


def test_every_picture_is_drawn(wide: Opened) -> None:
    drawn = wide.of("[...document.querySelectorAll('.plot')].map((each) => each.querySelectorAll('svg').length)")
    assert len(drawn) == 9
    assert min(drawn) > 0
    assert wide.of("[...document.querySelectorAll('.told')].every((each) => each.textContent.length > 20)")
    labels = wide.of("[...document.querySelectorAll('.plot')].map((each) => each.getAttribute('aria-label').length)")
    assert min(labels) > 40


def test_choosing_changes_the_picture_and_its_words(wide: Opened) -> None:
    words = "document.querySelector('#time .told').textContent"
    before, drawn = wide.of(words), wide.of("document.querySelector('#time .plot').data.length")
    wide.page.check("#time input[value='forward pass']", force=True)
    assert wide.of(words) != before
    wide.page.check("#time input[value='training step']", force=True)
    assert (wide.of(words), wide.of("document.querySelector('#time .plot').data.length")) == (before, drawn)


def test_a_choice_that_others_do_not_have_keeps_what_it_can(wide: Opened) -> None:
    """Only batch 32 and 1 thread are there for the GPU."""
    wide.page.check("#parts input[value='32']", force=True)
    wide.page.check("#parts input[value='FLOPs']", force=True)
    assert wide.of("document.querySelector('#parts input[value=\\'32\\']').checked")


def test_headings_sort_by_keyboard_and_say_so(wide: Opened) -> None:
    head = wide.page.locator("#rows-table th", has_text="parameters")
    head.locator("button").focus()
    wide.page.keyboard.press("Enter")
    wide.page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(wide, "parameters")[0] == "101,770"
    wide.page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(wide, "parameters")[0] == "26"
    assert wide.page.locator("th[aria-sort='ascending'], th[aria-sort='descending']").count() == 1


def test_rows_without_a_number_stand_last_either_way(wide: Opened) -> None:
    button = wide.page.locator("#rows-table th", has_text="times ours").locator("button")
    for _ in range(2):
        button.click()
        assert column(wide, "times ours")[0] != ""


def test_words_pick_rows_and_more_shows_all(wide: Opened) -> None:
    wide.page.fill("#filter", "784-128-10 epoch")
    assert set(column(wide, "network")) == {"784-128-10"}
    assert set(column(wide, "phase")) == {"epoch"}
    wide.page.fill("#filter", "")
    shown = len(column(wide, "network"))
    wide.page.click("#more")
    everything_ = sum(len(run.document["benchmarks"]) for run in everything().runs)
    assert shown < len(column(wide, "network")) == everything_


def test_downloads_hold_every_row(wide: Opened, tmp_path: Path) -> None:
    expected = [row for run in everything().runs for row in run.document["benchmarks"]]
    saved = {}
    for kind in ("csv", "json"):
        wide.page.fill("#filter", "3-4-2")
        with wide.page.expect_download() as download:
            wide.page.click(f"#rows button[data-kind='{kind}']")
        saved[kind] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[kind])
    wide.page.fill("#filter", "")
    with saved["csv"].open(newline="") as handle:
        table = list(csv.DictReader(handle))
    found = json.loads(saved["json"].read_text())
    assert len(table) == len(found) == len(expected)
    for row, cells, wanted in zip(found, table, expected, strict=True):
        assert row["name"] == cells["name"] == wanted["name"]
        assert row["median_s"] == float(cells["median_s"]) == pytest.approx(wanted["median_s"], rel=1e-5)
        assert row["program"] == wanted.get("peer", "fastnn")


def test_downloads_of_a_suite_hold_its_rows(wide: Opened, tmp_path: Path) -> None:
    with wide.page.expect_download() as download:
        wide.page.click("#suites button[data-kind='json']")
    download.value.save_as(tmp_path / "suite.json")
    names = [row["name"] for row in json.loads((tmp_path / "suite.json").read_text())]
    assert names == ["test_kernel[a]", "test_step[b]", "test_simulation"]


PAPER = """(() => {
    const traces = document.querySelector('#scale .plot').data.filter((trace) => trace.meta);
    return traces.map((trace) => trace.y);
})()"""


def test_the_slider_moves_the_models_on_paper_and_nothing_else(wide: Opened) -> None:
    measured = "document.querySelector('#scale .plot').data.filter((trace) => !trace.meta).map((trace) => trace.y)"
    before, kept = wide.of(PAPER), wide.of(measured)
    wide.page.locator("#utilisation").focus()
    wide.page.keyboard.press("End")
    assert wide.page.locator("#utilisation-shown").text_content() == "100%"
    after = wide.of(PAPER)
    for old, new in zip(before, after, strict=True):
        assert new == pytest.approx([0.4 * time for time in old], rel=1e-4)
    assert wide.of(measured) == kept


def test_other_hardware_moves_them_too_and_is_told(wide: Opened) -> None:
    wide.page.locator("#utilisation").fill("40")
    before = wide.of(PAPER)
    wide.page.select_option("#hardware", label="h100, 989 TFLOP/s bfloat16")
    factor = 2e11 / 989e12
    assert wide.of(PAPER)[0] == pytest.approx([factor * time for time in before[0]], rel=1e-4)
    assert "40% of h100" in (wide.page.locator("#speed-told").text_content() or "")
    assert "gpt4" in (wide.page.locator("#speed-told").text_content() or "")


def test_formulas_are_picked(wide: Opened) -> None:
    shown = "[...document.querySelectorAll('.formula')].filter((each) => !each.hidden).map((each) => each.textContent)"
    assert "3·4 + 4" in wide.of(shown)[0]
    wide.page.select_option("#formula", index=4)
    assert len(wide.of(shown)) == 1
    assert "784·128 + 128" in wide.of(shown)[0]


def test_the_numbers_of_a_picture_can_be_read(wide: Opened) -> None:
    wide.page.locator("#counts summary").click()
    rows = wide.page.locator("#counts .numbers tbody tr")
    rows.first.wait_for()
    assert rows.count() == 6
    assert "228" in (rows.first.text_content() or "")


def test_the_first_tab_skips_to_the_results(browser: Any, file: Path) -> None:
    opened = Opened(browser, file)
    opened.page.keyboard.press("Tab")
    assert opened.of("document.activeElement.className") == "skip"
    opened.page.keyboard.press("Enter")
    assert opened.of("document.activeElement.id") == "content"
    # Whatever can be focused shows it.
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    opened.page.keyboard.press("Tab")
    assert opened.of(outline) != "none" or opened.of("document.activeElement.type") == "radio"
    opened.window.close()


def test_a_dark_page_has_dark_pictures_and_follows_a_change(browser: Any, file: Path) -> None:
    opened = Opened(browser, file, dark=True)
    plot = "document.querySelector('#counts .plot')"
    colours = f"[{plot}.layout.paper_bgcolor, {plot}.data[0].line.color]"
    assert opened.of(colours) == ["#14171b", "#56B4E9"]
    opened.page.emulate_media(color_scheme="light")
    opened.of("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert opened.of(colours) == ["#ffffff", "#0072B2"]
    assert opened.complaints == []
    opened.window.close()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_width_scrolls_sideways(browser: Any, file: Path, width: int, dark: bool) -> None:
    opened = Opened(browser, file, width=width, dark=dark)
    assert opened.of("document.documentElement.scrollWidth") <= width
    assert opened.of("Math.max(...[...document.querySelectorAll('.plot')].map((each) => each.scrollWidth))") <= width
    assert opened.complaints == []
    opened.window.close()


def test_nothing_but_the_file_was_asked_for_and_nothing_complained(wide: Opened, file: Path) -> None:
    """After all that was pressed above; blobs are the downloads."""
    asked = [url for url in wide.requests if not url.startswith(("blob:", "data:"))]
    assert asked == [file.as_uri()]
    assert wide.complaints == []
