"""The ladder: networks that are timed, each a name, a builder and data; multilayer perceptrons from 26 parameters to
100 million, by their layer sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from fastnn import data
from fastnn.bench import zoo
from fastnn.bench.characters import characters
from fastnn.bench.rung import Rung
from fastnn.data import Dataset
from fastnn.networks.models import GPT, gpt_layers, mlp
from fastnn.networks.network import Network
from fastnn.study.layered import Layered

# Below this a run fits a laptop's memory and two minutes on two cores; the last rung asks for --max-params 1e8.
DEFAULT_MAX_PARAMETERS = 1.1e7
# 102 M parameters count as 1e8.
TOLERANCE = 1.05

MODEL = re.compile(r"gpt-([1-9]\d*)x([1-9]\d*)-([1-9]\d*)-([1-9]\d*)")
LAYER = re.compile(r"([1-9]\d*)(?:x([1-9]\d*))?")


def perceptron(sizes: Sequence[int]) -> Rung:
    """The multilayer perceptron of these layer sizes, inputs first, on data that fits."""
    name = name_of(sizes)
    return Rung(name, partial(mlp, *sizes), partial(perceptron_data, name, sizes[0], sizes[-1]), tuple(sizes))


def name_of(sizes: Sequence[int]) -> str:
    """Sizes joined by dashes, equal neighbours as 1024x3."""
    runs: list[list[int]] = []
    for size in sizes:
        if runs and runs[-1][0] == size and len(runs) > 1:
            runs[-1][1] += 1
        else:
            runs.append([size, 1])
    return "-".join(f"{size}x{count}" if count > 2 else "-".join([str(size)] * count) for size, count in runs)


def perceptron_data(name: str, inputs: int, outputs: int) -> Dataset:
    """The data set that a perceptron of that name trains on: by its inputs, or a synthetic one where none fits.

    ValueError: fewer outputs than the data has classes.
    """
    found = data.BY_INPUTS.get(inputs)
    least = data.CLASSES[found] if found else 2
    if outputs < least:
        raise ValueError(
            f"{name} has {outputs} outputs; its data, {found or 'synthetic'}, has {least} classes: "
            f"end the sizes in at least {least}"
        )
    return _load(inputs, 0 if found else outputs)


@lru_cache(maxsize=4)
def _load(inputs: int, classes: int) -> Dataset:
    return data.synthetic(inputs, classes) if classes else data.for_inputs(inputs)


def parse(text: str) -> Rung:
    """The rung that "784-1024x3-10" names: inputs, units of each layer, AxB for B layers of A; or "gpt-4x128-4-64": a
    language model's layers, width, heads and positions; or one of zoo.named. ValueError if none."""
    if found := MODEL.fullmatch(text):
        return language_model(*map(int, found.groups()))
    if rung := zoo.named(text):
        return rung
    matches = [LAYER.fullmatch(part) for part in text.split("-")]
    if len(matches) < 2 or None in matches:
        raise ValueError(
            f"sizes are {text!r}; expected at least two whole numbers, such as 3-4-2 or 784-1024x3-10, or a "
            "name, such as lenet5, lstm-64-28 or gpt-4x128-4-64"
        )
    return perceptron([int(match[1]) for match in matches if match for _ in range(int(match[2] or 1))])


LADDER = tuple(
    parse(name)
    for name in (
        "3-4-2", "3-4-4-2", "64-16-10", "64-128-10", "784-128-10", "784-512-512-10", "784-1024x3-10", "784-2048x3-10",
        "784-6944x3-10",
    )
)  # fmt: skip


# From microgpt's size to GPT-2's small one: layers, width, heads, positions.
LANGUAGE_MODELS = ((1, 16, 4, 16), (4, 64, 4, 16), (4, 128, 4, 64), (6, 384, 6, 256), (12, 768, 12, 1024))


def language_model(layers: int, width: int, heads: int, length: int) -> Rung:
    """A GPT, as nanoGPT without biases, on the characters of a text that every Python has."""
    if width % heads:
        raise ValueError(f"{heads} heads do not share {width} features; let the width be a multiple of them")
    vocabulary, _ = characters(length)
    sizes = vocabulary, length, layers, width, heads
    name = f"gpt-{layers}x{width}"
    if (layers, width, heads, length) not in LANGUAGE_MODELS:
        name = f"{name}-{heads}-{length}"
    return Rung(name, partial(_gpt, *sizes), lambda: characters(length)[1], heads=heads,
                layers=lambda: Layered(tuple(gpt_layers(*sizes, bias=False)), (length,)))  # fmt: skip


def _gpt(*sizes: int, dtype: str, seed: int, device: str, precision: str | None) -> Network:
    return GPT(*sizes, bias=False, dtype=dtype, seed=seed)


MODELS: dict[str, Callable[[], list[Rung]]] = {
    "mlp": lambda: list(LADDER), "gpt": lambda: [language_model(*sizes) for sizes in LANGUAGE_MODELS],
    "images": zoo.images, "sequences": zoo.sequences,
}  # fmt: skip


def select(
    sizes: Sequence[str] = (), max_parameters: float | None = None, models: str = "mlp"
) -> list[Rung]:  # fmt: skip
    """The rungs of those sizes, or of the ladder of those models, that have at most so many parameters. ValueError if
    none is left."""
    if sizes and models != "mlp":
        raise ValueError(f"sizes are of perceptrons, and models is {models}; give one of both")
    rungs = [parse(text) for text in sizes] or MODELS[models]()
    if max_parameters is None:
        max_parameters = float("inf") if sizes else DEFAULT_MAX_PARAMETERS
    kept = [rung for rung in rungs if rung.params <= TOLERANCE * max_parameters]
    if not kept:
        least = min(rungs, key=lambda rung: rung.params)
        raise ValueError(
            f"no network has at most {max_parameters:,.0f} parameters; the smallest, {least.name}, has {least.params:,}"
        )
    return kept
