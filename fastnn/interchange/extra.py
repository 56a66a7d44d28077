"""The packages of others, imported when a format of theirs is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def imported(package: str) -> Any:
    """The package. ModuleNotFoundError, with the command that installs it, where it is missing."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{package} must be installed for this: pip install 'fastnn[{package}]'", name=package
        ) from error
