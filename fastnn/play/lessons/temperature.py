"""Softmax at a temperature, and draws from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.demo.temperature import OPTIONS, draw, entropy, probabilities
from fastnn.play.lessons.defaults import defaults_of, numbers
from fastnn.play.session.fields import Number, Settings, Whole
from fastnn.play.session.lesson import Lesson

GIVEN = defaults_of(OPTIONS)
LOGITS = numbers(GIVEN["logits"])
NAMES, SAMPLES = tuple(f"logit{at}" for at in range(1, len(LOGITS) + 1)), GIVEN["samples"]
CHOICES = tuple(f"choice {at}" for at in range(1, len(LOGITS) + 1))
FIELDS = {
    "temperature": Number(label="Temperature T", default=1.0, low=0.0, high=2.0),
    **{
        name: Number(label=f"Logit of {choice}", default=value, low=-5.0, high=5.0, step=0.1)
        for name, choice, value in zip(NAMES, CHOICES, LOGITS, strict=True)
    },
    "seed": Whole(label="Seed of the draws", default=0, low=0, high=2**31 - 1),
}


def texts() -> dict[str, Any]:
    return {"logits": NAMES, "choices": CHOICES, "samples": SAMPLES}


def answer(settings: Settings) -> dict[str, Any]:
    shares = probabilities([settings[name] for name in NAMES], settings["temperature"])
    counts = draw(shares, SAMPLES, np.random.default_rng(settings["seed"]))
    return {"probabilities": shares.tolist(), "entropy": entropy(shares), "counts": counts.tolist()}


LESSON = Lesson(fields=FIELDS, texts=texts, answer=answer)
