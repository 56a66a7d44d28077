"""What `fastnn generate`, and `fastnn evaluate` of a language model, do between their options and the library."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fastnn.bench.command import hand_out, require_apart, result_files
from fastnn.bench.progress import say
from fastnn.language import corpus
from fastnn.language.model import KEY, LanguageModel
from fastnn.networks.io import FileError, read_metadata
from fastnn.train.command.training import use_threads

SCHEMA = "fastnn-evaluate-text/1"


def is_language_model(file: Path) -> bool:
    """Whether a file says that it is one; what is broken is told by whoever reads it."""
    try:
        return KEY in read_metadata(file)
    except (FileError, OSError):
        return False


def run_generate(model_file: Path, prompt: str, tokens: int, threads: int | None, **how: Any) -> None:
    """The prompt and what follows it to stdout, as it comes. click.UsageError."""
    try:
        use_threads(threads)
        model = LanguageModel.load(model_file)
        pieces = model.stream(prompt, tokens, **how)
        first = next(pieces, "")  # says what cannot be
        _write(prompt + first)
        for piece in pieces:
            _write(piece)
    except BrokenPipeError:
        raise  # click ends quietly
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    _write("\n")


def _write(text: str) -> None:
    """In whatever encoding stdout has."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def run_evaluate_text(model_file: Path, data: str, threads: int | None, json_file: str | None) -> None:
    """Nats, bits and perplexity of a text. click.UsageError."""
    try:
        require_apart([json_file], (model_file, data))
        files = result_files(json_file, None)
        use_threads(threads)
        model = LanguageModel.load(model_file)
        text = corpus.read(data, model.vocabulary)
        score = model.score(text.ids)
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    found = score.as_dict()
    told = (
        f"{text.title}: {score.tokens:,} tokens, {score.nats:.4f} nats, {score.bits:.4f} bits a token, "
        f"perplexity {score.perplexity:.4g}"
    )
    if hand_out({"schema": SCHEMA, "source": text.title, **found}, json_file, files):
        say(told)
    else:
        click.echo(told)
