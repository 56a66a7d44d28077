"""What a page keeps of a training: the network as a file, or a program that makes it again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from fastnn.interchange.onnx_export import to_onnx
from fastnn.play.session.fields import Refused, Settings, as_json
from fastnn.play.session.lesson import Lesson
from fastnn.play.session.measured import Measured
from fastnn.play.session.messages import FORMS


def file_of(watched: Measured, form: str, lesson: Lesson, settings: Settings) -> bytes:
    """Its bytes: safetensors as `network.save` writes it, ONNX as `to_onnx`. Refused."""
    if form == "safetensors":
        return _written(watched.save)
    if form == "onnx":
        try:
            return _written(partial(to_onnx, watched.network))
        except ModuleNotFoundError as error:
            raise Refused("form", f"is onnx: {error}") from error
    if form == "json" and not watched.run.trainer.is_finite():
        raise Refused("form", "is json, which has no number that is not finite; reset first")
    if form == "json":
        return json.dumps(_document(watched, as_json(lesson.fields, settings)), indent=1, allow_nan=False).encode()
    program = lesson.program and lesson.program(settings, watched.run.steps)
    if not program:
        raise Refused("form", "is py, of which there is none for these settings")
    if watched.run.by_hand:
        raise Refused("form", f"is py: no program makes this network, since {watched.run.by_hand}; reset first")
    return program.encode()


def forms_of(lesson: Lesson) -> list[str]:
    """What a page can keep of its training here."""
    if lesson.begin is None:
        return []
    there = {"py": lesson.program is not None, "onnx": find_spec("onnx") is not None}
    return [form for form in FORMS if there.get(form, True)]


def _written(write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network"
        write(path)
        return path.read_bytes()


def _document(watched: Measured, settings: Settings) -> dict[str, object]:
    named = watched.network.named_parameters
    return {
        "settings": settings, "steps": watched.run.steps, "architecture": watched.network.description(),
        "parameters": {name: view.tolist() for name, view in named.items()},
    }  # fmt: skip
