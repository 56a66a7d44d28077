"""Frames: the numbers of one moment as bytes.

A frame is 16 bytes and then float32 numbers, little-endian, array after array as the layout says that was sent before:

    u8   version of this form    u8  kind, FRAME or FILE    u16  number of the layout
    u32  numbers that follow     u64 step
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

HEADER = struct.Struct("<BBHIQ")
VERSION = 1
FRAME, FILE = 1, 2

Arrays = Mapping[str, ArrayLike]


def layout_of(arrays: Arrays) -> list[tuple[str, int]]:
    """Name and numbers of each array, in their order."""
    return [(name, int(np.size(values))) for name, values in arrays.items()]


def encode(layout: int, step: int, arrays: Arrays) -> bytes:
    numbers = np.concatenate([np.asarray(values, "<f4").reshape(-1) for values in arrays.values()])
    return HEADER.pack(VERSION, FRAME, layout % (1 << 16), numbers.size, step) + numbers.tobytes()


def encode_file(step: int, content: bytes) -> bytes:
    """A file to be kept: the header counts its bytes."""
    return HEADER.pack(VERSION, FILE, 0, len(content), step) + content
