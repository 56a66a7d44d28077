"""The small GPTs that demonstrations train, or are given, and how their tokens are written."""

from __future__ import annotations

import textwrap
from typing import Any

import click
import numpy as np

from fastnn.demo import inside_gpt
from fastnn.demo.display.demonstration import Drawing
from fastnn.language.corpus import BUILT_IN, Corpus, read
from fastnn.language.model import LanguageModel
from fastnn.language.settings import LanguageSettings
from fastnn.language.training import LanguageTraining

# Letters of a line of text.
WIDTH = 76
TEXT = click.Option(
    ["--text"], default=BUILT_IN, show_default=True, metavar="FILE", help="What it learns; topics is Python's own help."
)


def trained(text: str, settings: LanguageSettings) -> tuple[Corpus, LanguageTraining]:
    """A text, and a training on it that is over. ValueError: no such text, or none to learn from."""
    try:
        corpus = read(text)
    except OSError as error:
        raise ValueError(f"{text}: {error.strerror or error}") from error
    training = LanguageTraining(corpus, settings)
    for _ in training:
        pass
    return corpus, training


def known(model: LanguageModel, prompt: str) -> list[int]:
    """Ids of a prompt. ValueError: none, too many, or a model whose layers are not those of a small GPT."""
    if not inside_gpt.is_gpt(model.network):
        raise ValueError("expected a model of `fastnn train --text` without dropout")
    ids: list[int] = model.vocabulary.encode(prompt).tolist()
    if not 0 < len(ids) <= model.length:
        raise ValueError(f"the prompt has {len(ids)} tokens; expected 1 to {model.length}, the positions of the model")
    return ids


def bigram_nats(ids: Any, size: int) -> float:
    """Mean loss on ids, of `size` tokens, of a model that has counted which follows which: below it is what a longer
    memory brings."""
    pairs, counts = np.unique(ids[:-1].astype(np.int64) * size + ids[1:], return_counts=True)
    before = np.bincount(ids[:-1], minlength=size)[pairs // size]
    return float(-(counts * np.log(counts / before)).sum() / counts.sum())


def token(model: LanguageModel, number: int) -> str:
    """As it is written in a table, in quotes."""
    return repr(model.vocabulary.decode([number]))


def written_out(text: str) -> Drawing:
    """A text with the lines that it has, those folded that are too long; a line end at its end is seen as one."""
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, WIDTH, drop_whitespace=False) or [""]]
    return Drawing(tuple(f"| {line}" for line in lines))
