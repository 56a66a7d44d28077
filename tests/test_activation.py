"""Activations: values and derivatives against the reference, in place, and at the edges of floats."""

from __future__ import annotations

import numpy as np
import pytest
from case import DTYPES, Case, verify
from cases import ALPHA, of
from limits import Array

from fastnn.kernels import activation
from fastnn.kernels.activation import NAMES, NEEDS_Z, activation_backward, activation_forward

Z = np.concatenate([np.linspace(-12, 12, 97), [0.0, -0.0]])


def value(name: str, z: Array) -> Array:
    y = np.full_like(z, np.nan)
    activation_forward(y, z, NAMES.index(name), ALPHA.get(name, 0.0))
    return y


def derivative(name: str, z: Array, y: Array) -> Array:
    dz = np.full_like(z, np.nan)
    activation_backward(dz, np.ones_like(z), z, y, NAMES.index(name), ALPHA.get(name, 0.0))
    return dz


@pytest.mark.parametrize("case", of("activation_forward", "activation_backward"), ids=str)
def test_activation_agrees_with_the_reference(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_y_may_be_z_and_dz_may_be_dy(name: str, dtype: str) -> None:
    z = Z.astype(dtype)
    y = value(name, z)
    in_place = z.copy()
    activation_forward(in_place, in_place, NAMES.index(name), ALPHA.get(name, 0.0))
    assert in_place.tobytes() == y.tobytes()
    dz = np.ones_like(z)
    activation_backward(dz, dz, z, y, NAMES.index(name), ALPHA.get(name, 0.0))
    assert dz.tobytes() == derivative(name, z, y).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_needs_z_names_those_whose_derivative_reads_z(name: str) -> None:
    z = Z.astype(np.float32)
    y, nothing = value(name, z), np.full_like(z, np.nan)
    reads_z = NAMES.index(name) in NEEDS_Z
    assert np.isnan(derivative(name, nothing, y)).any() == reads_z
    if reads_z:
        assert not np.isnan(derivative(name, z, nothing)).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"step"}))
def test_nan_propagates_through_value_and_gradient(name: str, dtype: str) -> None:
    z = np.array([1.0, np.nan, -1.0], dtype)
    y = value(name, z)
    assert np.isnan(y).tolist() == [False, True, False]
    dy = np.array([1.0, 1.0, np.nan], dtype)
    activation_backward(dy, dy, np.array([1.0, 2.0, -1.0], dtype), value(name, z[[0, 0, 2]]), NAMES.index(name), 0.5)
    assert np.isnan(dy).tolist() == [False, False, True]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_any_finite_number_gives_a_finite_value_and_slope(name: str, dtype: str) -> None:
    largest = np.finfo(dtype).max
    half = np.array([0.0, 1e-30, 88, 104, 745, 1e4, 1e30, largest], dtype)
    z = np.concatenate([-half, half])
    y = value(name, z)
    assert np.isfinite(y).all()
    assert np.isfinite(derivative(name, z, y)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, np.inf), ("leaky_relu", -np.inf, np.inf), ("elu", -0.7, np.inf),
     ("softplus", 0, np.inf), ("identity", -np.inf, np.inf), ("step", 0, 1)],
)  # fmt: skip
def test_limits_at_infinity_are_exact(name: str, low: float, high: float, dtype: str) -> None:
    y = value(name, np.array([-np.inf, np.inf], dtype))
    assert y.tolist() == [np.dtype(dtype).type(low), high]


@pytest.mark.parametrize(
    ("name", "slope"),
    [("relu", 0.0), ("leaky_relu", 0.01), ("elu", 0.7), ("sigmoid", 0.25), ("tanh", 1.0), ("gelu", 0.5),
     ("gelu_tanh", 0.5), ("silu", 0.5), ("softplus", 0.5), ("identity", 1.0), ("step", 1.0)],
)  # fmt: skip
def test_slope_at_zero(name: str, slope: float) -> None:
    z = np.array([0.0, -0.0])
    assert derivative(name, z, value(name, z)).tolist() == [slope, slope]


def test_step_is_one_from_zero_on() -> None:
    assert value("step", np.array([-1e-300, -0.0, 0.0, 2.0])).tolist() == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["identity", "relu", "leaky_relu", "elu", "tanh", "silu", "gelu"])
def test_subnormal_numbers_are_kept(name: str, dtype: str) -> None:
    z = np.array([1024 * np.finfo(dtype).smallest_subnormal], dtype)
    half = 0.5 if name in ("silu", "gelu") else 1.0
    assert value(name, z)[0] == half * z[0]


def test_codes_are_positions_in_names() -> None:
    for code, name in enumerate(NAMES):
        assert getattr(activation, name.upper()) == code
