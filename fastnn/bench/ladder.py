"""The ladder: multilayer perceptrons from 26 parameters to 100 million, by their layer sizes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fastnn import cost

# Below this a run fits a laptop's memory and two minutes on two cores; the last rung asks for --max-params 1e8.
DEFAULT_MAX_PARAMETERS = 1.1e7
# 102 M parameters count as 1e8.
TOLERANCE = 1.05

LAYER = re.compile(r"([1-9]\d*)(?:x([1-9]\d*))?")


@dataclass(frozen=True, slots=True)
class Rung:
    """Layer sizes, inputs first."""

    sizes: tuple[int, ...]

    @property
    def name(self) -> str:
        """Sizes joined by dashes, equal neighbours as 1024x3."""
        runs: list[list[int]] = []
        for size in self.sizes:
            if runs and runs[-1][0] == size and len(runs) > 1:
                runs[-1][1] += 1
            else:
                runs.append([size, 1])
        return "-".join(f"{size}x{count}" if count > 2 else "-".join([str(size)] * count) for size, count in runs)

    @property
    def params(self) -> int:
        return cost.parameter_count(self.sizes)


def parse(text: str) -> Rung:
    """The rung that "784-1024x3-10" names: inputs, units of each layer, AxB for B layers of A. ValueError if none."""
    matches = [LAYER.fullmatch(part) for part in text.split("-")]
    if len(matches) < 2 or None in matches:
        raise ValueError(f"sizes are {text!r}; expected at least two whole numbers, such as 3-4-2 or 784-1024x3-10")
    sizes = [int(match[1]) for match in matches if match for _ in range(int(match[2] or 1))]
    return Rung(tuple(sizes))


LADDER = tuple(
    parse(name)
    for name in (
        "3-4-2", "3-4-4-2", "64-16-10", "64-128-10", "784-128-10", "784-512-512-10", "784-1024x3-10", "784-2048x3-10",
        "784-6944x3-10",
    )
)  # fmt: skip


def select(sizes: Sequence[str] = (), max_parameters: float | None = None) -> list[Rung]:
    """The rungs of those sizes, or of the ladder, that have at most so many parameters. ValueError if none is left."""
    rungs = [parse(text) for text in sizes] or list(LADDER)
    if max_parameters is None:
        max_parameters = float("inf") if sizes else DEFAULT_MAX_PARAMETERS
    kept = [rung for rung in rungs if rung.params <= TOLERANCE * max_parameters]
    if not kept:
        least = min(rungs, key=lambda rung: rung.params)
        raise ValueError(
            f"no network has at most {max_parameters:,.0f} parameters; the smallest, {least.name}, has {least.params:,}"
        )
    return kept
