"""A text as numbers, in memory or, where it is large, in a file: what a language model is trained on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.data import topics
from fastnn.language.vocabulary import Bytes, Characters, Tokenizer, Vocabulary

# The text that every Python has, which differs between versions.
BUILT_IN = "topics"
# Characters that are read at a time; tokens that there is room for at first, and beyond which they lie in a file.
PIECE, LEAST, LARGE = 2**20, 2**21, 2**26

Pieces = Callable[[], Iterator[str]]


@dataclass(frozen=True, eq=False)
class Corpus:
    """ids: of the whole text, of the smallest type that holds them. title: where it came from."""

    ids: NDArray[Any]
    vocabulary: Vocabulary
    title: str

    def __len__(self) -> int:
        return len(self.ids)

    def split(self, share: float, length: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The first part to train on, and the rest. ValueError: too little for sequences of `length`."""
        border = int(share * len(self))
        train, held = self.ids[:border], self.ids[border:]
        if len(train) <= length or (share < 1 and len(held) <= length):
            raise ValueError(
                f"{self.title} has {len(self):,} tokens, {len(train):,} of them to train on and {len(held):,} to "
                f"validate; expected more than {length} each: shorter sequences (length), another split, or more text"
            )
        return train, held


def read(data: str, vocabulary: str | Vocabulary = Characters.name) -> Corpus:
    """The text of a file (UTF-8), or of the built-in one. vocabulary: "characters", "bytes", the path of a
    tokenizer.json, or that of a model whose training goes on.

    ValueError: no text, or one that the vocabulary has not. OSError.
    """
    is_bytes = vocabulary == Bytes.name or isinstance(vocabulary, Bytes)
    pieces, title = _pieces_of(data, "surrogateescape" if is_bytes else "strict")
    known = _vocabulary(vocabulary, pieces, title) if isinstance(vocabulary, str) else vocabulary
    return Corpus(_encoded(pieces, known, title), known, title)


def _pieces_of(data: str, errors: str) -> tuple[Pieces, str]:
    path = Path(data)
    if data == BUILT_IN and not path.exists():
        text = topics()
        return lambda: iter([text]), "topics of Python's help"
    if path.exists() and not path.is_file():
        raise ValueError(f"{data} is no file; expected a text that can be read twice")
    if not path.is_file():
        raise FileNotFoundError(f"{data}: no such file; expected a text, or {BUILT_IN}, which every Python has")
    return lambda: _read(path, errors), str(path)


def _read(path: Path, errors: str) -> Iterator[str]:
    """Whole lines, whose ends stay as they are."""
    with path.open(encoding="utf-8-sig", newline="", errors=errors) as file:
        try:
            while lines := file.readlines(PIECE):
                yield "".join(lines)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path} is no UTF-8 text ({error}); expected one; a vocabulary of 'bytes' takes any file"
            ) from error


def _vocabulary(name: str, pieces: Pieces, title: str) -> Vocabulary:
    if name == Bytes.name:
        return Bytes()
    if name != Characters.name:
        return Tokenizer.read(Path(name))
    found = Characters.of(pieces())
    if not found.size:
        raise ValueError(f"{title} is empty; expected a text")
    if found.size == 1:
        raise ValueError(f"{title} holds {found.characters!r} alone; there is nothing to learn")
    return found


def _encoded(pieces: Pieces, vocabulary: Vocabulary, title: str) -> NDArray[Any]:
    """In memory, or, of a large text, in a file that is gone with the array."""
    kind, at, first = np.min_scalar_type(vocabulary.size - 1), 0, 0
    found = _room(LEAST, kind)
    for piece in pieces():
        try:
            ids = vocabulary.encode(piece, first)
        except ValueError as error:
            raise ValueError(f"{title}: {error}") from error
        if at + len(ids) > len(found):
            larger = _room(2 * (at + len(ids)), kind)
            larger[:at] = found[:at]
            found = larger
        found[at : at + len(ids)] = ids
        at, first = at + len(ids), first + len(piece)
    return found[:at]


def _room(count: int, kind: np.dtype[Any]) -> NDArray[Any]:
    if count <= LARGE:
        return np.empty(count, kind)
    with tempfile.TemporaryFile() as file:  # the mapping keeps it
        return np.memmap(file, kind, "w+", shape=(count,))
