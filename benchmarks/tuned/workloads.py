"""What is timed: products, and backward passes with their update, as cases of tests/case.py, in loops of nopython code.

The loops are kernels, so that they bind late only what they call: a function of anybody else's would have the parallel
twins compiled too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from case import Case, draw, unwritten
from layer_cases import Dense, Product
from limits import Arrays, chain, unit

from fastnn.compiler.jit import kernel
from fastnn.kernels.dense import dense_backward
from fastnn.kernels.optimizer import SGD
from fastnn.products.matmul import matmul


@dataclass(frozen=True, kw_only=True)
class Descent(Dense):
    """The backward pass of a dense layer, in which its weight descends by sgd and its gradient is never written."""

    op: ClassVar[str] = "descent"
    RULE: ClassVar[tuple[float, ...]] = (1e-6, 0.0, 0.0, 0.0, 0.0, 1.0)
    activation: str = "identity"
    bias: bool = False

    def make(self, rng: np.random.Generator) -> Arrays:
        shapes = {"x": (self.b, self.i), "w": (self.i, self.o), "dy": (self.b, self.o)}
        return {name: draw(self.data, shape, self.dtype, rng) for name, shape in shapes.items()}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"dx": unwritten((self.b, self.i), self.dtype), "w": inputs["w"].copy(), "dz": inputs["dy"].copy()}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        params, dz, none = outputs["w"].reshape(-1), outputs["dz"], np.empty(0, self.dtype)
        return partial(dense_backward, outputs["dx"], none.reshape(0, 0), none, params, none, 0, 0, dz, inputs["x"],
                       dz, dz, self.kind, self.alpha, self.scratch(), True, SGD, self.RULE)  # fmt: skip

    def reference(self, inputs: Arrays) -> Arrays:
        x, w, dy = (inputs[name] for name in ("x", "w", "dy"))
        return {"dx": dy @ w.T, "w": w - self.RULE[0] * (x.T @ dy)}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        x, w, dy = (np.abs(inputs[name]) for name in ("x", "w", "dy"))
        u, over_outputs, over_batch = unit(self.dtype), chain(self.o, self.data), chain(self.b, self.data)
        return {
            "dx": over_outputs * u * (dy @ w.T),
            "w": self.RULE[0] * (over_batch + 2) * u * (x.T @ dy) + 2 * u * np.abs(expected["w"]),
        }


KINDS: Mapping[str, type[Case]] = {"product": Product, "descent": Descent}


def as_request(case: Case) -> dict[str, Any]:
    """A case for another process."""
    kind = next(name for name, kind in KINDS.items() if type(case) is kind)
    return {"kind": kind, "about": asdict(case)}


def of_request(kind: str, about: dict[str, Any]) -> Case:
    return KINDS[kind](**about)


def title(case: Any) -> str:
    if isinstance(case, Product):
        return f"{case.form} {case.m}x{case.n}x{case.k}"
    return f"backward {case.i}x{case.o} at {case.b}"


@kernel
def _products(calls, y, ldy, x, ldx, w, ldw, start, scratch, form, m, n, k):
    for _ in range(calls):
        matmul(y, ldy, x, ldx, w, ldw, start, scratch, form, m, n, k)


@kernel
def _descents(
    calls, dx, dw, db, params, state, at, bias_at, dy, x, z, y, kind, alpha, scratch, wants_dx, update, rule
):  # fmt: skip
    for _ in range(calls):
        dense_backward(dx, dw, db, params, state, at, bias_at, dy, x, z, y, kind, alpha, scratch, wants_dx, update,
                       rule)  # fmt: skip


def calls_of(case: Case, inputs: Arrays, outputs: Arrays) -> Callable[[int], None]:
    """Makes so many calls in nopython code."""
    call: Any = case.bind(inputs, outputs)
    loop = _products if isinstance(case, Product) else _descents

    def run(calls: int) -> None:
        loop(calls, *call.args)

    return run
