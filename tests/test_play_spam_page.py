"""The page of the spam network in a real Chromium: the bytes of fit, every weight, its keys and its links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from playing import Opened, Playing

import fastnn
from fastnn import data
from fastnn.demo.spam import HELD_OUT

needs.playground()


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


def test_keys_play_step_and_reset(spam: Opened) -> None:
    state = "document.querySelector('.player .state').textContent"
    spam.of("document.querySelector('#content').focus()")
    spam.page.keyboard.press("s")
    spam.until(f"{state}.startsWith('step 1:')")
    spam.page.keyboard.press("Space")
    spam.until(f"parseInt({state}.replace(/:.*|[^0-9]/g, '')) > 10000")
    assert spam.text(".player .main") == "Pause"
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


def test_signs_are_told_by_more_than_colour(spam: Opened) -> None:
    below = spam.of("""[...document.querySelectorAll(".link")].map((link) => [
        link.getAttribute("aria-label").includes("\\u2212"),
        getComputedStyle(link.querySelector(".line") ?? link.querySelector(".bias")).strokeDasharray !== "none",
        Boolean(link.querySelector(".line"))])""")
    lines = [(negative, dashed) for negative, dashed, is_line in below if is_line]
    assert {negative for negative, _ in lines} == {True, False}
    assert all(negative == dashed for negative, dashed in lines)
