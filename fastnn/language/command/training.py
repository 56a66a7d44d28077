"""What `fastnn train --text` does between its options and the library: files, progress, interruption, exit status."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from fastnn import get_num_threads
from fastnn.bench.command import hand_out, require_apart
from fastnn.bench.compiling import announced
from fastnn.bench.progress import say
from fastnn.bench.table import si
from fastnn.edge.atomic import is_file, sweep
from fastnn.edge.options import FAILED, INTERRUPTED
from fastnn.language import corpus
from fastnn.language.command.options import KINDS, KNOWN, SHARED, require_no_table
from fastnn.language.model import LanguageModel
from fastnn.language.settings import MODELS, describe, settings_of
from fastnn.language.training import LanguageTraining, Record
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.simd import machine
from fastnn.train.checkpoint import Checkpoint
from fastnn.train.command.configuration import read
from fastnn.train.command.interruption import interruptible
from fastnn.train.command.training import places, standing, use_threads

SCHEMA = "fastnn-train-text/1"
# What a model says while it learns.
SHOWN, TEMPERATURE = 70, 0.8
# That the peak is measured for.
PEAK_SECONDS = 0.1
# Of a network whose training goes on.
ARCHITECTURE = ("model", "vocabulary", "length", "blocks", "width", "heads", "dropout", "dtype")


def run_train_text(
    data: str, config: Path | None, output: Path | None, json_file: str | None, checkpoint: Path | None, resume: bool,
    history: Path | None, overwrite: bool, checkpoint_seconds: float, **options: Any,
) -> int:  # fmt: skip
    """Exit status: 0, 1 where the loss is not finite, 130 where interrupted. click.UsageError before it trains."""
    require_no_table({**options, "history": history})
    output = output or Path(f"{Path(data).stem or 'model'}.safetensors")
    try:
        values = _joined(options, config)
        require_apart((output, checkpoint, json_file), (data, config, values.get("from")))
        files = places(json_file, output, checkpoint, None, resume, overwrite)
        use_threads(values.pop("threads", None))
        training = _training(data, values)
        goes_on = _stands(training, checkpoint, resume, overwrite)
        say(_about(training, data, goes_on))
        stopped = _trained(training, checkpoint, checkpoint_seconds)
        if resume:
            sweep(output)
        training.model.save(output)
    except KeyboardInterrupt:
        say(f"interrupted{standing(checkpoint)}")
        return INTERRUPTED
    except NonFiniteLoss as error:
        say(f"Error: {error}{standing(checkpoint)}")
        return FAILED
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    score = training.model.score(training.held) if len(training.held) > 1 else None
    hand_out(_document(training, data, score), json_file, files)
    if score is not None:
        say(f"held out, {score.tokens:,} tokens: {score.nats:.4f} nats, {score.bits:.4f} bits, "
            f"perplexity {score.perplexity:.4g}")  # fmt: skip
    say(f"written: {output}; fastnn generate {output} --prompt '...' writes text")
    return INTERRUPTED if stopped else 0


def _joined(options: dict[str, Any], config: Path | None) -> dict[str, Any]:
    """An option wins over the file. ValueError: a file that says anything else."""
    options = {"from" if name == "begin" else name: value for name, value in options.items()}
    given = {name: value for name, value in options.items() if name in (*KNOWN, *SHARED) and value not in (None, ())}
    values = {**(read(config, KNOWN, KINDS) if config else {}), **given}
    if isinstance(values.get("split"), str):
        values["split"] = _share(values["split"])
    return values


def _share(split: str) -> float:
    """That is trained on: "0.9", or "0.9/0.1". ValueError."""
    first, _, rest = split.partition("/")
    try:
        share = float(first)
        fits = not rest or abs(share + float(rest) - 1) < 1e-6
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"split is {split!r}; a text has two parts: expected the share that is trained on, such as 0.9"
        )
    return share


def _training(data: str, values: dict[str, Any]) -> LanguageTraining:
    place = values.pop("from", None)
    if place is None:
        settings = settings_of(values)
        return LanguageTraining(corpus.read(data, settings.vocabulary), settings)
    if told := [name for name in ARCHITECTURE if name in values]:
        raise ValueError(f"--{told[0]} is the model's own where --from is given; leave it out")
    begin = LanguageModel.load(place)
    settings = settings_of({"model": begin.kind, "learning_rate": MODELS[begin.kind].learning_rate / 10, **values})
    return LanguageTraining(corpus.read(data, begin.vocabulary), settings, begin)


def _stands(training: LanguageTraining, checkpoint: Path | None, resume: bool, overwrite: bool) -> bool:
    """Whether it goes on from a checkpoint. ValueError, FileExistsError."""
    there = checkpoint is not None and checkpoint.exists() and is_file(checkpoint)
    if checkpoint is not None and there and resume:
        training.resume(Checkpoint.read(checkpoint))
        return True
    if there and not overwrite:
        raise FileExistsError(f"{checkpoint} is there already; resume it, name another file, or overwrite it")
    return False


def _about(training: LanguageTraining, data: str, goes_on: bool) -> str:
    network, vocabulary = training.network, training.model.vocabulary
    told = f"; from step {training.steps}" if goes_on else ""
    return (
        f"{data}: {len(training.train):,} tokens to train on and {len(training.held):,} held out, of "
        f"{vocabulary.size:,} {vocabulary.name}; network of {network.parameter_count:,} parameters, sequences of "
        f"{training.model.length}, {training.flops / 1e9:.3g} GFLOP a step{told}"
    )


def _trained(training: LanguageTraining, checkpoint: Path | None, seconds: float) -> bool:
    """Whether it was interrupted, after a whole step."""
    peak = machine.measure(get_num_threads(), training.network.dtype, PEAK_SECONDS).flops_per_s
    written = time.perf_counter()
    with announced(say), interruptible("step") as asked:
        for record in training:
            if record is not None:
                say(_told(record, training, peak))
            due = time.perf_counter() - written >= seconds
            if checkpoint is not None and (due or asked.is_set() or training.is_over):
                training.checkpoint().write(checkpoint)
                written = time.perf_counter()
            if asked.is_set():
                break
    return not training.is_over


def _told(record: Record, training: LanguageTraining, peak: float) -> str:
    """step 100/2000: loss 2.61 (val 2.58), 61 k tokens/s, 310 GFLOP/s, 58 % of peak, and a sample."""
    held = "" if record.val_loss != record.val_loss else f" (val {record.val_loss:.4f})"
    sample = training.model.generate("", SHOWN, temperature=TEMPERATURE)
    speed = f"{record.gflops:.0f} GFLOP/s, {record.gflops * 1e9 / peak:.0%} of peak"
    return (
        f"step {record.step}/{training.settings.steps}: loss {record.loss:.4f}{held}, "
        f"{si(record.tokens_per_s, 'tokens/s')}, {speed}  "
        f"{ascii(sample) if not sys.stderr.isatty() else repr(sample)}"
    )


def _document(training: LanguageTraining, data: str, score: Any) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "data": {"source": data, **training.data},
        "settings": describe(training.settings),
        "network": training.network.description() | {"parameters": training.network.parameter_count},
        "flops_per_step": training.flops,
        "records": [record.as_dict() for record in training.records],
        "held_out": score.as_dict() if score else None,
    }
