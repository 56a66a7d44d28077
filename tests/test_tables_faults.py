"""Everything that can be wrong with a table, by line and column, and tables that do not fit in memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pyarrow
import pytest
from pyarrow import parquet
from table_files import HOUSES, csv_of, table_of, write_csv, write_parquet

from fastnn.tables import DataError, delimited, open_source, read, read_as

# What is wrong, and where ---------------------------------------------------------------------------------------------

GOOD = "1,2,0\n3,4,1\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "t.csv is empty"),
        ("\n\n", "t.csv is empty"),
        ("a,b,c\n", r"t.csv holds names of columns \(a, b, c\) and no row"),
        ("a,b,a\n" + GOOD, "columns 1 and 3 are both called 'a'"),
        ("a,b,c\n" + GOOD + "5,6\n", "t.csv, line 4: 2 cells; expected 3"),
        ("a,b,c\n\n" + GOOD + "5,6,0,9\n", "t.csv, line 5: 4 cells; expected 3"),
        ("a,b,c\n" + GOOD + "5,six,0\n", "t.csv, line 4, column 'b': 'six' is no number"),
        ("a,b,c\n" + GOOD + "5,1_0,0\n", "line 4, column 'b': '1_0' is no number"),
        ('a,b,c\n"1",2,0\n3,"5\n7",1\n', "line 3, column 'b': '5.n7' is no number"),
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
        ('a,b,c\n1,"2,0\n3,4,1\n', "t.csv, line 2: a quote is opened there and never closed"),
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
        ({"categorical": ["rooms"], "drop": ["rooms"]}, "column 'rooms' is categorical and dropped"),
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
    with pytest.raises(DataError, match="more than 100 different texts, .* are in 'id', such as n0, n1, n2"):
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


@pytest.mark.parametrize("row", ['1, "2", 2', "   ", '3,"5\n",1'])
def test_what_pyarrow_does_not_read_is_read_row_by_row(row: str, tmp_path: Path) -> None:
    """From where it stopped: some rows come from the one reader, the rest from the other."""
    above, below = ("".join(f"{i},{i % 7},{i % 3}\n" for i in rows) for rows in (range(200_000), range(300)))
    expected = table_of(tmp_path, "a,b,c\n" + above + row.translate(str.maketrans("", "", ' "\n')) + "\n" + below)
    found = table_of(tmp_path, "a,b,c\n" + above + row + "\n" + below)
    np.testing.assert_array_equal(found.x, expected.x)
    np.testing.assert_array_equal(found.y, expected.y)


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


@pytest.mark.parametrize("missing", ["NA", "  ", "null"])
def test_a_missing_label_is_no_class(missing: str, tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text(f"a,label\n1,yes\n2,no\n3,{missing}\n4,yes\n5,no\n")
    with pytest.raises(DataError, match="line 4, column 'label': .*nothing"):
        read(open_source(str(file)))


def test_whole_numbers_of_classes_keep_all_their_digits(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("a,label\n" + "".join(f"{i},{1234567890123456 + 2 * (i % 2)}\n" for i in range(8)))
    table = read(open_source(str(file)))
    assert table.target.classes == ("1234567890123456", "1234567890123458")
    assert set(read_as(open_source(str(file)), table.columns, table.target).y) == {0, 1}


def test_classes_beyond_what_is_exact_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("a,label\n" + "".join(f"{i},{2**60 + i % 2 * 1024}\n" for i in range(8)))
    with pytest.raises(DataError, match=r"beyond 2\^53"):
        read(open_source(str(file)))
