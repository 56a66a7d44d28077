"""The reference against results of PyTorch 2.13 in float64: functional.cross_entropy and torch.optim."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fastnn.reference import loss, optimizer

Array = npt.NDArray[Any]

U = 2.0**-53

LOGITS = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0], [2.0, 2.0, -0.5], [-1.0, 0.25, 0.75]])
CLASS_WEIGHT = np.array([0.5, 2.0, 1.25])
INDICES = np.array([0, 2, -100, 1])
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.25, 0.25, 0.5]])
INDEX_ROWS = [0.5109765521801464, 4.799021546363454, 0.0, 2.0728101144447493]
INDEX_MEAN_GRADIENT = [
    [-0.03186961370165517, -0.013168748350443094, 0.04503836205209825],
    [0.011093096414880188, 0.2943020728477242, -0.30539516926260435],
    [0.0, 0.0, 0.0],
    [0.04566156408881774, -0.3228906237671832, 0.2772290596783654],
]
PROBABILITY_ROWS = [1.817528006720667, 2.5712573638815854, 0.5258542986923131, 1.205355593795292]
PROBABILITY_MEAN_GRADIENT = [
    [0.054813550267238595, -0.0998094829398576, 0.044995932672619005],
    [0.01433271791896672, 0.12990340548432153, -0.14423612340328826],
    [-0.047625297032378014, 0.05237470296762199, -0.004749405935243994],
    [-0.0017888205628138788, -0.02270127258554171, 0.024490093148355582],
]


@pytest.mark.parametrize(
    ("target", "rows", "total", "mean", "mean_gradient"),
    [
        (INDICES, INDEX_ROWS, 7.382808212988349, 1.9687488567968932, INDEX_MEAN_GRADIENT),
        (PROBABILITIES, PROBABILITY_ROWS, 6.119995263089858, 1.5299988157724644, PROBABILITY_MEAN_GRADIENT),
    ],
)
def test_weighted_smoothed_cross_entropy_has_the_values_of_torch(
    target: Array, rows: list[float], total: float, mean: float, mean_gradient: list[list[float]]
) -> None:
    def run(reduction: str) -> tuple[Any, Array]:
        return loss.cross_entropy(LOGITS, target, CLASS_WEIGHT, label_smoothing=0.1, reduction=reduction)

    np.testing.assert_allclose(run("none")[0], rows, rtol=1e-13)
    assert run("sum")[0] == pytest.approx(total, rel=1e-13)
    assert run("mean")[0] == pytest.approx(mean, rel=1e-13)
    np.testing.assert_allclose(run("mean")[1], mean_gradient, rtol=1e-12)
    np.testing.assert_allclose(run("sum")[1], np.multiply(mean_gradient, total / mean), rtol=1e-12)
    np.testing.assert_array_equal(run("none")[1], run("sum")[1])


def test_plain_cross_entropy_has_the_values_of_torch() -> None:
    value, gradient = loss.cross_entropy(LOGITS, INDICES)
    assert value == pytest.approx(1.8824217603786488, rel=1e-13)
    first = [-0.13208370128379138, 0.010019629189858006, 0.1220640720939334]
    np.testing.assert_allclose(gradient[0], first, rtol=1e-13)
    np.testing.assert_array_equal(gradient[2], 0.0)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_plain_cross_entropy_is_the_weighted_one_with_weights_of_one(reduction: str) -> None:
    plain = loss.cross_entropy(LOGITS, INDICES, reduction=reduction)
    weighted = loss.cross_entropy(LOGITS, INDICES, np.ones(3), reduction=reduction)
    np.testing.assert_allclose(plain[0], weighted[0], rtol=1e-14)
    np.testing.assert_allclose(plain[1], weighted[1], rtol=1e-13, atol=2 * U)


@pytest.mark.parametrize("weight", [None, np.ones(3)])
def test_mean_over_ignored_rows_alone_is_nan_and_their_sum_zero(weight: Array | None) -> None:
    ignored = np.full(4, -100)
    assert math.isnan(loss.cross_entropy(LOGITS, ignored, weight)[0])
    value, gradient = loss.cross_entropy(LOGITS, ignored, weight, reduction="sum")
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sgd", [0.872077949, -2.069130898, 0.3989012995]),
        ("momentum", [0.8065597489999999, -1.9605944979999999, 0.05595719949999995]),
        ("nesterov", [0.6981892081909999, -2.034038166382, 0.0002406787704999757]),
        ("adam", [0.8046143342173858, -1.9215210320087355, 0.31482925248476795]),
        ("adamw", [0.804784672376384, -1.9198186055454887, 0.3140358612132264]),
    ],
)
def test_three_optimizer_steps_with_decay_have_the_values_of_torch(name: str, expected: list[float]) -> None:
    p = np.array([1.0, -2.0, 0.5])
    state = optimizer.initial_state(name, p)
    for step, g in enumerate([[0.5, -1.0, 2.0], [-0.25, 0.75, 0.0], [1.0, 1.0, -1.0]], 1):
        p, state = optimizer.UPDATES[name](p, np.array(g), state, step, 0.1, weight_decay=0.01)
    np.testing.assert_allclose(p, expected, rtol=1e-13)


def test_clip_scales_to_the_norm_and_leaves_small_gradients_alone() -> None:
    g = np.array([3.0, 4.0])
    np.testing.assert_allclose(optimizer.clip(g, 1.0), g / (5.0 + 1e-6), rtol=4 * U)
    np.testing.assert_array_equal(optimizer.clip(g, 5.1), g)
    np.testing.assert_array_equal(optimizer.clip(np.zeros(2), 1.0), 0.0)


def test_schedules() -> None:
    assert [optimizer.constant(0.3, step) for step in (0, 99)] == [0.3, 0.3]
    assert [optimizer.step_decay(8.0, step, 3, 0.5) for step in (0, 2, 3, 6)] == [8.0, 8.0, 4.0, 2.0]
    assert [optimizer.inverse_scaling(1.0, step, 0.5) for step in (0, 3, 8)] == [1.0, 0.5, 1 / 3]
    rates = [optimizer.cosine(2.0, step, 12, 4, floor=1.0) for step in (0, 1, 3, 4, 8, 12, 13)]
    assert rates == pytest.approx([0.5, 1.0, 2.0, 2.0, 1.5, 1.0, 1.0], rel=1e-15)
