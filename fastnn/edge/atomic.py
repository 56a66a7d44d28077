"""Files that are replaced whole: a reader, or a crash, finds the old content or the new, never half of it. Devices,
pipes and what is open already are no files: they are written to."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from os import PathLike
from pathlib import Path
from typing import BinaryIO

# Names of what is open already, and those of them that have a number of their own.
OPEN_ALREADY = re.compile(r"/dev/(?P<name>stdin|stdout|stderr)|/(?:dev|proc/(?:self|\d+))/fd/(?P<number>\d+)")
STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}


def write_atomically(path: str | PathLike[str], content: bytes) -> None:
    """A whole file. OSError leaves the old file as it was."""
    with replacing(path) as file:
        file.write(content)


def descriptor_of(path: str | PathLike[str]) -> int | None:
    """The number of what is open already under a name such as /dev/stdout or, where a shell puts a command, /dev/fd/63;
    None of others."""
    found = OPEN_ALREADY.fullmatch(os.path.abspath(path))
    if not found:
        return None
    return STANDARD[found["name"]] if found["name"] else int(found["number"])


def is_file(path: str | PathLike[str]) -> bool:
    """Whether a path names a regular file, or nothing yet, and not a device, a pipe or what is open already."""
    if descriptor_of(path) is not None:
        return False
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # whoever writes there will say what is wrong
        return True


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, that takes the place of `path` at the end: temporary file beside it, fsync, rename; who may
    read it may go on to, and nobody else. What is no regular file is written to as it is.

    Any exception leaves the old file as it was.
    """
    if not is_file(path):
        with _opened(path) as file:
            yield file
        return
    path = Path(path).resolve()  # a link stays, and what it points to is replaced
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None:
                with suppress(OSError):
                    os.chmod(temporary, mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _opened(path: str | PathLike[str]) -> BinaryIO:
    """What is there, at the place where its other writers are."""
    number = descriptor_of(path)
    return os.fdopen(os.open(path, os.O_WRONLY) if number is None else os.dup(number), "wb")


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
