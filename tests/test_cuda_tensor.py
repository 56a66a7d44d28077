"""Products on tensor cores: words rounded as the instructions round them, tiles, networks within their limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from device_cases import ROWS, data

from fastnn import SGD, Dense, Network, mlp
from fastnn.bench.case import Case
from fastnn.bench.ladder import parse
from fastnn.cuda import mma, tiled_run
from fastnn.cuda.geometry import GEOMETRY, Tile
from fastnn.cuda.target import SIMULATED
from fastnn.learning.precision import ROUNDOFF, rounded

pytestmark = [
    pytest.mark.usefixtures("quick_turns"),
    pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning"),
]

simulated = pytest.mark.skipif(not SIMULATED, reason="needs numba's CUDA simulator")


def worded(values: Any, precision: str) -> Any:
    """Each number as it comes out of a word."""
    word, packed = mma.word_of(precision), mma.PACKED[precision]
    held = np.repeat(np.asarray(values, np.float32), packed)
    found = [mma.numbers_of(word(held, at), precision) for at in range(0, len(held), packed)]
    for numbers in found:
        assert (numbers == numbers[0]).all() or np.isnan(numbers).all()
    return np.array([numbers[0] for numbers in found])


@simulated
@pytest.mark.parametrize("precision", ROUNDOFF)
def test_words_keep_what_fits_and_round_the_rest(precision: str) -> None:
    u = ROUNDOFF[precision]
    exact = np.array([0.0, -0.0, 1.0, -2.5, 2.0**127, 2.0**-126, 1 + 2 * u, np.inf, -np.inf])
    np.testing.assert_array_equal(worded(exact, precision), exact.astype(np.float32))
    assert np.isnan(worded([np.nan], precision)[0])
    random = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    error = np.abs(worded(random, precision) - random.astype(np.float64)) / np.abs(random)
    assert u / 2 < error.max() <= u
    # In the middle: tf32 goes away from 0, bf16 to the even one.
    middle = worded([1 + u, -1 - u, 1 + 3 * u], precision)
    away = [1 + 2 * u, -1 - 2 * u, 1 + 4 * u]
    np.testing.assert_array_equal(middle, away if precision == "tf32" else [1, -1, 1 + 4 * u])


@simulated
def test_the_first_of_two_numbers_is_in_the_lower_half_of_a_word() -> None:
    word = mma.word_of("bf16")(np.array([1.0, -2.0], np.float32), 0)
    assert hex(word) == "0xc0003f80"


@pytest.mark.parametrize("precision", ROUNDOFF)
@pytest.mark.parametrize("sizes", [(3, 2), (7, 5, 3)], ids=str)
def test_networks_multiply_rounded_numbers(precision: str, sizes: tuple[int, ...]) -> None:
    """Small whole numbers are exact in every precision, and so must be all that is made of them."""
    host = mlp(*sizes, loss="mse", seed=0)
    rng = np.random.default_rng(1)
    for values in host.named_parameters.values():
        values[...] = rng.integers(-1, 2, values.shape)
    x, y = (rng.integers(-1, 2, (11, width)) for width in (sizes[0], sizes[-1]))
    device = host.to("cuda", precision)
    assert device.precision == precision
    np.testing.assert_array_equal(device(x), host(x))
    trainer = device.trainer(SGD(0.1), 11)
    assert trainer.path == "tiled"
    np.testing.assert_allclose(device.gradient(x, y), host.gradient(x, y), rtol=1e-6)
    # Others are rounded: nearer to the rounded ones' product than to their own.
    x = rng.standard_normal((4, sizes[0])).astype(np.float32)
    layer = Network(sizes[0], [Dense(sizes[1], bias=False)], loss="mse", seed=1)
    weight = layer.named_parameters["0.weight"]
    found = layer.to("cuda", precision)(x)
    if SIMULATED:
        expected = rounded(x, precision) @ rounded(weight, precision)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert 0 < np.abs(found - layer(x)).max() < 8 * ROUNDOFF[precision] * sizes[0]


@simulated
def test_warps_and_fragments_lie_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = replace(GEOMETRY, tiles=(Tile(4, 4, (4, 4), 2, (2, 2), (2, 2)),) * 2, words=4)
    monkeypatch.setattr(tiled_run, "G", wide)
    monkeypatch.setattr(tiled_run, "_kernels", tiled_run._kernels.__wrapped__)
    host = Network(9, [Dense(35)], loss="mse", seed=0)
    rng = np.random.default_rng(1)
    host.parameters = rng.integers(-3, 4, host.parameters.shape)
    x = rng.integers(-3, 4, (10, 9))
    np.testing.assert_array_equal(host.to("cuda", "bf16")(x), host(x))


@pytest.mark.parametrize("precision", ROUNDOFF)
def test_residuals_know_what_the_precision_rounds(precision: str) -> None:
    """Far outside the limits where only one of the two, network and reference, rounds; at a batch by which gradients
    are not divided exactly."""
    case = Case(parse("3-4-2"), 7, 1, "float32", "sgd", "cuda", precision)
    assert 0 < case.check().worst < 1
    case.network.precision = None  # the trainer goes on as it was made
    assert case.check().worst > 10
    plain = Case(parse("3-4-2"), 7, 1, "float32", "sgd", "cuda")
    plain.network.precision = precision
    assert plain.check().worst > 10


def test_training_is_near_that_of_the_cpu_and_the_same_from_run_to_run() -> None:
    x, y = data(3, 2, "cross_entropy", dtype="float32")
    runs = [mlp(3, 4, 2, seed=0, device="cuda", precision="tf32") for _ in range(2)]
    host = mlp(3, 4, 2, seed=0)
    for network in (*runs, host):
        network.fit(x, y, epochs=3, batch=ROWS, optimizer=SGD(0.1), seed=1)
    assert runs[0].parameters.tobytes() == runs[1].parameters.tobytes()
    np.testing.assert_allclose(runs[0].parameters, host.parameters, atol=0.01)
    assert not np.array_equal(runs[0].parameters, host.parameters)
    assert runs[0].copy().precision == "tf32"
    assert runs[0].to("cpu").precision is None


def test_what_has_no_tensor_cores_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="precision is 'fp8'; expected one of tf32, bf16, or None"):
        mlp(3, 2, device="cuda", precision="fp8")
    with pytest.raises(ValueError, match=r"precision is \['tf32'\]; expected one of"):
        mlp(3, 2, device="cuda", precision=["tf32"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'tf32' is of tensor cores; it takes device='cuda'"):
        mlp(3, 2, precision="tf32")
    with pytest.raises(ValueError, match="'bf16' is of float32 networks; this one is float64"):
        mlp(3, 2, device="cuda", precision="bf16", dtype="float64")
    monkeypatch.setattr(mma, "description", lambda: {"compute_capability": "7.5"})
    with pytest.raises(ValueError, match="take compute capability 8.0; this device has 7.5"):
        mlp(3, 2, device="cuda", precision="tf32")
