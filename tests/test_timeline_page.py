"""The page of the timeline in a real Chromium: nothing is fetched, nothing fails, it fits a telephone, and axe finds
nothing where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import pytest
from test_timeline_shown import entries

from fastnn.timeline.page import page

needs.chromium()
needs.package("playwright.sync_api")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("timeline") / "page.html"
    found.write_text(page(entries()), encoding="utf-8")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_and_asks_for_nothing(width: int, scheme: str, browser: Any, file: Path) -> None:
    window = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)
    opened, heard = window.new_page(), []
    opened.on("request", lambda request: heard.append(request.url) if request.url.startswith("http") else None)
    opened.on("console", lambda message: heard.append(message.text))
    opened.goto(file.as_uri())
    assert heard == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate("document.querySelectorAll('ol.timeline > li > article > time').length") == 11
    # Dots stand on their tracks, and the largest at the end.
    places = opened.eval_on_selector_all(
        ".scale td.track i",
        "(dots) => dots.map((dot) => [dot.offsetLeft / dot.parentElement.clientWidth, dot.className])",
    )
    assert len(places) >= 22
    assert all(-0.2 <= at <= 1.05 for at, _ in places)
    sizes = opened.eval_on_selector_all(
        ".figures svg text", "(texts) => texts.map((text) => text.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 9
    ink, ground = (
        opened.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor")
    )  # fmt: skip
    assert (_light(ink), _light(ground)) == (scheme == "dark", scheme == "light")
    window.close()


def _light(colour: str) -> bool:
    return sum(map(int, colour[4:-1].split(","))) > 384


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme: str, browser: Any, file: Path) -> None:
    axe = needs.package("axe_playwright_python.sync_playwright")
    window = browser.new_context(viewport={"width": 1280, "height": 844}, color_scheme=scheme, bypass_csp=True)
    opened = window.new_page()
    opened.goto(file.as_uri())
    assert [found["id"] for found in axe.Axe().run(opened).response["violations"]] == []
    window.close()
