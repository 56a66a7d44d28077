"""What being wrong costs: one prediction, and one answer among many."""

from __future__ import annotations

from typing import Any

from fastnn.demo.losses import CURVE, binary, class_loss, steepness
from fastnn.play.session.fields import Choice, Number, Settings, Whole
from fastnn.play.session.lesson import Lesson

FIELDS = {
    "prediction": Number(label="Prediction p", default=0.7, low=0.01, high=0.99),
    "truth": Choice(label="Truth y", default="1", options=("0", "1")),
    "classes": Whole(label="Classes", default=100_000, low=2, high=1_000_000),
    "lead": Number(label="Lead of the right logit", default=0.0, low=0.0, high=25.0, step=0.5),
}


def texts() -> dict[str, Any]:
    return {
        "curve": CURVE.tolist(), "cross_entropy": [binary(p) for p in CURVE], "squares": [(1 - p) ** 2 for p in CURVE]
    }  # fmt: skip


def answer(settings: Settings) -> dict[str, Any]:
    """At a truth of 0 a prediction of p is as wrong as one of 1 - p at 1."""
    sign = 1 if settings["truth"] == "1" else -1
    right = settings["prediction"] if sign == 1 else 1 - settings["prediction"]
    return {
        "loss": binary(right), "slope": sign * steepness(right), "square": (1 - right) ** 2,
        "square_slope": -2 * sign * (1 - right), "uniform": class_loss(settings["classes"], 0.0),
        "class_loss": class_loss(settings["classes"], settings["lead"]),
    }  # fmt: skip


LESSON = Lesson(fields=FIELDS, texts=texts, answer=answer)
