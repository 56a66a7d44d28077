"""Tables that nobody prepared, from the file as it lies; see real/README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fastnn.tables import DataError, open_source, read
from fastnn.train.settings import Settings
from fastnn.train.training import Training

FOLDER = Path(__file__).parent / "real"


@pytest.mark.parametrize(
    ("name", "options", "rows", "told", "least"),
    [
        ("penguins.csv", {"target": "species", "missing": "drop"}, 333, "2 of bill_length_mm", 0.95),
        ("penguins.csv", {"target": "species", "missing": "median"}, 344, "11 of sex", 0.95),
        ("anes96.csv", {}, 944, "columns parted by tabs; quotes '", 0.85),
        ("seattle-weather.csv", {"target": "weather", "drop": ["date"]}, 1461, "names in line 1", 0.55),
    ],
)
def test_a_table_as_it_lies_is_trained_on(
    name: str, options: dict[str, Any], rows: int, told: str, least: float
) -> None:
    table = read(open_source(FOLDER / name), **options)
    assert len(table) == rows
    assert told in table.told
    training = Training(table, Settings(epochs=15))
    for _ in training:
        pass
    training.finish()
    assert training.scores()["test"]["accuracy"] >= least


def test_what_they_lack_is_refused_with_the_option_that_reads_it() -> None:
    with pytest.raises(DataError, match=r"penguins.csv, line 5, column 'sex': 'NA' may be a name .*\(missing\)"):
        read(open_source(FOLDER / "penguins.csv"), target="species")
    with pytest.raises(DataError, match=r"'date', such as 2012/01/01.*Leave out \(drop\) date"):
        read(open_source(FOLDER / "seattle-weather.csv"), target="weather")
