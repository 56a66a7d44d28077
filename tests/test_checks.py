"""The edge of Python: arrays of any layout are read right or refused, and nothing is allocated that cannot be held."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from fastnn import fit, mlp
from fastnn.edge import checks
from fastnn.edge.checks import (
    aligned_zeros,
    as_count,
    as_dtype,
    as_int64,
    as_labels,
    as_number,
    as_rows,
    require_memory,
)

Array = npt.NDArray[Any]

ROWS = np.random.default_rng(0).integers(-9, 10, (12, 6)).astype("f4")
LABELS = np.arange(12) % 3


def unaligned(values: Array) -> Array:
    buffer = np.zeros(values.nbytes + 1, np.uint8)
    moved = buffer[1:].view(values.dtype).reshape(values.shape)
    moved[...] = values
    assert not moved.flags.aligned
    return moved


def read_only(values: Array) -> Array:
    copy = values.copy()
    copy.flags.writeable = False
    return copy


def sliced(values: Array) -> Array:
    wide = np.full([2 * extent + 1 for extent in values.shape], 77, values.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in values.shape)]
    view[...] = values
    return view


def backwards(values: Array) -> Array:
    turned = tuple(slice(None, None, -1) for _ in values.shape)
    return values[turned].copy()[turned]


class Subclass(np.ndarray[Any, Any]):
    pass


class ArrayLike:
    def __init__(self, values: Array) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.values.astype(dtype or self.values.dtype)


LAYOUTS: dict[str, Callable[[Array], Any]] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "sliced": sliced,
    "backwards": backwards,
    "read-only": read_only,
    "unaligned": unaligned,
    "byte-swapped": lambda values: values.astype(values.dtype.newbyteorder()),
    "subclass": lambda values: values.view(Subclass),
    "array-like": ArrayLike,
    "list": lambda values: values.tolist(),
    "memoryview": lambda values: memoryview(values),  # type: ignore[arg-type]
}
NUMBERS = ("float64", "float32", "float16", "longdouble", "int64", "int8")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_same_network_output_and_training(layout: Callable[[Array], Any], dtype: str) -> None:
    plain, other = (mlp(6, 5, 3, dtype=dtype, seed=0) for _ in range(2))
    x, y = layout(ROWS.astype(dtype)), layout(LABELS)
    assert other(x).tobytes() == plain(ROWS).tobytes()
    assert other.loss(x, y) == plain.loss(ROWS, LABELS)
    assert other.gradient(x, y).tobytes() == plain.gradient(ROWS, LABELS).tobytes()
    fit(plain, ROWS, LABELS, epochs=2, batch=5, seed=0)
    fit(other, x, y, epochs=2, batch=5, seed=0)
    assert other.parameters.tobytes() == plain.parameters.tobytes()
    trainer = other.trainer("sgd", 12)
    assert trainer.step(x, y) == plain.loss(ROWS, LABELS)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_of_target_rows_is_read_right(layout: Callable[[Array], Any]) -> None:
    net = mlp(6, 5, 2, loss="mse", seed=0)
    assert net.loss(ROWS, layout(ROWS[:, :2])) == net.loss(ROWS, ROWS[:, :2].copy())


@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_type_of_number_is_converted(dtype: str) -> None:
    net = mlp(6, 5, 3, seed=0)
    assert net(ROWS.astype(dtype)).tobytes() == net(ROWS).tobytes()


def test_true_and_false_are_1_and_0() -> None:
    net = mlp(6, 5, 3, seed=0)
    assert net(ROWS > 0).tobytes() == net((ROWS > 0).astype("f4")).tobytes()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", ">i8"])
def test_every_type_of_whole_number_may_label(dtype: str) -> None:
    net = mlp(6, 5, 3, seed=0)
    assert net.loss(ROWS, LABELS.astype(dtype)) == net.loss(ROWS, LABELS)


def test_a_broadcast_array_is_read_as_its_rows() -> None:
    net = mlp(6, 5, 3, seed=0)
    repeated = np.broadcast_to(ROWS[0], (4, 6))
    assert net(repeated).tobytes() == np.repeat(net(ROWS[:1]), 4, axis=0).tobytes()
    assert net.loss(repeated, np.broadcast_to(1, 4)) == net.loss(ROWS[[0, 0, 0, 0]], [1] * 4)


REFUSED: dict[str, Any] = {
    "object": ROWS.astype(object),
    "complex": ROWS.astype(complex),
    "masked": np.ma.array(ROWS),
    "text": ROWS.astype(str),
    "dates": ROWS.astype("i8").astype("M8[s]"),
    "structured": np.zeros(12, [("a", "f4")]),
    "none": None,
    "a dictionary": {},
}


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED)
def test_what_is_not_real_numbers_is_refused(values: Any) -> None:
    net = mlp(6, 5, 3, seed=0)
    for call in (net, net.predict, net.trainer().forward, lambda x: net.loss(x, LABELS), lambda x: net.loss(ROWS, x)):
        with pytest.raises(TypeError, match=r"has dtype .*; expected (real|whole)|masked array; fill or drop"):
            call(values)


def test_arrays_that_are_right_already_are_not_copied() -> None:
    assert as_rows(ROWS, (6,), np.dtype("f4"), "x") is ROWS
    assert as_labels(LABELS, (12,), 3, -100, "y") is LABELS
    assert mlp(6, 3).as_input(ROWS) is ROWS


# Scalars --------------------------------------------------------------------------------------------------------------


def test_counts_are_whole_numbers_of_python_or_numpy() -> None:
    assert as_count(3, "n") == as_count(np.int8(3), "n") == as_count(np.uint64(3), "n") == 3
    assert type(as_count(np.int8(3), "n")) is int
    assert as_count(0, "n", least=0) == 0


@pytest.mark.parametrize("value", [True, np.True_, 3.0, "3", None, [3], np.array([3]), 3j])
def test_what_is_no_whole_number_is_no_count(value: Any) -> None:
    with pytest.raises(TypeError, match="n is .*; expected a whole number"):
        as_count(value, "n")
    with pytest.raises(TypeError, match="n is .*; expected a whole number"):
        as_int64(value, "n")


@pytest.mark.parametrize("value", [0, -1, -(10**30)])
def test_counts_begin_at_one(value: int) -> None:
    with pytest.raises(ValueError, match=f"n is {value}; expected at least 1"):
        as_count(value, "n")


def test_int64_has_its_limits() -> None:
    for value in (-(2**63), -1, 0, 2**63 - 1):
        assert as_int64(value, "n") == value
    for value in (-(2**63) - 1, 2**63, 10**30):
        with pytest.raises(ValueError, match=f"n is {value}; expected at"):
            as_int64(value, "n")


def test_numbers_are_real_and_finite() -> None:
    for value in (3, 3.0, np.float32(3), np.int64(3), np.float16(3)):
        assert as_number(value, "x") == 3
        assert type(as_number(value, "x")) is float


@pytest.mark.parametrize("value", [True, np.False_, "3", None, 3j, np.array(3.0), [3]])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="x is .*; expected a number"):
        as_number(value, "x")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.1, 1.1, np.float32(1.1)])
def test_numbers_out_of_range_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"x is .*; expected a finite number in \[0, 1\]"):
        as_number(value, "x", 0.0, 1.0)


def test_dtypes_by_any_name() -> None:
    for single in ("float32", "f4", ">f4", np.float32, np.dtype("f4")):
        assert as_dtype(single) is np.dtype("f4")
    for double in ("float64", "d", float, np.float64):
        assert as_dtype(double) is np.dtype("f8")


@pytest.mark.parametrize("dtype", ["float16", "i4", int, bool, complex, object, None, "word", 5, [("a", "f4")], ROWS])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match=r"(?s)dtype is .*expected float32 or float64"):
        as_dtype(dtype)


# Labels ---------------------------------------------------------------------------------------------------------------


def test_the_first_wrong_label_is_named() -> None:
    with pytest.raises(ValueError, match=r"y\[2\] is 7; expected 0..2 or -100 \(ignored\)"):
        as_labels([0, -100, 7, 9], (4,), 3, -100, "y")
    with pytest.raises(ValueError, match=r"y\[0\] is 5; expected 0..2$"):
        as_labels([5], (1,), 3, 1, "y")


def test_a_large_unsigned_label_does_not_wrap_into_the_ignored_one() -> None:
    for value in (2**64 - 100, 2**63, 2**64 - 1):
        with pytest.raises(ValueError, match=rf"y\[0\] is {value}; expected 0..2"):
            as_labels(np.array([value], np.uint64), (1,), 3, -100, "y")


# Memory ---------------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused_before_it_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    class Little:
        available = 2**25

    def allocate(*arguments: Any) -> None:
        raise AssertionError("allocated")

    net, large = mlp(6, 5, 3, seed=0), mlp(1000, 4000, 2, initializer="zeros")
    monkeypatch.setattr(psutil, "virtual_memory", Little)
    for module in ("networks.network", "learning.trainer", "lowering.lower"):
        monkeypatch.setattr(sys.modules[f"fastnn.{module}"], "aligned_zeros", allocate)
    for too_large in (
        lambda: mlp(3000, 3000, 2),
        lambda: mlp(6, 3, 3_000_000),
        lambda: net.trainer("sgd", 3_000_000),
        lambda: net.plan(3_000_000),
        lambda: large.trainer("adam", 1),  # whose moments do not fit
    ):
        with pytest.raises(ValueError, match=r"needs 0\.\d GiB and 0\.0 GiB of memory are free; make the network or"):
            too_large()


@pytest.mark.parametrize(
    "sizes", [(2**32, 2**32), (2**31, 2**33), (2**40, 2**24, 2), (3, 2**62), (10**30, 2), (3, 10**30), (2**16,) * 5]
)
def test_sizes_that_overflow_are_refused_as_any_that_do_not_fit(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="parameters needs .* GiB and .* GiB of memory are free"):
        mlp(*sizes)


@pytest.mark.parametrize("batch", [10**12, 2**60, 2**62, 2**63, 2**64, 10**30])
def test_batches_that_overflow_are_refused(batch: int) -> None:
    net = mlp(6, 5, 3, seed=0)
    for call in (net.plan, lambda batch: net.trainer("adam", batch)):
        with pytest.raises(ValueError, match="GiB of memory are free"):
            call(batch)


def test_memory_is_asked_for_in_the_bytes_of_the_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    class Little:
        available = 2**25

    monkeypatch.setattr(psutil, "virtual_memory", Little)
    assert checks.ALWAYS_FREE < 2**25
    require_memory(2**23, checks.FLOAT32, "this")
    require_memory(2**22, checks.FLOAT64, "this")
    with pytest.raises(ValueError, match="this needs"):
        require_memory(2**23 + 1, checks.FLOAT32, "this")
    with pytest.raises(ValueError, match="this needs"):
        require_memory(2**22 + 1, checks.FLOAT64, "this")


@pytest.mark.parametrize("dtype", [checks.FLOAT32, checks.FLOAT64])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 100_000])
def test_aligned_zeros_begin_on_64_bytes(size: int, dtype: Any) -> None:
    for _ in range(5):
        zeros = aligned_zeros(size, dtype)
        assert zeros.shape == (size,)
        assert zeros.dtype == dtype
        assert zeros.ctypes.data % 64 == 0 or size == 0
        assert not zeros.any()
        assert zeros.flags.c_contiguous
