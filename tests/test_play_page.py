"""The playground in a real Chromium: its numbers are the kernels', its pages are for everybody, and ask nobody else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from playing import ARGUMENTS, Opened, Playing, playing

import fastnn
from fastnn import data
from fastnn.demo.spam import HELD_OUT
from fastnn.play.lessons.catalogue import TITLES

CHROMIUM = needs.chromium()
sync_api = needs.package("playwright.sync_api")
axe = needs.package("axe_playwright_python.sync_playwright")
needs.package("starlette")
needs.package("uvicorn")
needs.package("websockets")

TRAINED = ("spam", "activations", "training")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Playing]:
    with playing() as started:
        yield started


@pytest.fixture
def spam(browser: Any, server: Playing) -> Iterator[Opened]:
    opened = Opened(browser, server, "spam")
    yield opened
    assert opened.complaints == []
    opened.close()


def train_to(opened: Opened, step: int) -> None:
    opened.page.fill("#until", str(step))
    opened.press("Train to it")
    opened.until(f"document.querySelector('.player .state').textContent.startsWith('step {step:,}:')")
    opened.until("document.querySelector('.player .main').textContent === 'Train'")


def parameters(opened: Opened) -> list[float]:
    """As the table shows them when all derivatives were tried, which is when nothing moves any more."""
    opened.until("!document.querySelector('#parameters').textContent.includes('when paused')")
    return [
        float(each) for each in opened.of("[...document.querySelectorAll('#parameters input')].map((i) => i.value)")
    ]


def flat(network: fastnn.Network) -> list[float]:
    return np.concatenate([view.ravel() for view in network.named_parameters.values()]).tolist()


def fitted(epochs: int, **settings: Any) -> fastnn.Network:
    mails, network = data.spam(), fastnn.mlp(3, 4, 2, seed=0)
    train = slice(None, -HELD_OUT)
    network.fit(mails.x[train], mails.y[train], epochs=epochs, batch=32, optimizer=fastnn.SGD(0.1), seed=0, **settings)
    return network


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


def test_spam_is_26_numbers_and_knows_two_mails(spam: Opened) -> None:
    spam.says("3\N{MULTIPLICATION SIGN}4 + 4 + 4\N{MULTIPLICATION SIGN}2 + 2 = 26")
    assert spam.page.locator("#parameters tbody tr").count() == 26
    train_to(spam, 9600)
    spam.press("money and links, sender unknown")
    spam.says("spam, it says")
    spam.press("no money, no links, sender known")
    spam.says("mail, it says")
    shown = spam.of("[...document.querySelectorAll('select')].flatMap((each) => [...each.options].map((o) => o.value))")
    assert {"sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus"} <= set(shown)


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


# Spam: the same bytes, every weight -----------------------------------------------------------------------------------


def test_a_download_is_what_fit_gives(spam: Opened, tmp_path: Path) -> None:
    train_to(spam, 9600)
    with spam.page.expect_download() as download:
        spam.press("network.safetensors")
    download.value.save_as(tmp_path / "downloaded")
    network = fitted(100)
    network.save(tmp_path / "fitted")
    assert (tmp_path / "downloaded").read_bytes() == (tmp_path / "fitted").read_bytes()
    assert parameters(spam) == pytest.approx(flat(network), abs=5.1e-5)


def test_a_step_is_one_and_reset_begins_again(spam: Opened) -> None:
    first = parameters(spam)
    assert first == pytest.approx(flat(fastnn.mlp(3, 4, 2, seed=0)), abs=5.1e-5)
    spam.press("One step")
    spam.until("document.querySelector('.player .state').textContent.startsWith('step 1:')")
    assert parameters(spam) != first
    spam.press("Reset")
    spam.until("document.querySelector('.player .state').textContent.startsWith('step 0:')")
    assert parameters(spam) == first


def test_each_gradient_is_what_trying_says(spam: Opened) -> None:
    parameters(spam)
    cells = spam.page.locator("#parameters td.number").all_inner_texts()
    shown = np.array([float(each.replace("\N{MINUS SIGN}", "-")) for each in cells]).reshape(26, 2)
    network = fastnn.mlp(3, 4, 2, seed=0)
    gradient = network.named(network.gradient([[1.0, 1.0, 0.0]], [1]))
    expected = np.concatenate([each.ravel() for each in gradient.values()])
    np.testing.assert_allclose(shown[:, 0], expected, atol=5.1e-5)
    np.testing.assert_allclose(shown[:, 1], expected, atol=5.1e-5)


def test_a_weight_has_its_factors(spam: Opened) -> None:
    """One of the first layer and one of the last: a times delta is the gradient, and a step goes against it."""
    for index in (2, 20):
        spam.page.locator(".network .link").nth(index).focus()
        name = spam.page.locator(".network .link").nth(index).get_attribute("aria-label").rpartition(":")[0]
        spam.until(f"document.querySelector('.one h3').textContent === {json.dumps(name)}")
        texts = spam.page.locator("#factors dd").all_inner_texts()
        value, incoming, back, gradient, tried, after = (text.replace("\N{MINUS SIGN}", "-") for text in texts)
        a, delta = float(incoming), float(back.rpartition("= ")[2])
        assert float(gradient.rpartition("= ")[2]) == pytest.approx(a * delta, abs=2e-4)
        assert float(tried.partition(",")[0]) == pytest.approx(a * delta, abs=2e-4)
        assert float(after.rpartition("= ")[2]) == pytest.approx(float(value) - 0.1 * a * delta, abs=2e-4)


def test_stages_go_there_and_back_by_keys(spam: Opened) -> None:
    titles = []
    for _ in range(10):
        spam.page.keyboard.press("n")
        titles.append(spam.of("document.querySelector('.stages h3').textContent"))
    assert len(set(titles)) == 10
    assert spam.page.locator(".stages li").count() == 26
    for title in titles[-2::-1]:
        spam.page.keyboard.press("b")
        assert spam.of("document.querySelector('.stages h3').textContent") == title
    spam.says("hidden 1: 1.0000")


def test_a_weight_that_is_typed_shows_at_once(spam: Opened) -> None:
    field = spam.page.get_by_label("bias of spam, value")
    field.fill("9.5")
    field.press("Enter")
    network = fastnn.mlp(3, 4, 2, seed=0)
    network.named_parameters["1.bias"][1] = 9.5
    spam.says(f"spam, it says: {100 * network.predict_proba([[1.0, 1.0, 0.0]])[0, 1]:.1f} % sure")


def test_sliders_go_through_the_network(spam: Opened) -> None:
    network = fastnn.mlp(3, 4, 2, seed=0)
    for x in ([0.25, 0.5, 0.75], [0.0, 1.0, 0.33]):
        for label, value in zip(('"Win $$$"', "suspicious links", "known sender"), x, strict=True):
            spam.slide(label, value)
        spam.says(f"loss {network.loss([x], [1]):.4f}")
        shown = spam.of("[...document.querySelectorAll('.network .value')].map((each) => each.textContent)")
        logits = [float(each.replace("\N{MINUS SIGN}", "-")) for each in shown[-2:]]
        np.testing.assert_allclose(logits, network([x])[0], atol=5.1e-3)


def test_a_link_brings_the_same_numbers_to_another_browser(browser: Any, server: Playing, spam: Opened) -> None:
    spam.slide("known sender", 0.42)
    train_to(spam, 960)
    expected, verdict = parameters(spam), spam.text(".verdict")
    spam.press("Link to this")
    fragment = "#" + spam.page.input_value("#link").partition("#")[2]
    assert len(re.search("weights=([^&]+)", fragment)[1]) == 139  # type: ignore[index]
    other = Opened(browser, server, "spam", fragment)
    assert parameters(other) == expected
    assert other.text(".verdict") == verdict
    assert other.complaints == []
    other.close()


@pytest.mark.parametrize(
    ("page", "fragment", "told"),
    [
        ("spam", "#v=1&layers=2000", "layers is no setting"), ("spam", "#v=1&rate=1e9", "rate is 1000000000"),
        ("spam", "#v=2", "v is 2; expected 1"), ("spam", "#v=1&rate=x", "rate is x"),
        ("spam", "#v=1&weights=AAAA", "weights holds 3 bytes"),
        ("builder", "#v=1&sizes=[" + ",".join(["2"] * 2000) + "]", "sizes has 2000 entries"),
    ],
)  # fmt: skip
def test_a_bad_link_is_refused_by_the_name_of_its_field(
    page: str, fragment: str, told: str, browser: Any, server: Playing
) -> None:
    opened = Opened(browser, server, page, fragment)
    assert told in opened.text("#notice")
    assert opened.complaints == []
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


def test_keys_play_step_and_reset(spam: Opened) -> None:
    state = "document.querySelector('.player .state').textContent"
    spam.of("document.querySelector('#content').focus()")
    spam.page.keyboard.press("s")
    spam.until(f"{state}.startsWith('step 1:')")
    spam.page.keyboard.press("Space")
    spam.until(f"parseInt({state}.replace(/[^0-9]/g, '')) > 10000")
    spam.page.keyboard.press("Space")
    spam.until("document.querySelector('.player .main').textContent === 'Train'")
    spam.page.keyboard.press("r")
    spam.until(f"{state}.startsWith('step 0:')")
    spam.page.locator(".network .link").first.focus()
    for key, at in (("ArrowDown", 1), ("End", 25), ("ArrowLeft", 24), ("Home", 0)):
        spam.page.keyboard.press(key)
        assert spam.of("[...document.querySelectorAll('.link')].indexOf(document.activeElement)") == at
    assert spam.page.locator(".link[tabindex='0']").count() == 1


def test_letters_work_after_a_button_and_in_capitals(spam: Opened) -> None:
    state = "document.querySelector('.player .state').textContent"
    spam.press("One step")
    spam.until(f"{state}.startsWith('step 1:')")
    spam.page.keyboard.press("S")
    spam.until(f"{state}.startsWith('step 2:')")
    spam.page.keyboard.press("r")
    spam.until(f"{state}.startsWith('step 0:')")
    for key, told in (("N", "1 of 10"), ("n", "2 of 10"), ("B", "1 of 10")):
        spam.page.keyboard.press(key)
        assert spam.text(".stages .state") == told
    spam.page.focus("#until")
    spam.page.keyboard.press("s")
    spam.page.get_by_label("spam", exact=True).check(force=True)
    assert spam.text(".player .state").startswith("step 0:")


def test_the_button_says_what_the_server_does(spam: Opened) -> None:
    main = "document.querySelector('.player .main').textContent"
    train_to(spam, 960)
    spam.press("Train to it")
    spam.says("expected more than the 960 steps")
    assert spam.of(main) == "Train"
    spam.of("""(() => {
        const select = document.querySelector("option[value=tanh]").parentElement;
        select.value = "tanh";
        select.dispatchEvent(new Event("change"));
        document.querySelector(".player .main").click();
    })()""")
    spam.until(f"{main} === 'Pause'")
    spam.page.click(".player .main")
    spam.until(f"{main} === 'Train'")


def test_a_page_that_nobody_sees_does_not_train_on(spam: Opened) -> None:
    spam.page.click(".player .main")
    spam.until("document.querySelector('.player .main').textContent === 'Pause'")
    spam.of("""(() => {
        Object.defineProperty(document, "hidden", { value: true });
        document.dispatchEvent(new Event("visibilitychange"));
    })()""")
    spam.until("document.querySelector('.player .main').textContent === 'Train'")


def test_sums_are_of_one_moment_while_a_slider_moves(spam: Opened) -> None:
    """Each that is written down while the slider is elsewhere: its products add up to what it says."""
    spam.press("Next")
    wrong = spam.of("""(() => new Promise((done) => {
        const input = document.querySelector("input[type=range]");
        const numbers = (text) => text.replaceAll("\u2212", "-").match(/-?[0-9]+\\.[0-9]+/g).map(Number);
        let [seen, wrong, moves] = [0, 0, 0];
        new MutationObserver(() => {
            const [a, b, c, d, e, f, bias, sum] = numbers(document.querySelector(".lines li").textContent);
            seen += 1;
            wrong += Math.abs(a * b + c * d + e * f + bias - sum) > 1e-3;
        }).observe(document.querySelector(".lines"), { childList: true, characterData: true, subtree: true });
        const move = () => {
            input.value = String((moves * 0.37) % 1);
            input.dispatchEvent(new Event("input"));
            moves += 1;
            if (moves < 200) setTimeout(move, 3);
            else setTimeout(() => done([seen > 10, wrong]), 300);
        };
        move();
    }))()""")
    assert wrong == [True, 0]


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


def test_a_screen_reader_is_told_values_and_no_more_than_once_a_second(spam: Opened) -> None:
    ranges = spam.page.locator("input[type=range]").all()
    texts = [each.get_attribute("aria-valuetext") for each in ranges]
    assert texts == ["1", "1", "0", "0.1"]
    assert spam.page.locator("[aria-live], [role=status]").count() == 1
    spam.of("""(() => { window.told = 0; new MutationObserver(() => { window.told += 1; })
        .observe(document.getElementById("live"), { childList: true, characterData: true, subtree: true }); })()""")
    spam.page.click(".player .main")
    spam.page.wait_for_timeout(2500)
    assert 1 <= spam.of("window.told") <= 4


def test_who_asks_for_less_motion_gets_two_frames_a_second(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "spam", reduced_motion="reduce")
    opened.page.click(".player .main")
    opened.of("""(() => { window.changes = 0; new MutationObserver(() => { window.changes += 1; })
        .observe(document.querySelector(".curve"), { attributes: true }); })()""")
    opened.page.wait_for_timeout(2000)
    assert 1 <= opened.of("window.changes") <= 8
    opened.close()


def test_signs_are_told_by_more_than_colour(spam: Opened) -> None:
    below = spam.of("""[...document.querySelectorAll(".link")].map((link) => [
        link.getAttribute("aria-label").includes("\\u2212"),
        getComputedStyle(link.querySelector(".line") ?? link.querySelector(".bias")).strokeDasharray !== "none",
        Boolean(link.querySelector(".line"))])""")
    lines = [(negative, dashed) for negative, dashed, is_line in below if is_line]
    assert {negative for negative, _ in lines} == {True, False}
    assert all(negative == dashed for negative, dashed in lines)
