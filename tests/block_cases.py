"""Cases of what stands between dense layers: norms, dropout, the sums of residual blocks.

B batch   I features
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from case import Case, draw, unwritten
from limits import Arrays, chain, unit

from fastnn import cost
from fastnn.cost import Cost
from fastnn.kernels import dropout, norm, residual
from fastnn.reference import dropout as reference_dropout
from fastnn.reference import norm as reference_norm


@dataclass(frozen=True, kw_only=True)
class Norm(Case):
    """What both directions share."""

    b: int
    i: int
    centred: bool
    epsilon: float = 1e-5

    def layer(self, rng: np.random.Generator) -> Arrays:
        shapes = {"x": (self.b, self.i), "w": (self.i,), "b": (self.i if self.centred else 0,)}
        return {name: draw(self.data, shape, self.dtype, rng) for name, shape in shapes.items()}

    def forward(self, inputs: Arrays) -> Arrays:
        """By the kernel."""
        shapes = {"y": (self.b, self.i), "normal": (self.b, self.i), "inverse": (self.b,)}
        outputs = {name: unwritten(shape, self.dtype) for name, shape in shapes.items()}
        self.bind_forward(inputs, outputs)()
        return outputs

    def bind_forward(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        y, normal, inverse = (outputs[name] for name in ("y", "normal", "inverse"))
        x, w, b = (inputs[name] for name in "xwb")
        return partial(norm.norm_forward, y, normal, inverse, x, w, b, self.epsilon, self.centred)

    def right(self, inputs: Arrays) -> Arrays:
        """By the reference."""
        b = inputs["b"] if self.centred else None
        y, normal, inverse = reference_norm.forward(inputs["x"], inputs["w"], b, self.epsilon, self.centred)
        return {"y": y, "normal": normal, "inverse": inverse[:, 0]}


@dataclass(frozen=True, kw_only=True)
class NormForward(Norm):
    op: ClassVar[str] = "norm_forward"

    def make(self, rng: np.random.Generator) -> Arrays:
        return self.layer(rng)

    def outputs(self, inputs: Arrays) -> Arrays:
        return {name: unwritten(a.shape, self.dtype) for name, a in self.right(inputs).items()}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        return self.bind_forward(inputs, outputs)

    def reference(self, inputs: Arrays) -> Arrays:
        return self.right(inputs)

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        """8 u max(1, |y|) where the weight is 1 and the bias 0."""
        normal = 8 * unit(self.dtype) * np.maximum(1.0, np.abs(expected["normal"]))
        bias = np.abs(inputs["b"]) if self.centred else 0.0
        y = normal * np.abs(inputs["w"]) + 2 * unit(self.dtype) * bias
        return {"y": y, "normal": normal, "inverse": 4 * unit(self.dtype) * expected["inverse"]}

    def cost(self) -> Cost:
        return cost.norm_forward(self.b, self.i, np.dtype(self.dtype).itemsize, centred=self.centred)


@dataclass(frozen=True, kw_only=True)
class NormBackward(Norm):
    op: ClassVar[str] = "norm_backward"
    gradients: ClassVar[dict[str, str]] = {"x": "dx", "w": "dw", "b": "db"}

    def make(self, rng: np.random.Generator) -> Arrays:
        layer = self.layer(rng)
        kept = self.forward(layer)
        dy = draw("normal", (self.b, self.i), self.dtype, rng)
        return layer | {"normal": kept["normal"], "inverse": kept["inverse"], "dy": dy}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"d" + name: unwritten(inputs[name].shape, self.dtype) for name in "xwb"}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        dy, normal, inverse, w = (inputs[name] for name in ("dy", "normal", "inverse", "w"))

        def backward() -> None:
            norm.norm_inward(outputs["dx"], dy, normal, inverse, w, self.centred)
            norm.norm_gradient(outputs["dw"], outputs["db"], dy, normal)

        return backward

    def reference(self, inputs: Arrays) -> Arrays:
        dy, normal, inverse, w = (inputs[name] for name in ("dy", "normal", "inverse", "w"))
        dx, dw, db = reference_norm.backward(dy, normal, inverse[:, None], w, self.centred)
        assert dx is not None
        return {"dx": dx, "dw": dw, "db": db if self.centred else np.empty(0)}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        u, normal, size = unit(self.dtype), np.abs(inputs["normal"]), np.abs(inputs["dy"])
        g = size * np.abs(inputs["w"])
        terms = g + normal * np.mean(g * normal, axis=1, keepdims=True)
        if self.centred:
            terms = terms + np.mean(g, axis=1, keepdims=True)
        sums = chain(self.b, self.data) * u
        db = sums * size.sum(axis=0) if self.centred else np.empty(0)
        return {"dx": 6 * u * inputs["inverse"][:, None] * terms, "dw": sums * (size * normal).sum(axis=0), "db": db}

    def cost(self) -> Cost:
        return cost.norm_backward(self.b, self.i, np.dtype(self.dtype).itemsize, centred=self.centred)

    def objective(self, inputs: Arrays) -> float:
        return float(np.sum(inputs["dy"] * self.forward(inputs)["y"]))


# Of these cases' draws.
SEED, STEP, OPERATION, FIRST = 7, 3, 2, 11


@dataclass(frozen=True, kw_only=True)
class Dropout(Case):
    """The backward pass is the same on dy."""

    op: ClassVar[str] = "dropout"
    gradients: ClassVar[dict[str, str]] = {"x": "dx"}
    n: int
    rate: float

    def make(self, rng: np.random.Generator) -> Arrays:
        return {name: draw(self.data, (self.n,), self.dtype, rng) for name in ("x", "dy")}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"y": unwritten((self.n,), self.dtype), "dx": unwritten((self.n,), self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        def both() -> None:
            key = dropout.key_of(SEED, STEP)
            dropout.dropout(outputs["y"], inputs["x"], self.rate, key, OPERATION, FIRST)
            dropout.dropout(outputs["dx"], inputs["dy"], self.rate, key, OPERATION, FIRST)

        return both

    def reference(self, inputs: Arrays) -> Arrays:
        draws = reference_dropout.draws(SEED, STEP, OPERATION, (FIRST + self.n,))[FIRST:]
        pairs = {"y": "x", "dx": "dy"}
        return {name: reference_dropout.dropout(inputs[of], draws, self.rate) for name, of in pairs.items()}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        return {name: 2 * unit(self.dtype) * np.abs(value) for name, value in expected.items()}

    def cost(self) -> Cost:
        return cost.dropout(self.n, np.dtype(self.dtype).itemsize) * 2

    def objective(self, inputs: Arrays) -> float:
        return float(inputs["dy"] @ self.run(inputs)["y"])


@dataclass(frozen=True, kw_only=True)
class Addition(Case):
    op: ClassVar[str] = "add"
    n: int

    def make(self, rng: np.random.Generator) -> Arrays:
        return {name: draw(self.data, (self.n,), self.dtype, rng) for name in "ab"}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"y": unwritten((self.n,), self.dtype), "copied": unwritten((self.n,), self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        def both() -> None:
            residual.add(outputs["y"], inputs["a"], inputs["b"])
            residual.copy(outputs["copied"], inputs["a"])

        return both

    def reference(self, inputs: Arrays) -> Arrays:
        return {"y": inputs["a"] + inputs["b"], "copied": inputs["a"]}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        return {"y": unit(self.dtype) * np.abs(expected["y"]), "copied": np.zeros_like(expected["copied"])}

    def cost(self) -> Cost:
        itemsize = np.dtype(self.dtype).itemsize
        return cost.addition(self.n, itemsize) + cost.copy(self.n, itemsize)
