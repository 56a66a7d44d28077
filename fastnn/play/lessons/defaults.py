"""What a demonstration of the terminal begins with, so that its page begins with the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


def defaults_of(options: Sequence[click.Option]) -> dict[str, Any]:
    """By the name of each option."""
    return {str(option.name): option.default for option in options}


def numbers(text: str) -> list[float]:
    """0.7,0.3,0.9 as it is typed."""
    return [float(part) for part in text.split(",")]
