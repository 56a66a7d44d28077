"""Tables: the same rows from every format, what columns mean, before a model and with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from table_files import HOUSES, csv_of, table_of, write_csv, write_npz, write_parquet

from fastnn import data
from fastnn.tables import Column, DataError, Scaling, Target, batches, open_source, read, read_as

# What columns mean ----------------------------------------------------------------------------------------------------


def test_numbers_stay_and_names_become_an_input_each(tmp_path: Path) -> None:
    table = table_of(tmp_path, HOUSES)
    assert table.columns == (Column("size"), Column("town", ("Bern", "Oslo")), Column("rooms"))
    assert table.x.dtype == np.float32
    assert table.x.tolist() == [[50.5, 1, 0, 2], [80, 0, 1, 3], [60, 1, 0, 2]]
    assert table.target == Target("price")
    assert table.y.tolist() == [500, 600.5, 550]


def test_whole_numbers_are_names_where_the_user_says_so(tmp_path: Path) -> None:
    table = table_of(tmp_path, HOUSES, categorical=["rooms"], drop=["town"])
    assert table.columns == (Column("size"), Column("rooms", ("2", "3")))
    assert table.x.tolist() == [[50.5, 1, 0], [80, 0, 1], [60, 1, 0]]


@pytest.mark.parametrize(
    ("head", "options", "target"),
    [
        ("a,b,c", {}, "c"), ("a,label,c", {}, "label"), ("y,b,c", {}, "y"), ("a,target,c", {}, "target"),
        ("a,label,c", {"target": "a"}, "a"), ("a,b,c", {"drop": ["b"]}, "c"),
    ],
)  # fmt: skip
def test_the_target_is_the_named_one_or_one_called_so_or_the_last(
    head: str, options: dict[str, Any], target: str, tmp_path: Path
) -> None:
    table = table_of(tmp_path, head + "\n1,2,3\n4,5,6\n1,2,3\n4,5,6\n", **options)
    assert table.target.name == target
    assert target not in [column.name for column in table.columns]


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a", "b", "a"], None, ("a", "b")),
        ([10, 9, 10, 9], None, ("9", "10")),
        ([1.0, -2.0, 1.0, -2.0], None, ("-2", "1")),
        ([1.5, 2, 3, 4], None, None),
        ([1, 2, 1, 2], "regression", None),
        ([*range(21), *range(21)], None, None),
        ([*range(20), *range(20)], None, tuple(map(str, range(20)))),
        ([*range(21), *range(21)], "classification", tuple(map(str, range(21)))),
    ],
)
def test_text_and_few_whole_numbers_are_classes(
    values: list[Any], task: str | None, classes: tuple[str, ...] | None, tmp_path: Path
) -> None:
    table = table_of(tmp_path, "x,y\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values)), task=task)
    assert table.target.classes == classes
    names = [value if isinstance(value, str) else f"{value:g}" for value in values]
    assert table.y.tolist() == (values if classes is None else [classes.index(name) for name in names])


def test_columns_without_names_are_numbered_from_1(tmp_path: Path) -> None:
    table = table_of(tmp_path, "1,2,x\n3,4,y\n5,6,x\n7,8,y\n")
    assert [column.name for column in table.columns] == ["1", "2"]
    assert table.target == Target("3", ("x", "y"))
    assert table.x.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


@pytest.mark.parametrize(("header", "rows"), [(True, 2), (False, 3)])
def test_a_header_can_be_told(header: bool, rows: int, tmp_path: Path) -> None:
    assert len(table_of(tmp_path, "2,1.5\n3,2.5\n4,3.5\n", header=header)) == rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ":"])
def test_the_delimiter_is_found_or_told(delimiter: str, tmp_path: Path) -> None:
    text = HOUSES.replace(",", delimiter)
    told = {"delimiter": ":"} if delimiter == ":" else {}
    assert table_of(tmp_path, text, **told).x.tolist() == table_of(tmp_path, HOUSES).x.tolist()


def test_quotes_a_byte_order_mark_spaces_and_windows_lines_are_understood(tmp_path: Path) -> None:
    text = '\ufeffname, size,y\r\n"a, ""b""",1,0.5\r\n"two\r\nlines", 2,1.5\r\n"a, ""b""",3,2.5\r\n'
    table = table_of(tmp_path, text)
    assert table.columns == (Column("name", ('a, "b"', "two\r\nlines")), Column("size"))
    assert table.x.tolist() == [[1, 0, 1], [0, 1, 2], [1, 0, 3]]


# Formats --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("write", [write_csv, write_npz, write_parquet])
@pytest.mark.parametrize("text", [False, True])
def test_every_format_gives_the_same_rows(text: bool, write: Callable[..., Path], dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(9000, 3)), rng.integers(0, 3, 9000)  # more rows than a batch
    names = np.array(["ant", "bee", "cat"])
    table = read(open_source(write(tmp_path / "t", x, names[labels] if text else labels)), dtype=dtype)
    assert table.x.dtype == dtype
    np.testing.assert_array_equal(table.x, x.astype(dtype))
    np.testing.assert_array_equal(table.y, labels)
    assert table.target == Target("y", tuple(names) if text else ("0", "1", "2"))


@pytest.mark.parametrize("name", ["spam", "digits"])
def test_built_in_sets_are_tables(name: str) -> None:
    found, table = data.load(name), read(open_source(name))
    np.testing.assert_array_equal(table.x, found.x)
    np.testing.assert_array_equal(table.y, found.y)
    assert table.target.count == found.classes


def test_images_of_an_npz_file_are_flattened(tmp_path: Path) -> None:
    x = np.arange(48.0).reshape(4, 3, 4)
    np.savez(tmp_path / "t.npz", X=x, y=np.array([[0], [1], [0], [1]]))
    table = read(open_source(tmp_path / "t.npz"))
    assert table.x.tolist() == x.reshape(4, 12).tolist()
    assert table.y.tolist() == [0, 1, 0, 1]


def test_parquet_keeps_bools_decimals_and_dictionaries(tmp_path: Path) -> None:
    from decimal import Decimal

    columns = {
        "b": pyarrow.array([True, False, True, False]),
        "d": pyarrow.array([Decimal("1.5"), Decimal("2.5"), Decimal("0.5"), Decimal("3.5")]),
        "k": pyarrow.array(["u", "v", "u", "v"]).dictionary_encode(),
        "y": pyarrow.array([1, 2, 1, 2]),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    table = read(open_source(tmp_path / "t.parquet"))
    assert table.x.tolist() == [[1, 1.5, 1, 0], [0, 2.5, 0, 1], [1, 0.5, 1, 0], [0, 3.5, 0, 1]]


# With the columns of a model ------------------------------------------------------------------------------------------

KNOWN = (Column("size"), Column("town", ("Bern", "Oslo")))


def test_columns_of_a_model_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    source = open_source(csv_of(tmp_path, "more,kind,town,size\n0,b,Oslo,3\n0,a,Bern,4\n"))
    table = read_as(source, KNOWN, Target("kind", ("a", "b", "c")))
    assert table.x.tolist() == [[3, 0, 1], [4, 1, 0]]
    assert table.y.tolist() == [1, 0]
    assert [part.tolist() for part in batches(source, KNOWN)] == [table.x.tolist()]


@pytest.mark.parametrize(
    ("text", "target", "told"),
    [
        ("town,y\nOslo,1\n", Target("y"), "no column size; it has town, y"),
        ("town,size\nOslo,1\n", Target("y"), "no column y"),
        ("town,size,y\nOslo,1,1\nRom,1,1\n", Target("y"), "line 3, column 'town': 'Rom' is none of the names"),
        ("town,size,y\nOslo,1,a\n,1,a\n", Target("y", ("a", "b")), "line 3, column 'town': nothing there"),
        ("town,size,y\nOslo,1,a\nBern,1,z\n", Target("y", ("a", "b")), "line 3, column 'y': 'z' is none of the model"),
        ("town,size,y\nOslo,1,a\n", Target("y"), "line 2, column 'y': 'a' is text; the model gives numbers"),
        ("town,size,y\nOslo,1,1\nBern,1,2.5\n", Target("y", ("1", "2")), "line 3, column 'y': '2.5' is none"),
    ],
)
def test_data_that_a_model_does_not_know_is_refused(text: str, target: Target, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        read_as(open_source(csv_of(tmp_path, text)), KNOWN, target)


def test_numbers_of_classes_and_of_a_regression_come_back(tmp_path: Path) -> None:
    source = open_source(csv_of(tmp_path, "size,town,y\n1,Oslo,10\n1,Bern,9\n"))
    assert read_as(source, KNOWN, Target("y", ("9", "10"))).y.tolist() == [1, 0]
    assert read_as(source, KNOWN, Target("y")).y.tolist() == [10, 9]


# Scaling --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_standardised_inputs_have_mean_0_and_deviation_1(dtype: str) -> None:
    x = np.random.default_rng(0).normal([5, -100, 1e4], [1, 30, 1e-1], (20_000, 3)).astype(dtype)
    x[:, 1] = 0.1  # constant, and no exact binary number
    scaling, before = Scaling.of(x), x.astype(np.float64)
    scaling.apply(x)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(wide.mean(axis=0), 0, atol=1e-4 if dtype == "float32" else 1e-9)
    np.testing.assert_allclose(wide.std(axis=0)[[0, 2]], 1, rtol=1e-4)
    assert (x[:, 1] == 0).all()
    np.testing.assert_allclose(scaling.undo(x), before, rtol=1e-6)
    np.testing.assert_allclose(scaling.means, before.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaling.scales[[0, 2]], before.std(axis=0)[[0, 2]], rtol=1e-9)


def test_a_parquet_file_that_is_cut_is_refused(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "t", np.random.default_rng(0).normal(size=(5000, 2)), np.arange(5000) % 2)
    content = bytearray(file.read_bytes())
    content[4:40_000] = b"\xff" * 39_996
    file.write_bytes(content)
    with pytest.raises(DataError, match="t.parquet"):
        read(open_source(file))
