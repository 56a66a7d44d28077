"""What `fastnn train` reads: a table, images or sequences, by what DATA is and which network is asked for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fastnn import samples
from fastnn.samples import Samples, is_of_samples
from fastnn.samples.opening import Place
from fastnn.tables import Table, open_source, read
from fastnn.tables.arrays import Arrays
from fastnn.train.command.configuration import FORMAT, OF_SAMPLES, READING
from fastnn.train.settings import MLP, MODELS, Settings


def read_data(data: str, values: Mapping[str, Any], settings: Settings) -> Table | Samples:
    """A folder is of images; so are arrays of more than two axes, unless the network is mlp. ValueError, OSError,
    ModuleNotFoundError."""
    if Path(data).is_dir():
        return _samples(Path(data), values, settings)
    source = open_source(data, **_chosen(values, FORMAT))
    asked = settings.model not in (None, MLP) or "axes" in values
    if settings.model != MLP and is_of_samples(source, asked) and isinstance(source, Arrays):
        return _samples(source, values, settings)
    if given := _chosen(values, OF_SAMPLES):
        raise ValueError(f"{flags(given)} of images or sequences, and {source.title} is a table")
    if isinstance(source, Arrays) and source.lengths is not None:
        raise ValueError(f"{source.title} holds lengths of sequences, which mlp does not know; choose another model")
    chosen = _chosen(values, [name for name in READING if name not in FORMAT])
    return read(source, dtype=settings.dtype, centre=settings.standardise is not False, **chosen)


def _samples(place: Place, values: Mapping[str, Any], settings: Settings) -> Samples:
    if given := _chosen(values, [name for name in READING if name != "task"]):
        title = place.title if isinstance(place, Arrays) else place
        raise ValueError(f"{flags(given)} for tables; {title} is read as images or sequences, as mlp is not asked for")
    kind = next((kind for kind, names in MODELS.items() if settings.model in names), None)
    size = None if "image_size" not in values else as_size(values["image_size"])
    chosen = _chosen(values, ("axes", "task"))
    return samples.read(place, kind=kind, size=size, dtype=settings.dtype, **chosen)


def _chosen(values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def flags(given: Collection[str]) -> str:
    """--drop is, or --drop and --header are."""
    names = [f"--{name.replace('_', '-').replace('units', 'unit')}" for name in given]
    return " and ".join(names) + (" is" if len(names) == 1 else " are")


def as_size(text: str) -> tuple[int, int]:
    """Height and width: "28x32". ValueError."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise ValueError(f"image-size is {text!r}; expected height and width in pixels, such as 28x28")
    return int(found[1]), int(found[2])
