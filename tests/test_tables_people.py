"""Tables as people have them: what can be known is read right and said, what cannot is refused by its place and by the
option that reads it."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from table_files import ROWS, X, assert_rows, csv_of, rows_of, table_of

from fastnn.tables import DataError, open_source, read, read_as


@pytest.mark.parametrize("before", ["", "\n", "\r\n\r\n", "  \n", "\ufeff", "\ufeff\n"])
@pytest.mark.parametrize("apart", [",", ";", "\t", "|", " ", ", ", "   ", " ; "])
def test_lines_before_the_names_and_what_parts_columns(before: str, apart: str, tmp_path: Path) -> None:
    assert_rows(table_of(tmp_path, before + apart.join(["size", "rooms", "kind"]) + "\n" + rows_of(apart)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_of_other_programs(encoding: str, end: str, tmp_path: Path) -> None:
    text = f"größe,räume,art{end}" + rows_of(",", end)
    assert_rows(table_of(tmp_path, text.encode(encoding)), ("größe", "räume"))


def test_an_encoding_can_be_told_and_is_asked_for(tmp_path: Path) -> None:
    text = ("größe,rooms,kind\n" + rows_of(",")).encode("latin-1")
    assert_rows(read(open_source(csv_of(tmp_path, text), encoding="latin-1")), ("größe", "rooms"))
    with pytest.raises(DataError, match=r"t.csv, line 1, column 1: not UTF-8; .*\(encoding\)"):
        table_of(tmp_path, text)
    with pytest.raises(DataError, match="line 3, column 'kind': not UTF-8"):
        table_of(tmp_path, "size,kind\n1,a\n2,ü\n3,ü\n4,a\n".encode("cp1252"))
    with pytest.raises(DataError, match="encoding is 'latin-99'; expected one such as"):
        open_source(csv_of(tmp_path, text), encoding="latin-99")
    with pytest.raises(DataError, match="not ascii"):
        read(open_source(csv_of(tmp_path, text), encoding="ascii"))


@pytest.mark.parametrize("header", ["size;rooms;kind\n", ""])
def test_decimal_commas(header: str, tmp_path: Path) -> None:
    text = header + "".join(f"{a:.2f};{b};{c}\n".replace(".", ",") for a, b, c in ROWS)
    table = table_of(tmp_path, text)
    assert_rows(table, ("size", "rooms") if header else ("1", "2"))
    assert "decimal ','" in table.told


@pytest.mark.parametrize(
    ("cells", "how", "value"),
    [
        (['"1,234.5"', '"12,000.0"'], {}, 1234.5),
        (['"1,234,567"', '"2,000,000"'], {}, 1234567),
        (["1.234,5", "12.000,0"], {"delimiter": ";"}, 1234.5),
        (['"1,234"', '"12,000"'], {"thousands": ","}, 1234),
        (['"1,234"', '"12,000"'], {"decimal": ","}, 1.234),
        (["1'234.5", "12'000.5"], {"thousands": "'"}, 1234.5),
        (["1\u00a0234", "12\u00a0000"], {"thousands": "\u00a0"}, 1234),
        (["$5.50", "$12"], {"units": ("$",)}, 5.5),
        (["45%", "50 %"], {"units": ("%",)}, 45),
        (["45 kg", "-3e1 kg"], {"units": ("kg",)}, 45),
        (["0045", "7"], {"categorical": ()}, None),
        (["-1.5E+1", "+2"], {}, -15),
    ],
)
def test_numbers_as_people_write_them(
    cells: list[str], how: dict[str, Any], value: float | None, tmp_path: Path
) -> None:
    apart, how = how.get("delimiter", ","), {name: told for name, told in how.items() if told != ()}
    text = f"n{apart}y\n" + "".join(f"{cells[i % 2]}{apart}{i % 2}\n" for i in range(8))
    table = read(open_source(csv_of(tmp_path, text), **how))
    if value is None:
        assert table.columns[0].categories == tuple(cells)
    else:
        np.testing.assert_allclose(table.x[0, 0] + table.columns[0].origin, value, rtol=1e-6)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (['"1,234"', '"5,678"'], r"line 2, column 1: '1,234', which may be read in two ways; say decimal .* thousands"),
        (['"1,5"', '"1,234.5"'], r"column 1: '1,234.5', while '1,5' has a decimal comma"),
        (["12 kg", "13 kg"], r"column 'n': '12 kg' .*unit \(?'?.*kg.*categorical"),
        (["45%", "7%"], "look like numbers with a unit"),
        (["$5", "$7.5"], "look like numbers with a unit"),
        (["1", "C85"], r"line 3, column 'n': 'C85' is no number, .*\(categorical\).*\(null\)"),
        (["1", ""], r"line 3, column 'n': no number \(''\); .*\(missing\)"),
        (
            ["u", "NA"],
            r"line 3, column 'n': 'NA' may be a name \(categorical\) or stand for nothing;.*\(missing\)",
        ),
    ],
)
def test_numbers_that_may_be_something_else_are_refused(cells: list[str], told: str, tmp_path: Path) -> None:
    text = "n,y\n" + "".join(f"{cells[i % 2]},{i % 2}\n" for i in range(8))
    with pytest.raises(DataError, match=told):
        table_of(tmp_path, text)


def test_a_decimal_comma_does_not_hide_a_point(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 4, column 1: '2.5', while '1,5' has a decimal comma; say decimal"):
        table_of(tmp_path, "a;y\n1,5;0\n3,5;1\n2.5;0\n4,5;1\n")


@pytest.mark.parametrize("option", ["decimal", "thousands", "units"])
def test_marks_that_cannot_be_are_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=option[:4]):
        open_source(csv_of(tmp_path, "a,y\n1,0\n"), **{option: ("",) if option == "units" else "x"})
    with pytest.raises(DataError, match="both ','"):
        open_source(csv_of(tmp_path, "a,y\n1,0\n"), decimal=",", thousands=",")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("country,2010,2011\nChad,3.5,1\nMali,4.1,0\n", ("country", "2010")),
        ("2010,2011,2012\nu,v,0\nv,v,1\n", ("2010", "2011")),
        ("5.1,3.5,a\n4.9,3.0,b\n", None),
        ("a,5,3\nb,4,2\na,7,3\nb,1,2\n", None),
        ("M,0.4,15\nF,0.3,7\nM,0.5,9\nF,0.1,15\n", None),
        ("?,35,2\n3,17,9\n4,9,2\n5,9,9\n", None),
        ("7,35,2\n3,17,9\n4,9,2\n5,9,9\n", None),
    ],
)
def test_the_line_of_names_is_found(text: str, names: tuple[str, ...] | None, tmp_path: Path) -> None:
    source = open_source(csv_of(tmp_path, text))
    assert source.columns[:2] == (names or ("1", "2"))
    assert source.told.startswith("names in line 1" if names else "no line of names")


@pytest.mark.parametrize(
    "text",
    [
        pandas.DataFrame({"size": X[:, 0], "rooms": X[:, 1], "kind": list("abab")}).to_csv(),
        '"","size","rooms","kind"\n' + "".join(f'"{i}",{a},{b},"{c}"\n' for i, (a, b, c) in enumerate(ROWS, 1)),
        '"size" "rooms" "kind"\n' + "".join(f'"row {i}" {a} {b} "{c}"\n' for i, (a, b, c) in enumerate(ROWS)),
        "Unnamed: 0,size,rooms,kind\n" + "".join(f"{i},{a},{b},{c}\n" for i, (a, b, c) in enumerate(ROWS)),
        "rownames,size,rooms,kind\n" + "".join(f"{i},{a},{b},{c}\n" for i, (a, b, c) in enumerate(ROWS, 1)),
        "size,rooms,kind,\n" + "".join(f"{a},{b},{c},\n" for a, b, c in ROWS),
    ],
    ids=["pandas", "write.csv", "write.table", "pandas twice", "Rdatasets", "delimiter at the end"],
)
def test_what_numbers_the_rows_is_no_data(text: str, tmp_path: Path) -> None:
    table = table_of(tmp_path, text)
    assert_rows(table)
    assert "left out" in table.told


def test_a_column_without_a_name_can_be_dropped(tmp_path: Path) -> None:
    text = "size,,kind\n" + rows_of(",")
    assert [column.name for column in table_of(tmp_path, text).columns] == ["size", "column 2"]
    assert [column.name for column in table_of(tmp_path, text, drop=["column 2"]).columns] == ["size"]


@pytest.mark.parametrize("index", [None, "kept", "twice"])
def test_the_index_of_a_pandas_parquet_file_is_no_data(index: str | None, tmp_path: Path) -> None:
    frame = pandas.DataFrame({"size": X[:, 0], "rooms": X[:, 1], "kind": list("abab")})
    frame = frame[[True] * 4] if index is None else frame.set_index(pandas.Index([7, 5, 3, 1], name=index))
    frame.to_parquet(tmp_path / "t.parquet", index=True)
    assert_rows(read(open_source(tmp_path / "t.parquet")))


def test_whole_numbers_that_pandas_calls_categories_are_names(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"code": pandas.Categorical([7, 3, 7, 3]), "y": pandas.Categorical([1, 0, 1, 0])})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read(open_source(tmp_path / "t.parquet"))
    assert table.columns[0].categories == ("3", "7")
    assert (table.target.classes, table.y.tolist()) == (("0", "1"), [1, 0, 1, 0])


def test_codes_keep_their_zeros(tmp_path: Path) -> None:
    text = "zip,y\n" + "".join(f"{code},{label}\n" for code, label in [("01067", "007"), ("10115", "008")] * 3)
    table = table_of(tmp_path, text)
    assert table.columns[0].categories == ("01067", "10115")
    assert table.target.classes == ("007", "008")
    again = read_as(open_source(csv_of(tmp_path, "y,zip\n008,10115\n")), table.columns, table.target)
    assert (again.x.tolist(), again.y.tolist()) == ([[0, 1]], [1])


def test_blanks_around_names_are_no_part_of_them(tmp_path: Path) -> None:
    text = (
        "work, sex, y\n Private, Male, <=50K\nSelf , Female, >50K\n" * 1 + " Private,Female, <=50K\nSelf, Male, >50K\n"
    )
    table = table_of(tmp_path, text)
    assert [column.categories for column in table.columns] == [("Private", "Self"), ("Female", "Male")]
    assert table.target.classes == ("<=50K", ">50K")
    quoted = table_of(tmp_path, text.replace(" Male", ' "Male, old"'))
    assert quoted.columns[1].categories == ("Female", "Male, old")


def test_names_that_differ_in_spelling_are_told(tmp_path: Path) -> None:
    table = table_of(tmp_path, "town,y\nBern,0\nbern,1\nOslo,0\nBern,1\n")
    assert "'Bern' and 'bern'" in table.told


# What is missing --------------------------------------------------------------------------------------------------

GAPS = "a,town,y\n1,Bern,0\nNA,Oslo,1\n3,,0\n8,Bern,1\n5,Oslo,\n9,Bern,1\n2,Oslo,0\n"


@pytest.mark.parametrize("rule", ["mean", "median", "drop"])
def test_missing_values_follow_a_rule(rule: str, tmp_path: Path) -> None:
    text = GAPS if rule == "drop" else GAPS.replace("5,Oslo,\n", "5,Oslo,0\n")
    table = table_of(tmp_path, text, missing=rule)
    if rule == "drop":
        assert table.x.tolist() == [[1, 1, 0], [8, 1, 0], [9, 1, 0], [2, 0, 1]]
        assert table.y.tolist() == [0, 1, 1, 0]
        assert "missing: 1 of a, 1 of town, 1 of y, rows left out" in table.told
        return
    np.testing.assert_array_equal(table.x[:, 0], [1, np.nan, 3, 8, 5, 9, 2])
    assert table.x[2, 1:].tolist() == [0, 0]
    assert f"missing: 1 of a, 1 of town, numbers filled by the {rule}" in table.told
    assert table.rule == rule


def test_a_label_that_is_missing_is_never_filled(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 6, column 'y': no number \(''\); .*missing drop"):
        table_of(tmp_path, GAPS, missing="mean")


def test_faults_are_told_by_their_lines_where_rows_are_left_out(tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{'' if i % 3 == 0 else i},{0 if i < 20 else 1}\n" for i in range(20)) + "30,1\n"
    with pytest.raises(DataError, match="line 22, column 'y': '1' is the only row of its class"):
        table_of(tmp_path, text, missing="drop")
    with pytest.raises(DataError, match="no row is left where nothing is missing"):
        table_of(tmp_path, "a,b,y\n,1,0\n2,,1\n", missing="drop")


def test_what_stands_for_nothing_can_be_told(tmp_path: Path) -> None:
    text = "a,town,y\n1,NA,0\n-9,?,1\n3,NA,0\n4,Oslo,1\n5,Oslo,1\n"
    file = csv_of(tmp_path, text)
    table = read(open_source(file, null=("-9", "?")), missing="drop")
    assert table.columns[1].categories == ("NA", "Oslo")
    assert len(table) == 4


def test_na_among_capitals_is_a_name(tmp_path: Path) -> None:
    """Namibia, and North America."""
    text = "a,land,y\n1,NA,NA\n2,ZA,EU\n3,BW,EU\n4,NA,NA\n5,BW,AS\n6,ZA,AS\n"
    table = table_of(tmp_path, text)
    assert table.columns[1].categories == ("BW", "NA", "ZA")
    assert table.target.classes == ("AS", "EU", "NA")


def test_na_is_a_name_where_the_user_says_so(tmp_path: Path) -> None:
    text = "a,land,y\n1,NA,NA\n2,Chad,b\n3,Mali,b\n4,NA,NA\n"
    table = table_of(tmp_path, text, categorical=["land", "y"])
    assert table.columns[1].categories == ("Chad", "Mali", "NA")
    assert table.target.classes == ("NA", "b")


def test_a_column_is_of_what_stands_first_in_it(tmp_path: Path) -> None:
    """Not of what is missing there."""
    text = "fare,cabin,y\n,,0\n71.3,C85,1\n8,,0\n53.1,C123,1\n"
    table = table_of(tmp_path, text, missing="mean")
    assert table.columns[1].categories == ("C123", "C85")
    np.testing.assert_array_equal(np.isnan(table.x[:, 0]), [True, False, False, False])


# Far from 0 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [1.7e9, 20_240_000_000.0, 5_500_000.25, -1e12])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_far_from_0_lose_nothing(begin: float, dtype: str, tmp_path: Path) -> None:
    values = begin + np.arange(600.0)
    text = "t,y\n" + "".join(f"{value!r},{i % 2}\n" for i, value in enumerate(values.tolist()))
    table = table_of(tmp_path, text, dtype=dtype)
    np.testing.assert_array_equal(table.x[:, 0].astype(np.float64) + table.columns[0].origin, values)
    again = read_as(open_source(csv_of(tmp_path, text)), table.columns, table.target, dtype)
    np.testing.assert_array_equal(again.x, table.x)
    raw = table_of(tmp_path, text, dtype=dtype, centre=False)
    assert raw.columns[0].origin == 0
    np.testing.assert_array_equal(raw.x[:, 0], values.astype(dtype))


# Files that are no files ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_is_read_once(packed: bool, tmp_path: Path) -> None:
    content = ("size,rooms,kind\n" + rows_of(",")).encode()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(gzip.compress(content, mtime=0) if packed else content))
    writer.start()
    source = open_source(pipe)
    writer.join(10)
    assert not writer.is_alive()
    assert_rows(read(source))
    assert_rows(read(source))
    assert source.title == str(pipe)


@pytest.mark.parametrize("suffix", [".csv", ".txt", ".data", ""])
def test_other_names_and_packed_files_are_read(suffix: str, tmp_path: Path) -> None:
    content = ("size,rooms,kind\n" + rows_of(",")).encode()
    assert_rows(read(open_source(csv_of(tmp_path, content, f"t{suffix}"))))
    assert_rows(read(open_source(csv_of(tmp_path, gzip.compress(content, mtime=0), f"t{suffix}.gz"))))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.xlsx", b"PK\x03\x04", "is a spreadsheet; save its sheet as csv"),
        ("t.bin", b"\x7fELF\0\0\0\x01\x02\x03\0\0", "expected a table as text, .npz or .parquet"),
        ("t.csv.gz", gzip.compress(b"a,y\n1,0\n", mtime=0)[:-5], "cannot be unpacked"),
        ("t.gz", b"PAR1", "no parquet file"),
    ],
)
def test_other_files_are_refused(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        open_source(csv_of(tmp_path, content, name))


@pytest.mark.parametrize(
    ("above", "told"),
    [
        ("Houses of 2020\n\n", "1 line above left out"),
        ("4,2,a,b,c\n", "1 line above"),
        ("Houses\nof,2020,in,all,towns\n", "2 lines"),
    ],
)
def test_titles_above_a_table_are_left_out_and_told(above: str, told: str, tmp_path: Path) -> None:
    table = table_of(tmp_path, above + "size,rooms,kind\n" + rows_of(","))
    assert_rows(table)
    assert told in table.told


def test_names_of_another_number_than_cells_are_no_title(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: 3 cells; expected 5"):
        table_of(tmp_path, "a,b,c,d,e\n" + rows_of(","))


@pytest.mark.parametrize("apart", [",", "\t"])
def test_single_quotes(apart: str, tmp_path: Path) -> None:
    text = (
        apart.join(["'size'", "'rooms'", "'kind'"]) + "\n" + "".join(f"{a}{apart}{b}{apart}'{c}'\n" for a, b, c in ROWS)
    )
    table = table_of(tmp_path, text)
    assert_rows(table)
    assert "quotes '" in table.told


def test_all_columns_of_many_names_are_told_at_once(tmp_path: Path) -> None:
    text = "id,day,n,y\n" + "".join(f"a{i},d{i},{i},{i % 2}\n" for i in range(120))
    with pytest.raises(DataError, match=r"'id', such as a0, a1, a2; 'day', such as .*\. Leave out \(drop\) id, day$"):
        table_of(tmp_path, text)
