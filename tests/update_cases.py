"""Cases of optimizer updates and of gradient clipping, on n parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from case import Case, draw
from limits import Array, Arrays, unit

from fastnn import cost
from fastnn.kernels import optimizer
from fastnn.reference import optimizer as reference_optimizer

LEARNING_RATE, FACTOR, BETA2, EPSILON = 0.01, 0.9, 0.999, 1e-8


@dataclass(frozen=True, kw_only=True)
class Update(Case):
    op: ClassVar[str] = "update"
    optimizer: str
    n: int
    step: int = 3
    decay: float = 0.0

    @property
    def kind(self) -> int:
        return optimizer.NAMES.index(self.optimizer)

    def make(self, rng: np.random.Generator) -> Arrays:
        p, g = (draw(self.data, (self.n,), self.dtype, rng) for _ in range(2))
        moments = [draw(self.data, (self.n,), self.dtype, rng) for _ in range(optimizer.STATE[self.optimizer])]
        if len(moments) == 2:
            moments[1] = moments[1] ** 2
        return {"p": p, "g": g, "state": np.concatenate([*moments, np.empty(0, self.dtype)])}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"p": inputs["p"].copy(), "state": inputs["state"].copy()}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        return partial(optimizer.update, outputs["p"], inputs["g"], outputs["state"], self.kind, self.step,
                       LEARNING_RATE, FACTOR, BETA2, EPSILON, self.decay)  # fmt: skip

    def _reference(self, p: Array, g: Array, state: Array) -> Arrays:
        options: dict[str, float] = {"weight_decay": self.decay}
        if self.optimizer in ("momentum", "nesterov"):
            options["momentum"] = FACTOR
        if self.optimizer in ("adam", "adamw"):
            options |= {"beta1": FACTOR, "beta2": BETA2, "epsilon": EPSILON}
        moments = tuple(state.reshape(optimizer.STATE[self.optimizer], self.n))
        p, moments = reference_optimizer.UPDATES[self.optimizer](p, g, moments, self.step, LEARNING_RATE, **options)
        return {"p": p, "state": np.concatenate([*moments, np.empty(0)])}

    def reference(self, inputs: Arrays) -> Arrays:
        return self._reference(inputs["p"], inputs["g"], inputs["state"])

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        # 4 u of p and of its change, each with the magnitudes of its terms.
        magnitudes = self._reference(*(np.abs(inputs[name]) for name in ("p", "g", "state")))
        change = np.maximum(np.abs(magnitudes["p"] - np.abs(inputs["p"])), np.abs(expected["p"] - inputs["p"]))
        u = unit(self.dtype)
        return {"p": 4 * u * (np.abs(inputs["p"]) + change), "state": 4 * u * magnitudes["state"]}

    def cost(self) -> cost.Cost:
        return cost.update(self.optimizer, self.n, np.dtype(self.dtype).itemsize)


@dataclass(frozen=True, kw_only=True)
class Clip(Case):
    op: ClassVar[str] = "clip_norm"
    n: int
    maximum: float

    def make(self, rng: np.random.Generator) -> Arrays:
        return {"g": draw(self.data, (self.n,), self.dtype, rng)}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"g": inputs["g"].copy()}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        return partial(optimizer.clip_norm, outputs["g"], self.maximum)

    def reference(self, inputs: Arrays) -> Arrays:
        g = inputs["g"]
        return {"g": reference_optimizer.clip(g, self.maximum), "value": np.sqrt(np.sum(g * g))}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        return {"g": 4 * unit(self.dtype) * np.abs(expected["g"]), "value": 1e-13 * expected["value"]}
