"""Files that are replaced whole: a reader, or a crash, finds the old content or the new, never half of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from os import PathLike
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: str | PathLike[str], content: bytes) -> None:
    """A whole file. OSError leaves the old file as it was."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, that takes the place of `path` at the end: temporary file beside it, fsync, rename.

    Any exception leaves the old file as it was.
    """
    path = Path(path).resolve()  # a link stays, and what it points to is replaced
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def sweep(path: str | PathLike[str]) -> None:
    """Removes what writers of `path` left behind that were killed; none may be at work."""
    path = Path(path).resolve()
    for left in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        left.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Makes the rename last through a power cut; not every system can."""
    with suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
