"""The options of `fastnn train`, `fastnn evaluate` and `fastnn predict-on`. A default stands in Settings alone."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from fastnn.data import LOADERS
from fastnn.edge.options import JSON, FileOr, Output
from fastnn.learning.early_stopping import METRICS
from fastnn.learning.optimizers import OPTIMIZERS
from fastnn.samples.layout import LAYOUTS
from fastnn.tables.columns import TASKS
from fastnn.tables.missing import RULES
from fastnn.train.settings import (
    CLASS_WEIGHTS,
    INITIAL,
    MLP,
    MODELS,
    OBJECTIVES,
    SCHEDULES,
    TRAINABLE,
    Settings,
)

FILE = click.Path(dir_okay=False, path_type=Path)
NETWORKS = (*MODELS["images"], *MODELS["sequences"], MLP)
DEFAULTS = {each.name: each.default for each in fields(Settings)}


def _setting(flag: str, told: str, kind: Any = None, **more: Any) -> click.Option:
    """An option that is a field of Settings; None where it is not given, so that a TOML file may say it."""
    default = DEFAULTS[flag.lstrip("-").partition("/")[0].replace("-", "_")]
    if isinstance(default, tuple):
        default = ("/" if isinstance(default[0], float) else "-").join(map(str, default))
    shown = "" if default in (None, 0.0) or isinstance(default, bool) else f"  [default: {default}]"
    return click.Option([flag], type=kind, default=None, help=told + shown, **more)


def _choice(names: Any) -> dict[str, Any]:
    return {"kind": click.Choice(list(names)), "metavar": "|".join(names) if len("|".join(names)) < 45 else "NAME"}


HEADER = click.Option(
    ["--header/--no-header"], default=None, help="Whether a csv file's first line names its columns.  [default: found]"
)  # fmt: skip
FORMAT = [
    HEADER,
    click.Option(["--delimiter"], metavar="CHAR", help="Of a csv file; ' ' is runs of blanks.  [default: found]"),
    click.Option(["--encoding"], metavar="NAME", help="Of a csv file, such as cp1252.  [default: found, or utf-8]"),
    click.Option(["--decimal"], metavar="CHAR", help="Decimal mark of a csv file.  [default: found]"),
    click.Option(["--thousands"], metavar="CHAR", help="What parts thousands in a csv file.  [default: found]"),
    click.Option(["--unit", "units"], multiple=True, metavar="TEXT", help="Stands beside numbers; may be repeated."),
    click.Option(
        ["--null"], multiple=True, metavar="TEXT",
        help="Stands for a missing value; may be repeated.  [default: nothing, NA, NaN, null, ...]",
    ),
]  # fmt: skip
THREADS = click.Option(["--threads"], type=click.IntRange(min=1), help="Threads.  [default: all]")

READING = [
    click.Option(["--target"], metavar="COLUMN", help="What to predict.  [default: y, label or target, else the last]"),
    click.Option(["--drop"], multiple=True, metavar="COLUMN", help="Leave a column out; may be repeated."),
    click.Option(["--categorical"], multiple=True, metavar="COLUMN", help="It holds names, NA too; may be repeated."),
    click.Option(
        ["--task"], type=click.Choice(TASKS), help="[default: text and whole numbers of at most 20 values are classes]"
    ),
    click.Option(["--weights"], metavar="COLUMN", help="How often the loss of a row counts; no input."),
    click.Option(
        ["--missing"], type=click.Choice(RULES),
        help="mean or median: fill missing numbers by it; drop: leave such rows out.  [default: refuse them]",
    ),
    *FORMAT,
]  # fmt: skip
SAMPLES = [
    _setting(
        "--model", f"The network: {', '.join(NETWORKS)}; by default the first for images, gru for sequences, mlp for "
        "tables. Of a text gpt, lstm, gru or rnn; by default gpt.", metavar="NAME",
    ),
    _setting("--flip/--no-flip", "Of images: mirror half of those of each step, left to right."),
    _setting("--shift", "Of images: move each by up to so many, anew in each step; what comes in is 0.", int,
             metavar="PIXELS"),
    click.Option(
        ["--image-size"], metavar="HxW", help="Resize images of files to so many pixels down and across."
    ),
    click.Option(
        ["--axes"], type=click.Choice(LAYOUTS),
        help="Of x in an npz file: rows, height, width and channels, or rows, time and features.  [default: found]",
    ),
]  # fmt: skip
SETTINGS = [
    _setting(
        "--layers", "Units of the hidden layers, of gru, lstm and rnn too, such as 64-32; none for none.", metavar="A-B"
    ),
    _setting("--activation", f"Of the hidden layers: {', '.join(TRAINABLE)}.", **_choice(TRAINABLE)),
    _setting("--initializer", f"Of the first weights: {', '.join(INITIAL)}.", **_choice(INITIAL)),
    _setting("--dropout", "Share of each hidden layer that a step leaves out.", float, metavar="SHARE"),
    _setting(
        "--loss", f"{', '.join(OBJECTIVES)}; by default the first for classes, mse for numbers.", **_choice(OBJECTIVES)
    ),
    _setting("--label-smoothing", "Share of the truth that is spread over all classes.", float, metavar="SHARE"),
    _setting("--class-weight", "balanced: each class counts as much as any other.", **_choice(CLASS_WEIGHTS)),
    _setting("--optimizer", "How weights are updated.", **_choice(OPTIMIZERS)),
    _setting("--learning-rate", "Of the first step; by default the optimizer's own.", float, metavar="RATE"),
    _setting("--momentum", "Of momentum and nesterov; 0.9 by default.", float),
    _setting("--weight-decay", "L2; for adamw apart from the gradient.", float),
    _setting("--clip-norm", "Scale gradients down to this norm.", float, metavar="NORM"),
    _setting("--schedule", "How the learning rate changes.", **_choice(SCHEDULES)),
    _setting("--warmup", "Of the cosine: linear growth before it.", float, metavar="EPOCHS"),
    _setting("--decay-every", "Of the step schedule; a third of all by default.", float, metavar="EPOCHS"),
    _setting("--decay", "Factor of the step schedule; 0.1 by default.", float, metavar="FACTOR"),
    _setting("--power", "Of inverse_scaling; 0.5 by default.", float),
    _setting("--batch", "Rows of a batch.", int, metavar="ROWS"),
    _setting("--span", "Rows of a larger batch whose gradient is summed as one.", int, metavar="ROWS"),
    _setting("--epochs", "At most so many.", int),
    _setting("--seed", "Of the split, the first weights and the order.", int),
    _setting("--dtype", "Of numbers.", **_choice(("float32", "float64"))),
    _setting("--split", "Shares for training, validation and test; of a text the first, 0.9.", metavar="A/B/C"),
    _setting(
        "--standardise/--no-standardise",
        "Inputs to mean 0 and deviation 1 of the training part, or as they are.  "
        "[default: but for images, which are 0..1]",
    ),
    _setting("--patience", "Stop after so many epochs without a better metric.", int, metavar="EPOCHS"),
    _setting("--metric", "What chooses the best epoch, whose weights are kept.", **_choice(METRICS)),
]


def _a_number(context: click.Context, option: click.Parameter, value: float) -> float:
    """NaN is in every range for click."""
    if math.isnan(value):
        raise click.BadParameter("nan is no number of seconds", context, option)
    return value


FILES = [
    click.Option(["-o", "--output"], type=FILE, help="The model.  [default: the name of DATA, .safetensors]"),
    click.Option(["--checkpoint"], type=FILE, help="Keep here where the training stands, each second or more."),
    click.Option(["--resume"], is_flag=True, help="Go on from the checkpoint, where there is one, to the same bits."),
    click.Option(["--history"], type=FILE, help="A JSON line an epoch."),
    click.Option(["--overwrite"], is_flag=True, help="Replace these files of an earlier run."),
    click.Option(
        ["--checkpoint-seconds"], type=click.FloatRange(min=0), callback=_a_number, default=1.0, show_default=True,
        help="At most so often; and for a tenth of the time.",
    ),
    click.Option(["--config"], type=FILE, help="A TOML file of these options; those given here win."),
    JSON,
]  # fmt: skip


DATA = click.Argument(["data"], type=FileOr(lambda: [*LOADERS, "topics"]))
MODEL = click.Argument(["model_file"], metavar="MODEL", type=click.Path(path_type=Path))
OUTPUT = click.Option(
    ["-o", "--output"], type=Output(), metavar="FILE|-", default="-", show_default=True, help="Where to write."
)
PROBABILITIES = click.Option(["--probabilities"], is_flag=True, help="Of each class too.")
LINES = click.Option(["--json-lines"], is_flag=True, help="A JSON object a row, in place of csv.")
