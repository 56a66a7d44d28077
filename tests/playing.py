"""`fastnn play` in a process of its own, and what a page of it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from processes import ROOT, uncovered

# Milliseconds that a page has for an answer: what nobody asked for before may have to be compiled.
PATIENCE = 60_000


@dataclass(frozen=True)
class Playing:
    """address: as it was printed, with the token."""

    process: subprocess.Popen[str]
    address: str

    @property
    def host(self) -> str:
        return self.address.split("/")[2]

    @property
    def token(self) -> str:
        return self.address.partition("token=")[2]

    def page(self, name: str, fragment: str = "") -> str:
        return f"http://{self.host}/{name}?token={self.token}{fragment}"

    @property
    def cookie(self) -> str:
        return f"fastnn-play-{self.host.partition(':')[2]}={self.token}"


@contextmanager
def playing(*arguments: str, browser: str | None = None, **more: str) -> Iterator[Playing]:
    """browser: a program that is started as such."""
    environment = {**uncovered(), "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]), **more}
    if browser is None:
        arguments = ("--no-browser", *arguments)
    else:
        environment["BROWSER"] = browser
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "fastnn", "play", *arguments],
        stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        told = process.stderr.readline()
        found = re.search(r"http://\S+", told)
        assert found is not None, told + process.stderr.read()
        yield Playing(process, found[0])
    finally:
        process.kill()
        process.communicate()


class Opened:
    """A page in a window: requests that it made, and what it complained of."""

    def __init__(self, browser: Any, server: Playing, name: str, fragment: str = "", **context: Any) -> None:
        context.setdefault("viewport", {"width": 1280, "height": 844})
        self.window = browser.new_context(accept_downloads=True, **context)
        self.page = self.window.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        # The fragment is put behind the clean address, as a link has it.
        self.page.goto(server.page(name))
        if fragment:
            self.page.goto("about:blank")
            self.page.goto(f"http://{server.host}/{name}{fragment}")
        self.page.wait_for_selector("html[data-ready]", state="attached", timeout=240_000)

    def of(self, script: str) -> Any:
        return self.page.evaluate(script)

    def text(self, selector: str = "main") -> str:
        """With the minus of a keyboard."""
        return str(self.page.locator(selector).first.inner_text()).replace("\N{MINUS SIGN}", "-")

    def until(self, script: str) -> None:
        """The condition in the page holds, now or soon. Asked from outside: the page's policy lets nobody evaluate text
        in it."""
        end = time.monotonic() + PATIENCE / 1000
        while not self.of(script):
            assert time.monotonic() < end, f"never so: {script}\n{self.text('body')[:2000]}"
            self.page.wait_for_timeout(20)

    def says(self, words: str) -> None:
        """The page says so, now or soon."""
        said = "document.querySelector('main').innerText.replaceAll('\\u2212', '-')"
        self.until(f"{said}.includes({json.dumps(words)})")

    def press(self, name: str) -> None:
        """The button of that name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def slide(self, label: str, value: float) -> None:
        self.page.get_by_label(label, exact=True).fill(str(value))

    def close(self) -> None:
        self.window.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Playing]:
    with playing() as started:
        yield started
