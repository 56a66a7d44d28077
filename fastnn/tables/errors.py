"""What is wrong with data, and where: file, line or row from 1, column."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

NAMES_SHOWN = 10


class DataError(ValueError):
    """Data that cannot be trained on. The message names the file, the place and what to do."""


def listed(names: Sequence[object]) -> str:
    """The first few of them: a, b, c and 20 more."""
    more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(str(name) for name in names[:NAMES_SHOWN]) + more


def require_pyarrow(suffix: str) -> None:
    """ModuleNotFoundError that names the extra."""
    if find_spec("pyarrow") is None:
        raise ModuleNotFoundError(f"{suffix} files are read by pyarrow: pip install 'fastnn[tables]'")
