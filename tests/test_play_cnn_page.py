"""The page of filters in a real Chromium."""

from __future__ import annotations

from typing import Any

import needs
import numpy as np
from playing import Opened, Playing
from test_play_cnn import DIGITS, SPLIT

from fastnn.demo.convnets import as_rows, convnet

needs.playground()


def test_a_digit_is_drawn_and_told_as_the_network_sees_it(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "cnn", '#v=1&data="digits"')
    opened.slide("Digit held out, by number", 5)
    image, truth = DIGITS.x[SPLIT.test][5], DIGITS.y[SPLIT.test][5]
    network = convnet(8, False, 0)
    shares = network.predict_proba(as_rows(network, image[None]))[0]
    opened.says(f"It is a {truth}. The network says {shares.argmax()}, {100 * shares.max():.1f} % sure, after 0 steps.")
    assert opened.page.locator(".bars b").all_inner_texts() == [f"{100 * each:.1f} %" for each in shares]
    drawn = opened.of("""(() => { const canvas = document.querySelector(".maps.large canvas");
        return [...canvas.getContext("2d").getImageData(0, 0, 8, 8).data].filter((_, at) => at % 4 === 3); })()""")
    np.testing.assert_allclose(np.array(drawn) / 255, image / image.max(), atol=1 / 255)
    before = opened.of("document.querySelector('.way .maps canvas').toDataURL()")
    opened.slide("Moved to the right", 2)
    opened.until(f"document.querySelector('.way .maps canvas').toDataURL() !== {before!r}")
    assert opened.complaints == []
    opened.close()


def test_it_learns_to_read_while_one_looks(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "cnn", '#v=1&data="digits"')
    opened.page.keyboard.press("Space")
    opened.until("parseFloat(document.querySelector('#learn .verdict').textContent) > 90")
    opened.page.keyboard.press("Space")
    opened.until("document.querySelector('.player .main').textContent === 'Train'")
    assert (
        opened.page.locator("#layers tbody tr").last.inner_text().split("\t")[2]
        == f"{convnet(8, False, 0).parameter_count:,}"
    )
    assert opened.complaints == []
    opened.close()
