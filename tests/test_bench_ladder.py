"""The ladder: names, sizes, parameters, selection."""

from __future__ import annotations

import pytest

from fastnn.bench.ladder import LADDER, name_of, parse, select

# Parameters as published in the contract of the benchmark.
PUBLISHED = {
    "3-4-2": 26, "3-4-4-2": 46, "64-16-10": 1210, "64-128-10": 9610, "784-128-10": 101_770, "784-512-512-10": 669_706,
}  # fmt: skip
ROUNDED = {"784-1024x3-10": 2.9e6, "784-2048x3-10": 10.0e6, "784-6944x3-10": 102e6}


def test_rungs_have_the_published_parameters() -> None:
    assert [rung.name for rung in LADDER] == [*PUBLISHED, *ROUNDED]
    for rung in LADDER:
        if rung.name in PUBLISHED:
            assert rung.params == PUBLISHED[rung.name]
        else:
            assert rung.params == pytest.approx(ROUNDED[rung.name], rel=0.01)


def test_the_last_rung_asks_for_more_parameters() -> None:
    assert select() == list(LADDER[:-1])
    assert select(max_parameters=1e8) == list(LADDER)
    assert [rung.name for rung in select(max_parameters=1000)] == ["3-4-2", "3-4-4-2"]


def test_names_and_sizes_are_each_others_inverse() -> None:
    for sizes in ((3, 2), (64, 64, 64, 64), (784, 1024, 1024, 1024, 10), (5, 5, 5), (2, 16, 16, 1)):
        assert parse(name_of(sizes)).sizes == sizes
    assert parse("784-1024x3-10").sizes == (784, 1024, 1024, 1024, 10)


@pytest.mark.parametrize("text", ["", "3", "3-", "3-0-2", "3-4x0-2", "3--2", "a-b", "3-4.5-2", "-3-4", "3x2"])
def test_what_is_no_network_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 3-4-2"):
        parse(text)


def test_named_sizes_are_taken_whatever_their_size_unless_a_limit_is_given() -> None:
    assert select(["784-6944x3-10"])[0].params > 1e8
    assert [rung.name for rung in select(["3-4-2", "64-128-10"], 100)] == ["3-4-2"]
    with pytest.raises(ValueError, match="the smallest, 3-4-2, has 26"):
        select(["3-4-2", "64-128-10"], 10)
