"""What `fastnn evaluate` and `fastnn predict-on` do between their options and the library."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fastnn import samples
from fastnn.bench.command import hand_out, require_apart, result_files
from fastnn.bench.progress import say
from fastnn.bench.table import console
from fastnn.edge.atomic import replacing
from fastnn.edge.options import STDOUT
from fastnn.samples.opening import Place, place_of
from fastnn.tables import Source, batches, open_source, read_as
from fastnn.tables.arrays import Arrays
from fastnn.train.command.configuration import as_options
from fastnn.train.command.reading import flags
from fastnn.train.command.screen import classes_table, scores_table
from fastnn.train.command.training import use_threads
from fastnn.train.model import Model
from fastnn.train.predictor import Predictor
from fastnn.train.sample_model import SampleModel, load_model
from fastnn.train.scores import as_json, confusion, scores

SCHEMA = "fastnn-evaluate/1"
# What tells two numbers of a type apart.
DIGITS = {"float32": 9, "float64": 17}
Write = Callable[[str], object]
# Names of files, where rows have any, and x.
Part = tuple[Sequence[str] | None, NDArray[Any]]


def run_evaluate(model_file: Path, data: str, threads: int | None, json_file: str | None, **told: Any) -> None:
    """click.UsageError: a file that is no model, or data without its columns."""
    try:
        require_apart([json_file], (model_file, data))
        files = result_files(json_file, None)
        use_threads(threads)
        model = load_model(model_file)
        x, y, title = _labelled(model, data, told)
        found = scores(model, x, y)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        raise click.UsageError(as_options(str(error))) from error
    classes = model.target.classes
    matrix = None if classes is None else confusion(model, x, y)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "source": title,
        "target": model.target.name,
        "scores": as_json(found),
    }
    if matrix is not None:
        document |= {"classes": classes, "confusion": matrix.tolist()}
    people = console(sys.stderr if hand_out(document, json_file, files) else sys.stdout)
    people.print(scores_table({title: found}))
    if classes is not None:
        people.print()
        people.print(classes_table(matrix, classes))


def _labelled(model: Model | SampleModel, data: str, told: dict[str, Any]) -> tuple[Any, NDArray[Any], str]:
    """What the network takes, what should come out, and where both are from."""
    if isinstance(model, SampleModel):
        place = _place(data, told)
        x, y = samples.read_as(place, model.form, model.target, model.network.dtype)
        return model.rows(x), y, place.title if isinstance(place, Arrays) else str(place)
    table = read_as(_source(data, model, told), model.columns, model.target, model.network.dtype, model.rule)
    model.prepare(table.x)
    return table.x, table.y, table.title


def _parts(model: Model | SampleModel, data: str, told: dict[str, Any]) -> Iterator[Part]:
    """Rows to predict, some thousand at a time."""
    if isinstance(model, SampleModel):
        return samples.batches(_place(data, told), model.form, model.network.dtype)
    found = batches(_source(data, model, told), model.columns, model.network.dtype, model.rule)
    return ((None, x) for x in found)


def _source(data: str, model: Model, told: dict[str, Any]) -> Source:
    """Rows for a model; numbers are written as they were in training, unless somebody says otherwise."""
    return open_source(data, model.form, **told)


def _place(data: str, told: dict[str, Any]) -> Place:
    if given := [name for name, value in told.items() if value not in (None, ())]:
        raise ValueError(f"{flags(given)} for tables, and the model is of images or sequences")
    return place_of(data)


def run_predict_on(
    model_file: Path, data: str, threads: int | None, probabilities: bool, json_lines: bool, output: str, **told: Any
) -> None:
    """click.UsageError: a file that is no model, or data without its columns; a file is then left as it was."""
    try:
        require_apart([output], (model_file, data))
        result_files(output, None)
        use_threads(threads)
        model = load_model(model_file)
        if probabilities and model.target.classes is None:
            raise ValueError(f"--probabilities is of classes; the model gives numbers, {model.target.name!r}")
        if probabilities:
            model.network.predict_proba(np.zeros((1, model.network.inputs)))  # says which losses give none
        parts = _parts(model, data, told)
        with _opened(output) as write:
            rows = _write_predictions(model, parts, probabilities, json_lines, write)
    except BrokenPipeError:
        raise  # click ends quietly
    except (ValueError, OSError, ModuleNotFoundError) as error:
        raise click.UsageError(as_options(str(error))) from error
    if output != STDOUT:
        say(f"{rows:,} rows predicted; written: {output}")


@contextmanager
def _opened(output: str) -> Iterator[Write]:
    """stdout, or a file that is replaced whole at the end."""
    if output == STDOUT:
        bytes_out = getattr(sys.stdout, "buffer", None)  # what takes the place of stdout in a notebook has none
        # UTF-8, as a file has it, whatever the terminal's encoding.
        yield sys.stdout.write if bytes_out is None else lambda text: bytes_out.write(text.encode())
        return
    with replacing(output) as file:
        yield lambda text: file.write(text.encode())


def _write_predictions(
    model: Predictor, parts: Iterator[Part], probabilities: bool, json_lines: bool, write: Write
) -> int:
    """How many rows there were. Those of files begin with their name."""
    classes = model.target.classes if probabilities and model.target.classes else ()
    told = ["prediction", *(f"probability of {name}" for name in classes)]
    form = _json_lines if json_lines else _csv_lines
    rows, begins = 0, not json_lines
    for files, x in parts:
        names = told if files is None else ["file", *told]
        columns: list[Sequence[Any]] = [] if files is None else [files]
        columns.append(_predicted(model, x))
        if probabilities:
            columns.extend(_rounded(model, share) for share in model.predict_proba(x).T)
        if begins:
            write(_csv_lines(names, [names]))
            begins = False
        write(form(names, zip(*columns, strict=True)))
        rows += len(x)
    if begins:
        write(_csv_lines(told, [told]))
    return rows


def _predicted(model: Predictor, x: NDArray[Any]) -> list[Any]:
    """Names of classes, or numbers."""
    found = model.predict(x)
    classes = model.target.classes
    return _rounded(model, found) if classes is None else [classes[label] for label in found]


def _rounded(model: Predictor, values: NDArray[Any]) -> list[float]:
    """As many digits as tell two numbers of the network's type apart."""
    digits = DIGITS[model.network.dtype.name]
    return [float(f"{value:.{digits}g}") for value in values]


def _csv_lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _json_lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
