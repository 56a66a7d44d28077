"""The packages that only a report needs, imported when one is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

# The largest first: what a page of results needs, what figures need, what a page with figures in it needs, and one that
# draws its own.
PAGE, FIGURES, ILLUSTRATED, TIMELINE = ("plotly", "jinja2"), ("matplotlib",), ("matplotlib", "jinja2"), ("jinja2",)


def require(packages: Iterable[str]) -> None:
    """ValueError, with the command that installs them, where one is missing."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ValueError(f"{' and '.join(missing)} must be installed for this: pip install 'fastnn[report]'")
