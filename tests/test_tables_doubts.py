"""Tables that read wrong without a word before: what may be meant in two ways, or changes far below its first rows."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_files import ROWS, assert_rows, csv_of, rows_of, table_of

import fastnn.tables
from fastnn.tables import DataError, batches, open_source, read, read_as


@pytest.mark.parametrize("missing", [None, "mean"])
def test_a_delimiter_at_the_end_of_rows_alone_shifts_nothing(missing: str | None, tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{i},{i + 10},{i % 2},\n" for i in range(8))
    table = table_of(tmp_path, text, missing=missing)
    np.testing.assert_array_equal(table.x, [[i, i + 10] for i in range(8)])
    assert "a last column that is empty left out" in table.told


@pytest.mark.parametrize("header", ["a,b,y,\n", ""])
def test_a_last_column_that_is_not_empty_in_the_end_is_refused(header: str, tmp_path: Path) -> None:
    text = header + "".join(f"{i}.5,{i},{i % 2},{'7' if i == 3000 else ''}\n" for i in range(3002))
    with pytest.raises(DataError, match=rf"line {3001 + bool(header)}: '7' in the last column"):
        table_of(tmp_path, text)


@pytest.mark.parametrize("null", ["-999", "-999.0"])
@pytest.mark.parametrize("apart", [",", ", ", " ,"])
def test_what_stands_for_nothing_does_however_it_is_written(null: str, apart: str, tmp_path: Path) -> None:
    text = "\n".join(
        apart.join(row) for row in [["a", "b", "y"], *([f"{i}", ["5", "-999"][i % 2], f"{i % 3}"] for i in range(9))]
    )
    table = read(open_source(csv_of(tmp_path, text), null=null), missing="mean")
    np.testing.assert_array_equal(np.isnan(table.x[:, 1]), [bool(i % 2) for i in range(9)])


@pytest.mark.parametrize(
    ("text", "how", "told"),
    [
        ('g,v,y\n"1,2",3.5,0\n"1,3",4.5,1\n"1,2",3.5,0\n"1,3",4.5,1\n', {}, "'3.5', while '1,2' has a decimal comma"),
        (
            "a;v;y\n1,5;3.5;0\n2,5;4.5;1\n1,5;3.5;0\n2,5;4.5;1\n",
            {"decimal": ","},
            "'v': '3.5' is a number, but not with decimal ','",
        ),
        (
            "a;v;y\n1,5;n.a.;0\n2,5;4,5;1\n3,5;3,5;0\n4,5;3,5;1\n",
            {},
            "column 'v': a number, '4,5', and the column begins with text",
        ),
        ("a;v;y\n1.234,5;0.123;0\n2.234,5;0.223;1\n1.234,5;0.123;0\n2.234,5;0.2;1\n", {}, "column 'v'|'0.123'"),
        ("a;v;y\n1;1'234.50;0\n2;2'234.50;1\n1;1'234.50;0\n2;2'234.50;1\n", {}, r"'v': .*thousands \(thousands\)"),
        ("a;v;y\n1;1 234;0\n2;2 234;1\n1;1 234;0\n2;2 234;1\n", {}, r"'v': .*thousands \(thousands\)"),
        (
            "a;v;y\n1;1 kg;0\n2;500 g;1\n1;3 kg;0\n2;4 kg;1\n",
            {"units": ("kg", "g")},
            "'v': numbers of different units, g, kg",
        ),
        ("a;v;y\n1;50%;0\n2;0.5;1\n1;50%;0\n2;0.5;1\n", {"units": ("%",)}, "'v': numbers of different units"),
        (
            'a,y,c\n1,0,x\n2,1,z\n3,0,x\n4,1,z\n5,1,"x\n6,0,z\n7,1,z\n',
            {},
            "line 6: a quote is opened there and never closed",
        ),
        ("1,2\n3,4,5\n6,7,8\n1,2,5\n2,3,8\n", {"header": False}, "line 2: 3 cells; expected 2"),
        ("''\n''\n", {}, "no column beside"),
        ("a,b\n1,2\n", {"encoding": "rot13"}, "encoding is 'rot13'"),
        ("a,b\n1,2\n", {"encoding": "\0"}, "encoding is"),
    ],
)
def test_what_may_be_meant_in_two_ways_is_refused(text: str, how: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        read(open_source(csv_of(tmp_path, text), **how))


def test_an_unclosed_quote_far_above_the_end_is_found(tmp_path: Path) -> None:
    text = (
        "a,y,c\n"
        + "".join(f"{i},{i % 2},x\n" for i in range(90_000))
        + '1,1,"x\n'
        + "".join(f"{i},{i % 2},z\n" for i in range(3_000))
    )
    with pytest.raises(
        DataError, match="line 90002: a quote is opened there and never closed|line 90002: field larger"
    ):
        table_of(tmp_path, text, target="y")


@pytest.mark.parametrize("rows", [10, 300_000])
def test_quotes_behind_blanks_are_no_part_of_a_name(rows: int, tmp_path: Path) -> None:
    """Also behind the rows that are looked at."""
    text = "c,y\n" + "".join(f"{'x' if i % 3 else 'z'},{i % 2}\n" for i in range(rows)) + ' "x" ,0\n'
    assert table_of(tmp_path, text).columns[0].categories == ("x", "z")


def test_excels_word_on_the_delimiter_is_no_row(tmp_path: Path) -> None:
    assert_rows(table_of(tmp_path, "sep=;\nsize;rooms;kind\n" + rows_of(";")))


def test_decimal_commas_parted_by_blanks(tmp_path: Path) -> None:
    text = "".join(f"{a:.2f} {b},0 {c}\n".replace(".", ",") for a, b, c in ROWS)
    assert_rows(table_of(tmp_path, text), ("1", "2"))


def test_other_delimiters_than_ascii_are_read_row_by_row(tmp_path: Path) -> None:
    assert_rows(read(open_source(csv_of(tmp_path, "size§rooms§kind\n" + rows_of("§")), delimiter="§")))


def test_the_origin_is_of_all_rows(tmp_path: Path) -> None:
    values = [2_000_000.0] * 200_000 + [i % 7 * 0.001 for i in range(200_000)]
    text = "v,y\n" + "".join(f"{value!r},{i % 2}\n" for i, value in enumerate(values))
    table = table_of(tmp_path, text)
    assert table.columns[0].origin == 0
    np.testing.assert_array_equal(table.x[:, 0], np.array(values, np.float32))


def test_classes_that_differ_in_spelling_are_told(tmp_path: Path) -> None:
    assert "'No' and 'no'" in table_of(tmp_path, "a,y\n1,No\n2,no\n3,No\n4,no\n").told


def test_empty_rows_of_a_single_column_keep_their_place(tmp_path: Path) -> None:
    columns = (fastnn.tables.Column("a"),)
    source = open_source(csv_of(tmp_path, 'a\n1\n""\n3\n'))
    assert [len(x) for x in batches(source, columns, missing="mean")] == [3]
    with pytest.raises(DataError, match="line 3, column 'a': no number"):
        list(batches(source, columns))


@pytest.mark.parametrize("content", [b"(((", b"not an array"])
def test_npz_files_of_something_else_are_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "t.npz"
    np.savez(file, x=np.zeros((2, 2)))
    with zipfile.ZipFile(file) as archive:
        header = archive.read("x.npy")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", header.replace(b"(2, 2)", b"(((   ") if content == b"(((" else content)
    with pytest.raises(DataError, match="t.npz"):
        open_source(file)
    np.savez(file, x=np.zeros((2, 2)), X=np.zeros((2, 2)))
    with pytest.raises(DataError, match="expected one x and one y"):
        open_source(file)


def test_what_a_model_keeps_of_numbers_holds_for_new_tables(tmp_path: Path) -> None:
    rows = "".join(f"1.{i:03},56;{i % 2}\n" for i in range(10, 40))
    source = open_source(csv_of(tmp_path, "a;y\n" + rows))
    table = read(source)
    again = read_as(open_source(csv_of(tmp_path, "a;y\n1.234;0\n1.235;1\n"), table.form), table.columns, table.target)
    np.testing.assert_allclose(again.x[:, 0].astype(float) + table.columns[0].origin, [1234, 1235])
    np.savez(tmp_path / "t.npz", x=np.ones((3, 1)), y=[0, 1, 0])
    assert open_source(tmp_path / "t.npz", table.form).rows == 3  # of text alone
