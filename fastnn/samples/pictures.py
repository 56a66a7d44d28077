"""Files of images, PNG, JPEG and BMP, read by Pillow.

JPEGs are turned as their EXIF says, as everybody sees them. Transparency is left out. Of resizing it is Pillow's
bilinear filter, whose support grows as images shrink.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.tables.errors import DataError, listed

FORMATS = ("PNG", "JPEG", "BMP")
# Of a PNG Pillow decodes all to know whether it has any EXIF.
TURNED = "JPEG"
# How Pillow calls what has no colours, and what has more than a byte a number.
GREY = ("1", "L", "LA")
DEEP = ("I", "F")
MODES = {1: "L", 3: "RGB"}
# EXIF's tag of how an image lies, and where its sides change places.
ORIENTATION, LYING = 0x0112, (5, 6, 7, 8)


class Head(NamedTuple):
    """What a file says of its image. fault: why it is none, or none that is read."""

    height: int = 0
    width: int = 0
    is_grey: bool = True
    fault: str = ""


def require_pillow() -> None:
    """ModuleNotFoundError that names the extra."""
    if find_spec("PIL") is None:
        raise ModuleNotFoundError("images are read by Pillow: pip install 'fastnn[images]'")


def heads_of(paths: Iterable[Path]) -> list[Head]:
    """Of each file. DataError, which names those that are no images."""
    found = {path: _head(path) for path in paths}
    if faults := [f"{path} ({head.fault})" for path, head in found.items() if head.fault]:
        raise DataError(f"no images that are read here: {listed(faults)}; expected {', '.join(FORMATS)} alone")
    return list(found.values())


def _head(path: Path) -> Head:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if image.format == TURNED and image.getexif().get(ORIENTATION) in LYING:
                width, height = height, width
            deep = image.mode.startswith(DEEP)
            return Head(height, width, image.mode in GREY, f"{image.mode}, more than a byte a number" if deep else "")
    except UnidentifiedImageError:
        return Head(fault="no image")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return Head(fault=str(error))


def pixels_of(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An image (H, W, C) of this shape, resized where it has another. DataError where the file breaks off."""
    from PIL import Image, ImageOps

    height, width, channels = shape
    try:
        with Image.open(path, formats=FORMATS) as file:
            turned: Any = ImageOps.exif_transpose(file) if file.format == TURNED else file
            image = turned.convert(MODES[channels])
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return np.asarray(image, np.uint8).reshape(shape)
