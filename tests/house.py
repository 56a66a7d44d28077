"""The house in numbers: its rooms, the arrows and circles between them, and how large files and rooms are.

    python tests/house.py [--package FOLDER]... [--json FILE]

A room is a folder with Python files; the loose modules of the top level are one room, `fastnn`. An arrow goes from a
room to another that it imports from, once however many imports there are; those inside functions and those for type
checkers count, those by a name in a string do not. Rooms or modules that all reach each other are one circle.
--package names a checkout, and may be given several times: before and after stand side by side.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from sources import Sources

Arrows = Mapping[str, set[str]]


def module_arrows(sources: Sources) -> dict[str, set[str]]:
    """By module, the others of the package that it imports."""
    return {name: (sources.imports(name) & set(sources.paths)) - {name} for name in sources.paths}


def room_arrows(sources: Sources) -> dict[str, set[str]]:
    """By room, the others that one of its modules imports from."""
    arrows: dict[str, set[str]] = {sources.room(name): set() for name in sources.paths}
    for name, imported in module_arrows(sources).items():
        arrows[sources.room(name)] |= {sources.room(other) for other in imported} - {sources.room(name)}
    return arrows


def room_files(sources: Sources) -> Counter[str]:
    """By room, the Python files that stand in it; those in rooms inside it are not its own."""
    return Counter(sources.room(name) for name in sources.paths)


def reached(arrows: Arrows, start: str) -> set[str]:
    """What a path of one arrow or more leads to."""
    found: set[str] = set()
    ahead = [*arrows[start]]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += arrows[name]
    return found


def circles(arrows: Arrows) -> list[list[str]]:
    """Groups that all reach each other, as large as they can be, each sorted."""
    reach = {name: reached(arrows, name) for name in arrows}
    groups = {tuple(sorted(other for other in reach[name] if name in reach[other])) for name in arrows}
    return [[*group] for group in sorted(groups) if group]


def mutual_pairs(arrows: Arrows) -> list[tuple[str, str]]:
    """Pairs with an arrow each way."""
    return sorted((name, other) for name in arrows for other in arrows[name] if name < other and name in arrows[other])


@dataclass(frozen=True)
class Counts:
    """What is counted of one checkout."""

    files: int
    rooms: int
    arrows: int
    room_circles: int
    rooms_in_circles: int
    mutual_pairs: int
    module_circles: int
    median_file_lines: float
    largest_file_lines: int
    largest_file: str
    largest_room_files: int
    largest_room: str


def counted(sources: Sources) -> Counts:
    between_rooms = room_arrows(sources)
    room_circles = circles(between_rooms)
    lines = {name: sources.lines(name) for name in sources.paths}
    files = room_files(sources)
    largest_file, largest_room = max(lines, key=lines.__getitem__), max(files, key=files.__getitem__)
    return Counts(
        files=len(lines),
        rooms=len(between_rooms),
        arrows=sum(map(len, between_rooms.values())),
        room_circles=len(room_circles),
        rooms_in_circles=sum(map(len, room_circles)),
        mutual_pairs=len(mutual_pairs(between_rooms)),
        module_circles=len(circles(module_arrows(sources))),
        median_file_lines=statistics.median(lines.values()),
        largest_file_lines=lines[largest_file],
        largest_file=largest_file,
        largest_room_files=files[largest_room],
        largest_room=largest_room,
    )


LABELS = {
    "files": "files",
    "rooms": "rooms",
    "arrows": "arrows between rooms",
    "room_circles": "circles between rooms",
    "rooms_in_circles": "rooms in circles",
    "mutual_pairs": "pairs of rooms that import each other",
    "module_circles": "circles between modules",
    "median_file_lines": "median file, lines",
    "largest_file_lines": "largest file, lines",
    "largest_file": "which",
    "largest_room_files": "largest room, files",
    "largest_room": "which",
}


def table(columns: Mapping[str, Counts]) -> str:
    """One row a count, one column a checkout, numbers to the right."""
    rows = [["", *columns]]
    for field, label in LABELS.items():
        values = [getattr(counts, field) for counts in columns.values()]
        rows.append([label, *(value if isinstance(value, str) else f"{value:g}" for value in values)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def counted_checkout(checkout: Path) -> Counts:
    """Of the package in it; an error where there is none."""
    folder = checkout / "fastnn"
    if not (folder / "__init__.py").exists():
        raise click.BadParameter(f"a checkout holds fastnn/__init__.py, {checkout} does not", param_hint="--package")
    return counted(Sources.read(folder))


@click.command()
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write the counts.")
@click.option(
    "--package",
    "packages",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A checkout that is counted; several are compared.  [default: this one]",
)
def main(file: Path | None, packages: tuple[Path, ...]) -> None:
    checkouts = {str(package): package for package in packages} or {"this checkout": Path(__file__).parent.parent}
    columns = {name: counted_checkout(checkout) for name, checkout in checkouts.items()}
    click.echo(table(columns))
    if file:
        file.write_text(json.dumps({name: asdict(counts) for name, counts in columns.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
