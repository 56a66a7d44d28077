"""Own rows on the playground's page of them, in a real Chromium."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import needs
import numpy as np
from playing import Opened, Playing
from test_play_plane import CSV

import fastnn
from fastnn import data
from fastnn.play.lessons.rows import rows_of

needs.playground()

DROP = """(content) => {
  const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], "rows.csv", { type: "text/csv" }));
  const place = document.querySelector(".drop");
  for (const kind of ["dragover", "drop"]) {
    place.dispatchEvent(new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
  }
}"""


def drop(opened: Opened, content: bytes) -> None:
    opened.page.evaluate(DROP, base64.b64encode(content).decode())


def test_a_file_is_dropped_trained_on_and_told_right(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "plane")
    opened.says("500 generated points of two spirals")
    drop(opened, CSV)
    opened.says("Shown: 300 rows of your file.")
    assert opened.page.locator(".layers .row").count() == 300
    assert opened.page.locator(".layers .row.out").count() == 60
    assert {"height", "weight"} <= set(opened.page.locator(".layers text").all_text_contents())
    for _ in range(8):
        opened.press("One step")
    opened.says("step 8:")
    rows, network = rows_of(CSV), fastnn.mlp(2, 8, 8, 2, activation="tanh", seed=0)
    network.fit(rows.x[:-60], rows.y[:-60], epochs=1, batch=32, optimizer=fastnn.Adam(0.01), seed=0)
    opened.says(f"{network.accuracy(rows.x[-60:], rows.y[-60:]):.1%} of 60 rows".replace("%", " %"))
    said = network.predict(rows.x[-60:])
    for truth, row in enumerate(opened.page.locator("#held tbody tr").all_inner_texts()):
        counts = [int(((rows.y[-60:] == truth) & (said == each)).sum()) for each in range(2)]
        assert row.split("\t") == [rows.classes[truth], *map(str, counts)]
    assert opened.complaints == []
    opened.close()


def test_a_bad_cell_is_told_by_line_and_column_and_nothing_is_lost(browser: Any, server: Playing) -> None:
    opened = Opened(browser, server, "plane")
    opened.press("One step")
    opened.says("step 1:")
    lines = CSV.splitlines()
    lines[6] = b"170.5,6o.1,heavy"
    drop(opened, b"\n".join(lines))
    opened.until(
        "document.querySelector('#notice').textContent.includes(\"line 7, column 'weight': '6o.1' is no number\")"
    )
    opened.press("One step")
    opened.says("step 2:")
    opened.says("500 generated points of two spirals")
    opened.page.set_input_files(
        "#own", {"name": "large.csv", "mimeType": "text/csv", "buffer": b"1" * (1 << 20) + b"1"}
    )
    opened.until("document.querySelector('#notice').textContent.includes('large.csv has 1.05 MB; expected at most')")
    opened.page.set_input_files("#own", {"name": "rows.csv", "mimeType": "text/csv", "buffer": CSV})
    opened.says("Shown: 300 rows of your file.")
    opened.page.get_by_label("Points", exact=True).select_option("circles")
    opened.says("500 generated points of two circles")
    assert opened.complaints == []
    opened.close()


def test_the_plane_is_painted_by_what_the_network_says(browser: Any, server: Playing, tmp_path: Path) -> None:
    """Behind each row the colour of the class that is said of it there."""
    opened = Opened(browser, server, "plane")
    opened.press("Train")
    opened.until("parseFloat(document.querySelector('.verdict').textContent) > 90")
    opened.press("Pause")
    opened.until("document.querySelector('.player .main').textContent === 'Train'")
    with opened.page.expect_download() as download:
        opened.press("network.safetensors")
    download.value.save_as(tmp_path / "network.safetensors")
    points = data.plane("spirals", 500, 0.03, 0).x
    said = fastnn.load(tmp_path / "network.safetensors").predict(points)
    colours = opened.of("""(() => {
        const pen = document.querySelector(".layers canvas").getContext("2d");
        return [...document.querySelectorAll(".layers .row")].map((row) => {
            const { e, f } = row.transform.baseVal[0].matrix;
            const [red, , blue] = pen.getImageData(Math.round(e), Math.round(f), 1, 1).data;
            return blue > red ? 0 : 1;
        });
    })()""")
    assert set(said) == {0, 1}
    assert np.mean(np.array(colours) == said) > 0.95  # a map is of 48 x 48 points, and a border runs between some
    opened.close()
