"""A language model that trains, and every stage between a prompt and the next token, as the model is by now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.demo import inside_gpt
from fastnn.functional import softmax
from fastnn.generation.tokens import follow
from fastnn.language.training import LanguageTraining
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.play.session.measured import PAUSE, Arrays, Measured
from fastnn.play.session.run import Steps

# Sequences of the text held out, of which right guesses are counted.
SCORED = 16
# Of each vector; of what it writes.
NUMBERS, WRITTEN = 16, 160


class LanguageSteps(Steps):
    """Those of a training on a text."""

    def __init__(self, training: LanguageTraining) -> None:
        super().__init__(training.network, training.trainer, training.settings.batch)
        self.training = training

    @property
    def steps_of_epoch(self) -> int:
        return -(-len(self.training.train) // (self.batch * self.training.model.length))

    def _call(self, most: int) -> None:
        try:
            self.curve.add(self.training.step(), 1)
        except NonFiniteLoss:
            self.stopped_at = self.steps


class Writing(Measured):
    """prompt, temperature, seed: what is looked at, and how the next tokens are drawn."""

    def __init__(self, training: LanguageTraining, about: dict[str, Any]) -> None:
        length, held = training.model.length, training.held
        x, y = (
            np.asarray(held[first : first + SCORED * length], np.int64).reshape(SCORED, length) for first in range(2)
        )
        steps = LanguageSteps(training)
        super().__init__(steps, (x, y), "adamw", self._stages, PAUSE, training.settings.steps, about)
        self.model = training.model

    def asks(self, prompt: str, temperature: float, seed: int) -> None:
        """First of all."""
        self._ids = self.model.vocabulary.encode(prompt)
        self._temperature, self._seed = temperature, seed
        self.look_again()

    def save(self, path: Path) -> None:
        """With its vocabulary."""
        self.model.save(path)

    def _stages(self) -> Arrays:
        ids, network = self._ids.tolist(), self.network
        length, count = self.model.length, len(ids)
        places = inside_gpt.blocks(network)
        heads = np.concatenate([inside_gpt.attention(network, place, ids) for place in places])
        looks = np.zeros((len(heads), length, length))
        looks[:, :count, :count] = heads
        vectors = np.zeros((length, NUMBERS))
        vectors[:count] = inside_gpt.vectors(network, places[0], ids)[:, :NUMBERS]
        written = list(follow(network, self._ids, WRITTEN, temperature=self._temperature, seed=self._seed))
        return {
            "count": np.array([count]), "ids": np.pad(self._ids, (0, length - count)), "vectors": vectors,
            "looks": looks, "guesses": self._guesses(places, ids), "likely": self._likely(ids),
            "written": np.array(written),
        }  # fmt: skip

    def _guesses(self, places: list[int], ids: list[int]) -> NDArray[Any]:
        """After the embeddings and after each block: the token that it would say by then, and how probable."""
        ends = (places[0], *(place + 1 for place in places))
        return np.array([inside_gpt.guess(self.network, until, ids) for until in ends])

    def _likely(self, ids: list[int]) -> NDArray[Any]:
        """Of the most probable tokens: id, logit, probability, and that at the temperature."""
        logits, order = inside_gpt.likely(self.network, ids)
        one, warm = (softmax(logits[None], temperature=each)[0] for each in (1.0, self._temperature))
        return np.stack([order, logits[order], one[order], warm[order]], axis=1)
