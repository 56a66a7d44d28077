"""Pages as one text: script and style by their hashes, and nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from datetime import UTC, datetime
from html import escape
from string import Template

import fastnn
from fastnn.play.export.bundle import bundle
from fastnn.play.export.recorder import Recorded, record, steps_to
from fastnn.play.lessons.catalogue import TITLES, lesson
from fastnn.play.server.pages import CONTENT, STATIC, modules, style
from fastnn.play.session.lesson import Recording
from fastnn.report.page import inside_script


def exportable() -> list[str]:
    """Pages that can be files."""
    return [name for name in TITLES if lesson(name).recording is not None]


def exported(name: str) -> tuple[str, int]:
    """The page as HTML, and the number of frames in it. name: one that can be a file."""
    page_of = lesson(name)
    how = page_of.recording
    assert how is not None
    recorded = record(page_of, steps_to(how.last, how.points))
    page = _single(
        "recorded", name, date=datetime.now(UTC).date().isoformat(),
        steps=f"{recorded.steps[-1]:,}", computes=escape(f" {how.told}" if how.told else ""),
        recording=inside_script(_packed(how, recorded)),
    )  # fmt: skip
    return page, len(recorded.frames)


def framed(name: str) -> str:
    """The page as HTML for a frame, whose messages what is around it carries."""
    return _single("framed", name)


def _single(kind: str, name: str, **more: str) -> str:
    """One text: the template of that kind with the page's style and its script, which begins as the kind's does."""
    takes = f'import {{ make }} from "./lessons/{name}.js";\nimport {{ begin }} from "./{kind}.js";'
    script, looks = inside_script(bundle(f"{takes}\nbegin(make);\n", modules())), style()
    return Template((STATIC / f"{kind}.html").read_text(encoding="utf-8")).substitute(
        name=escape(name), title=escape(TITLES[name][1]), version=escape(fastnn.__version__), script=script,
        content=CONTENT, style=looks, script_hash=_hash(script), style_hash=_hash(looks), **more,
    )  # fmt: skip


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _packed(how: Recording, recorded: Recorded) -> str:
    opened, words, *answers = recorded.told
    words = words | {"words": {each: value for each, value in words["words"].items() if each != "peak"}}
    fields = {each: field | {"fixed": each not in how.computes} for each, field in opened["fields"].items()}
    about = {"steps": recorded.steps, "computes": bool(how.computes)}
    opened = opened | {"fields": fields, "forms": [], "recorded": about}
    frames = base64.b64encode(zlib.compress(b"".join(recorded.frames), 9)).decode()
    return json.dumps({"told": [opened, words, *answers], "frames": frames}, separators=(",", ":"))
