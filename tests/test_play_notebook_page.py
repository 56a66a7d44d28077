"""The widget in a real Chromium, with a model that carries its messages to sessions here."""

from __future__ import annotations

import base64
import queue
import time
from collections.abc import Iterator
from typing import Any

import needs
import numpy as np
import pytest

import fastnn
from fastnn import data
from fastnn.demo.spam import HELD_OUT
from fastnn.play.export.page import framed
from fastnn.play.lessons.catalogue import TITLES, lesson
from fastnn.play.notebook.views import Views
from fastnn.play.server.pages import STATIC

needs.chromium()
needs.package("playwright.sync_api")

# A model as anywidget has it: `deliver` is what comes from the kernel.
MODEL = """([page, places]) => {
  const hears = new Set();
  window.deliver = (told, data) => {
    const bytes = data === null ? [] : [new DataView(Uint8Array.from(atob(data), (each) => each.charCodeAt(0)).buffer)];
    for (const hear of [...hears]) hear(told, bytes);
  };
  const model = {
    get: (name) => ({ page, height: 700 })[name],
    on: (_, hear) => hears.add(hear), off: (_, hear) => hears.delete(hear),
    send: (content, _, buffers) => window.toKernel(content, buffers
      ? btoa(Array.from(new Uint8Array(buffers[0]), (each) => String.fromCharCode(each)).join("")) : null),
  };
  window.ends = Array.from({ length: places }, () => {
    const el = document.body.appendChild(document.createElement("div"));
    return window.widget.render({ model, el });
  });
}"""


class Notebook:
    """A page with a widget in some places, and the kernel behind it."""

    def __init__(self, browser: Any, name: str, places: int = 1) -> None:
        self.window = browser.new_context(viewport={"width": 1000, "height": 900})
        self.page = self.window.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.sent: queue.Queue[tuple[dict[str, Any], list[bytes]]] = queue.Queue()
        self.views = Views(lesson(name), lambda content, buffers: self.sent.put((content, buffers)))
        self.page.expose_function("toKernel", self._hear)
        script = (STATIC / "widget.js").read_text(encoding="utf-8").replace("export default", "window.widget =")
        self.page.add_script_tag(content=script, type="module")
        self.page.wait_for_function("window.widget")
        self.page.evaluate(MODEL, [framed(name), places])

    def _hear(self, content: dict[str, Any], data: str | None) -> None:
        self.views.receive(content, [base64.b64decode(data)] if data else [])

    def carry(self) -> None:
        """What the kernel has sent by now."""
        while not self.sent.empty():
            content, buffers = self.sent.get()
            data = base64.b64encode(buffers[0]).decode() if buffers else None
            self.page.evaluate("([told, data]) => window.deliver(told, data)", [content, data])
        self.page.wait_for_timeout(10)

    def until(self, place: int, script: str) -> None:
        """It holds in that frame, now or soon."""
        end = time.monotonic() + 60
        while len(self.page.frames) < place + 2 or not self.page.frames[place + 1].evaluate(script):
            assert time.monotonic() < end, f"never so: {script}"
            self.carry()


@pytest.fixture
def notebooks(browser: Any) -> Iterator[Any]:
    opened: list[Notebook] = []

    def opens(*given: Any) -> Notebook:
        opened.append(Notebook(browser, *given))
        return opened[-1]

    yield opens
    for each in opened:
        each.views.end()
        assert each.complaints == []
        assert [url for url in each.requests if not url.startswith(("about:", "data:", "blob:"))] == []
        each.window.close()


READY = "document.documentElement.dataset.ready === ''"


def test_a_page_trains_in_a_notebook_with_the_kernels_numbers(notebooks: Any) -> None:
    notebook = notebooks("spam")
    notebook.until(0, READY)
    frame = notebook.page.frames[1]
    frame.get_by_role("spinbutton", name="Up to step").fill("960")
    frame.get_by_role("button", name="Train to it").click()
    notebook.until(0, "document.querySelector('.player .state').textContent.startsWith('step 960:')")
    notebook.until(0, "document.querySelector('.player .main').textContent === 'Train'")
    mails, network = data.spam(), fastnn.mlp(3, 4, 2, seed=0)
    train = slice(None, -HELD_OUT)
    network.fit(mails.x[train], mails.y[train], epochs=10, batch=32, optimizer=fastnn.SGD(0.1), seed=0)
    values = np.concatenate([view.ravel() for view in network.named_parameters.values()])
    wanted = [f"{each:.4f}" for each in values.tolist()]
    told = "[...document.querySelectorAll('#parameters input')].map((each) => each.value).join()"
    notebook.until(0, f"{told} === {','.join(wanted)!r}")
    assert "Link to this" not in frame.locator("main").inner_text()
    kept: list[Any] = []
    notebook.page.on("download", lambda download: kept.append(download))
    frame.get_by_role("button", name="network.safetensors").click()
    while not kept:
        notebook.carry()
    assert kept[0].suggested_filename == "network.safetensors"


@pytest.mark.parametrize("name", TITLES)
def test_every_page_is_there_in_a_frame(name: str, notebooks: Any) -> None:
    notebook = notebooks(name)
    notebook.until(0, READY)
    assert notebook.page.frames[1].locator("h1").inner_text() == TITLES[name][1]


def test_two_places_have_sessions_of_their_own_and_keys_stay_in_the_frame(notebooks: Any) -> None:
    notebook = notebooks("spam", 2)
    for place in range(2):
        notebook.until(place, READY)
    notebook.page.frames[1].locator("h1").click()
    notebook.page.keyboard.press("s")
    notebook.until(0, "document.querySelector('.player .state').textContent.startsWith('step 1:')")
    notebook.until(1, "document.querySelector('.player .state').textContent.startsWith('step 0:')")
    assert notebook.page.frames[1].evaluate("window.origin") == "null"
    notebook.page.evaluate("window.ends[0]()")
    notebook.page.frames[2].locator("h1").click()
    notebook.page.keyboard.press("s")
    notebook.until(1, "document.querySelector('.player .state').textContent.startsWith('step 1:')")
