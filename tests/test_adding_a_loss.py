"""docs/adding-a-loss.md: what stands there is a loss, from outside of fastnn, that all checks pass; each fails where a
loss is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any, ClassVar

import needs
import numpy as np
import pytest
from pages import module_of_page

import fastnn
from fastnn import Dense, Network
from fastnn.extending import Cost, LossOfRows, kernel, register_loss, register_loss_kernel
from fastnn.learning.losses import LOSSES
from fastnn.testing import LOSS_CHECKS, LossCase, check_loss

pytestmark = needs.jit


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page's code as a module."""
    with module_of_page("adding-a-loss.md", tmp_path_factory.mktemp("example"), "loss_of_the_page") as module:
        yield module
    del LOSSES["huber"]


@pytest.mark.parametrize("name", LOSS_CHECKS)
def test_the_loss_of_the_page_is_right(name: str, example: Any) -> None:
    LOSS_CHECKS[name](example.CASE)


def test_it_is_pytorchs_to_rounding_and_learns(example: Any, tmp_path: Path) -> None:
    """Of rows far off, a line through which squares would turn away."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    y = x @ np.array([[1.0], [-2.0], [0.5]])
    y[:40] += 100
    net = Network(3, [Dense(1)], loss=example.Huber(delta=0.1), dtype="float64", seed=0)
    net.fit(x, y, epochs=200, batch=400, optimizer=fastnn.Adam(0.1), seed=0)
    weight = net.named_parameters["0.weight"].ravel()
    assert np.abs(weight - [1, -2, 0.5]).max() < 0.05
    squares = Network(3, [Dense(1)], loss="mse", dtype="float64", seed=0)
    squares.fit(x, y, epochs=200, batch=400, optimizer=fastnn.Adam(0.1), seed=0)
    assert np.abs(squares.named_parameters["0.weight"].ravel() - [1, -2, 0.5]).max() > 0.1
    net.save(tmp_path / "net")
    again = fastnn.load(tmp_path / "net")
    assert again.loss_function == example.Huber(delta=0.1)
    assert again.loss(x, y) == net.loss(x, y)
    assert Network(3, [Dense(1)], loss="huber").loss_function == example.Huber()
    assert "huber" in net.summary()


def test_steps_have_the_bits_of_any_number_of_threads_and_spans(example: Any) -> None:
    rng = np.random.default_rng(0)
    x, y, found = rng.normal(size=(300, 4)).astype("f4"), rng.normal(size=(300, 2)).astype("f4"), set()
    for threads in range(1, fastnn.get_num_threads() + 1):
        net = Network(4, [Dense(90, "tanh"), Dense(2)], loss=example.Huber(), seed=0)
        trainer = net.trainer("sgd", 300, span=64)
        before = fastnn.get_num_threads()
        fastnn.set_num_threads(threads)
        try:
            losses = [trainer.step(x, y) for _ in range(3)]
        finally:
            fastnn.set_num_threads(before)
        found.add((trainer.params.tobytes(), *losses))
    assert len(found) == 1


def test_a_file_with_a_loss_that_nobody_registered_is_refused(example: Any, tmp_path: Path) -> None:
    Network(3, [Dense(1)], loss=example.Huber()).save(tmp_path / "net")
    del LOSSES["huber"]
    try:
        with pytest.raises(fastnn.FileError, match="huber"):
            fastnn.load(tmp_path / "net")
    finally:
        register_loss(example.Huber)


def test_it_has_no_classes_and_a_gpu_has_no_kernels_of_it(example: Any) -> None:
    net = Network(3, [Dense(1)], loss=example.Huber(), seed=0)
    assert not net.loss_function.has_classes
    assert net.evaluate(np.zeros((5, 3)), np.zeros((5, 1))).hits is None
    with pytest.raises(ValueError, match="huber has no kernels on device='cuda'"):
        Network(3, [Dense(1)], loss=example.Huber(), device="cuda")
    with pytest.raises(ValueError, match="delta is 0"):
        example.Huber(delta=0)


# fastnn's own of rows -------------------------------------------------------------------------------------------------


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.choice([-1.0, 1.0], shape)


def _logits(p: Any, t: Any) -> Any:
    return (np.maximum(p, 0) - p * t + np.log1p(np.exp(-np.abs(p)))).mean(-1)


OWN = [
    LossCase(fastnn.MSE(), 3, lambda p, t: ((p - t) ** 2).mean(-1), wrong=[lambda p, t: ((p - t) ** 2).sum(-1)]),
    LossCase(fastnn.MSE("sum"), 3, lambda p, t: ((p - t) ** 2).sum(-1)),
    LossCase(fastnn.Hinge(), 2, lambda p, t: np.maximum(1 - p * t, 0).mean(-1), _signs),
    LossCase(fastnn.BinaryCrossEntropyWithLogits(), 2, _logits, lambda rng, shape: rng.uniform(size=shape)),
]


@pytest.mark.parametrize("name", LOSS_CHECKS)
@pytest.mark.parametrize("case", OWN, ids=str)
def test_losses_of_fastnns_own_pass_the_same_checks(case: LossCase, name: str) -> None:
    LOSS_CHECKS[name](case)


# Wrong losses ---------------------------------------------------------------------------------------------------------

# What a loss of squares does wrong, and the facts that say so.
FAULTS = {
    "value": ("reference",),
    "gradient": ("gradient",),
    "adds to the gradient": ("gradient", "rows are independent"),
    "row before": ("rows are independent", "gradient"),
    "changes the target": ("rows are independent", "reference"),
    "cost": ("costs",),
}


@kernel(late=True)
def squares(losses, gradient, prediction, target, settings, scale):  # type: ignore[no-untyped-def]
    number, fault = prediction.dtype.type, int(settings[0])
    for r in range(prediction.shape[0]):
        total = 0.0
        for j in range(prediction.shape[1]):
            error = prediction[r, j] - target[r, j]
            total += error * error * (1.001 if fault == 0 else 1.0)
            slope = 2 * error * number(scale) * number(1.001 if fault == 1 else 1.0)
            if fault == 2:
                slope += gradient[r, j]
            if fault == 3 and r > 0:
                slope += prediction[r - 1, j]
            gradient[r, j] = slope
            if fault == 4:
                target[r, j] += 1
        losses[r] = total


@dataclass(frozen=True)
class Squares(LossOfRows):
    fault: int = -1
    name: ClassVar[str] = "squares"
    kind: ClassVar[int] = register_loss_kernel(squares)

    def cost(self, rows: int, outputs: int, itemsize: int) -> Cost:
        return Cost(0, 5 * outputs * (9 - rows if self.fault == 5 else rows))


register_loss(Squares)


def case_of(fault: int) -> LossCase:
    return LossCase(Squares(fault=fault), 3, lambda p, t: ((p - t) ** 2).sum(-1))


def test_a_right_one_passes() -> None:
    check_loss(case_of(-1))


@pytest.mark.parametrize(("fault", "facts"), list(enumerate(FAULTS.values())), ids=FAULTS)
def test_what_is_wrong_is_found(fault: int, facts: tuple[str, ...]) -> None:
    def fails(check: Callable[[LossCase], None]) -> bool:
        try:
            check(case_of(fault))
        except AssertionError:
            return True
        return False

    assert {name for name, check in LOSS_CHECKS.items() if fails(check)} >= {facts[0]}
    with pytest.raises(AssertionError, match=rf"squares of 3: ({'|'.join(facts)})"):
        check_loss(case_of(fault))


def test_a_wrong_reference_is_refused() -> None:
    case = LossCase(Squares(), 3, lambda p, t: ((p - t) ** 2).sum(-1), wrong=[lambda p, t: ((p - t) ** 2).sum(-1)])
    with pytest.raises(AssertionError, match="squares of 3: wrong references: wrong reference 0 passes"):
        check_loss(case)


def test_targets_of_another_dtype_are_not_taken() -> None:
    """From Python they are converted; in nopython code the loss is NaN, at which training stops."""
    net = Network(4, [Dense(3)], loss=Squares(), seed=0)
    assert np.isfinite(net.loss(np.zeros((2, 4)), np.zeros((2, 3), "f8")))
    losses, gradient, prediction = np.empty(2, "f4"), np.empty((2, 3), "f4"), np.zeros((2, 3), "f4")
    assert np.isnan(fastnn.tape.loss(net.plan(2).tape, losses, gradient, prediction, np.zeros((2, 3), "f8")))


@kernel(late=True)
def told(losses, gradient, prediction, target, settings, scale):  # type: ignore[no-untyped-def]
    """The sum of all settings."""
    for r in range(prediction.shape[0]):
        losses[r] = settings.sum()
        gradient[r] = 0


@dataclass(frozen=True)
class Told(LossOfRows):
    name: ClassVar[str] = "told"
    kind: ClassVar[int] = register_loss_kernel(told)


@dataclass(frozen=True)
class ToldTwo(Told):
    one: float = 3.0
    two: float = 4.0


def test_behind_the_settings_are_zeros() -> None:
    """Also of a loss that has none."""
    x, y = np.zeros((2, 4)), np.zeros((2, 3))
    assert [Network(4, [Dense(3)], loss=loss, seed=0).loss(x, y) for loss in (Told(), ToldTwo())] == [0, 7]


def test_what_is_no_loss_is_not_registered() -> None:
    class Plain(Squares):
        """No dataclass."""

    many = make_dataclass("Many", [(f"s{i}", float, 0.0) for i in range(40)], bases=(Squares,), frozen=True)
    for kind, error, message in (
        (dict, TypeError, "is no loss"),
        (Plain, TypeError, "is no loss"),
        (many, ValueError, "has 41 settings; expected at most 40"),
        (dataclass(frozen=True)(type("Mine", (Squares,), {"name": "mse"})), ValueError, "'mse' is MSE"),
    ):
        with pytest.raises(error, match=message):
            register_loss(kind)
    with pytest.raises(TypeError, match="is the base class"):
        Network(3, [Dense(1)], loss=LossOfRows())
