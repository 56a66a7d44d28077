"""One row of the case table: an operation on one shape, dtype and kind of data.

A case knows its inputs, the kernel's call, the reference's answer, how far from it the kernel may be, and its cost.
`verify` and `verify_gradients` hold a kernel to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from limits import Array, Arrays, error_ratio, slack

from fastnn.cost import Cost

DTYPES = ("float32", "float64")
# Random signs cancel rounding errors and constants add them up; signed spans six decades; whole numbers meet the kinks.
DATA = ("normal", "positive", "constant", "signed", "whole")


def draw(data: str, shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> Array:
    """An array of that kind of data."""
    kinds: dict[str, Callable[[], Array]] = {
        "normal": lambda: rng.normal(size=shape),
        "positive": lambda: rng.uniform(0.1, 2.0, shape),
        "constant": lambda: np.full(shape, 0.7),
        "signed": lambda: rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-3.0, 2.6, shape),
        "whole": lambda: rng.integers(-3, 4, shape),
    }
    return np.ascontiguousarray(kinds[data](), dtype)


def unwritten(shape: tuple[int, ...], dtype: str) -> Array:
    """An output before its kernel: NaN everywhere."""
    return np.full(shape, np.nan, dtype)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One operation on one shape, dtype and kind of data. op is the kernel's name."""

    op: ClassVar[str]
    # The inputs that have a gradient, and the output that holds it.
    gradients: ClassVar[dict[str, str]] = {}
    dtype: str = "float32"
    data: str = "normal"

    def __str__(self) -> str:
        values = (getattr(self, field.name) for field in fields(self))
        words = (field.name if value is True else str(value) for field, value in zip(fields(self), values, strict=True)
                 if value is not False)  # fmt: skip
        return "-".join([self.op, *words])

    def inputs(self) -> Arrays:
        """The same arrays every time."""
        return self.make(np.random.default_rng(sum(map(ord, str(self)))))

    def make(self, rng: np.random.Generator) -> Arrays:
        raise NotImplementedError

    def outputs(self, inputs: Arrays) -> Arrays:
        """NaN, or where a kernel works in place a copy of what it works on."""
        raise NotImplementedError

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        """The kernel's call. What it returns is the output "value"."""
        raise NotImplementedError

    def reference(self, inputs: Arrays) -> Arrays:
        """The outputs in float64."""
        raise NotImplementedError

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        """The largest error of each output, before slack."""
        raise NotImplementedError

    def cost(self) -> Cost:
        raise NotImplementedError

    def objective(self, inputs: Arrays) -> float:
        """The number whose gradients the kernel computes, by the kernels."""
        raise NotImplementedError

    def kinks(self, inputs: Arrays) -> Array:
        """Numbers whose change of sign is a kink of the objective."""
        return np.empty(0)

    def run(self, inputs: Arrays) -> Arrays:
        outputs = self.outputs(inputs)
        value = self.bind(inputs, outputs)()
        return outputs if value is None else outputs | {"value": np.asarray(value)}

    def residual(self, inputs: Arrays, outputs: Arrays) -> float:
        """The largest error of any output over its limit."""
        wide = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in inputs.items()}
        expected = self.reference(wide)
        allowed = {name: slack(self.dtype) * limit for name, limit in self.limits(wide, expected).items()}
        return max(error_ratio(outputs[name], expected[name], limit) for name, limit in allowed.items())

    def check(self, inputs: Arrays, outputs: Arrays) -> None:
        """Assert that the outputs are right."""
        ratio = self.residual(inputs, outputs)
        print(f"{self}: {ratio:.2f} of the limit{' (above half)' if ratio > 0.5 else ''}")
        assert ratio <= 1, f"{self}: error {ratio:.3g} times the limit"


def verify(case: Case) -> None:
    """The kernel's outputs are right and its inputs as they were."""
    inputs = case.inputs()
    outputs = case.run(inputs)
    case.check(inputs, outputs)
    for name, untouched in case.inputs().items():
        assert inputs[name].tobytes() == untouched.tobytes(), f"{case} wrote to its input {name}"


def has_gradients(case: Case) -> bool:
    """Whether finite differences can see the case's gradients."""
    no_gradient = getattr(case, "activation", "") == "step" or getattr(case, "loss", "") == "perceptron"
    no_gradient |= case.op == "log_softmax_backward" and getattr(case, "temperature", 1.0) == 0.0  # of infinities
    return bool(case.gradients) and not no_gradient and case.dtype == "float64" and case.data == "normal"


EPS, ATOL, RTOL = 1e-5, 1e-8, 1e-6
ELEMENTS = 25


def verify_gradients(case: Case) -> None:
    """Some elements of each gradient equal central differences; those beside a kink are skipped and counted."""
    inputs = case.inputs()
    outputs = case.run(inputs)
    rng = np.random.default_rng(0)
    checked = skipped = 0
    for name, gradient in case.gradients.items():
        size = inputs[name].size
        for element in rng.choice(size, min(size, ELEMENTS), replace=False):
            points = [inputs | {name: _moved(inputs[name], element, step)} for step in (EPS, -EPS)]
            up, down = (case.kinks(point) > 0 for point in points)
            checked += 1
            if (up != down).any():
                skipped += 1
                continue
            rise = case.objective(points[0]) - case.objective(points[1])
            slope = rise / (points[0][name].flat[element] - points[1][name].flat[element])
            found = outputs[gradient].flat[element]
            assert abs(found - slope) <= ATOL + RTOL * abs(slope), f"{case}: {gradient}[{element}] {found}, not {slope}"
    print(f"{case}: {checked} elements, {skipped} of them beside a kink")
    assert 4 * skipped <= checked, f"{case}: {skipped} of {checked} elements lie beside a kink"


def _moved(x: Array, element: int, step: float) -> Array:
    x = x.copy()
    x.flat[element] += step
    return x
