"""A demonstration in a terminal, or in a pipe: 80 columns, colours only where they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from fastnn.demo.display.demonstration import Block, Demonstration, Drawing, Table
from fastnn.demo.display.maps import Maps, lines
from fastnn.report.picture import Picture

if TYPE_CHECKING:
    import rich.table
    from rich.console import Console

# A terminal that is wider is not used: lines of text are hard to read from 100 letters on.
WIDTH, WIDEST = 80, 100
PICTURE_HEIGHT = 18
NUMERALS = set("0123456789.,+-−±%e x/")


def console(stream: IO[str]) -> Console:
    """As wide as the terminal, between WIDTH and WIDEST, or WIDTH where there is none."""
    from rich.console import Console

    found = Console(file=stream, highlight=False, width=None if stream.isatty() else WIDTH)
    found.width = min(found.width, WIDEST)
    return found


def list_demonstrations(out: Console, summaries: Mapping[str, str]) -> None:
    table = _plain_table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, summary in summaries.items():
        table.add_row(f"fastnn demo {name}", summary)
    out.print(table)


def print_demonstration(out: Console, shown: Demonstration) -> None:
    out.print(shown.title, style="bold")
    for section in shown.sections:
        out.print()
        out.rule(section.title, style="dim", align="left")
        for number, block in enumerate(section.blocks):
            if number:
                out.print()
            _print_block(out, block)


def _print_block(out: Console, block: Block) -> None:
    if isinstance(block, str):
        out.print(block, markup=False)
    elif isinstance(block, Table):
        out.print(_table(block))
    elif isinstance(block, Drawing | Maps):
        for line in block.lines if isinstance(block, Drawing) else lines(block, min(out.width, WIDTH)):
            out.print(line, markup=False, soft_wrap=True)
    else:
        _print_picture(out, block)


def _print_picture(out: Console, picture: Picture) -> None:
    from rich.text import Text

    from fastnn.report.terminal import text

    coloured = out.is_terminal and not out.no_color
    out.print(Text.from_ansi(text(picture, coloured, width=min(out.width, WIDTH), height=PICTURE_HEIGHT)))
    for words in picture.words:
        out.print(words, markup=False)


def _plain_table(**options: Any) -> rich.table.Table:
    from rich.table import Table as RichTable

    return RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, **options)


def _table(table: Table) -> rich.table.Table:
    found = _plain_table(header_style="bold")
    for place, name in enumerate(table.columns):
        numeric = is_numeric(row[place] for row in table.rows)
        found.add_column(name, justify="right" if numeric else "left")
    from rich.text import Text

    for row in table.rows:
        found.add_row(*(Text(cell) for cell in row))
    return found


def is_numeric(cells: Any) -> bool:
    """Whether a column is of numbers."""
    return all(set(cell) <= NUMERALS for cell in cells)
