"""Commands that make models and use them: of tables, and of texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fastnn.edge.options import JSON
from fastnn.language.command.options import OF_TEXT, TEXT, require_text
from fastnn.train.command.options import (
    DATA,
    FILES,
    FORMAT,
    LINES,
    MODEL,
    OUTPUT,
    PROBABILITIES,
    READING,
    SAMPLES,
    SETTINGS,
    THREADS,
)


def _train(text: bool, **options: Any) -> None:
    """Train a network on DATA, and keep the model with all that it takes to use it.

    DATA is a table as text, .npz (x and y) or .parquet, packed by gzip or from a pipe (- is stdin), or spam, digits or
    mnist; or images, a folder of them, in it a folder a class, or an .npz of x (N, H, W), (N, H, W, C) or (N, C, H, W);
    or sequences, an .npz of x (N, T, F). The model of the best epoch is kept. With --text it is a text (UTF-8), or
    topics, which every Python has, and the model a small GPT or a recurrent network, which `fastnn generate` asks to
    go on.
    """
    if text:
        from fastnn.language.command.training import run_train_text

        sys.exit(run_train_text(**options))
    require_text(options)
    from fastnn.train.command.training import run_train

    sys.exit(run_train(**{name: value for name, value in options.items() if name not in OF_TEXT}))


def _evaluate(model_file: Path, data: str, threads: int | None, json_file: str | None, **told: Any) -> None:
    """Score a MODEL of `fastnn train` on DATA: the rows of a table, whose columns are found by name, images or
    sequences as it was trained on, or a text."""
    from fastnn.language.command.using import is_language_model, run_evaluate_text
    from fastnn.train.command.using import run_evaluate

    if not is_language_model(model_file):
        run_evaluate(model_file, data, threads, json_file, **told)
        return
    if given := [name for name, value in told.items() if value not in (None, ())]:
        raise click.UsageError(f"--{given[0].replace('_', '-')} is for tables, and {model_file} is of text")
    run_evaluate_text(model_file, data, threads, json_file)


def _predict_on(**options: Any) -> None:
    """Predict each row of DATA with a MODEL of `fastnn train`, some thousand at a time: csv, or JSON lines.

    For a model of images DATA is one image, a folder of them, or an .npz of x; for one of sequences an .npz.
    """
    from fastnn.train.command.using import run_predict_on

    run_predict_on(**options)


def _generate(model_file: Path, **options: Any) -> None:
    """Have a MODEL of `fastnn train --text` go on from a prompt, token by token, on stdout."""
    from fastnn.language.command.using import run_generate

    run_generate(model_file, **options)


GENERATION = [
    click.Option(["--prompt"], default="", help="What it goes on from.  [default: the beginning of a line]"),
    click.Option(["--tokens"], type=click.IntRange(min=0), default=500, show_default=True, help="How many."),
    click.Option(
        ["--temperature"], type=float, default=1.0, show_default=True,
        help="Below 1 what is probable comes more often; 0 is the most probable token always.",
    ),
    click.Option(["--top-k"], type=click.IntRange(min=1), help="Of the so many most probable tokens."),
    click.Option(["--top-p"], type=click.FloatRange(0, 1), help="Of those that together are so probable."),
    click.Option(["--seed"], type=int, default=0, show_default=True, help="Of the draws."),
]  # fmt: skip

COMMANDS = (
    click.Command(
        "train", callback=_train, help=_train.__doc__,
        params=[DATA, *TEXT, *READING, *SAMPLES, *SETTINGS, THREADS, *FILES],
    ),
    click.Command(
        "evaluate", callback=_evaluate, params=[MODEL, DATA, *FORMAT, THREADS, JSON], help=_evaluate.__doc__
    ),
    click.Command(
        "predict-on", callback=_predict_on, help=_predict_on.__doc__,
        params=[MODEL, DATA, *FORMAT, THREADS, PROBABILITIES, LINES, OUTPUT],
    ),
    click.Command("generate", callback=_generate, params=[MODEL, *GENERATION, THREADS], help=_generate.__doc__),
)  # fmt: skip
