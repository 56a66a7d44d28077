"""Two numbers and a label: points of a plane, and where a network draws the border between them; own rows, too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import data
from fastnn.networks.models import mlp
from fastnn.play.lessons.again import again
from fastnn.play.lessons.rows import MOST_CLASSES, MOST_ROWS, Rows, held_out_of, rows_of
from fastnn.play.lessons.trained import ACTIVATIONS, RATE, SEED, optimizer_choice, optimizer_of
from fastnn.play.session.fields import Choice, Content, File, Number, Settings
from fastnn.play.session.lesson import Lesson, Recording
from fastnn.play.session.measured import Measured
from fastnn.play.session.run import Run

ROWS = 500
# Of the map, points across; of the rows, so many are drawn.
ACROSS, DRAWN = 48, 500
# Beside the outermost rows, as a part of their spread.
MARGIN = 0.08
LAYERS = {"none": (), "4": (4,), "8": (8,), "8-8": (8, 8), "16-16": (16, 16), "16-16-16": (16, 16, 16)}
FIELDS = {
    "data": Choice(label="Points", default="spirals", options=tuple(data.PLANES)),
    "noise": Number(label="Noise", default=0.03, low=0.0, high=0.3),
    "file": File(label="Your own rows", default=None),
    "hidden": Choice(label="Hidden units", default="8-8", options=tuple(LAYERS)),
    "activation": Choice(label="Activation", default="tanh", options=ACTIVATIONS),
    "optimizer": optimizer_choice("adam"),
    "rate": replace(RATE, default=0.01),
    "batch": Choice(label="Rows a step", default="32", options=("1", "10", "32")),
    "seed": SEED,
}


def texts() -> dict[str, Any]:
    return {
        "counted": "of rows held out", "across": ACROSS, "most_rows": MOST_ROWS, "most_classes": MOST_CLASSES,
        "linked": "It holds the settings of generated points, and never your rows.",
    }  # fmt: skip


def begin(settings: Settings) -> Measured:
    rows = settings["file"].value if settings["file"] else _made(settings)
    network = mlp(*_sizes(settings, len(rows.classes)), activation=settings["activation"], seed=settings["seed"])
    held_out = held_out_of(len(rows.x))
    train, test = slice(None, -held_out), slice(-held_out, None)
    run = Run(network, rows.x[train], rows.y[train], optimizer_of(settings), int(settings["batch"]), settings["seed"])
    low, high = _edges(rows.x)
    grid = np.stack(np.meshgrid(*np.linspace(low, high, ACROSS).T), axis=-1).reshape(-1, 2).astype(np.float32)

    def look() -> dict[str, NDArray[Any]]:
        """At each point of the map, row by row from the lowest, the class and its probability; rows held out by their
        truth and by what is said of them."""
        shares = network.predict_proba(grid)
        confusion = np.zeros((len(rows.classes), len(rows.classes)))
        np.add.at(confusion, (rows.y[test], network.predict(rows.x[test])), 1)
        return {"classes": shares.argmax(axis=1), "sure": shares.max(axis=1), "confusion": confusion}

    about = _words(rows, low, high, held_out)
    return Measured(run, (rows.x[test], rows.y[test]), settings["optimizer"], look, about=about)


def _sizes(settings: Settings, classes: int) -> tuple[int, ...]:
    return 2, *LAYERS[settings["hidden"]], classes


def _made(settings: Settings) -> Rows:
    made = data.plane(settings["data"], ROWS, settings["noise"], settings["seed"])
    return Rows(made.x, made.y, ("first", "second"), ("A", "B"), made.description)


def _edges(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of the map: around all rows."""
    low, high = x.min(axis=0).astype(np.float64), x.max(axis=0).astype(np.float64)
    room = MARGIN * np.maximum(high - low, 1e-6)
    return low - room, high + room


def _words(rows: Rows, low: NDArray[Any], high: NDArray[Any], held_out: int) -> dict[str, Any]:
    """What a page draws once. Of the rows drawn, those held out are the last."""
    kept = np.unique(np.linspace(0, len(rows.x) - 1, min(DRAWN, len(rows.x))).astype(int))
    points = rows.as_given(rows.x[kept])
    return {
        "title": rows.title, "columns": rows.columns, "class_names": rows.classes, "held_out": held_out,
        "counts": np.bincount(rows.y, minlength=len(rows.classes)).tolist(),
        "low": rows.as_given(low[None])[0].tolist(), "high": rows.as_given(high[None])[0].tolist(),
        "points": points.tolist(), "labels": rows.y[kept].tolist(),
        "trained_on": int((kept < len(rows.x) - held_out).sum()),
    }  # fmt: skip


def program(settings: Settings, steps: int) -> str | None:
    """Of points that were generated: nobody here knows the name of a file."""
    if settings["file"] is not None:
        return None
    sizes = ", ".join(map(str, _sizes(settings, 2)))
    made, train = f"data.plane({settings['data']!r}, {ROWS}, {settings['noise']!r}, SEED)", f"[:-{held_out_of(ROWS)}]"
    return again(
        "plane", rows=f"points = {made}\nx, y = points.x{train}, points.y{train}",
        network=f"fastnn.mlp({sizes}, activation={settings['activation']!r}, seed=SEED)",
        optimizer=optimizer_of(settings), batch=int(settings["batch"]), seed=settings["seed"], steps=steps,
    )  # fmt: skip


def adjust(measured: Measured, settings: Settings) -> None:
    measured.run.set_rate(settings["rate"])


def reads(content: bytes) -> Content:
    rows = rows_of(content)
    return Content(rows.title, rows)


LESSON = Lesson(
    fields=FIELDS, texts=texts, begin=begin, adjust=adjust, adjusts=frozenset({"rate"}),
    keeps=frozenset({"activation"}), program=program, reads=reads,
    recording=Recording(last=20_000, points=80),
)  # fmt: skip
