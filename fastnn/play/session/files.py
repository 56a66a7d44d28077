"""What a page keeps of a training: the network as a file, or a program that makes it again."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from fastnn.play.session.fields import Refused, Settings
from fastnn.play.session.lesson import Lesson
from fastnn.play.session.measured import Measured


def file_of(watched: Measured, form: str, lesson: Lesson, settings: Settings) -> bytes:
    """Its bytes: safetensors as `network.save` writes it. Refused."""
    if form == "safetensors":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.safetensors"
            watched.network.save(path)
            return path.read_bytes()
    if form == "json" and not watched.run.trainer.is_finite():
        raise Refused("form", "is json, which has no number that is not finite; reset first")
    if form == "json":
        return json.dumps(_document(watched, settings), indent=1, allow_nan=False).encode()
    if lesson.program is None:
        raise Refused("form", "is py, of which this page has none")
    if watched.run.by_hand:
        raise Refused("form", f"is py: no program makes this network, since {watched.run.by_hand}; reset first")
    return lesson.program(settings, watched.run.steps).encode()


def _document(watched: Measured, settings: Settings) -> dict[str, object]:
    named = watched.network.named_parameters
    return {
        "settings": settings, "steps": watched.run.steps, "architecture": watched.network.description(),
        "parameters": {name: view.tolist() for name, view in named.items()},
    }  # fmt: skip
