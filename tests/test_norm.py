"""Layer norm and RMS norm against the reference, torch and central differences, and at the edges."""

from __future__ import annotations

from typing import Any

import needs
import numpy as np
import pytest
from block_cases import NormForward
from case import DTYPES, Case, has_gradients, verify, verify_gradients
from cases import of
from limits import Array

import fastnn
from fastnn import MSE, LayerNorm, Network, RMSNorm
from fastnn.kernels.norm import norm_forward

CENTRED = [True, False]


def normalised(x: Array, centred: bool, epsilon: float = 1e-5) -> Array:
    """y with weight 1 and bias 0."""
    y, normal, inverse = np.full_like(x, np.nan), np.empty_like(x), np.empty(len(x), x.dtype)
    w, b = np.ones(x.shape[1], x.dtype), np.zeros(x.shape[1] if centred else 0, x.dtype)
    norm_forward(y, normal, inverse, x, w, b, epsilon, centred)
    return y


@pytest.mark.parametrize("case", of("norm_forward", "norm_backward"), ids=str)
def test_norms_agree_with_the_reference(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("case", [case for case in of("norm_backward") if has_gradients(case)], ids=str)
def test_gradients_of_norms_are_slopes(case: Case) -> None:
    verify_gradients(case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [1, 2, 7, 63, 64, 65, 1000])
def test_a_constant_row_gives_exactly_0(width: int, dtype: str) -> None:
    for value in (0.0, 0.7, -1e4, 1 / 3):
        assert not normalised(np.full((3, width), value, dtype), True).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mean_far_above_the_deviation_costs_no_digit(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = (1000 + rng.normal(size=(7, 100))).astype(dtype)
    wide = x.astype(np.longdouble)
    centre = wide - wide.mean(axis=1, keepdims=True)
    right = centre / np.sqrt((centre**2).mean(axis=1, keepdims=True) + 1e-5)
    error = np.abs(normalised(x, True) - right).max()
    assert error <= 8 * np.finfo(dtype).eps / 2 * np.abs(right).max() * (1 if dtype == "float32" else 1000)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("centred", CENTRED)
def test_a_batch_is_its_rows_one_by_one(centred: bool, dtype: str) -> None:
    x = np.random.default_rng(1).normal(size=(9, 37)).astype(dtype)
    assert normalised(x, centred).tobytes() == b"".join(normalised(row[None], centred).tobytes() for row in x)


@pytest.mark.parametrize("centred", CENTRED)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_spoils_its_own_row_alone(value: float, centred: bool) -> None:
    x = np.random.default_rng(2).normal(size=(3, 20))
    x[1, 4] = value
    y = normalised(x, centred)
    assert np.isnan(y[1]).any()
    assert np.isfinite(y[[0, 2]]).all()


@pytest.mark.parametrize("centred", CENTRED)
def test_the_table_has_rows_that_no_vector_holds_and_some_beyond_it(centred: bool) -> None:
    widths = {case.i for case in of("norm_forward") if isinstance(case, NormForward) and case.centred == centred}
    assert min(widths) == 1
    assert max(widths) >= 1000


@pytest.mark.thorough
@pytest.mark.parametrize("layer", [LayerNorm(), LayerNorm(1e-3), RMSNorm(), RMSNorm(0.1)], ids=repr)
def test_torch_gives_the_same_output_and_gradients(layer: Any) -> None:
    torch = needs.package("torch")
    rng = np.random.default_rng(3)
    x, target = rng.normal(size=(11, 23)), rng.normal(size=(11, 23))
    net = Network(23, [fastnn.Dense(23, "tanh"), layer], loss=MSE(), dtype="float64", seed=0)
    for view in net.named_parameters.values():
        view[...] = rng.normal(size=view.shape)
    of_torch = torch.nn.LayerNorm if isinstance(layer, LayerNorm) else torch.nn.RMSNorm
    twin = torch.nn.Sequential(torch.nn.Linear(23, 23), torch.nn.Tanh(), of_torch(23, eps=layer.epsilon)).double()
    names = {"0.weight": "0.weight", "0.bias": "0.bias", "1.weight": "2.weight", "1.bias": "2.bias"}
    with torch.no_grad():
        for name, view in net.named_parameters.items():
            twin.get_parameter(names[name]).copy_(torch.from_numpy(view.T.copy()))
    y = twin(torch.from_numpy(x))
    torch.nn.functional.mse_loss(y, torch.from_numpy(target)).backward()
    np.testing.assert_allclose(net(x), y.detach().numpy(), rtol=1e-12, atol=1e-13)
    for name, gradient in net.named(net.gradient(x, target)).items():
        expected = twin.get_parameter(names[name]).grad.numpy().T
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: LayerNorm(0), "epsilon is 0"), (lambda: RMSNorm(0.0), "epsilon is 0"),
     (lambda: LayerNorm(-1e-5), "epsilon is -1e-05"), (lambda: LayerNorm(float("nan")), "epsilon is nan")],
)  # fmt: skip
def test_an_epsilon_that_divides_by_0_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
