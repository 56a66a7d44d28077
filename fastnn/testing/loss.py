"""Facts that hold of every loss of rows of numbers, and the check of all of them.

What it computes: the reference's values, in both types, and the gradient that central differences give; a refusal of
references that are wrong. How: a row does not depend on the others, nor on spans; what is overwritten was not read;
predictions and targets stay as they are. What it says of itself: a cost that is a count, settings that a file keeps.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.kernels.dropout import NO_KEY
from fastnn.layers.dense import Dense
from fastnn.learning.losses import Loss
from fastnn.networks.models import load
from fastnn.networks.network import Network
from fastnn.tape import loss as kernel_of_tape
from fastnn.tape import loss_and_gradient_with
from fastnn.testing.operation import DTYPES, STEP, require_counts

Array = NDArray[Any]
# Losses (B,) of predictions and targets (B, outputs), in float64.
Reference = Callable[[Array, Array], Array]
ROWS = 11


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.normal(size=shape)


@dataclass(frozen=True)
class LossCase:
    """A loss on rows of so many outputs.

    reference: the same in float64 and NumPy, which shares no code with the kernel. target: draws targets it is defined
    on. terms: how many roundings a row's loss may differ by from it, in units of the largest. wrong: references that
    are wrong in a way that people get it wrong, each of which the check must refuse. smooth: whether it has a gradient
    everywhere, which differences can tell.
    """

    loss: Loss
    outputs: int
    reference: Reference
    target: Callable[[np.random.Generator, tuple[int, ...]], Array] = _normal
    terms: float = 16.0
    wrong: Sequence[Reference] = ()
    smooth: bool = True

    def __str__(self) -> str:
        return f"{self.loss.name} of {self.outputs}"

    def network(self, dtype: str) -> Network:
        return Network(4, [Dense(self.outputs)], loss=self.loss, dtype=dtype, seed=3)

    def rows(self, count: int, dtype: str) -> tuple[Array, Array]:
        """Predictions and targets (count, outputs)."""
        rng = np.random.default_rng(0)
        shape = count, self.outputs
        return rng.normal(size=shape).astype(dtype), self.target(rng, shape).astype(dtype)


def _computed(case: LossCase, prediction: Array, target: Array, fill: float = np.nan) -> tuple[float, Array]:
    """Loss and gradient of a batch, in places that held `fill`."""
    tape = case.network(prediction.dtype.name).plan(len(prediction)).tape
    losses, gradient = np.full(len(prediction), fill, prediction.dtype), np.full_like(prediction, fill)
    return float(kernel_of_tape(tape, losses, gradient, prediction, target)), gradient


def _reduced(case: LossCase, losses: Array) -> float:
    return float(losses.mean() if case.loss.reduction == "mean" else losses.sum())


def _differs(case: LossCase, reference: Reference, dtype: str) -> bool:
    """Of any row by itself, or of the batch."""
    prediction, target = case.rows(ROWS, dtype)
    right = np.asarray(reference(prediction.astype(float), target.astype(float)), float)
    unit = case.terms * float(np.finfo(dtype).eps) / 2 * max(1.0, float(np.abs(right).max()))
    alone = [_computed(case, prediction[r : r + 1], target[r : r + 1])[0] for r in range(ROWS)]
    if right.shape != (ROWS,) or not np.abs(np.array(alone) - right).max() <= unit:
        return True
    return not abs(_computed(case, prediction, target)[0] - _reduced(case, right)) <= unit * ROWS


def check_reference(case: LossCase) -> None:
    """Its values are the reference's in both types, of a row and of a batch."""
    for dtype in DTYPES:
        assert not _differs(case, case.reference, dtype), f"{dtype}: values are not the reference's"


def check_wrong_references(case: LossCase) -> None:
    """A wrong reference is refused, in float64 at least."""
    for number, wrong in enumerate(case.wrong):
        assert _differs(case, wrong, "float64"), f"wrong reference {number} passes"


def check_gradient(case: LossCase) -> None:
    """The gradient is that of central differences of the loss."""
    prediction, target = case.rows(5, "float64")
    _, gradient = _computed(case, prediction, target)
    for at in np.ndindex(prediction.shape) if case.smooth else ():
        losses = []
        for step in (STEP, -STEP):
            moved = prediction.copy()
            moved[at] += step
            losses.append(_computed(case, moved, target)[0])
        slope = (losses[0] - losses[1]) / (2 * STEP)
        assert abs(gradient[at] - slope) <= 1e-8 + 1e-6 * abs(slope), f"{at}: {gradient[at]}, expected {slope}"


def check_rows_are_independent(case: LossCase) -> None:
    """A row's gradient is that which it has alone, but for the mean; nothing is read before it is written."""
    for dtype in DTYPES:
        prediction, target = case.rows(16, dtype)
        before = prediction.tobytes(), target.tobytes()
        _, whole = _computed(case, prediction, target)
        rows = [_computed(case, prediction[r : r + 1], target[r : r + 1], fill=7.0)[1] for r in range(16)]
        alone = np.concatenate(rows) / (16 if case.loss.reduction == "mean" else 1)
        error = np.abs(whole - alone).max()
        assert error <= 4 * np.finfo(dtype).eps * max(1.0, float(np.abs(whole).max())), f"{dtype}: a row alone"
        assert (prediction.tobytes(), target.tobytes()) == before, "predictions or targets were changed"


def check_spans(case: LossCase) -> None:
    """A network's gradient of two spans is that of one, to rounding, and its loss; positions are rows."""
    net, rng = case.network("float64"), np.random.default_rng(1)
    x, target = rng.normal(size=(128, 4)), case.target(rng, (128, case.outputs))
    found = []
    for span in (128, 64):
        plan, gradient = net.plan(128, span=span), np.zeros_like(net.parameters)
        value = loss_and_gradient_with(plan.tape, net.parameters, gradient, x, target, plan.workspace(), NO_KEY)
        found.append(np.array([value, *gradient]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-12)
    positions = Network((2, 4), net.layers, loss=case.loss, dtype="float64", initialize=False)
    positions.parameters = net.parameters
    of_positions = positions.loss(x.reshape(64, 2, 4), target.reshape(64, 2, case.outputs))
    np.testing.assert_allclose(of_positions, net.loss(x, target), rtol=1e-12)


def check_files(case: LossCase) -> None:
    """A network with it comes back from a file, with its settings."""
    net = case.network("float32")
    with tempfile.TemporaryDirectory() as folder:
        net.save(Path(folder) / "net")
        assert load(Path(folder) / "net").loss_function == case.loss, "a file does not keep its settings"


def check_costs(case: LossCase) -> None:
    """Costs are counts, and those of rows add up."""
    require_counts(case.loss.name, case.loss.cost(1, case.outputs, 4), case.loss.cost(8, case.outputs, 4))


LOSS_CHECKS: dict[str, Callable[[LossCase], None]] = {
    "reference": check_reference,
    "wrong references": check_wrong_references,
    "gradient": check_gradient,
    "rows are independent": check_rows_are_independent,
    "spans": check_spans,
    "files": check_files,
    "costs": check_costs,
}


def check_loss(case: LossCase) -> None:
    """All facts of LOSS_CHECKS on one case. AssertionError, which names the case and the fact, for the first that
    fails."""
    for name, check in LOSS_CHECKS.items():
        try:
            check(case)
        except AssertionError as error:
            raise AssertionError(f"{case}: {name}: {error}") from error
