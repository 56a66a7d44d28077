"""Cases of products, activations and the dense layer.

B batch   I inputs   O outputs   M, N, K of a product
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from case import Case, draw, unwritten
from limits import Array, Arrays, activation_derivative, activation_value, chain, unit

from fastnn import cost
from fastnn.compiler.jit import most_threads
from fastnn.kernels import activation as activations
from fastnn.kernels import dense
from fastnn.kernels.optimizer import KEEP, NO_RULE
from fastnn.products import blocks, matmul
from fastnn.reference import activation as reference_activation
from fastnn.reference import dense as reference_dense


@dataclass(frozen=True, kw_only=True)
class Product(Case):
    op: ClassVar[str] = "matmul"
    form: str
    m: int
    n: int
    k: int
    start: bool = False

    def make(self, rng: np.random.Generator) -> Arrays:
        x = (self.k, self.m) if self.form == "TN" else (self.m, self.k)
        w = (self.n, self.k) if self.form == "NT" else (self.k, self.n)
        start = (self.n if self.start else 0,)
        return {name: draw(self.data, shape, self.dtype, rng) for name, shape in zip("xwb", (x, w, start), strict=True)}

    def outputs(self, inputs: Arrays) -> Arrays:
        form = getattr(blocks, self.form)
        size = matmul.scratch_size(form, self.m, self.n, self.k, np.dtype(self.dtype).itemsize, most_threads())
        return {"y": unwritten((self.m, self.n), self.dtype), "scratch": unwritten((size,), self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        x, w = inputs["x"], inputs["w"]
        form = getattr(blocks, self.form)
        return partial(matmul.matmul, outputs["y"].reshape(-1), self.n, x.reshape(-1), x.shape[1], w.reshape(-1),
                       w.shape[1], inputs["b"], outputs["scratch"], form, self.m, self.n, self.k)  # fmt: skip

    def _product(self, x: Array, w: Array, b: Array) -> Array:
        product: Array = (x.T if self.form == "TN" else x) @ (w.T if self.form == "NT" else w)
        return product + b if self.start else product

    def reference(self, inputs: Arrays) -> Arrays:
        return {"y": self._product(inputs["x"], inputs["w"], inputs["b"])}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        terms = self._product(*(np.abs(inputs[name]) for name in "xwb"))
        return {"y": chain(self.k + self.start, self.data) * unit(self.dtype) * terms}

    def cost(self) -> cost.Cost:
        itemsize = np.dtype(self.dtype).itemsize
        added = cost.Cost(0, self.m * self.n, 0, self.n * itemsize) if self.start else cost.Cost()
        return cost.product(self.m, self.n, self.k, itemsize) + added


@dataclass(frozen=True, kw_only=True)
class Activated(Case):
    """What cases with an activation share. alpha is a number of the dtype, as the kernel sees it."""

    activation: str
    alpha: float = 1.0

    @property
    def kind(self) -> int:
        return activations.NAMES.index(self.activation)

    @property
    def slope(self) -> float:
        return float(np.dtype(self.dtype).type(self.alpha))

    def kinks(self, inputs: Arrays) -> Array:
        return self.pre_activation(inputs) if self.activation in ("step", "relu", "leaky_relu", "elu") else np.empty(0)

    def pre_activation(self, inputs: Arrays) -> Array:
        return inputs["z"]


@dataclass(frozen=True, kw_only=True)
class ActivationForward(Activated):
    op: ClassVar[str] = "activation_forward"
    n: int

    def make(self, rng: np.random.Generator) -> Arrays:
        return {"z": draw(self.data, (self.n,), self.dtype, rng)}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"y": unwritten((self.n,), self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        return partial(activations.activation_forward, outputs["y"], inputs["z"], self.kind, self.alpha)

    def reference(self, inputs: Arrays) -> Arrays:
        return {"y": reference_activation.value(self.activation, inputs["z"], self.slope)}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        return {"y": activation_value(self.activation, inputs["z"], expected["y"], self.dtype)}

    def cost(self) -> cost.Cost:
        return cost.activation_forward(self.activation, self.n, np.dtype(self.dtype).itemsize)


@dataclass(frozen=True, kw_only=True)
class ActivationBackward(Activated):
    op: ClassVar[str] = "activation_backward"
    gradients: ClassVar[dict[str, str]] = {"z": "dz"}
    n: int

    def make(self, rng: np.random.Generator) -> Arrays:
        z = draw(self.data, (self.n,), self.dtype, rng)
        y = reference_activation.value(self.activation, z.astype(np.float64), self.slope).astype(self.dtype)
        return {"z": z, "y": y, "dy": draw("normal", (self.n,), self.dtype, rng)}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"dz": unwritten((self.n,), self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        dy, z, y = (inputs[name] for name in ("dy", "z", "y"))
        return partial(activations.activation_backward, outputs["dz"], dy, z, y, self.kind, self.alpha)

    def reference(self, inputs: Arrays) -> Arrays:
        z, y, dy = (inputs[name] for name in ("z", "y", "dy"))
        if self.activation == "step":
            return {"dz": dy}
        return {"dz": dy * reference_activation.derivative(self.activation, z, y, self.slope)}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        error = activation_derivative(self.activation, inputs["z"], inputs["y"], self.dtype)
        return {"dz": np.abs(inputs["dy"]) * error + unit(self.dtype) * np.abs(expected["dz"])}

    def cost(self) -> cost.Cost:
        return cost.activation_backward(self.activation, self.n, np.dtype(self.dtype).itemsize)

    def objective(self, inputs: Arrays) -> float:
        y = np.empty_like(inputs["z"])
        activations.activation_forward(y, inputs["z"], self.kind, self.alpha)
        return float(inputs["dy"] @ y)


@dataclass(frozen=True, kw_only=True)
class Dense(Activated):
    """What both directions of the dense layer share."""

    b: int
    i: int
    o: int
    bias: bool = True

    def layer(self, rng: np.random.Generator) -> Arrays:
        shapes = {"x": (self.b, self.i), "w": (self.i, self.o), "b": (self.o if self.bias else 0,)}
        return {name: draw(self.data, shape, self.dtype, rng) for name, shape in shapes.items()}

    def pre_activation(self, inputs: Arrays) -> Array:
        z: Array = inputs["x"] @ inputs["w"]
        return z + inputs["b"] if self.bias else z

    def scratch(self) -> Array:
        return unwritten(
            (dense.dense_scratch(self.b, self.i, self.o, np.dtype(self.dtype).itemsize, most_threads()),), self.dtype
        )

    def forward(self, inputs: Arrays) -> Arrays:
        """z and y by the kernel."""
        outputs = {"z": unwritten((self.b, self.o), self.dtype), "y": unwritten((self.b, self.o), self.dtype)}
        self.bind_forward(inputs, outputs)()
        if self.activation == "identity":
            outputs["y"] = outputs["z"]
        return outputs

    def bind_forward(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        x, w, b = (inputs[name] for name in "xwb")
        return partial(dense.dense_forward, outputs["y"], outputs["z"], x, w, b, self.kind, self.alpha, self.scratch())

    def reference_z(self, inputs: Arrays) -> tuple[Array, Array]:
        """z and its limit."""
        z, _ = reference_dense.forward(inputs["x"], inputs["w"], inputs["b"] if self.bias else None)
        terms = np.abs(inputs["x"]) @ np.abs(inputs["w"]) + (np.abs(inputs["b"]) if self.bias else 0.0)
        return z, chain(self.i + self.bias, self.data) * unit(self.dtype) * terms


@dataclass(frozen=True, kw_only=True)
class DenseForward(Dense):
    op: ClassVar[str] = "dense_forward"

    def make(self, rng: np.random.Generator) -> Arrays:
        return self.layer(rng)

    def outputs(self, inputs: Arrays) -> Arrays:
        z = unwritten((self.b, self.o), self.dtype)
        return {"z": z, "y": z if self.activation == "identity" else unwritten(z.shape, self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        return self.bind_forward(inputs, outputs)

    def reference(self, inputs: Arrays) -> Arrays:
        z, _ = self.reference_z(inputs)
        return {"z": z, "y": reference_activation.value(self.activation, z, self.slope)}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        z, limit = self.reference_z(inputs)
        # No activation is steeper than gelu, 1.13; the step jumps at 0.
        passed = (np.abs(z) <= limit).astype(float) if self.activation == "step" else 1.13 * limit
        return {"z": limit, "y": passed + activation_value(self.activation, z, expected["y"], self.dtype)}

    def cost(self) -> cost.Cost:
        itemsize = np.dtype(self.dtype).itemsize
        return cost.dense_forward(self.b, self.i, self.o, self.activation, itemsize, self.bias)


@dataclass(frozen=True, kw_only=True)
class DenseBackward(Dense):
    op: ClassVar[str] = "dense_backward"
    gradients: ClassVar[dict[str, str]] = {"x": "dx", "w": "dw", "b": "db"}

    def make(self, rng: np.random.Generator) -> Arrays:
        layer = self.layer(rng)
        return layer | self.forward(layer) | {"dy": draw(self.data, (self.b, self.o), self.dtype, rng)}

    def outputs(self, inputs: Arrays) -> Arrays:
        results = {"d" + name: unwritten(inputs[name].shape, self.dtype) for name in "xwb"}
        return results | {"dz": inputs["dy"].copy()}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        dx, dw, db, dz = (outputs[name] for name in ("dx", "dw", "db", "dz"))
        x, w, z, y = (inputs[name] for name in ("x", "w", "z", "y"))
        return self.bind_backward(dx, dw, db, dz, x, w, z, y, True)

    def bind_backward(
        self, dx: Array, dw: Array, db: Array, dz: Array, x: Array, w: Array, z: Array, y: Array, wants_dx: bool
    ) -> Callable[[], Any]:
        params = w.reshape(-1)
        return partial(dense.dense_backward, dx, dw, db, params, params, 0, 0, dz, x, z, y, self.kind, self.alpha,
                       self.scratch(), wants_dx, KEEP, NO_RULE)  # fmt: skip

    def reference(self, inputs: Arrays) -> Arrays:
        dy, x, w, z, y = (inputs[name] for name in ("dy", "x", "w", "z", "y"))
        dx, dw, db = reference_dense.backward(dy, x, w, z, y, self.activation, self.slope)
        assert dx is not None
        return {"dx": dx, "dw": dw, "db": db if self.bias else np.empty(0)}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        dy, x, w, z, y = (inputs[name] for name in ("dy", "x", "w", "z", "y"))
        no_gradient = self.activation in ("identity", "step")
        slope = np.ones_like(z) if no_gradient else reference_activation.derivative(self.activation, z, y, self.slope)
        dz = np.abs(dy * slope)
        error = np.abs(dy) * activation_derivative(self.activation, z, y, self.dtype) + unit(self.dtype) * dz
        over_outputs, over_batch = (chain(size, self.data) * unit(self.dtype) * dz + error for size in (self.o, self.b))
        db = over_batch.sum(axis=0) if self.bias else np.empty(0)
        return {"dx": over_outputs @ np.abs(w).T, "dw": np.abs(x).T @ over_batch, "db": db}

    def cost(self) -> cost.Cost:
        itemsize = np.dtype(self.dtype).itemsize
        return cost.dense_backward(self.b, self.i, self.o, self.activation, itemsize, True, self.bias)

    def objective(self, inputs: Arrays) -> float:
        return float(np.sum(inputs["dy"] * self.forward(inputs)["y"]))
