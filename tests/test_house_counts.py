"""tests/house.py: counts of a made-up package are those that it was made with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from house import Counts, circles, counted, main, module_arrows, mutual_pairs, room_arrows
from sources import Sources

# Arrows: one each way between layers and tape, one of two imports from the top level, one of a room inside a room.
MADE_UP = {
    "__init__.py": "from fastnn.tape import walk\n",
    "loose.py": "import numpy\n\nfrom .tape.walk import forward\n",
    "layers/__init__.py": "",
    "layers/dense.py": "'''Dense.'''\n\nfrom . import norm\nfrom ..tape import walk\n\n\n",
    "layers/norm.py": "",
    "tape/__init__.py": "",
    "tape/walk.py": "def forward():\n    from fastnn.layers.norm import Norm\n",
    "tape/deep/rows.py": "import fastnn.loose\n\nif TYPE_CHECKING:\n    import fastnn\n",
}


def made_up(checkout: Path, **changed: str) -> Sources:
    """A checkout of that package; some of its files with other text."""
    for name, text in (MADE_UP | changed).items():
        path = checkout / "fastnn" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Sources.read(checkout / "fastnn")


def test_arrows_are_pairs_of_rooms_in_the_direction_of_the_import(tmp_path: Path) -> None:
    assert room_arrows(made_up(tmp_path)) == {
        "fastnn": {"fastnn.tape"},
        "fastnn.layers": {"fastnn.tape"},
        "fastnn.tape": {"fastnn.layers"},
        "fastnn.tape.deep": {"fastnn"},
    }


def test_everything_is_counted(tmp_path: Path) -> None:
    assert counted(made_up(tmp_path)) == Counts(
        files=8,
        rooms=4,
        arrows=4,
        room_circles=1,
        rooms_in_circles=2,
        mutual_pairs=1,
        module_circles=0,
        median_file_lines=1.5,
        largest_file_lines=6,
        largest_file="fastnn.layers.dense",
        largest_room_files=3,
        largest_room="fastnn.layers",
    )


def test_modules_that_import_each_other_are_a_circle(tmp_path: Path) -> None:
    sources = made_up(tmp_path, **{"layers/norm.py": "import fastnn.tape.walk\n"})
    assert circles(module_arrows(sources)) == [["fastnn.layers.norm", "fastnn.tape.walk"]]
    assert counted(sources).module_circles == 1


def test_a_circle_is_found_however_long_it_is_and_what_leads_to_it_is_not_of_it() -> None:
    arrows = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "before": {"a"}, "d": {"e"}, "e": {"d", "after"}, "after": set()}
    assert circles(arrows) == [["a", "b", "c"], ["d", "e"]]
    assert mutual_pairs(arrows) == [("d", "e")]


def test_checkouts_stand_side_by_side(tmp_path: Path) -> None:
    before, after, file = tmp_path / "before", tmp_path / "after", tmp_path / "house.json"
    made_up(before)
    made_up(after, **{"tape/walk.py": ""})
    result = CliRunner().invoke(main, ["--package", str(before), "--package", str(after), "--json", str(file)])
    assert result.exit_code == 0, result.output
    rows = result.stdout.splitlines()
    assert len({len(row) for row in rows}) == 1
    assert [row.split()[-2:] for row in rows if row.startswith("arrows")] == [["4", "3"]]
    counts = json.loads(file.read_text())
    assert [counts[str(checkout)]["room_circles"] for checkout in (before, after)] == [1, 0]


def test_without_a_package_this_checkout_is_counted() -> None:
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].strip() == "this checkout"


@pytest.mark.parametrize("inside", ["", "fastnn"])
def test_a_folder_without_the_package_is_refused(tmp_path: Path, inside: str) -> None:
    (tmp_path / inside).mkdir(exist_ok=True)
    result = CliRunner().invoke(main, ["--package", str(tmp_path)])
    assert result.exit_code == 2
    assert "a checkout holds fastnn/__init__.py" in result.stderr
