"""A text file as lines, whatever its encoding."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastnn.tables.errors import DataError

UTF8 = "utf-8-sig"
# What a file begins with that says its encoding; the longer ones first.
MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
         codecs.BOM_UTF16_BE: "utf-16"}  # fmt: skip
# Bytes that are looked at where no mark says it.
LOOKED_AT = 4096


@dataclass(frozen=True)
class Text:
    """A file, its encoding, and what people call it."""

    path: Path
    encoding: str
    title: str

    @property
    def is_utf8(self) -> bool:
        return self.encoding == UTF8

    def lines(self) -> Iterator[str]:
        """With what ends them. Bytes that are no UTF-8 come as surrogates, which `wrong` finds. DataError."""
        errors = "surrogateescape" if self.is_utf8 else "strict"
        with self.path.open(encoding=self.encoding, errors=errors, newline="") as file:
            try:
                yield next(file, "").removeprefix("\ufeff")
                yield from file
            except UnicodeError as error:
                raise DataError(f"{self.title}: not {self.encoding} ({error}); name its encoding (encoding)") from error


def text_of(path: Path, encoding: str | None, title: str) -> Text:
    """Text in the encoding that is told, or that a mark says, or UTF-16 where every other byte is 0, or UTF-8.
    DataError: an encoding that nobody knows."""
    if encoding is not None:
        try:
            "".encode(encoding)  # which those that are of bytes, such as hex, refuse
            found = codecs.lookup(encoding).name
        except (LookupError, ValueError):
            known = "utf-8, latin-1, cp1252 or utf-16"
            raise DataError(f"encoding is {encoding!r}; expected one such as {known}") from None
        return Text(path, UTF8 if found == "utf-8" else found, title)
    with path.open("rb") as file:
        head = file.read(LOOKED_AT)
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return Text(path, name, title)
    return Text(path, _without_mark(head), title)


def _without_mark(head: bytes) -> str:
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 4
    if odd > half and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even > half and odd == 0 else UTF8


def looks_like_text(path: Path) -> bool:
    """Whether a file begins as text does: nothing in it is 0, or it is UTF-16."""
    with path.open("rb") as file:
        head = file.read(LOOKED_AT)
    return 0 not in head or head.startswith(tuple(MARKS)) or _without_mark(head) != UTF8


NOT_UTF8 = "not UTF-8; say what it is (encoding), such as cp1252"


def wrong(cell: str) -> bool:
    """Whether bytes of it were no UTF-8."""
    return not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell)
