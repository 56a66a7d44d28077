"""The page of own rows: what a file becomes, and a training on it. In a browser: test_play_plane_page.py."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import needs
import numpy as np
import pytest
from sessions import Heard

import fastnn
from fastnn.play.lessons.rows import rows_of
from fastnn.play.session.fields import Refused

needs.package("pyarrow")

RNG = np.random.default_rng(5)
POINTS = RNG.normal([[170, 60]], [[10, 8]], (300, 2)).round(1)
NAMES = np.where(POINTS[:, 1] > 60 + 0.5 * (POINTS[:, 0] - 170), "heavy", "light")
LINES = [f"{height},{weight},{name}" for (height, weight), name in zip(POINTS, NAMES, strict=True)]
CSV = "\n".join(["height,weight,build", *LINES]).encode()


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard("plane")
    yield made
    made.session.take(None)


def test_rows_are_standardised_and_come_back_as_they_were() -> None:
    rows = rows_of(CSV)
    assert (rows.columns, rows.classes) == (("height", "weight"), ("heavy", "light"))
    # The origins and scales are those of all rows; x is rounded to float32.
    np.testing.assert_allclose(np.sort(rows.as_given(rows.x)[:, 0]), np.sort(POINTS[:, 0]), rtol=1e-6)
    np.testing.assert_allclose(rows.x[:-60].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(rows.x[:-60].std(axis=0), 1, atol=1e-5)
    assert np.bincount(rows.y).tolist() == [int(np.count_nonzero(name == NAMES)) for name in rows.classes]
    # No class comes last, as it does in many a file: the last fifth is held out.
    by_class = sorted(LINES, key=lambda line: line.rpartition(",")[2])
    assert set(rows_of("\n".join(["height,weight,build", *by_class]).encode()).y[-60:]) == {0, 1}


def test_a_training_on_a_file_is_that_of_fit_to_the_byte(heard: Heard, tmp_path: Path) -> None:
    heard.do("give", content=CSV)
    heard.wait(lambda found: isinstance(found, dict) and found.get("words", {}).get("title") == "300 rows of your file")
    heard.do("train", until=8 * 10)
    heard.word("paused")
    rows, network = rows_of(CSV), fastnn.mlp(2, 8, 8, 2, activation="tanh", seed=0)
    network.fit(rows.x[:-60], rows.y[:-60], epochs=10, batch=32, optimizer=fastnn.Adam(0.01), seed=0)
    network.save(tmp_path / "fitted.safetensors")
    assert heard.file("safetensors") == (tmp_path / "fitted.safetensors").read_bytes()
    frame = heard.frame()
    assert frame["confusion"].sum() == 60
    assert np.trace(frame["confusion"].reshape(2, 2)) == round(60 * network.accuracy(rows.x[-60:], rows.y[-60:]))
    assert frame["classes"].size == frame["sure"].size == 48 * 48
    assert ((frame["sure"] >= 0.5) & (frame["sure"] <= 1)).all()


def test_a_map_is_what_the_network_says_there(heard: Heard) -> None:
    """Its corners: of a network whose last layer says one class alone below a line."""
    heard.do("set", settings={"hidden": "none"})
    for index, value in enumerate((0, 0, 10, -10, 0, 0)):  # weights (2, 2), then biases: up is class 0
        heard.do("put", index=index, value=value)
    classes = heard.frame()["classes"].reshape(48, 48)
    assert (classes[0] == 1).all()
    assert (classes[-1] == 0).all()


def test_no_program_and_no_link_holds_a_file(heard: Heard) -> None:
    assert heard.word("settings")["file"] is None
    heard.do("give", content=CSV)
    heard.do("save", form="py")
    assert "there is none for these settings" in heard.word("refused")["told"]
    heard.delivered.clear()
    heard.do("set", settings={"file": "rows.csv"})
    assert heard.word("refused")["told"] == "file is 'rows.csv'; expected null, or a file that is dropped on the page"
    heard.delivered.clear()
    heard.do("set", settings={"file": None})
    assert "spirals" in heard.word("words")["title"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"x,y,label\n" + b"1,2,a\n" * 8 + b"1,oops,b\n2,3,b\n", "line 10, column 'y': 'oops' is no number"),
        (b"x,y,label\n1,2,a\n3,1\n", "line 3: 2 cells; expected 3"),
        (b"x,y,label\n" + b"1,2,a\n1,,b\n" * 6, "line 3, column 'y': no number"),
        (b"x,y,label\n" + b"1e400,2,a\n3,1,b\n" * 6, "line 2, column 'x': '1e400' is not finite"),
        (b"a,b,c,label\n" + b"1,2,3,x\n4,5,6,y\n" * 6, "has a, b, c beside the label label"),
        (b"a,b,label\n" + b"u,2,x\nv,5,y\n" * 6, "has a, b beside the label label"),
        (b"a,b,label\n1,2,x\n3,4,x\n5,6,y\n7,8,y\n", "has 4 rows; expected 10 to 100,000"),
        (b"a,b,label\n" + b"".join(b"1,2,%d\n" % (each % 8) for each in range(40)), "has 8 labels in label"),
        (b"a,b,label\n" + b"1,2,x\n" * 20, "one class only"),
        (b"", "is empty"), (b"\x1f\x8b\x08" + bytes(80), "not UTF-8"), (b"\x00" * 99, "no row"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_these_is_refused_by_line_and_column(content: bytes, told: str, heard: Heard) -> None:
    with pytest.raises(Refused) as error:
        rows_of(content)
    assert str(error.value).startswith("file ")
    assert told in str(error.value)
    assert "/" not in str(error.value)
    heard.do("give", content=content)
    assert told in heard.word("refused")["told"]
    heard.do("step")
    assert heard.frame()["numbers"].size


def test_a_label_is_the_column_of_that_name_or_the_last() -> None:
    first = rows_of(b"label,x,y\n" + b"a,1,2\nb,3,1\n" * 6)
    last = rows_of(b"1,2,0\n3,1,1\n" * 6)
    assert (first.columns, first.classes) == (("x", "y"), ("a", "b"))
    assert last.classes == ("0", "1")


def test_random_bytes_are_taken_or_refused() -> None:
    rng, taken = random.Random(0), 0
    for _ in range(400):
        letters = [*CSV[: CSV.rindex(b"\n", 0, 400)]]
        for _ in range(rng.randrange(6)):
            letters[rng.randrange(len(letters))] = rng.randrange(256)
        try:
            rows_of(bytes(letters))
        except Refused:
            continue
        taken += 1
    assert 0 < taken < 400


def test_without_pyarrow_the_extra_is_named(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr("fastnn.tables.errors.find_spec", lambda name: None)
    heard.do("give", content=CSV)
    assert "pip install 'fastnn[tables]'" in heard.word("refused")["told"]


def test_a_page_that_takes_none_refuses_a_file() -> None:
    other = Heard("spam")
    other.do("give", content=CSV)
    assert other.word("refused")["told"] == "file is nothing that this page takes"
    other.session.take(None)
