"""What the numbers of a language model stand for: characters, bytes, or the tokens of a tokenizer.

A vocabulary is kept with its model, as JSON. Tokenizers are those of the package `tokenizers` (the extra `text`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
# Of the message of a character that is unknown.
SHOWN = 60


class Vocabulary(Protocol):
    """Numbers from 0 to below `size` for pieces of text; decode(encode(text)) is the text."""

    name: ClassVar[str]

    @property
    def size(self) -> int: ...

    def encode(self, text: str, first: int = 0) -> Ids:
        """ValueError, which names what has no number, and its place where the text begins at `first`."""

    def decode(self, ids: Iterable[int]) -> str: ...

    def describe(self) -> dict[str, Any]:
        """As JSON can keep it."""


@dataclass(frozen=True)
class Characters:
    """Those of a text, in the order of their code points."""

    characters: str
    name: ClassVar[str] = "characters"

    def __post_init__(self) -> None:
        if len(set(self.characters)) != len(self.characters):
            raise ValueError("a vocabulary of characters has each once")

    @staticmethod
    def of(pieces: Iterable[str]) -> Characters:
        """Of a text that comes in pieces."""
        found: set[str] = set()
        for piece in pieces:
            found.update(piece)
        return Characters("".join(sorted(found)))

    @property
    def size(self) -> int:
        return len(self.characters)

    @cached_property
    def _numbers(self) -> NDArray[np.int64]:
        """By code point, -1 for one that is none of them."""
        points = [ord(character) for character in self.characters]
        numbers = np.full(max(points) + 1, -1, np.int64)
        numbers[points] = np.arange(len(points))
        return numbers

    def encode(self, text: str, first: int = 0) -> Ids:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
        known = points < len(self._numbers)
        ids: Ids = np.where(known, self._numbers[np.where(known, points, 0)], -1)
        if (ids < 0).any():
            at = int(np.argmax(ids < 0))
            raise ValueError(
                f"character {first + at} of the text, {text[at]!r}, is none of the model's {self.size}: {self._shown}"
            )
        return ids

    @property
    def _shown(self) -> str:
        shown = repr(self.characters)
        return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self.characters[number] for number in ids)

    def describe(self) -> dict[str, Any]:
        return {"kind": self.name, "characters": self.characters}


@dataclass(frozen=True)
class Bytes:
    """Those of UTF-8: any text has numbers. What is no text, as a model may write it, is shown as U+FFFD."""

    name: ClassVar[str] = "bytes"
    size: ClassVar[int] = 256

    def encode(self, text: str, first: int = 0) -> Ids:
        return np.frombuffer(text.encode(errors="surrogateescape"), np.uint8).astype(np.int64)

    def decode(self, ids: Iterable[int]) -> str:
        return bytes(map(int, ids)).decode(errors="replace")

    def describe(self) -> dict[str, Any]:
        return {"kind": self.name}


class Tokenizer:
    """Of a tokenizer.json, as the package `tokenizers` writes and reads it. ModuleNotFoundError without it."""

    name: ClassVar[str] = "tokenizer"

    def __init__(self, content: str, title: str = "tokenizer") -> None:
        try:
            from tokenizers import Tokenizer as Read
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"a tokenizer needs: pip install 'fastnn[text]' ({error})") from error
        self.content = content
        try:
            self._tokenizer = Read.from_str(content)
        except Exception as error:  # the library raises Exception itself
            raise ValueError(f"{title} is no tokenizer: {error}") from error

    @staticmethod
    def read(path: Path) -> Tokenizer:
        """ValueError, OSError."""
        return Tokenizer(path.read_text(encoding="utf-8"), str(path))

    @property
    def size(self) -> int:
        """One more than the largest number that there is."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def encode(self, text: str, first: int = 0) -> Ids:
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, np.int64)

    def decode(self, ids: Iterable[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def describe(self) -> dict[str, Any]:
        return {"kind": self.name, "tokenizer": json.loads(self.content)}


def vocabulary_of(description: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary that `describe` described. ValueError, KeyError, TypeError for what is none."""
    kind = description["kind"]
    if kind == Characters.name:
        return Characters(str(description["characters"]))
    if kind == Bytes.name:
        return Bytes()
    if kind == Tokenizer.name:
        return Tokenizer(json.dumps(description["tokenizer"]))
    raise ValueError(f"vocabulary is {kind!r}; expected {Characters.name}, {Bytes.name} or {Tokenizer.name}")
