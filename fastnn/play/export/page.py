"""The file: its script and style by their hashes, and nothing from anywhere else."""

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
from fastnn.play.server.pages import STATIC, modules, style
from fastnn.report.page import inside_script

# Pages that can be exported, and the last step of each: static/row.js computes what their sliders ask.
LAST = {"spam": 9600}
# Settings that it computes with; the others are fixed.
FREE = {"spam": {"money", "links", "known", "truth"}}
POINTS = 240


def exported(name: str) -> tuple[str, int]:
    """The page as HTML, and the number of frames in it."""
    recorded = record(lesson(name), steps_to(LAST[name], POINTS))
    entry = f'import {{ make }} from "./lessons/{name}.js";\nimport {{ showRecording }} from "./recording.js";'
    script = inside_script(bundle(f"{entry}\nshowRecording(make);\n", modules()))
    looks = style()
    page = Template((STATIC / "recorded.html").read_text(encoding="utf-8")).substitute(
        name=escape(name), title=escape(TITLES[name][1]), version=escape(fastnn.__version__),
        date=datetime.now(UTC).date().isoformat(), steps=f"{recorded.steps[-1]:,}", script=script, style=looks,
        script_hash=_hash(script), style_hash=_hash(looks), recording=inside_script(_packed(name, recorded)),
    )  # fmt: skip
    return page, len(recorded.frames)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _packed(name: str, recorded: Recorded) -> str:
    opened, told = recorded.told
    words = told | {"words": {each: value for each, value in told["words"].items() if each != "peak"}}
    fields = {each: field | {"fixed": each not in FREE[name]} for each, field in opened["fields"].items()}
    opened = opened | {"fields": fields, "forms": [], "recorded": {"steps": recorded.steps}}
    frames = base64.b64encode(zlib.compress(b"".join(recorded.frames), 9)).decode()
    return json.dumps({"told": [opened, words], "frames": frames}, separators=(",", ":"))
