"""Arrays of other libraries: read in place where their layout allows, and refused with the name of what is wrong."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import needs
import numpy as np
import numpy.typing as npt
import pytest
from processes import run_python

import fastnn
from fastnn import mlp
from fastnn.edge.checks import as_contiguous

Array = npt.NDArray[Any]

ROWS = np.random.default_rng(0).normal(size=(12, 3)).astype("f4")
LABELS = np.arange(12) % 2


class OnDevice:
    """What has DLPack and nothing else."""

    def __init__(self, values: Array, device: int = 1) -> None:
        self.values, self.device = values, device

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device, 0


def assert_as_numpy(x: Any, y: Any, rows: Array = ROWS, labels: Array = LABELS) -> None:
    """Output, loss, accuracy, gradient and training are those of NumPy's arrays."""
    net, twin = (mlp(3, 4, 2, seed=0) for _ in range(2))
    assert net(x).tobytes() == twin(rows).tobytes()
    assert net.predict_proba(x).tobytes() == twin.predict_proba(rows).tobytes()
    assert (net.loss(x, y), net.accuracy(x, y)) == (twin.loss(rows, labels), twin.accuracy(rows, labels))
    assert net.gradient(x, y).tobytes() == twin.gradient(rows, labels).tobytes()
    net.fit(x, y, epochs=2, batch=5, seed=0, validation=(x, y))
    twin.fit(rows, labels, epochs=2, batch=5, seed=0)
    assert net.parameters.tobytes() == twin.parameters.tobytes()
    assert net.trainer("sgd", 12).step(x, y) == twin.loss(rows, labels)
    assert fastnn.softmax(x).tobytes() == fastnn.softmax(rows).tobytes()


def is_read_in_place(x: Any, memory: Array) -> bool:
    return np.shares_memory(mlp(3, 2).as_input(x), memory)


# DLPack and tensors ---------------------------------------------------------------------------------------------------


def test_dlpack_alone_is_enough() -> None:
    assert_as_numpy(OnDevice(ROWS), OnDevice(LABELS))
    assert is_read_in_place(OnDevice(ROWS), ROWS)


@pytest.mark.parametrize("device", [2, 8, 10, 14])
def test_memory_of_a_device_is_refused(device: int) -> None:
    with pytest.raises(TypeError, match=r"x is a .*OnDevice .*lies on another device; copy it to the CPU"):
        mlp(3, 2)(OnDevice(ROWS, device))


@pytest.mark.thorough
def test_tensors_of_torch() -> None:
    torch = needs.package("torch")
    assert_as_numpy(torch.from_numpy(ROWS), torch.from_numpy(LABELS))
    assert is_read_in_place(torch.from_numpy(ROWS), ROWS)
    assert_as_numpy(torch.from_numpy(ROWS).half(), LABELS, ROWS.astype("f2").astype("f4"))
    net = mlp(3, 2)
    for tensor, message in (
        (torch.zeros(2, 3, requires_grad=True), "x is a torch Tensor that gives no array: .*requires grad.*detach"),
        (torch.zeros(2, 3, dtype=torch.bfloat16), "x is a torch Tensor that gives no array: .*BFloat16"),
        (torch.zeros(2, 3).to_sparse(), "x is a torch Tensor that gives no array: .*to_dense"),
        (torch.empty(2, 3, device="meta"), "x is a torch Tensor that gives no array: .*meta"),
    ):
        with pytest.raises(TypeError, match=message):
            net(tensor)


@pytest.mark.thorough
def test_arrays_of_jax() -> None:
    jax = needs.package("jax")
    x = jax.numpy.asarray(ROWS)
    assert_as_numpy(x, jax.numpy.asarray(LABELS.astype("i4")))
    assert is_read_in_place(x, np.asarray(x))
    with pytest.raises(TypeError, match="x is a jax DynamicJaxprTracer that gives no array"):
        jax.jit(mlp(3, 2))(x)


# Memory that may not be written ---------------------------------------------------------------------------------------


def test_arrays_that_may_not_be_written_are_read_in_place() -> None:
    frozen = ROWS.copy()
    frozen.flags.writeable = False
    view = as_contiguous(frozen, np.dtype("f4"))
    assert view.flags.carray
    assert np.shares_memory(view, frozen)
    assert not frozen.flags.writeable
    assert_as_numpy(frozen, LABELS)


def test_the_view_keeps_the_memory_alive() -> None:
    frozen = np.full(1_000_000, 3.0, "f4")
    frozen.flags.writeable = False
    view = as_contiguous(frozen, np.dtype("f4"))
    del frozen
    np.full(1_000_000, 5.0, "f4")  # would take the place of what was let go
    assert (view == 3).all()


def test_nothing_is_written_to_a_file_mapped_read_only(tmp_path: Path) -> None:
    """Its pages are protected: a kernel that wrote to one would end the process."""
    np.save(tmp_path / "x.npy", ROWS)
    np.save(tmp_path / "y.npy", LABELS)
    np.save(tmp_path / "t.npy", np.eye(2, dtype="f4")[LABELS])
    assert ROWS.nbytes < mmap.PAGESIZE
    assert run_python(f"""
import json
import numpy as np
import fastnn
x, y, t = (np.load(f"{tmp_path}/{{name}}.npy", mmap_mode="r") for name in "xyt")
net = fastnn.mlp(3, 4, 2, seed=0)
shared = np.shares_memory(net.as_input(x), x) and np.shares_memory(net.as_target(y, 12), y)
net(x), net.predict_proba(x), net.loss(x, y), net.gradient(x, y), net.accuracy(x, t), net.loss(x, t)
net.fit(x, y, epochs=2, batch=5), net.fit(x, t, epochs=2, batch=12)
trainer = net.trainer("adam", 12)
trainer.step(x, y), trainer.step(x, t), trainer.forward(x), trainer.epoch(x, y, np.arange(12))
fastnn.softmax(x), fastnn.matmul(x, x, transpose_w=True), fastnn.cross_entropy(x, y), fastnn.mse(x, x)
print(json.dumps(bool(shared)))
""")


# Frames ---------------------------------------------------------------------------------------------------------------


def test_frames_of_pandas() -> None:
    pandas = needs.package("pandas")
    frame = pandas.DataFrame(ROWS, columns=["a", "b", "c"], copy=False)
    assert_as_numpy(frame, pandas.Series(LABELS, name="label"))
    assert is_read_in_place(frame, ROWS)
    assert_as_numpy(frame.astype("Float32"), pandas.Series(LABELS, dtype="Int64"))
    net = mlp(3, 2)
    mixed = pandas.DataFrame(
        {"a": [1, 2], "b": [True, False], "c": pandas.arrays.SparseArray([0.25, 3.0])}, index=[7, 3]
    )
    assert net.as_input(mixed).tolist() == [[1, 1, 0.25], [2, 0, 3]]
    assert net.as_target(pandas.DataFrame({"p": [0.5, 0.25], "q": [0.5, 0.75]}), 2).shape == (2, 2)


def test_columns_of_pandas_that_hold_no_numbers_are_named() -> None:
    pandas = needs.package("pandas")
    net, numbers = mlp(3, 2), {"a": [1, 2], "c": [1.0, 2.0]}
    for column in (
        ["x", "y"],
        pandas.to_datetime(["2020-01-01", "2021-01-01"]),
        pandas.Categorical([1, 2]),
        pandas.Series([1, 2], dtype=object),
        [1j, 2],
    ):
        with pytest.raises(TypeError, match="column 'size' of x has dtype .*; expected real numbers: encode or"):
            net(pandas.DataFrame({**numbers, "size": column}))
    for missing in (pandas.array([1, None], dtype="Int64"), pandas.array([True, None], dtype="boolean")):
        with pytest.raises(ValueError, match="column 'size' of x has 1 missing; expected none: fill or drop"):
            net(pandas.DataFrame({**numbers, "size": missing}))
    with pytest.raises(ValueError, match="column 'label' of y has 2 missing"):
        net.loss(ROWS[:3], pandas.Series([None, 1, None], name="label", dtype="Int64"))
    assert np.isnan(net(pandas.DataFrame({**numbers, "size": [np.nan, 1.0]}))).tolist() == [[True] * 2, [False] * 2]
    with pytest.raises(ValueError, match=r"x has shape \(2, 2\); expected \(N, 3\)"):
        net(pandas.DataFrame(numbers))
    with pytest.raises(ValueError, match=r"x has shape \(0, 0\)"):
        net(pandas.DataFrame())


def test_frames_of_polars() -> None:
    polars = needs.package("polars")
    frame = polars.DataFrame(ROWS, schema=["a", "b", "c"])
    assert_as_numpy(frame, polars.Series("label", LABELS))
    net = mlp(3, 2)
    mixed = polars.DataFrame({"a": [1, 2], "b": [True, False], "c": [0.25, float("nan")]})
    assert net.as_input(mixed)[:, :2].tolist() == [[1, 1], [2, 0]]
    assert np.isnan(net.as_input(mixed)[1, 2])
    one = polars.Series("a", ROWS[:, 0].copy())
    assert np.shares_memory(mlp(1, 1, loss="mse").as_target(one, 12), one.to_numpy())


def test_columns_of_polars_that_hold_no_numbers_are_named() -> None:
    polars = needs.package("polars")
    net, numbers = mlp(3, 2), {"a": [1, 2], "c": [1.0, 2.0]}
    for column in (["x", "y"], [None, None], [[1], [2]]):
        with pytest.raises(TypeError, match="column 'size' of x has dtype .*; expected real numbers: encode or"):
            net(polars.DataFrame({**numbers, "size": column}))
    with pytest.raises(ValueError, match="column 'size' of x has 1 missing; expected none: fill or drop"):
        net(polars.DataFrame({**numbers, "size": [None, 2]}))
    with pytest.raises(TypeError, match=r"x is a polars LazyFrame; expected a frame, as collect\(\) gives"):
        net(polars.DataFrame(numbers).lazy())
