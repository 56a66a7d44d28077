"""A demonstration as one HTML file without a script: tables, drawings, and pictures as SVG inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastnn
from fastnn.demo.display.demonstration import Block, Demonstration, Drawing, Table
from fastnn.demo.display.maps import LEGENDS, Maps, as_svg, is_wide
from fastnn.demo.display.terminal import is_numeric
from fastnn.report.palette import DARK, GROUND, LIGHT

FOLDER = Path(__file__).parent
STYLE = FOLDER.parent.parent / "report" / "style.css"


def page(shown: Demonstration) -> str:
    """HTML that asks for nothing from anywhere."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    sections = [{"title": each.title, "blocks": [_block(block) for block in each.blocks]} for each in shown.sections]
    html: str = environment.get_template("template.html").render(
        title=shown.title, sections=sections, version=fastnn.__version__, style=STYLE.read_text(encoding="utf-8"),
        ground=GROUND, signs={"light": LIGHT[:2], "dark": DARK[:2]},
    )  # fmt: skip
    return html


def _block(block: Block) -> dict[str, Any]:
    """By kind, as the template writes it."""
    if isinstance(block, str):
        return {"kind": "text", "text": block}
    if isinstance(block, Table):
        numeric = [is_numeric(row[place] for row in block.rows) for place in range(len(block.columns))]
        return {"kind": "table", "columns": block.columns, "rows": block.rows, "numeric": numeric}
    if isinstance(block, Drawing):
        return {"kind": "drawing", "text": "\n".join(block.lines)}
    if isinstance(block, Maps):
        maps = [{"caption": each.caption, "wide": is_wide(each), "svg": as_svg(block, each)} for each in block.maps]
        return {"kind": "maps", "title": block.title, "maps": maps, "legend": LEGENDS["page"] * block.signed}
    from fastnn.report.figures import drawn

    ((_, svg),) = drawn(block, ("svg",))
    # What stands before <svg is for files that are opened alone.
    return {"kind": "picture", "svg": svg[svg.index(b"<svg") :].decode(), "title": block.title, "words": block.words}
