"""The language page of the playground in a real Chromium."""

from __future__ import annotations

from typing import Any

import needs
import numpy as np
from playing import Opened, Playing
from test_play_language import trained

from fastnn.demo import inside_gpt
from fastnn.functional import softmax

needs.playground()


def test_a_prompt_goes_to_the_next_token_by_the_networks_numbers(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "language", '#v=1&blocks="1"&width="32"&temperature=1&prompt="return"')
    for _ in range(3):
        opened.press("One step")
    opened.says("are of step 3.")
    model = trained(3)
    ids = model.vocabulary.encode("return").tolist()
    chips = opened.page.locator(".chips li").all_inner_texts()
    assert chips == [f"{letter}\n{number}" for letter, number in zip("return", ids, strict=True)]
    shares = np.sort(softmax(inside_gpt.outputs(model.network, ids)[-1:].astype(np.float64))[0])[::-1]
    assert opened.page.locator(".bars b").all_inner_texts() == [f"{100 * each:.1f} %" for each in shares[:8]]
    looks = inside_gpt.attention(model.network, inside_gpt.blocks(model.network)[0], ids)
    rows = opened.page.locator("#attention tbody tr").all_inner_texts()
    for head, row in enumerate(rows):
        assert f"{100 * looks[head, -1].max():.0f} %" in row
    assert len(rows) == 4
    assert opened.page.locator(".heads rect").count() == len(ids) * (len(ids) + 1) // 2
    opened.says(f"{model.network.parameter_count:,}")
    # The first token that is drawn comes behind the prompt.
    drawn = model.generate("return", 1, seed=0)
    opened.press("Draw the next token")
    opened.until(f"document.querySelectorAll('.chips li').length === {len(ids) + 1}")
    assert opened.page.get_by_label("Prompt", exact=True).input_value() == f"return{drawn}"
    assert opened.complaints == []
    opened.close()


def test_a_prompt_is_typed_and_a_letter_that_it_has_not_is_refused(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "language", '#v=1&blocks="1"&width="32"')
    prompt = opened.page.get_by_label("Prompt", exact=True)
    prompt.fill("if x")
    opened.until("document.querySelectorAll('.chips li').length === 4")
    prompt.fill("if \u2603")
    opened.until("document.querySelector('#notice').textContent.startsWith('prompt is not taken: character 3')")
    assert opened.page.locator(".chips li").count() == 4
    assert opened.complaints == []
    opened.close()


def test_it_learns_to_write_while_one_looks(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "language", '#v=1&blocks="1"&width="32"')
    before = opened.text(".writing")
    opened.page.keyboard.press("Space")
    opened.until("parseFloat(document.querySelector('#learn .verdict').textContent.slice(12)) < 2.9")
    assert opened.text(".writing") != before
    opened.page.keyboard.press("Space")
    opened.until("document.querySelector('.player .main').textContent === 'Train'")
    assert opened.text(".writing").startswith("The value of the ")
    assert opened.complaints == []
    opened.close()
