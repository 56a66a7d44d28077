"""A network as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

HEADINGS = ("layer", "output", "parameters", "FLOPs a row")
Row = tuple[str, str, str, str]


def layer_row(name: str, inputs: int, outputs: int, parameters: int, flops: int) -> Row:
    return name, f"({inputs}) -> ({outputs})", f"{parameters:,}", f"{flops:,}"


def summary_table(layers: Sequence[Row], total: Row, note: str) -> str:
    """Aligned columns, with rules above the layers and above the total, and a note below."""
    rows = [HEADINGS, *layers, total]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}" for row in rows
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], note])
