"""Tables: the same rows from every format, what columns mean, and everything that can be wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pyarrow
import pytest
from pyarrow import parquet

from fastnn import data
from fastnn.tables import Column, DataError, Scaling, Table, Target, batches, delimited, open_source, read, read_as

HOUSES = "size,town,rooms,price\n50.5,Bern,2,500\n80,Oslo,3,600.5\n\n60,Bern,2,550\n"


def csv_of(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def table_of(folder: Path, text: str | bytes, **options: Any) -> Table:
    how = {name: options.pop(name) for name in ("header", "delimiter") if name in options}
    return read(open_source(csv_of(folder, text), **how), **options)


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


def write_csv(file: Path, x: Any, y: Any) -> Path:
    names = ",".join([*(f"x{i}" for i in range(x.shape[1])), "y"])
    rows = ("".join(f"{value!r}," for value in row) + str(label) for row, label in zip(x.tolist(), y, strict=True))
    return csv_of(file.parent, "\n".join([names, *rows]), f"{file.name}.csv")


def write_npz(file: Path, x: Any, y: Any) -> Path:
    np.savez(f"{file}.npz", x=x, y=y)
    return Path(f"{file}.npz")


def write_parquet(file: Path, x: Any, y: Any) -> Path:
    columns = {f"x{i}": x[:, i] for i in range(x.shape[1])}
    parquet.write_table(pyarrow.table({**columns, "y": y}), f"{file}.parquet")
    return Path(f"{file}.parquet")


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


# What is wrong, and where ---------------------------------------------------------------------------------------------

GOOD = "1,2,0\n3,4,1\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "t.csv is empty"),
        ("\n\n", "t.csv is empty"),
        ("a,b,c\n", r"t.csv holds names of columns \(a, b, c\) and no row"),
        ("a,b,a\n" + GOOD, "columns 1 and 3 are both called 'a'"),
        ("a,,c\n" + GOOD, "column 2 has no name"),
        ("a,b,c\n" + GOOD + "5,6\n", "t.csv, line 4: 2 cells; expected 3"),
        ("a,b,c\n\n" + GOOD + "5,6,0,9\n", "t.csv, line 5: 4 cells; expected 3"),
        ("a,b,c\n" + GOOD + "5,six,0\n", "t.csv, line 4, column 'b': 'six' is no number"),
        ("a,b,c\n" + GOOD + "5,1_0,0\n", "line 4, column 'b': '1_0' is no number"),
        ('a,b,c\n"1",2,0\n3,"5\n",1\n', "line 3, column 'b': '5.n' is no number"),
        ("a,b,c\n" + GOOD + "5,,0\n", "t.csv, line 4, column 'b': no number .''.; fill it"),
        ("a,b,c\n" + GOOD + "5,NA,0\n", "line 4, column 'b': no number .'NA'."),
        ("a,b,c\n" + GOOD + "nan,6,0\n", "line 4, column 'a': no number .'nan'."),
        ("a,b,c\n" + GOOD + "5,-inf,0\n", "line 4, column 'b': '-inf' is not finite"),
        ("a,b,c\n" + GOOD + "5,1e39,0\n", "line 4, column 'b': '1e39' is more than float32 holds"),
        ("a,b,c\n" + GOOD + "5,6,\n", "line 4, column 'c': no number"),
        ("a,b,c\n" + GOOD + "5,6,inf\n", "line 4, column 'c': 'inf' is not finite"),
        ("a,b,c\n1,2,x\n1,2,\n", "line 3, column 'c': nothing there"),
        ("a,b,c\nu,2,x\n,2,y\n", "line 3, column 'a': nothing there"),
        ("a,b,c\nu,2,x\n7,2,y\n", "line 3, column 'a': a number, '7', and the column begins with text"),
        ("a,b,c\n1,2,0\n3,4,0\n", "column 'c' holds one class only, '0'"),
        ("a,b,c\n1,2,x\n3,4,x\n", "column 'c' holds one class only, 'x'"),
        ("a,b,c\n" + GOOD + "5,6,0\n", "line 3, column 'c': '1' is the only row of its class"),
        ("a,b,c\n1,2,2.5\n3,4,2.5\n", "column 'c' holds 2.5 in every row"),
        ("y,label,c\n" + GOOD, "columns y, label; name the one to predict"),
        ("a\n1\n2\n", "no column beside 'a' to predict it from"),
        (b"a,b,c\n1,2,0\n3,\xff,1\n", "line 3, column 'b': not UTF-8"),
        ('a,b,c\n1,"2,0\n3,4,1\n', "t.csv, line 2: 2 cells"),
        ("a,b,c\n" + GOOD + "5,１,0\n", "line 4, column 'b': '１' is no number"),
        ("a,b,c\n" + GOOD + "5," + "6" * 200_000 + ",0\n", "t.csv, line 4: field larger than"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_by_line_and_column(text: str | bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        table_of(tmp_path, text)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"target": "z"}, "no column z; it has size, town, rooms, price"),
        ({"drop": ["z"]}, "no column z"),
        ({"categorical": ["z"]}, "no column z"),
        ({"target": "price", "drop": ["price"]}, "predicted and dropped"),
        ({"target": "town", "task": "regression"}, "line 2, column 'town': 'Bern' is text"),
        ({"target": "price", "task": "classification"}, "line 3, column 'price': '600.5' is no class"),
        ({"task": "both"}, "task is 'both'"),
        ({"dtype": "float16"}, "dtype is float16"),
        ({"delimiter": ";;"}, "delimiter is ';;'"),
    ],
)
def test_options_that_do_not_suit_are_refused(options: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told):
        table_of(tmp_path, HOUSES, **options)


@pytest.mark.parametrize("row", [0, 1, 37, 399])
@pytest.mark.parametrize(
    ("bad", "told"), [("x,2,0", "'x' is no number"), ("1,2", " 2 cells"), ("1,,0", "no number"), ("1,inf,0", "'inf'")]
)
def test_the_line_is_right_in_any_block(
    bad: str, told: str, row: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 300)
    lines = ['1.5,"2",0\n', "\n", "1.5,2.25,1\n"] * 200
    rows = [i for i, line in enumerate(lines) if line.strip()]
    lines[rows[row]] = bad + "\n"
    head = "" if row else "a,b,c\n1,1,1\n"
    expected = rows[row] + 1 + 2 * (not row)
    with pytest.raises(DataError, match=f"t.csv, line {expected}[,:].*{told}"):
        table_of(tmp_path, head + "".join(lines))


def test_blocks_join_to_the_same_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{i},{'uvw'[i % 3]},{i % 2}\n" for i in range(500))
    whole = table_of(tmp_path, text)
    monkeypatch.setattr(delimited, "BLOCK", 64)
    parts = table_of(tmp_path, text)
    np.testing.assert_array_equal(parts.x, whole.x)
    np.testing.assert_array_equal(parts.y, whole.y)
    assert len(parts) == 500


def test_too_many_names_are_refused(tmp_path: Path) -> None:
    text = "id,x,y\n" + "".join(f"n{i},{i},{i % 2}\n" for i in range(101))
    with pytest.raises(DataError, match="column 'id' holds more than 100 different texts, such as n0, n1, n2"):
        table_of(tmp_path, text)
    assert table_of(tmp_path, text, drop=["id"]).x.shape == (101, 1)


@pytest.mark.parametrize("kind", ["n", ""])
def test_too_many_classes_are_refused(kind: str, tmp_path: Path) -> None:
    text = "x,y\n" + "".join(f"{i},{kind}{i}\n" for i in range(10_001))
    with pytest.raises(DataError, match="10,00. different|more than 10,000 different"):
        table_of(tmp_path, text, task="classification")


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"a": np.ones(3)}, "holds a; expected x"),
        ({"x": np.ones((3, 2))}, "no column beside|no column"),
        ({"x": np.ones(3), "y": np.ones(3)}, r"x has shape \(3,\)"),
        ({"x": np.ones((0, 3)), "y": np.ones(0)}, r"x has shape \(0, 3\)"),
        ({"x": np.ones((3, 2), complex), "y": np.ones(3)}, "x has dtype complex128"),
        ({"x": np.ones((3, 2)), "y": np.ones(4)}, r"y has shape \(4,\); expected \(3,\)"),
        ({"x": np.ones((3, 2)), "y": np.ones(3, complex)}, "y has dtype complex128"),
        ({"x": np.array([[1, 2], [3, np.nan]]), "y": np.arange(2)}, "row 2, column 'x1': no number .'nan'."),
        ({"x": np.ones((2, 2), object), "y": np.ones(2)}, "allow_pickle"),
    ],
)
def test_arrays_that_are_no_table_are_refused(arrays: dict[str, Any], told: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataError, match=told):
        read(open_source(tmp_path / "t.npz"), target="y" if "y" not in arrays else None)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"a": [1.0, None, 3.0], "y": [1.5, 2.5, 3.5]}, "row 2, column 'a': no number .'None'."),
        ({"a": ["u", None, "u"], "y": [1.5, 2.5, 3.5]}, "row 2, column 'a': nothing there"),
        ({"a": [[1], [2], [3]], "y": [1.5, 2.5, 3.5]}, "column 'a' holds list.*leave it out"),
        ({"a": pyarrow.array([], pyarrow.float64()), "y": pyarrow.array([], pyarrow.float64())}, "holds no row"),
    ],
)
def test_parquet_that_is_no_table_is_refused(columns: dict[str, Any], told: str, tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=told):
        read(open_source(tmp_path / "t.parquet"))


def test_parquet_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table([[1], [2]], names=["a", "a"]), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="several columns 'a'"):
        open_source(tmp_path / "t.parquet")


@pytest.mark.parametrize("name", ["t.npz", "t.parquet", "t.xlsx"])
def test_files_of_another_kind_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(DataError, match=name):
        open_source(tmp_path / name)
    with pytest.raises(DataError, match="folder"):
        open_source(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file.*built-in sets are spam, digits, mnist"):
        open_source(tmp_path / "absent.csv")


def test_header_and_delimiter_are_for_csv(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=np.ones((2, 2)), y=np.ones(2))
    with pytest.raises(DataError, match="for csv"):
        open_source(tmp_path / "t.npz", header=True)


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("fastnn.tables.errors.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"fastnn\[tables\]"):
        open_source(csv_of(tmp_path, HOUSES))


def test_what_the_two_readers_disagree_on_is_told_in_the_words_of_pyarrow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(delimited.Delimited, "_fault_of", lambda *arguments: None)
    with pytest.raises(DataError, match="t.csv: CSV parse error: .*Expected 3 columns, got 2"):
        table_of(tmp_path, "a,b,c\n1,2,3\n1,2\n")


def test_a_row_far_down_a_parquet_file_is_named(tmp_path: Path) -> None:
    x = np.ones((140_000, 1))
    x[139_998] = np.inf
    with pytest.raises(DataError, match="row 139999, column 'x0': 'inf' is not finite"):
        read(open_source(write_parquet(tmp_path / "t", x, np.arange(140_000) % 2)))


def test_lines_of_old_machines_are_lines(tmp_path: Path) -> None:
    assert table_of(tmp_path, "a,b\r1,0\r2,1\n3,0\r\n4,1").x.tolist() == [[1], [2], [3], [4]]


def test_very_long_lines_are_read(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, 9000))
    np.testing.assert_array_equal(
        read(open_source(write_csv(tmp_path / "t", x, np.arange(20) % 2)), dtype="float64").x, x
    )


# Memory ---------------------------------------------------------------------------------------------------------------


def with_memory_of(monkeypatch: pytest.MonkeyPatch, *available: int) -> None:
    left = list(available)
    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: SimpleNamespace(available=left.pop(0) if len(left) > 1 else left[0])
    )


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 rows of 300 inputs: 24 MB."""
    line = ",".join(["1"] * 300)
    return csv_of(tmp_path_factory.mktemp("wide"), "".join(f"{line},{i % 2}\n" for i in range(20_000)))


def test_a_file_that_does_not_fit_is_refused_before_it_is_read(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited.Delimited, "batches", lambda *arguments: pytest.fail("it was read"))
    with_memory_of(monkeypatch, 20 * 2**20)
    with pytest.raises(ValueError, match="20,000 rows of 300 inputs, needs 0.0 GiB and 0.0 GiB.*leave out rows"):
        read(open_source(wide))


def test_reading_stops_where_others_take_the_memory(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_memory_of(monkeypatch, 2**40, 2**40, 2**40, 2**20)
    with pytest.raises(ValueError, match="the rest of .* needs"):
        read(open_source(wide))


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
