"""The packages that only a report needs, imported when one is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

# The largest first: what a page needs, what figures need, what a terminal needs.
PAGE, FIGURES, TERMINAL = ("plotly", "jinja2"), ("matplotlib",), ("plotext",)


def require(packages: Iterable[str]) -> None:
    """ValueError, with the command that installs them, where one is missing."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ValueError(f"{' and '.join(missing)} must be installed for this: pip install 'fastnn[report]'")
