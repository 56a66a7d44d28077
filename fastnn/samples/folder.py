"""A folder of images: one folder a class in it, or, to predict, images wherever they lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import require_memory
from fastnn.samples.form import IMAGES, Form, sides
from fastnn.samples.pictures import Head, heads_of, pixels_of, require_pillow
from fastnn.tables.errors import DataError, listed

# What systems leave in folders, beside all that begins with a point.
IGNORED = ("thumbs.db", "desktop.ini")
# Folders that are called so hold folders of classes.
PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}
# Of x, what a run holds beside it: the rows of validation and test, while they are moved.
BESIDE = 0.5
BYTE = np.dtype(np.uint8)


def files_in(folder: Path) -> list[Path]:
    """All files below a folder, in the order of their names."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(names) if not _is_ignored(name)]
    return found


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in IGNORED


def classes_in(folder: Path) -> dict[str, list[Path]]:
    """Files of each class, which is a folder in this one. DataError: files beside them, a class without any."""
    entries = sorted(entry for entry in folder.iterdir() if not _is_ignored(entry.name))
    if beside := [entry.name for entry in entries if not entry.is_dir()]:
        raise DataError(f"{folder} holds {listed(beside)}; expected a folder a class, and images in those alone")
    if not entries:
        raise DataError(f"{folder} is empty; expected a folder a class, and images in those")
    if len(entries) > 1 and {entry.name.lower() for entry in entries} <= PARTS:
        raise DataError(
            f"{folder} holds {listed([entry.name for entry in entries])}, parts and no classes; train on one of them, "
            f"such as {entries[0]}, of which rows for validation and test are taken (split)"
        )
    found = {entry.name: files_in(entry) for entry in entries}
    if empty := [name for name, files in found.items() if not files]:
        raise DataError(f"{folder / empty[0]} holds no image; expected some of each class")
    return found


def form_of_files(paths: Sequence[Path], size: tuple[int, int] | None) -> Form:
    """What images of one size are, or of any where they are resized to (H, W). DataError: two sizes, no images."""
    require_pillow()
    heads = heads_of(paths)
    found = size or _size_of(paths, heads)
    channels = 1 if all(head.is_grey for head in heads) else 3
    return Form(IMAGES, (*found, channels), resizes=size is not None, unit=True)


def _size_of(paths: Sequence[Path], heads: Sequence[Head]) -> tuple[int, int]:
    first = heads[0]
    for path, head in zip(paths, heads, strict=True):
        if head[:2] != first[:2]:
            raise DataError(
                f"images have more than one size: {paths[0]} {sides(first[:2])}, {path} {sides(head[:2])}, height and "
                f"width; resize all of them to one (image-size), such as {sides(first[:2])}"
            )
    return first.height, first.width


def require_form(paths: Sequence[Path], form: Form) -> None:
    """DataError: files that are no images of this form."""
    require_pillow()
    heads = heads_of(paths)
    if form.kind != IMAGES or form.features not in (1, 3):
        raise DataError(f"the model takes {form}, and {paths[0]} is an image")
    for path, head in zip(paths, heads, strict=True):
        if not form.resizes and head[:2] != form.shape[:2]:
            raise DataError(
                f"{path} is {sides(head[:2])}, and the model takes {form}; resize it, or train with --image-size"
            )


def read_files(paths: Sequence[Path], form: Form, title: str) -> NDArray[np.uint8]:
    """Images (N, H, W, C) of this form. DataError, ValueError: more than memory holds."""
    numbers = int(len(paths) * np.prod(form.shape) * (1 + BESIDE))
    require_memory(numbers, BYTE, f"{title}, {len(paths):,} {form},", "leave out images, or make them smaller")
    x = np.empty((len(paths), *form.shape), np.uint8)
    for at, path in enumerate(paths):
        x[at] = pixels_of(path, form.shape)
    return x
