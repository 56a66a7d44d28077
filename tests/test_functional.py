"""Single operations on arrays: the reference's values, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import fastnn
from fastnn import functional
from fastnn.kernels.activation import FUNCTIONS, PARALLEL_ELEMENTS
from fastnn.reference import activation as reference_activation
from fastnn.reference import loss as reference_loss
from fastnn.reference import softmax as reference_softmax

Array = npt.NDArray[Any]

DTYPES = ["float32", "float64"]


def normal(*shape: int, seed: int = 0, dtype: str = "float64") -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def roundoff(dtype: Any) -> float:
    return float(np.finfo(dtype).eps) / 2


# Products -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (5, 7, 3), (33, 65, 50), (3, 0, 4), (0, 5, 4), (4, 5, 0)])
@pytest.mark.parametrize(("transpose_x", "transpose_w"), [(False, False), (True, False), (False, True)])
def test_matmul_is_the_product(m: int, k: int, n: int, transpose_x: bool, transpose_w: bool, dtype: str) -> None:
    x = normal(*((k, m) if transpose_x else (m, k)), dtype=dtype)
    w = normal(*((n, k) if transpose_w else (k, n)), seed=1, dtype=dtype)
    y = fastnn.matmul(x, w, transpose_x=transpose_x, transpose_w=transpose_w)
    given = np.full_like(y, np.nan)
    assert fastnn.matmul(x, w, transpose_x=transpose_x, transpose_w=transpose_w, out=given) is given
    assert given.tobytes() == y.tobytes()
    left, right = (x.T if transpose_x else x).astype(float), (w.T if transpose_w else w).astype(float)
    assert y.shape == (m, n)
    assert y.dtype == dtype
    assert np.all(np.abs(y - left @ right) <= k * roundoff(dtype) * (np.abs(left) @ np.abs(right)))


def test_matmul_of_whole_numbers_is_exact() -> None:
    x, w = (np.random.default_rng(seed).integers(-8, 9, shape) for seed, shape in ((0, (20, 40)), (1, (40, 30))))
    np.testing.assert_array_equal(fastnn.matmul(x, w), x @ w)
    np.testing.assert_array_equal(fastnn.matmul(x[:, ::-1], w[::-1]), x @ w)
    np.testing.assert_array_equal(fastnn.matmul(x.T, w, transpose_x=True), x @ w)
    np.testing.assert_array_equal(fastnn.matmul(x.tolist(), w.T.tolist(), transpose_w=True), x @ w)


# Softmax --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [1, 0.5, 3.0])
def test_softmax_and_its_logarithm_are_those_of_the_reference(temperature: float, dtype: str) -> None:
    logits = 3 * normal(9, 11, dtype=dtype)
    u = roundoff(dtype)
    # The exponent (z - max) / T is rounded twice, and p inherits u |exponent|.
    exponent = (logits.max() - logits.min()) / temperature
    p = reference_softmax.softmax(logits.astype(float), temperature)
    error = np.abs(fastnn.softmax(logits, temperature) - p)
    assert np.all(error <= 4 * u + 2 * u * exponent * p)
    log_p = reference_softmax.log_softmax(logits.astype(float), temperature)
    assert np.all(np.abs(fastnn.log_softmax(logits, temperature) - log_p) <= 4 * u * (1 + exponent))


def test_softmax_at_temperature_zero_is_the_first_largest() -> None:
    assert fastnn.softmax([[1, 3, 3], [2, 1, 0]], 0).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert fastnn.log_softmax([[1, 3, 3]], 0).tolist() == [[-np.inf, 0, -np.inf]]


def test_logits_are_left_as_they_are() -> None:
    logits = normal(4, 5)
    before = logits.copy()
    fastnn.softmax(logits), fastnn.log_softmax(logits), fastnn.cross_entropy(logits, [0, 1, 2, 3])
    assert logits.tobytes() == before.tobytes()


def test_softmax_of_no_rows_has_no_rows() -> None:
    assert fastnn.softmax(np.empty((0, 3))).shape == (0, 3)
    assert fastnn.log_softmax(np.empty((0, 3))).shape == (0, 3)


# Elementwise functions ------------------------------------------------------------------------------------------------

# Without identity and step, which NumPy has.
NAMED = sorted(set(FUNCTIONS) - {"identity", "step"})
ALPHA = {"leaky_relu": 0.01, "elu": 1.0}


def elementwise(name: str) -> Callable[..., Array]:
    function: Callable[..., Array] = getattr(functional, name)
    return function


def exact(name: str, x: Array) -> Array:
    numpys: dict[str, Callable[[Array], Array]] = {"exp": np.exp, "log": np.log, "erf": reference_activation.erf}
    value = numpys[name](x) if name in numpys else reference_activation.value(name, x, ALPHA.get(name, 0.0))
    return np.asarray(value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 0), (4, 33), (2, 3, 5)])
@pytest.mark.parametrize("name", NAMED)
def test_function_has_the_values_of_the_reference_on_any_shape(name: str, shape: tuple[int, ...], dtype: str) -> None:
    x = np.asarray(normal(*shape, seed=3), dtype)
    x = np.asarray(np.abs(x)) if name == "log" else x
    before, out = x.copy(), np.full(shape, np.nan, dtype)
    y = elementwise(name)(x)
    assert (y.shape, y.dtype) == (shape, np.dtype(dtype))
    # 8 ulp, or where gelu cancels 4 u |x|, and of NumPy's own.
    np.testing.assert_allclose(y, exact(name, x.astype(float)), rtol=24 * roundoff(dtype), atol=24 * roundoff(dtype))
    assert elementwise(name)(x, out) is out
    assert out.tobytes() == y.tobytes()
    assert x.tobytes() == before.tobytes()
    assert elementwise(name)(x, x) is x
    assert x.tobytes() == y.tobytes()


def test_functions_take_what_numpy_takes() -> None:
    read_only = np.linspace(0, 1, 7)
    read_only.flags.writeable = False
    for x in ([0, 1, 2], 0.5, np.arange(12).reshape(3, 4)[:, ::2], np.arange(5)[::-1], read_only, np.ones(3, ">f8")):
        y = functional.exp(x)
        assert y.dtype == ("float64" if np.asarray(x).dtype.str[1:] == "f8" else "float32")
        np.testing.assert_allclose(y, np.exp(np.asarray(x, float)), rtol=1e-6)


def test_outputs_that_overlap_their_input_are_right() -> None:
    memory = normal(20_000)
    expected = np.exp(memory[:-1])
    np.testing.assert_allclose(functional.exp(memory[:-1], memory[1:]), expected, rtol=1e-15)


def test_alpha_is_the_slope_and_the_scale() -> None:
    assert functional.leaky_relu([-2.0], alpha=0.5).tolist() == [-1]
    assert functional.elu([-np.inf], alpha=0.5).tolist() == [-0.5]


@pytest.mark.parametrize("name", ["exp", "gelu"])
def test_several_threads_give_the_bits_of_one(name: str) -> None:
    x = normal(2 * PARALLEL_ELEMENTS + 7, dtype="float32")
    together = elementwise(name)(x)
    parts = [elementwise(name)(x[begin : begin + 9999]) for begin in range(0, x.size, 9999)]
    assert together.tobytes() == np.concatenate(parts).tobytes()


# Losses ---------------------------------------------------------------------------------------------------------------

RELATIVE = {"float32": 1e-6, "float64": 1e-13}
REDUCTIONS = ["mean", "sum", "none"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("target", ["labels", "probabilities"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label_smoothing": 0.2},
        {"class_weight": [0.5, 1, 3]},
        {"label_smoothing": 1, "class_weight": np.array([0, 1, 3], "f4"), "ignore_index": 1},
    ],
)
def test_cross_entropy_is_that_of_the_reference(
    options: dict[str, Any], target: str, reduction: str, dtype: str
) -> None:
    logits = 3 * normal(8, 3, dtype=dtype)
    labels = np.array([0, 1, 2, -100, 1, 0, 2, 2])
    if "ignore_index" in options:
        labels[3] = 1
    y = labels if target == "labels" else np.random.default_rng(1).dirichlet(np.ones(3), 8).astype(dtype)
    weight = options.get("class_weight")
    reference_options = options | {"class_weight": None if weight is None else np.array(weight, float)}
    exact = y if target == "labels" else y.astype(float)
    right, _ = reference_loss.cross_entropy(logits.astype(float), exact, reduction=reduction, **reference_options)
    value = fastnn.cross_entropy(logits, y, reduction=reduction, **options)
    np.testing.assert_allclose(value, right, rtol=RELATIVE[dtype], atol=RELATIVE[dtype])
    assert np.shape(value) == (() if reduction != "none" else (8,))


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_number_of_classes(classes: int) -> None:
    for value in (0.0, 1e4, -1e4):
        loss = fastnn.cross_entropy(np.full((3, classes), value), [0, 1, classes - 1])
        assert loss == pytest.approx(np.log(classes), rel=1e-14)


def test_cross_entropy_with_nothing_left_to_average_is_nan() -> None:
    assert np.isnan(fastnn.cross_entropy(np.zeros((2, 3)), [-100, -100]))
    assert fastnn.cross_entropy(np.zeros((2, 3)), [-100, -100], reduction="sum") == 0
    assert fastnn.cross_entropy(np.zeros((2, 3)), [-100, -100], reduction="none").tolist() == [0, 0]


ELEMENTWISE: dict[str, tuple[Any, Any]] = {
    "binary_cross_entropy": (fastnn.binary_cross_entropy, reference_loss.binary_cross_entropy),
    "binary_cross_entropy_with_logits": (
        fastnn.binary_cross_entropy_with_logits,
        reference_loss.binary_cross_entropy_with_logits,
    ),
    "mse": (fastnn.mse, reference_loss.mse),
    "hinge": (fastnn.hinge, reference_loss.hinge),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(7,), (4, 3), (2, 3, 5)])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_losses_are_those_of_the_reference(
    name: str, shape: tuple[int, ...], reduction: str, dtype: str
) -> None:
    function, right = ELEMENTWISE[name]
    generator = np.random.default_rng(4)
    prediction = generator.uniform(0.01, 0.99, shape).astype(dtype)
    if name != "binary_cross_entropy":
        prediction = 4 * prediction - 2
    target = generator.integers(0, 2, shape)
    if name == "hinge":
        target = 2 * target - 1
    expected, _ = right(prediction.astype(float), target.astype(float), reduction=reduction)
    value = function(prediction, target, reduction=reduction)
    np.testing.assert_allclose(value, expected, rtol=RELATIVE[dtype], atol=RELATIVE[dtype])
    assert np.shape(value) == (() if reduction != "none" else shape)
    assert np.asarray(value).dtype == (dtype if reduction == "none" else "float64")


def test_published_values() -> None:
    assert fastnn.binary_cross_entropy(np.array([0.7]), [1]) == pytest.approx(0.3567, abs=5e-5)
    assert fastnn.binary_cross_entropy(np.array([0.0, 1.0]), [1, 0]) == 100  # clamped, as torch's
    assert fastnn.matmul([[0.7, 0.3, 0.9]], [[0.5], [-0.3], [0.8]])[0, 0] == pytest.approx(0.98, rel=1e-6)


def test_losses_over_nothing_are_nan_in_the_mean_and_zero_in_the_sum() -> None:
    for function, _ in ELEMENTWISE.values():
        assert np.isnan(function([], []))
        assert function([], [], reduction="sum") == 0
        assert function([], [], reduction="none").shape == (0,)


def test_float64_is_kept_and_everything_else_is_float32() -> None:
    for dtype, kept in (("float64", "float64"), ("float32", "float32"), ("float16", "float32"), ("int64", "float32")):
        values = np.ones((2, 2), dtype)
        assert fastnn.softmax(values).dtype == kept
        assert fastnn.matmul(values, values).dtype == kept
        assert fastnn.mse(values, values, reduction="none").dtype == kept
    assert fastnn.matmul(np.ones((2, 2), "f4"), np.ones((2, 2))).dtype == "float64"


# Bad input ------------------------------------------------------------------------------------------------------------

unchecked: Any = fastnn  # to those who do not check types
SQUARE = np.eye(2, dtype=np.float32)
Z = np.zeros((2, 3))
BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: unchecked.matmul(Z, Z), ValueError, "sums over 3 columns of x and 2 rows of w"),
    (lambda: unchecked.matmul(Z, Z[0]), ValueError, r"x has shape \(2, 3\), w \(3,\); expected two matrices"),
    (lambda: unchecked.matmul(Z, 1), ValueError, "expected two matrices"),
    (lambda: unchecked.matmul(Z, Z.T, transpose_x=True), ValueError, "sums over 2 columns of x and 3"),
    (lambda: unchecked.matmul(Z, Z.T, out=np.empty((3, 3), "f4")), ValueError, "out is float32"),
    (lambda: unchecked.matmul(SQUARE, SQUARE, out=SQUARE), ValueError, "out shares memory"),
    (lambda: unchecked.matmul(Z, Z.T, transpose_x=True, transpose_w=True), ValueError, "both are transposed"),
    (lambda: unchecked.matmul(Z.astype(complex), Z.T), TypeError, "x has dtype complex128"),
    (lambda: unchecked.matmul(Z, np.ma.array(Z.T)), TypeError, "w is a masked array"),
    (lambda: functional.exp(unchecked.softmax), TypeError, "x has dtype object"),
    (lambda: functional.exp(Z, Z[:1]), ValueError, r"out is float64 \(1, 3\); expected .* float64 \(2, 3\)"),
    (lambda: functional.exp(Z, Z.astype("f4")), ValueError, "out is float32"),
    (lambda: functional.exp(Z.T, Z.T), ValueError, "expected a writeable C-contiguous array"),
    (lambda: functional.elu(Z, alpha=np.nan), ValueError, "alpha is nan"),
    (lambda: unchecked.softmax(3.0), ValueError, r"logits has shape \(\); expected two dimensions"),
    (lambda: unchecked.softmax(Z[0]), ValueError, r"logits has shape \(3,\)"),
    (lambda: unchecked.softmax("abc"), TypeError, "logits has dtype <U3"),
    (lambda: unchecked.softmax(Z, -1), ValueError, "temperature is -1"),
    (lambda: unchecked.softmax(Z, np.inf), ValueError, "temperature is inf"),
    (lambda: unchecked.softmax(Z, None), TypeError, "temperature is None"),
    (lambda: unchecked.log_softmax(Z[None]), ValueError, "expected two dimensions"),
    (lambda: unchecked.log_softmax(Z, np.nan), ValueError, "temperature is nan"),
    (lambda: unchecked.cross_entropy(Z[0], [0]), ValueError, "expected two dimensions"),
    (lambda: unchecked.cross_entropy(Z[:, :0], [0, 0]), ValueError, "expected at least one class"),
    (lambda: unchecked.cross_entropy(Z, [0]), ValueError, r"target has shape \(1,\); expected \(2,\)"),
    (lambda: unchecked.cross_entropy(Z, 0), ValueError, r"target has shape \(\)"),
    (lambda: unchecked.cross_entropy(Z, [0, 3]), ValueError, r"target\[1\] is 3; expected 0..2 or -100"),
    (lambda: unchecked.cross_entropy(Z, [0, -100], ignore_index=1), ValueError, r"target\[1\] is -100; expected 0..2"),
    (lambda: unchecked.cross_entropy(Z, [0.0, 1.0]), TypeError, "target has dtype float64; expected whole-number"),
    (lambda: unchecked.cross_entropy(Z, np.ma.array([0, 1])), TypeError, "target is a masked array"),
    (lambda: unchecked.cross_entropy(Z, Z[:1]), ValueError, "target has 1 rows; expected 2"),
    (lambda: unchecked.cross_entropy(Z, Z.T), ValueError, r"target has shape \(3, 2\); expected \(N, 3\)"),
    (
        lambda: unchecked.cross_entropy(Z, [0, 1], reduction="max"),
        ValueError,
        "reduction is 'max'; expected one",
    ),
    (lambda: unchecked.cross_entropy(Z, [0, 1], label_smoothing=-1), ValueError, "label_smoothing is -1"),
    (lambda: unchecked.cross_entropy(Z, [0, 1], ignore_index="a"), TypeError, "ignore_index is 'a'"),
    (lambda: unchecked.cross_entropy(Z, [0, 1], ignore_index=0.5), TypeError, "ignore_index is 0.5"),
    (
        lambda: unchecked.cross_entropy(Z, [0, 1], class_weight=[1, 1]),
        ValueError,
        "class_weight has 2 entries; expected 3",
    ),
    (lambda: unchecked.cross_entropy(Z, [0, 1], class_weight=[]), ValueError, "class_weight has 0 entries"),
    (lambda: unchecked.cross_entropy(Z, [0, 1], class_weight=[1, 1, -1]), ValueError, "class_weight is -1"),
    (lambda: unchecked.cross_entropy(Z, [0, 1], class_weight=[1, 1, np.nan]), ValueError, "class_weight is nan"),
    (lambda: unchecked.cross_entropy(Z, [0, 1], class_weight=Z[:1] + 1), TypeError, "class_weight is"),
    *(
        case
        for function, _ in ELEMENTWISE.values()
        for case in (
            (lambda f=function: f(Z, Z[0]), ValueError, r"prediction has shape \(2, 3\), target \(3,\)"),
            (lambda f=function: f(Z, Z, reduction="max"), ValueError, "reduction is 'max'"),
            (lambda f=function: f(Z, None), TypeError, "target has dtype object"),
            (lambda f=function: f(Z.astype(complex), Z), TypeError, "has dtype complex128"),
            (lambda f=function: f(Z, np.ma.array(Z)), TypeError, "target is a masked array"),
        )
    ),
    (
        lambda: unchecked.binary_cross_entropy(Z, Z + 2),
        ValueError,
        r"2..2; binary_cross_entropy expects 0..1",
    ),
    (
        lambda: unchecked.binary_cross_entropy_with_logits(Z, Z - 1),
        ValueError,
        r"target spans -1..-1; binary_cross",
    ),
    (lambda: unchecked.binary_cross_entropy(Z, Z + np.nan), ValueError, "target spans nan"),
    (lambda: unchecked.hinge(Z, Z + 2), ValueError, r"hinge expects -1 and 1"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_bad_input_is_refused_with_what_was_expected(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_matmul_refuses_masked_values_whatever_came_before() -> None:
    x, out = np.ones((4, 4), np.float32), np.empty((4, 4), np.float32)
    fastnn.matmul(x, x, out=out)
    with pytest.raises(TypeError, match="masked"):
        fastnn.matmul(np.ma.masked_less(x, 2.0), x, out=out)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3)])
def test_embeddings_are_rows_of_the_table(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    ids, weight = rng.integers(0, 7, shape), rng.normal(size=(7, 4)).astype(dtype)
    found = functional.embedding(ids, weight)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, weight[ids])


@pytest.mark.parametrize(
    ("ids", "error", "said"),
    [
        ([7], ValueError, r"ids spans 7\.\.7; expected 0\.\.6"),
        ([-1], ValueError, "spans -1"),
        ([0.5], TypeError, "whole"),
    ],
)
def test_ids_that_are_none_are_refused(ids: list[float], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        functional.embedding(ids, np.ones((7, 2)))
