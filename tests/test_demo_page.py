"""Pages of demonstrations in a real Chromium: nothing is fetched, nothing fails, and they fit a telephone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import pytest
from demos import shown

from fastnn.demo.display.page import page

needs.chromium()
needs.package("playwright.sync_api")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["cnn", "rnn"])
def test_maps_are_seen_and_named(name: str, width: int, dark: bool, browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(shown(name, steps=50)), encoding="utf-8")
    scheme = "dark" if dark else "light"
    window = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)
    opened, heard = window.new_page(), []
    opened.on("request", lambda request: heard.append(request.url) if request.url.startswith("http") else None)
    opened.on("console", lambda message: heard.append(message.text))
    opened.goto(file.as_uri())
    assert heard == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    maps = opened.eval_on_selector_all(
        ".maps figure",
        """(figures) => figures.map((figure) => {
            const box = figure.querySelector("svg").getBoundingClientRect();
            return [figure.getAttribute("aria-label"), box.width, box.height];
        })""",
    )
    assert len(maps) > 4
    assert all(label and across >= 40 and down >= 20 for label, across, down in maps)
    ink = opened.evaluate("getComputedStyle(document.querySelector('.maps svg rect:not([class])')).fill")
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ink != ground
    assert (sum(map(int, ink[4:-1].split(","))) > 384) == dark
    window.close()
