"""How the playground feels, in a real Chromium: `python benchmarks/play.py [--cold] [--json FILE]`

It needs the extras `play` and `data`, playwright, and Chromium on PATH or named by FASTNN_CHROMIUM; nothing else should
run. The page `spam` trains 3-4-2 for some seconds at each batch. Of that: frames drawn and the time from one to the
next, tasks of the browser longer than 50 ms, work of the page a frame, steps a second; from a slider moved to the
answer painted; and seconds from the command to a page that answers, with kernels that are kept and, by --cold, with
none.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from fastnn.play.session import frames
from fastnn.simd import machine

SCHEMA = "fastnn-play/1"
BATCHES = ("1", "32")
SLIDES = 60
CHROMIUM = os.environ.get("FASTNN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
# Begun in the page, asked for at the end: time between two frames of the browser, and tasks of more than 50 ms.
WATCH = """() => {
  const seen = { gaps: [], long: 0, on: true };
  let last = performance.now();
  const look = (now) => { seen.gaps.push(now - last); last = now; if (seen.on) requestAnimationFrame(look); };
  requestAnimationFrame(look);
  new PerformanceObserver((list) => { seen.long += list.getEntries().length; }).observe({ entryTypes: ["longtask"] });
  document.watched = seen;
}"""
# From the event of a slider to the first task after the painting of an answer in other words.
SLIDE = """(value) => new Promise((done) => {
  const [slider, verdict] = [document.querySelector("#ask input[type=range]"), document.querySelector("#ask .verdict")];
  const begin = performance.now();
  const painted = new MessageChannel();
  painted.port1.onmessage = () => done(performance.now() - begin);
  new MutationObserver((_, self) => { self.disconnect(); painted.port2.postMessage(0); })
    .observe(verdict, { childList: true, characterData: true, subtree: true });
  slider.value = String(value);
  slider.dispatchEvent(new Event("input", { bubbles: true }));
})"""


@contextmanager
def started(cache: Path | None = None) -> Iterator[str]:
    """`fastnn play`, and the address that it prints. cache: where kernels are kept, if not where they always are."""
    own = {} if cache is None else {"FASTNN_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "fastnn", "play", "--no-browser"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **own})
    assert process.stderr is not None
    try:
        told = process.stderr.readline()
        if (found := re.search(r"http://\S+", told)) is None:
            raise click.ClickException(told + process.stderr.read())
        yield found[0]
    finally:
        process.kill()
        process.communicate()


class Watched:
    """The page spam in a window of its own, and the frames that come to it."""

    def __init__(self, browser: Any, address: str, batch: str = "32") -> None:
        self.window = browser.new_context(viewport={"width": 1280, "height": 844})
        self.page = self.window.new_page()
        self.frames: list[tuple[float, int]] = []
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._receive))
        self.page.goto(address)
        self.page.goto("about:blank")
        self.page.goto(f'{address.partition("?")[0]}#v=1&batch="{batch}"')
        self.page.wait_for_selector("html[data-ready]", state="attached", timeout=240_000)

    def _receive(self, content: str | bytes) -> None:
        if isinstance(content, bytes):
            self.frames.append((time.perf_counter(), frames.HEADER.unpack_from(content)[-1]))


def trained(browser: Any, address: str, batch: str, seconds: float) -> dict[str, Any]:
    """What a page does that trains and draws."""
    watched = Watched(browser, address, batch)
    page = watched.page
    page.keyboard.press("Space")
    page.wait_for_timeout(1500)  # until calls are as long as they will be
    spent = page.context.new_cdp_session(page)
    spent.send("Performance.enable")
    watched.frames.clear()
    page.evaluate(WATCH)
    before = _busy(spent)
    page.wait_for_timeout(1000 * seconds)
    seen = page.evaluate("() => { document.watched.on = false; return document.watched; }")
    busy, frames = _busy(spent) - before, list(watched.frames)
    watched.window.close()
    (begin, first), (end, last) = frames[0], frames[-1]
    gaps = sorted(seen["gaps"][1:])
    return {
        "frames_per_s": (len(frames) - 1) / (end - begin), "browser_frames_per_s": 1000 * len(gaps) / sum(gaps),
        "gap_p95_ms": gaps[int(0.95 * len(gaps))], "long_tasks": seen["long"],
        "page_ms_per_frame": 1000 * busy / len(frames), "steps_per_s": (last - first) / (end - begin),
    }  # fmt: skip


def _busy(session: Any) -> float:
    """Seconds that the page's own thread has worked: scripts, styles, layout, painting."""
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def slid(browser: Any, address: str) -> dict[str, float]:
    """A slider that is moved while nothing trains."""
    watched = Watched(browser, address)
    took = sorted(watched.page.evaluate(SLIDE, at % 2) for at in range(SLIDES))
    watched.window.close()
    return {"slide_median_ms": statistics.median(took), "slide_p95_ms": took[int(0.95 * len(took))]}


def begun(browser: Any, cache: Path | None = None) -> float:
    """Seconds from the command to a page that answers."""
    begin = time.perf_counter()
    with started(cache) as address:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("html[data-ready]", state="attached", timeout=240_000)
        took = time.perf_counter() - begin
        page.close()
    return took


@click.command(help=__doc__)
@click.option(
    "--seconds", type=click.FloatRange(min=0.5), default=10.0, show_default=True, help="Of training, a batch."
)
@click.option("--starts", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--cold", is_flag=True, help="A start with no kernel kept, too.")
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures.")
def main(seconds: float, starts: int, cold: bool, file: Path | None) -> None:
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        raise click.UsageError("Chromium is neither on PATH nor named by FASTNN_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        with started() as address:
            training = {batch: trained(browser, address, batch, seconds) for batch in BATCHES}
            figures: dict[str, Any] = {"training": training, **slid(browser, address)}
        figures["start_s"] = sorted(begun(browser) for _ in range(starts))
        if cold:
            with tempfile.TemporaryDirectory() as folder:
                figures["cold_start_s"] = begun(browser, Path(folder))
        document = {"schema": SCHEMA, "date": time.strftime("%Y-%m-%d"), "context": machine.description(),
                    "chromium": browser.version, "seconds": seconds, **figures}  # fmt: skip
        browser.close()
    for line in told(figures):
        click.echo(line)
    if file:
        file.write_text(json.dumps(document, indent=1) + "\n")


def told(figures: dict[str, Any]) -> Iterator[str]:
    for batch, of in figures["training"].items():
        parts = (
            f"{of['steps_per_s']:,.0f} steps/s", f"{of['frames_per_s']:.0f} frames/s",
            f"95 % within {of['gap_p95_ms']:.1f} ms", f"{of['long_tasks']} long tasks",
            f"{of['page_ms_per_frame']:.1f} ms of work a frame",
        )  # fmt: skip
        yield f"batch {batch}: {', '.join(parts)}"
    yield f"slider to answer: {figures['slide_median_ms']:.0f} ms, 95 % within {figures['slide_p95_ms']:.0f} ms"
    yield f"start: {statistics.median(figures['start_s']):.2f} s, {figures['start_s'][0]:.2f} at best"
    if "cold_start_s" in figures:
        yield f"start without a kernel: {figures['cold_start_s']:.0f} s"


if __name__ == "__main__":
    main()
