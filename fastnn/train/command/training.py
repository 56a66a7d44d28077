"""What `fastnn train` does between its options and the library: files, progress, interruption, exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fastnn import set_num_threads
from fastnn.bench.command import hand_out, require_apart, result_files, thread_counts
from fastnn.bench.compiling import announced
from fastnn.bench.progress import say
from fastnn.bench.table import console
from fastnn.data import LOADERS
from fastnn.edge.atomic import is_file, sweep
from fastnn.edge.options import FAILED, INTERRUPTED, STDOUT
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.samples import Samples
from fastnn.tables import Table
from fastnn.train.command.configuration import SETTINGS, as_options, joined
from fastnn.train.command.interruption import interruptible
from fastnn.train.command.reading import read_data
from fastnn.train.command.screen import epochs_shown, scores_table
from fastnn.train.networks import name_of
from fastnn.train.run import Outcome, run
from fastnn.train.sample_training import training_of
from fastnn.train.scores import as_json
from fastnn.train.settings import describe, settings_of
from fastnn.train.standing import Standing

SCHEMA = "fastnn-train/1"


def run_train(
    data: str, config: Path | None, output: Path | None, json_file: str | None, checkpoint: Path | None, resume: bool,
    history: Path | None, overwrite: bool, checkpoint_seconds: float, **options: Any,
) -> int:  # fmt: skip
    """Exit status: 0, 1 where the loss is not finite, 130 where interrupted. click.UsageError before it trains."""
    kept = {"checkpoint": checkpoint, "history": history, "resume": resume, "overwrite": overwrite}
    training = None
    output = output or model_file(data)
    try:
        values = joined(options, config)
        settings = settings_of({name: value for name, value in values.items() if name in SETTINGS})
        require_apart((output, checkpoint, history, json_file), (data, config))
        require_outside((output, checkpoint, history, json_file), data)
        files = places(json_file, output, checkpoint, history, resume, overwrite)
        use_threads(values.get("threads"))
        source = read_data(data, values, settings)
        training = training_of(source, settings)
        say(about(source, training))
        outcome = _trained(training, checkpoint_seconds, kept)
        if resume:
            sweep(output)
        outcome.model.save(output)
    except KeyboardInterrupt:
        say(f"interrupted{standing(checkpoint)}")
        return INTERRUPTED
    except NonFiniteLoss as error:
        say(f"Error: {error}{standing(checkpoint)}")
        return FAILED
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        raise click.UsageError(as_options(str(error))) from error
    as_json = hand_out(document(training, source, outcome), json_file, files)
    console(sys.stderr if as_json else sys.stdout).print(scores_table(outcome.scores))
    say(f"epoch {outcome.best_epoch} of {training.epoch} {_why(outcome)}; written: {output}")
    return INTERRUPTED if outcome.stopped == "asked" else 0


def require_outside(written: Sequence[Path | str | None], data: str) -> None:
    """ValueError: a file in the folder of images that is read, where it would stand among its classes."""
    if not Path(data).is_dir():
        return
    for file in (Path(file) for file in written if file is not None and str(file) != STDOUT):
        if is_file(file) and Path(data).resolve() in file.resolve().parents:
            raise ValueError(f"{file} lies in {data}, of which classes are read; name a place outside of it")


def model_file(data: str) -> Path:
    """Where the model of DATA goes, named after a file, a folder or a built-in set, which a pipe is not."""
    path = Path(data)
    if path.is_dir():
        return Path(f"{path.resolve().name or 'model'}.safetensors")
    return Path(f"{path.stem if path.is_file() or data in LOADERS else 'model'}.safetensors")


def places(
    json_file: str | None, output: Path, checkpoint: Path | None, history: Path | None, resume: bool, overwrite: bool
) -> Sequence[Path]:
    """Files for JSON. ValueError: a place where no file can be, or one that is taken."""
    if resume and overwrite:
        raise ValueError("--resume goes on with the files of a run, --overwrite replaces them; choose one")
    if resume and checkpoint is None:
        raise ValueError("--resume needs to know from where: --checkpoint FILE")
    replaced = overwrite or (resume and checkpoint is not None and checkpoint.exists())
    for file in (output, checkpoint, history):
        result_files(None if file is None else str(file), None)
        if file is not None and file.exists() and is_file(file) and not replaced:
            raise ValueError(f"{file} is there already; --overwrite replaces it, or name another file")
    return result_files(json_file, None)


def use_threads(threads: int | None) -> None:
    """ValueError: more than there are."""
    if threads is not None:
        set_num_threads(thread_counts([threads])[0])


def about(source: Table | Samples, training: Standing[Any, Any]) -> str:
    """The data as it was read, and the network."""
    classes = source.target.classes
    what = f"{source.target.name}, a number" if classes is None else f"{source.target.name}, {len(classes)} classes"
    if isinstance(source, Table):
        rows = f"{len(source):,} rows, {len(source.columns):,} columns"
        name = "-".join(map(str, [training.network.inputs, *training.settings.layers, training.network.outputs]))
    else:
        rows, name = f"{len(source):,} {source.form},", name_of(training.settings, source.form)
    told = f"\nread as: {source.told}" if source.told else ""
    return (
        f"{source.title}: {rows} to predict {what}; network {name}, {training.network.parameter_count:,} parameters"
        f"{told}"
    )


def _trained(training: Standing[Any, Any], seconds: float, kept: dict[str, Any]) -> Outcome:
    """Trains; after the first SIGINT to the end of the epoch, if that is near."""
    with (
        announced(say),
        interruptible("epoch") as asked,
        epochs_shown(training.epoch, training.settings.epochs) as show,
    ):

        def after(record: Any) -> bool:
            show(record)
            return asked.is_set()

        return run(training, after=after, checkpoint_seconds=seconds, **kept)


def standing(checkpoint: Path | None) -> str:
    if checkpoint is None or not checkpoint.exists():
        return "; nothing was kept (--checkpoint FILE keeps what is done)"
    return f"; --checkpoint {checkpoint} --resume goes on"


def _why(outcome: Outcome) -> str:
    return {"epochs": "is kept", "patience": "is kept, no later one is better", "asked": "is kept, interrupted"}[
        outcome.stopped
    ]


def document(training: Standing[Any, Any], source: Table | Samples, outcome: Outcome) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "data": {"source": source.title, **training.data, "parts": training.rows},
        "settings": describe(training.settings),
        "network": training.network.description() | {"parameters": training.network.parameter_count},
        "flops_per_epoch": training.flops,
        "epochs": [record.as_dict() for record in outcome.records],
        "best_epoch": outcome.best_epoch,
        "stopped": outcome.stopped,
        "scores": {part: as_json(found) for part, found in outcome.scores.items()},
    }
