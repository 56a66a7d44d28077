"""The page: one HTML file with its style, its script and its data inside, which asks for nothing from anywhere."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fastnn
from fastnn.report import gallery, listing, origin, scale
from fastnn.report.formulas import formulas
from fastnn.report.gallery import Section
from fastnn.report.headline import headline
from fastnn.report.palette import DARK, GROUND, LIGHT
from fastnn.report.picture import Picture
from fastnn.report.plotly_html import figure
from fastnn.report.sources import Sources

FOLDER = Path(__file__).parent


def page(sources: Sources) -> str:
    """The whole report as HTML."""
    import jinja2
    from plotly.offline import get_plotlyjs

    sections = gallery.sections(sources)
    data = page_data(sources, sections)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    html: str = environment.get_template("template.html").render(
        version=fastnn.__version__, sections=sections, headline=headline(sources), formulas=formulas(sources.runs),
        origins=[origin.of_run(run) for run in sources.runs], suites=sources.suites, light=LIGHT, dark=DARK,
        style=_text("style.css"), script=inside_script(_text("script.js")), plotly=inside_script(get_plotlyjs()),
        data=data, packed=packed(data), ground=GROUND, utilisation=scale.UTILISATION,
    )  # fmt: skip
    return html


def page_data(sources: Sources, sections: Sequence[Section]) -> dict[str, Any]:
    """What the page's script draws: the pictures of each section, all rows, and the hardware to choose from."""
    return {
        "families": {section.family: [_picture(each) for each in section.pictures] for section in sections},
        "columns": listing.columns(), "rows": listing.cells(sources.runs), "devices": scale.devices(sources.runs),
        "suites": listing.suites(sources.suites),
    }  # fmt: skip


def _picture(picture: Picture) -> dict[str, Any]:
    return {
        "title": picture.title, "words": list(picture.words), "choice": [list(pair) for pair in picture.choice],
        **figure(picture),
    }  # fmt: skip


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def packed(data: Mapping[str, Any]) -> str:
    """JSON, compressed: 1.2 MB of three files of 486 rows become 0.2 MB."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def inside_script(text: str) -> str:
    """What may stand in a <script>: nothing in it ends the element, and strings mean what they meant."""
    return re.sub("</(script)", r"<\\/\1", text, flags=re.IGNORECASE).replace("<!--", "<\\u0021--")
