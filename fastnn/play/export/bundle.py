"""ES modules as one script: each becomes a function that is called once, and hands out what it exports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from fastnn.play.server.pages import IMPORT, resolved

EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
LEFT = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)


def bundle(entry: str, modules: Mapping[str, Path]) -> str:
    """entry: a script that imports modules by "./NAME". ValueError where one is written in a way that is not known."""
    done: dict[str, str] = {}
    body = _linked("", entry, modules, done)
    return "\n".join(["const modules = {};", *done.values(), body])


def _linked(name: str, text: str, modules: Mapping[str, Path], done: dict[str, str]) -> str:
    """The text without imports and exports; before it, in `done`, all that it stands on."""

    def taken(found: re.Match[str]) -> str:
        other = resolved(name, found[2])
        if other not in done:
            _add(other, modules, done)
        return f"const {{{found[1].replace(' as ', ': ')}}} = modules[{other!r}];"

    linked = EXPORT.sub(r"\1", IMPORT.sub(taken, text))
    if left := LEFT.search(linked):
        raise ValueError(f"{name}: {left[0]!r} cannot be bundled")
    return linked


def _add(name: str, modules: Mapping[str, Path], done: dict[str, str]) -> None:
    text = modules[name].read_text(encoding="utf-8")
    exported = ", ".join(found[2] for found in EXPORT.finditer(text))
    linked = _linked(name, text, modules, done)
    done[name] = f"modules[{name!r}] = (() => {{\n{linked}\nreturn {{ {exported} }};\n}})();"
