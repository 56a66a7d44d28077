"""Places that hold images or sequences, opened and read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import as_dtype
from fastnn.samples import arrays
from fastnn.samples.folder import classes_in, files_in, form_of_files, read_files, require_form
from fastnn.samples.form import IMAGES, SEQUENCES, Form, Samples
from fastnn.samples.pictures import require_pillow
from fastnn.tables import Source, Target, open_source
from fastnn.tables.arrays import Arrays
from fastnn.tables.chunks import chunk_rows
from fastnn.tables.errors import DataError, listed
from fastnn.tables.opening import STDIN, ZIP

# A folder, or the file of one image, or what is in an npz file.
Place = Path | Arrays
# What the classes of a folder are.
CLASS = "class"


def is_of_samples(source: Source, asked: bool) -> bool:
    """Whether a table is read as images or sequences. asked: for a network of those, or by the letters of axes; a
    built-in set is a table unless it is."""
    if not isinstance(source, Arrays):
        return False
    return asked or (source.array.ndim > 2 and not source.built_in)


def place_of(data: str) -> Place:
    """Where a trained model finds its rows. FileNotFoundError, DataError."""
    path = Path(data)
    if data == STDIN or not path.exists() or path.suffix.lower() == ".npz" or (path.is_file() and _is_zip(path)):
        source = open_source(data)
        if not isinstance(source, Arrays):
            raise DataError(f"{data} is a table; expected images or sequences, as the model was trained on")
        return source
    return path


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(ZIP)) == ZIP


def read(
    place: Place,
    *,
    kind: str | None = None,
    axes: str | None = None,
    size: tuple[int, int] | None = None,
    task: str | None = None,
    dtype: object = "float32",
) -> Samples:
    """All rows of a place to train on.

    kind: "images" or "sequences", what the network takes; None: either. axes: letters of those of x, NHW, NHWC, NCHW or
    NTF; None finds them, see fastnn.samples.layout. size: (H, W) that images of files are resized to; None takes them
    as they are. task: of y, as of tables.

    DataError: files that are no images, of two sizes, axes that may be others, labels as fastnn.tables says.
    ValueError: more than memory holds. ModuleNotFoundError: Pillow, which images need.
    """
    if isinstance(place, Arrays):
        if size is not None:
            raise DataError(f"{place.title} holds arrays; images of files alone are resized (image-size)")
        x, form, found = arrays.rows_of(place, kind, axes, as_dtype(dtype))
        y, target = arrays.labels_of(place, task)
        return Samples(x, y, form, target, place.title, f"x ({', '.join(found)}); {_values(x, form)}")
    if kind == SEQUENCES:
        raise DataError(f"{place} is a folder of images, and the model takes sequences")
    for name, given in (("axes", axes), ("task", task)):
        if given is not None:
            raise DataError(f"{place} is a folder; {name} is for files of arrays")
    return _read_folder(place, size)


def _read_folder(place: Path, size: tuple[int, int] | None) -> Samples:
    require_pillow()
    by_class = classes_in(place)
    if len(by_class) < 2:
        raise DataError(f"{place} holds one class only, {next(iter(by_class))!r}; expected at least two")
    if lonely := [name for name, files in by_class.items() if len(files) < 2]:
        raise DataError(f"{place / lonely[0]} holds one image; expected two or more, to train and to test on")
    target = Target(CLASS, tuple(by_class))
    paths, y = _flat(by_class, target)
    form = form_of_files(paths, size)
    x = read_files(paths, form, str(place))
    return Samples(x, y, form, target, str(place), _values(x, form) + ("; resized" if size else ""))


def _flat(by_class: dict[str, list[Path]], target: Target) -> tuple[list[Path], NDArray[np.int64]]:
    """Files, and the place of their class among those of the target. DataError: a class that it has not."""
    known = {name: label for label, name in enumerate(target.classes or ())}
    if unknown := [name for name in by_class if name not in known]:
        raise DataError(f"{listed(unknown)}: none of the model's classes, {listed(list(known))}")
    labels = [known[name] for name, files in by_class.items() for _ in files]
    return [path for files in by_class.values() for path in files], np.array(labels, np.int64)


def _values(x: NDArray[Any], form: Form) -> str:
    if x.dtype == np.uint8:
        return "bytes, scaled to 0..1"
    shorter = np.count_nonzero(np.isnan(x[:, -1, 0])) if form.varies else 0
    told = f"; {shorter:,} end before the last position" if form.varies else ""
    kept = "" if form.kind == SEQUENCES else ", as they are"
    return f"values from {np.nanmin(x):.4g} to {np.nanmax(x):.4g}{kept}{told}"


def read_as(place: Place, form: Form, target: Target, dtype: object = "float32") -> tuple[NDArray[Any], NDArray[Any]]:
    """x (N, *form.shape) and y (N,) of a place, as a trained model knows them. DataError."""
    if isinstance(place, Arrays):
        x = _rows_as(place, form, dtype)
        return x, arrays.labels_as(place, target)
    if not place.is_dir():
        raise DataError(f"{place} is a file; expected a folder of images, in it a folder a class")
    paths, y = _flat(classes_in(place), target)
    require_form(paths, form)
    return read_files(paths, form, str(place)), y


def _rows_as(source: Arrays, form: Form, dtype: object) -> NDArray[Any]:
    x, found, _ = arrays.rows_of(source, form.kind, _axes_as(source, form), as_dtype(dtype), form)
    x, found = arrays.padded(x, found, form)
    arrays.require_form(source, x, found, form)
    return x


def _axes_as(source: Arrays, form: Form) -> str | None:
    """The axes that make x what a model takes, channels last where either would."""
    shape, (first, *_, last) = source.array.shape[1:], form.shape
    if form.kind == IMAGES and len(shape) == 3:
        return "NHWC" if shape == form.shape else "NCHW" if shape == (last, first, form.shape[1]) else None
    return None


def batches(
    place: Place, form: Form, dtype: object = "float32"
) -> Iterator[tuple[Sequence[str] | None, NDArray[Any]]]:  # fmt: skip
    """Rows of a place, a part at a time: names of files, where they have any, and x (n, *form.shape). DataError.

    What can be found wrong without reading all is found before the first."""
    step = chunk_rows(int(np.prod(form.shape)))
    if isinstance(place, Arrays):
        x = _rows_as(place, form, dtype)
        return ((None, x[at : at + step]) for at in range(0, len(x), step))
    paths = files_in(place) if place.is_dir() else [place]
    if not paths:
        raise DataError(f"{place} holds no image")
    require_form(paths, form)
    parts = (paths[at : at + step] for at in range(0, len(paths), step))
    return ((list(map(str, part)), read_files(part, form, str(place))) for part in parts)
