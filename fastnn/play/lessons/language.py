"""A small language model that learns to write, and each stage between a prompt and its next token."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fastnn.demo.inside_gpt import LIKELY
from fastnn.demo.llm import LARGE, OPTIONS, SMALL, costs
from fastnn.demo.small_gpt import bigram_nats
from fastnn.language.corpus import BUILT_IN, Corpus, read
from fastnn.language.settings import LanguageSettings
from fastnn.language.training import LanguageTraining
from fastnn.paper.models import model as on_paper
from fastnn.play.lessons.again import written
from fastnn.play.lessons.defaults import defaults_of
from fastnn.play.session.fields import Choice, Number, Refused, Settings, Text, Whole
from fastnn.play.session.language import NUMBERS, WRITTEN, Writing
from fastnn.play.session.lesson import Lesson, Recording
from fastnn.play.session.measured import Measured

GIVEN = defaults_of(OPTIONS)
HEADS, POSITIONS, BATCH = SMALL["heads"], SMALL["length"], SMALL["batch"]
# Longer than the demonstration: somebody looks.
STEPS = 2000
HOLDS = "network.safetensors has the letters, too: `fastnn generate network.safetensors` goes on from any prompt"


class Prompt(Text):
    """Of characters that the text has."""

    def read(self, name: str, given: Any) -> str:
        prompt = super().read(name, given)
        try:
            corpus().vocabulary.encode(prompt)
        except ValueError as error:
            raise Refused(name, f"is not taken: {error}") from None
        return prompt


FIELDS = {
    "prompt": Prompt(label="Prompt", default=GIVEN["prompt"], most=POSITIONS),
    "temperature": Number(label="Temperature T", default=GIVEN["temperature"], low=0.0, high=2.0, step=0.05),
    "draw": Whole(label="Seed of what is drawn", default=0, low=0, high=2**31 - 1),
    "blocks": Choice(label="Blocks", default=str(SMALL["blocks"]), options=("1", "2", "4")),
    "width": Choice(label="Width", default=str(SMALL["width"]), options=("32", "64", "128")),
    "rate": Number(label="Learning rate", default=SMALL["learning_rate"], low=1e-4, high=0.3, scale="log"),
    "seed": Whole(label="Seed of the first weights and of what is read", default=0, low=0, high=2**31 - 1),
}


@cache
def corpus() -> Corpus:
    return read(BUILT_IN)


@cache
def _nats() -> tuple[float, float]:
    """Of who knows how many tokens there are, and of who has counted which follows which."""
    size = corpus().vocabulary.size
    return float(np.log(size)), bigram_nats(corpus().ids, size)


def texts() -> dict[str, Any]:
    vocabulary = corpus().vocabulary
    guessing, pairs = _nats()
    models = [on_paper(name) for name in LARGE]
    return {
        "tokens": [vocabulary.decode([each]) for each in range(vocabulary.size)], "text": corpus().title,
        "size": len(corpus()), "positions": POSITIONS, "heads": HEADS, "batch": BATCH, "steps": STEPS,
        "numbers": NUMBERS, "likely": LIKELY, "written": WRITTEN, "guessing": guessing, "pairs": pairs,
        "counted": "of the next letters", "holds": HOLDS,
        "large": [{"name": each.name, "parameters": each.parameters, "estimate": each.estimate} for each in models],
    }  # fmt: skip


def _settings(settings: Settings) -> LanguageSettings:
    return LanguageSettings(
        length=POSITIONS, blocks=int(settings["blocks"]), width=int(settings["width"]), heads=HEADS, batch=BATCH,
        steps=STEPS, learning_rate=settings["rate"], seed=settings["seed"],
    )  # fmt: skip


def begin(settings: Settings) -> Measured:
    training = LanguageTraining(corpus(), _settings(settings))
    network = training.network
    parts = [[name, parameters, macs] for name, (parameters, macs) in costs(network).items()]
    made = Writing(training, {"blocks": int(settings["blocks"]), "width": int(settings["width"]), "parts": parts})
    adjust(made, settings)
    return made


def adjust(measured: Measured, settings: Settings) -> None:
    assert isinstance(measured, Writing)
    measured.asks(settings["prompt"], settings["temperature"], settings["draw"])


PROGRAM = '''"""{steps:,} steps of fastnn's page language, again."""

from fastnn.language.corpus import read
from fastnn.language.settings import LanguageSettings
from fastnn.language.training import LanguageTraining

training = LanguageTraining(read("{text}"), {settings})
while training.steps < {steps}:
    training.step()
training.model.save("network.safetensors")
'''


def program(settings: Settings, steps: int) -> str:
    return PROGRAM.format(text=BUILT_IN, settings=written(_settings(settings)).removeprefix("fastnn."), steps=steps)


LESSON = Lesson(
    fields=FIELDS, texts=texts, begin=begin, adjust=adjust, adjusts=frozenset({"prompt", "temperature", "draw"}),
    program=program, recording=Recording(last=STEPS, points=60),
)  # fmt: skip
