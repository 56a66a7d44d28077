"""The pages as HTML, and the style that they share with fastnn's other pages."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from string import Template

import fastnn
from fastnn.play.lessons.catalogue import TITLES
from fastnn.report.palette import DARK, GROUND, LIGHT

STATIC = Path(__file__).parent.parent / "static"
# What every page has, for its script to fill.
CONTENT = (STATIC / "content.html").read_text(encoding="utf-8")
# As every script here takes from another: names, and where from.
IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]*)";$', re.MULTILINE)
REPORT_STYLE = Path(__file__).parent.parent.parent / "report" / "style.css"


def page(name: str) -> str:
    """The lesson of that name: a frame for what its script draws."""
    _, title = TITLES[name]
    return Template((STATIC / "page.html").read_text(encoding="utf-8")).substitute(
        name=escape(name), title=escape(title), version=escape(fastnn.__version__), links=_links(name), content=CONTENT,
        preloads="\n".join(f'<link rel="modulepreload" href="/static/{escape(each)}">' for each in _scripts(name)),
    )  # fmt: skip


@cache
def _scripts(name: str) -> tuple[str, ...]:
    """All that the page loads, so that a browser asks for them at once, and not for each when it has read another."""
    found: dict[str, None] = {}
    _gather("live.js", found)
    _gather(f"lessons/{name}.js", found)
    return tuple(found)


def _gather(name: str, found: dict[str, None]) -> None:
    if name not in found:
        found[name] = None
        for other in imported(name, (STATIC / name).read_text(encoding="utf-8")):
            _gather(other, found)


def imported(name: str, text: str) -> Iterator[str]:
    """The scripts that a script takes from, by their names."""
    return (resolved(name, written) for _, written in IMPORT.findall(text))


def resolved(name: str, written: str) -> str:
    """What "../dom.js" is in a script of that name."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), written))


def _links(current: str) -> str:
    items = []
    for name, (word, _) in TITLES.items():
        here = ' aria-current="page"' if name == current else ""
        items.append(f'<li><a href="/{escape(name)}"{here}>{escape(word)}</a></li>')
    return "\n".join(items)


def style() -> str:
    """Colours of the palette, the style of a report, and that of this page."""
    own = (STATIC / "style.css").read_text(encoding="utf-8")
    return "\n".join((_colours(), REPORT_STYLE.read_text(encoding="utf-8"), own))


def _colours() -> str:
    light, dark = (
        "".join(f"--colour-{at}: {colour}; " for at, colour in enumerate(colours)) + f"--ground: {GROUND[scheme]};"
        for scheme, colours in (("light", LIGHT), ("dark", DARK))
    )
    return (
        f":root {{ color-scheme: light dark; {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    )


def modules() -> dict[str, Path]:
    """Scripts by their address under /static/: those that were there at the start, so no path comes over the wire."""
    return {file.relative_to(STATIC).as_posix(): file for file in STATIC.rglob("*.js")}
