"""Types of options that several demonstrations take."""

from __future__ import annotations

from typing import Any

import click

from fastnn.kernels.activation import NAMES

ACTIVATION = click.Choice(NAMES)


class Numbers(click.ParamType):  # type: ignore[type-arg]
    """0.7,0.3,0.9: a tuple of finite numbers."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers, such as 0.7,0.3,0.9", param, ctx)
        if not all(abs(number) < float("inf") for number in found):
            self.fail(f"{value!r} holds a number that is not finite", param, ctx)
        return found


NUMBERS = Numbers()
SEED = click.Option(["--seed"], type=click.IntRange(min=0), default=0, show_default=True)
