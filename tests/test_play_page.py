"""Pages of the playground in a real Chromium: their numbers are the kernels', they are for everybody, and ask nobody
else. The page that trains: test_play_spam_page.py."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import needs
import numpy as np
import pytest
from playing import Opened, Playing

import fastnn
from fastnn.play.lessons.catalogue import TITLES, lesson
from fastnn.play.session.fields import Choice, Number

needs.playground()
axe = needs.package("axe_playwright_python.sync_playwright")

TRAINED = ("spam", "activations", "training", "plane", "language", "cnn", "zoo")


# Every number of the lessons ------------------------------------------------------------------------------------------


def test_neuron(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "neuron")
    opened.says("0.35 - 0.09 + 0.72 = 0.98")
    opened.says("relu(0.98) = 0.98")
    opened.slide("Bias", -1.5)
    opened.says("0.35 - 0.09 + 0.72 - 1.5 = -0.52")
    opened.says("relu(-0.52) = 0; its slope there is 0.")
    assert opened.complaints == []
    opened.close()


def test_perceptron(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "perceptron")
    for gate, right in (("AND", 4), ("OR", 4)):
        opened.page.get_by_label(gate, exact=True).check(force=True)
        opened.press("Let Rosenblatt's rule find it")
        opened.says(f"{right} of 4 corners right")
    opened.page.get_by_label("XOR", exact=True).check(force=True)
    opened.says("At XOR it never ends")
    opened.says("ln 2 = 0.6931")
    opened.says("100 of 100 random starts learn XOR")
    rows = opened.page.locator("#xor tbody tr").all_inner_texts()
    sides = [row.split("\t")[1].replace("\N{GREATER-THAN OR EQUAL TO}", ">=") for row in rows]
    assert sides == ["b < 0", "w2 + b >= 0", "w1 + b >= 0", "w1 + w2 + b < 0"]
    assert any(row.endswith("fails") for row in rows)
    opened.close()


def test_activations(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "activations")
    opened.says("A sigmoid's slope is 0.25 at most and tanh's 1")
    opened.slide("Sum z", 0)
    opened.until("document.querySelector('#nine').innerText.includes('0.2500')")
    cells = [each.split("\t") for each in opened.page.locator("#nine tbody tr").all_inner_texts()]
    rows = {name: others for name, *others in cells}
    assert len(rows) == 9
    assert rows["sigmoid"] == ["0.5000", "0.2500", "0.25"]
    assert rows["tanh"][1:] == ["1.0000", "1"]
    assert rows["relu"][:2] == ["0.0000", "0.0000"]
    opened.slide("Learning rate", 2)
    opened.page.click(".player .main")
    opened.until("parseInt(document.querySelector('#dying .verdict').textContent) > 20")
    assert opened.complaints == []
    opened.close()


def test_loss(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "loss")
    opened.says("p = 0.70, y = 1")
    opened.says("= 0.3567; slope -1/p = -1.4286")
    opened.says("ln 100,000 = 11.5129")
    opened.page.get_by_label("0", exact=True).check(force=True)
    opened.says("= 1.2040")
    opened.close()


def test_training_loop(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "training")
    for way in ("too small", "right", "oscillates", "diverges"):
        opened.press(way)
        opened.until(f"document.querySelector('.verdict').textContent.includes(': {way}.')")
    opened.says("0.0003 is the highest rate of Llama 2's 7B and 13B")
    opened.says("ln 10 = 2.3026")
    told = opened.text("#rates")
    assert "too small" in told
    assert "diverged" in told
    assert opened.page.locator("#rates tbody tr").count() == 7
    opened.close()


def test_builder(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "builder")
    opened.says("= 46 parameters")
    opened.press("3-4-2")
    opened.says("= 26 parameters")
    opened.press("784-128-10")
    opened.says("101,770 parameters")
    opened.says("1,800,000,000,000")
    opened.says("gpt4, an estimate")
    opened.says("tokens of 768 numbers")
    opened.page.get_by_label("layer 1", exact=True).fill("4096")
    opened.page.get_by_label("layer 1", exact=True).press("Enter")
    opened.until("document.querySelector('#notice').textContent.startsWith('sizes makes')")
    # What was refused is neither shown nor built on.
    assert opened.page.get_by_label("layer 1", exact=True).input_value() == "128"
    opened.page.get_by_label("add a layer of 4 units").click()
    opened.says("784-128-4-10: ")
    opened.close()


def test_linear(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "linear")
    opened.says("100 layers, 2,000 parameters, no activation")
    found = re.search(r"off by (\d\.\d)e-(\d+) of", opened.text())
    assert found is not None
    assert int(found[2]) >= 6
    opened.page.get_by_label("tanh", exact=True).check(force=True)
    opened.says("No matrix says what this says.")
    opened.close()


def test_forward(browser: Any, server: Playing) -> None:
    """2ND of 70 billion and 4,096 is 5.73e14."""
    opened = Opened(browser, server, "forward")
    opened.says("5.73e14 FLOPs")
    opened.says("143 TFLOP/s")
    opened.says("45.9 %")
    opened.says("14.5 %")
    network = fastnn.mlp(3, 4, 2, seed=0)
    opened.press("Next layer")
    for logit in network([[1.0, 1.0, 0.0]])[0]:
        opened.says(f"= {logit:.4f}; softmax")
    opened.close()


def test_gradient_flow(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "gradients")
    opened.says("64 layers of sigmoid, nothing done about it: 2e-40 of the last layer's gradient")
    opened.says("0.25^64 = 2.9e-39")
    opened.press("the last two")
    opened.until("!document.querySelector('.verdict').classList.contains('wrong')")
    opened.close()


def test_temperature(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "temperature")
    opened.press("T = 0")
    opened.says("the largest logit takes it all")
    cells = "[...document.querySelectorAll('#draw tbody tr')].map((row) => row.children[2].textContent)"
    assert opened.of(cells) == ["1.0000", "0.0000", "0.0000", "0.0000", "0.0000"]
    opened.press("T = 2")
    opened.says("flatter than it was learned")
    shares = [float(each) for each in opened.of(cells)]
    expected = np.exp(np.array([2, 1, 0.5, 0, -1]) / 2)
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=5e-5)
    opened.close()


# For everybody --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", TITLES)
def test_axe_finds_nothing_and_nobody_else_is_asked(name: str, dark: bool, browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, name, color_scheme="dark" if dark else "light")
    for training in (False, True) if name in TRAINED else (False,):
        if training:
            opened.page.click(".player .main")
        found = axe.Axe().run(opened.page)
        assert found.violations_count == 0, found.generate_report()
    assert {re.split("[/?#]", url)[2] for url in opened.requests} == {server.host}
    assert opened.complaints == []
    opened.close()


@pytest.mark.parametrize("name", TITLES)
def test_no_width_scrolls_sideways_and_targets_are_large(name: str, browser: Any, server: Playing) -> None:
    for width in (320, 390):
        opened = Opened(browser, server, name, viewport={"width": width, "height": 844}, has_touch=True)
        assert opened.of("document.documentElement.scrollWidth") <= width
        small = opened.of("""[...document.querySelectorAll("button, input, select, nav a, .segments label")]
            .map((each) => [each.textContent || each.id, each.getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.height < 24 || box.width < 24)).map(([name]) => name)""")
        assert small == []
        opened.close()


@pytest.mark.parametrize("name", TITLES)
def test_every_control_is_reached_by_tab_and_shows_it(name: str, browser: Any, server: Playing) -> None:
    """Once around: no trap, and nothing left out that is not disabled."""
    opened = Opened(browser, server, name)
    wanted = opened.of("""[...document.querySelectorAll("button:not(:disabled), input, select")]
        .filter((each) => each.type !== "radio").length""")
    opened.of("document.querySelector('h1').scrollIntoView()")
    seen, marks = set(), 0
    for _ in range(wanted + 60):
        opened.page.keyboard.press("Tab")
        kind, at, outlined = opened.of("""(() => {
            const focused = document.activeElement;
            const style = getComputedStyle(focused);
            const halo = focused.matches(".link") || focused.type === "radio" || style.outlineStyle !== "none";
            return [focused.tagName, [...document.querySelectorAll("*")].indexOf(focused), halo];
        })()""")
        if kind in ("BUTTON", "INPUT", "SELECT"):
            seen.add(at)
            marks += not outlined
        if kind == "BODY":
            break
    assert kind == "BODY"
    assert marks == 0
    radios = opened.of("[...document.querySelectorAll('*')].flatMap((each, at) => (each.type === 'radio' ? [at] : []))")
    assert len(seen - set(radios)) == wanted
    opened.close()


@pytest.mark.parametrize("name", [name for name in TITLES if name not in TRAINED])
def test_a_link_opens_the_page_as_it_was(name: str, browser: Any, server: Playing) -> None:
    """Of pages that train nothing; those that do: test_what_a_page_has_trained_can_be_taken_along."""
    page = lesson(name)
    changed = {key: field for key, field in page.fields.items() if isinstance(field, (Number, Choice)) and key != "run"}
    given = {key: field.high if isinstance(field, Number) else field.options[-1] for key, field in changed.items()}
    opened = Opened(
        browser, server, name, f"#v=1&{urlencode({key: json.dumps(value) for key, value in given.items()})}"
    )
    opened.press("Link to this")
    link = opened.page.input_value("#link")
    assert link.startswith(f"http://{server.host}/{name}#v=1&")
    other = Opened(browser, server, name, "#" + link.partition("#")[2])
    other.press("Link to this")
    found = dict(parse_qsl(urlsplit(other.page.input_value("#link")).fragment))
    assert {key: json.loads(found[key]) for key in given} == given
    assert opened.complaints == other.complaints == []
    other.close()
    opened.close()


def test_the_zoo_tells_four_kinds_and_how_far_each_was_trained(browser: Any, server: Playing) -> None:
    from fastnn.play.lessons.zoo import ABOUT, network_of

    opened = Opened(browser, server, "zoo", '#v=1&size="5,000"&kind="feed-forward"')
    assert opened.page.locator(".kinds > div").count() == 4
    for kind, (_, strength, weakness, _) in ABOUT.items():
        network = network_of(kind, {"size": "5,000", "seed": 0})
        cells = opened.page.locator("#counts tbody tr", has_text=kind).inner_text().split("\t")
        assert cells[1:3] == [f"{network.parameter_count:,}", f"{network.cost(1).forward.macs:,}"]
        told = opened.page.locator(".kinds > div", has=opened.page.get_by_role("heading", name=kind)).inner_text()
        assert strength in told
        assert weakness in told
    opened.page.keyboard.press("Space")
    opened.until("parseFloat(document.querySelector('#learn tbody td:last-child')?.textContent) > 80")
    opened.page.get_by_label("Which one learns").select_option("recurrent")
    opened.says("recurrent: ")
    opened.press("One step")
    opened.until("document.querySelectorAll('#learn tbody tr').length === 2")
    assert opened.complaints == []
    opened.close()


def test_the_timeline_has_every_milestone_and_runs_what_is_asked(browser: Any, server: Playing) -> None:
    from fastnn.timeline.papers.milestones import milestones
    from fastnn.timeline.repeated import names, repeat
    from fastnn.timeline.terminal import comparisons

    opened = Opened(browser, server, "timeline")
    articles = opened.page.locator(".timeline article")
    for article, about in zip(articles.all(), milestones().values(), strict=True):
        told = article.inner_text()
        assert all(words in told for words in (about.year, about.title, about.claim, about.source, about.aside))
    assert opened.page.get_by_role("button", name="Run ").count() == len(names())
    opened.press("Run gpt-3")
    opened.page.wait_for_selector(".experiment h3")
    found = repeat("gpt-3").run
    opened.says(found.title)
    rows = [
        row.split("\t") for row in opened.page.locator(".experiment table").first.locator("tbody tr").all_inner_texts()
    ]
    assert rows == [[str(cell) for cell in row] for row in comparisons(found.comparisons).rows]
    opened.press("Run novikoff")
    opened.until("document.querySelectorAll('.experiment h3').length === 2")
    opened.says(repeat("novikoff").run.title)
    assert axe.Axe().run(opened.page).violations_count == 0
    assert opened.of("document.querySelectorAll('button:disabled').length") == 0
    assert opened.complaints == []
    opened.close()


def test_the_focus_stays_while_a_network_is_built(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "builder")
    focused = "document.activeElement.getAttribute('aria-label')"
    opened.page.get_by_label("layer 1", exact=True).focus()
    opened.page.keyboard.press("ArrowUp")
    opened.says("3-5-4-2")
    assert opened.of(focused) == "layer 1"
    opened.page.get_by_label("add a layer of 4 units").focus()
    for _ in range(8):
        opened.page.keyboard.press("Enter")
    opened.says("3-5-4-4")
    assert opened.page.locator(".editor input").count() == 12
    assert opened.of(focused) == "take the last hidden layer away"
    opened.page.get_by_label("outputs", exact=True).fill("1")
    opened.page.get_by_label("outputs", exact=True).press("Enter")
    opened.says("4-1: ")
    opened.says("a step took just now")
    assert opened.text("#notice") == ""
    assert opened.complaints == []
    opened.close()


def test_the_file_that_a_browser_is_opened_with_leads_to_the_page(browser: Any, server: Playing) -> None:
    from fastnn.play.server.door import door

    window = browser.new_context()
    with door(server.address) as file:
        page = window.new_page()
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached", timeout=240_000)
        assert page.url == server.address.partition("?")[0]
    window.close()


def test_labels_are_drawn_whole_and_apart(browser: Any, server: Playing) -> None:
    for name in ("gradients", "builder", "loss"):
        opened = Opened(browser, server, name, viewport={"width": 390, "height": 844})
        found = opened.of("""[...document.querySelectorAll("svg.plot-svg")].flatMap((svg) => {
            const around = svg.getBoundingClientRect();
            const boxes = [...svg.querySelectorAll("text")].filter((each) => each.textContent)
                .map((each) => [each.textContent, each.getBoundingClientRect()]);
            const cut = boxes.filter(([, box]) => box.left < around.left || box.right > around.right + 1);
            const meets = ([, a], [, b]) => a.left < b.right && b.left < a.right
                && a.top + 3 < b.bottom && b.top + 3 < a.bottom;
            const over = boxes.flatMap((a, at) => boxes.slice(at + 1)
                .filter((b) => meets(a, b)).map((b) => [a[0], b[0]]));
            return [...cut.map(([text]) => text), ...over];
        })""")
        assert found == []
        assert opened.of("""(() => { const box = document.querySelector("nav [aria-current]").getBoundingClientRect();
            return box.left >= 0 && box.right <= innerWidth; })()""")
        opened.close()


def test_who_asks_for_less_motion_gets_two_frames_a_second(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "spam", reduced_motion="reduce")
    opened.page.click(".player .main")
    # What is only laid out anew is no frame.
    opened.of("""(() => { window.changes = []; new MutationObserver((found) => {
        const isOther = found.some((each) => each.target.getAttribute("d") !== each.oldValue);
        if (isOther) window.changes.push(performance.now());
    }).observe(document.querySelector(".curve"), { attributeFilter: ["d"], attributeOldValue: true }); })()""")
    opened.until("window.changes.length >= 8")
    times = opened.of("window.changes")
    # Two frames were on their way when it began, a third before the page knew that it trains; what draws at once ends
    # with the screen's next picture.
    assert all(after - before > 450 for before, after in pairwise(times[3:]))
    opened.close()


@pytest.mark.parametrize("page", ["training", "activations", "plane"])
def test_what_a_page_has_trained_can_be_taken_along(page: str, browser: Any, server: Playing, tmp_path: Path) -> None:
    seed = "Seed of the first weights and of the order of rows"
    opened = Opened(browser, server, page)
    opened.page.get_by_label(seed).fill("5")
    opened.page.get_by_label(seed).press("Enter")
    opened.press("One step")
    opened.says("step 1:")
    forms = ["network.onnx"] if find_spec("onnx") else []
    for name in ("network.safetensors", "network.json", "again.py", *forms):
        with opened.page.expect_download() as download:
            opened.press(name)
        download.value.save_as(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 0
    assert re.search(r"^BATCH, STEPS, SEED = \d+, 1, 5$", (tmp_path / "again.py").read_text(), re.MULTILINE)
    opened.press("Link to this")
    fragment = "#" + opened.page.input_value("#link").partition("#")[2]
    assert "weights" not in fragment
    other = Opened(browser, server, page, fragment)
    assert other.page.get_by_label(seed).input_value() == "5"
    assert opened.complaints == other.complaints == []
    other.close()
    opened.close()
