"""A page of the playground as one file: in a real Chromium, offline, with the kernels' numbers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from click.testing import CliRunner

import fastnn
from fastnn import data
from fastnn.cli import main
from fastnn.demo.spam import HELD_OUT
from fastnn.play.export.bundle import bundle
from fastnn.play.export.page import exportable
from fastnn.play.lessons.catalogue import lesson
from fastnn.play.server.pages import modules
from fastnn.play.session.fields import Number, Whole, defaults
from fastnn.play.session.looking import Looking

needs.chromium()
needs.package("playwright.sync_api")
axe = needs.package("axe_playwright_python.sync_playwright")

PLACE = "Place in the recording"
LARGEST = 1_000_000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("export") / "spam.html"
    done = CliRunner().invoke(main, ["play", "spam", "--export", str(found)])
    assert done.exit_code == 0, done.output
    return found


class Shown:
    """The file in a window that has no network."""

    def __init__(self, browser: Any, file: Path, **context: Any) -> None:
        self.window = browser.new_context(**context)
        self.page = self.window.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.window.set_offline(True)
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached")

    def says(self, words: str) -> None:
        self.until(f"document.querySelector('main').innerText.includes({json.dumps(words)})")

    def until(self, script: str) -> None:
        """Asked from outside: the policy of the file lets nobody evaluate text in it."""
        end = time.monotonic() + 30
        while not self.page.evaluate(script):
            assert time.monotonic() < end, f"never so: {script}"
            self.page.wait_for_timeout(20)


@pytest.fixture
def shown(browser: Any, file: Path) -> Iterator[Shown]:
    opened = Shown(browser, file)
    yield opened
    assert opened.complaints == []
    assert [url for url in opened.requests if url not in (file.as_uri(), "data:,")] == []
    opened.window.close()


def trained(epochs: int) -> fastnn.Network:
    mails, network = data.spam(), fastnn.mlp(3, 4, 2, seed=0)
    train = slice(None, -HELD_OUT)
    network.fit(mails.x[train], mails.y[train], epochs=epochs, batch=32, optimizer=fastnn.SGD(0.1), seed=0)
    return network


def flat(network: fastnn.Network) -> list[float]:
    return np.concatenate([view.ravel() for view in network.named_parameters.values()]).tolist()


def test_its_last_frame_is_what_fit_gives(shown: Shown) -> None:
    shown.page.get_by_label(PLACE).press("End")
    shown.says("step 9,600, recorded")
    values = shown.page.evaluate("[...document.querySelectorAll('#parameters input')].map((each) => each.value)")
    network = trained(100)
    assert values == [f"{each:.4f}" for each in flat(network)]
    chances = network.predict_proba(np.array([[1, 1, 0]], np.float32))[0]
    shown.says(f"spam, it says: {100 * chances[1]:.1f} % sure")


def test_it_says_that_it_is_recorded_and_names_neither_user_nor_path(shown: Shown, file: Path) -> None:
    shown.says(f"Recorded: 9,600 steps of fastnn {fastnn.__version__} on ")
    shown.says("This file cannot train on")
    assert "steps/s" not in shown.page.locator("main").inner_text()
    assert shown.page.get_by_label("Optimizer").is_disabled()
    assert shown.page.get_by_label("suspicious links", exact=True).is_enabled()
    text = file.read_text(encoding="utf-8")
    assert len(text) < 200_000
    assert str(Path.home()) not in text
    assert str(file.parent) not in text


def test_keys_and_the_slider_move_through_it(shown: Shown) -> None:
    shown.says("step 0, recorded")
    for key, step in (("s", 1), ("s", 2), ("a", 1)):
        shown.page.keyboard.press(key)
        shown.says(f"step {step}, recorded")
    shown.page.get_by_label(PLACE).press("ArrowRight")
    shown.says("step 2, recorded")
    shown.page.get_by_role("button", name="Play", exact=True).click()
    shown.until("document.querySelector('.player .main').textContent === 'Pause'")
    shown.says("step 9,600, recorded")
    shown.until("document.querySelector('.player .main').textContent === 'Play'")


def test_another_mail_is_answered_as_the_kernels_do(shown: Shown) -> None:
    shown.page.get_by_label(PLACE).press("End")
    shown.page.get_by_role("button", name="no money, no links, sender known").click()
    chances = trained(100).predict_proba(np.array([[0, 0, 1]], np.float32))[0]
    shown.says(f"mail, it says: {100 * chances[0]:.1f} % sure")


def test_its_own_arithmetic_is_that_of_the_kernels(browser: Any) -> None:
    page = browser.new_page()
    page.add_script_tag(content=bundle('import { row } from "./row.js";\nglobalThis.row = row;', modules()))
    network, rng = trained(5), np.random.default_rng(0)
    looking = Looking(network, ["relu", "identity"])
    script = """([parameters, x, truth]) => Object.fromEntries(Object.entries(row([3, 4, 2], parameters, x, truth))
        .map(([name, values]) => [name, [...values]]))"""
    for x in rng.random((100, 3)).astype(np.float32):
        truth = int(rng.integers(2))
        found = page.evaluate(script, [flat(network), x.tolist(), truth])
        rows, target = network.as_input(x[None]), network.as_target([truth], 1)
        sums, values = looking.values(rows)
        loss, gradient = looking.gradient(rows, target)
        wanted = {
            "sums": sums, "values": values, "slopes": looking.slopes(sums), "probe_loss": [loss], "gradient": gradient,
            "probabilities": network.predict_proba(rows)[0],
            "tried": looking.tried(rows, target, list(range(26))),
        }  # fmt: skip
        for name, numbers in wanted.items():
            np.testing.assert_allclose(found[name], numbers, rtol=0, atol=1e-6, err_msg=name)
    page.close()


@pytest.mark.parametrize("name", exportable())
def test_every_such_page_ends_with_the_kernels_numbers(name: str, browser: Any, tmp_path: Path) -> None:
    """And axe finds nothing, no width scrolls sideways, nobody is asked, what is fixed cannot be set."""
    file = tmp_path / f"{name}.html"
    done = CliRunner().invoke(main, ["play", name, "--export", str(file)])
    assert done.exit_code == 0, done.output
    assert file.stat().st_size < LARGEST
    page = lesson(name)
    assert page.begin is not None
    assert page.recording is not None
    made, last = page.begin(defaults(page.fields)), page.recording.last
    while made.run.steps < last:
        made.run.advance(until=last)
    accuracy = f"{100 * made.accuracy():.1f} %"
    for scheme, width in (("light", 1280), ("dark", 390), ("light", 320)):
        opened = Shown(browser, file, color_scheme=scheme, viewport={"width": width, "height": 844})
        opened.page.get_by_label(PLACE).press("End")
        opened.says(f"step {last:,}, recorded: ")
        opened.says(f"{accuracy} {page.texts()['counted']} right")
        opened.says("This file cannot train on")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(opened.page)
        assert found.violations_count == 0, found.generate_report()
        told = opened.page.locator("main").inner_text()
        assert not [words for words in ("steps/s", "FLOP/s", "Press Train", "Reset") if words in told]
        for each, field in page.fields.items():
            if isinstance(field, (Number, Whole)) and each not in page.recording.computes:
                control = opened.page.get_by_label(field.label, exact=True)
                assert control.count() == 0 or control.first.is_disabled()
        assert opened.complaints == []
        assert [url for url in opened.requests if url not in (file.as_uri(), "data:,")] == []
        opened.window.close()
