"""A small GPT learns to write: its losses, where its heads look, and what it writes at several temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fastnn.demo import inside_gpt
from fastnn.demo.display.demonstration import Block, Demonstration, Drawing, Section, Table, decimal
from fastnn.demo.parameters import NUMBERS, SEED
from fastnn.demo.small_gpt import TEXT, bigram_nats, known, trained, written_out
from fastnn.edge.checks import as_number
from fastnn.language.settings import LanguageSettings
from fastnn.language.training import LanguageTraining, Record
from fastnn.report.picture import Axis, Picture, Series

OPTIONS = (
    TEXT,
    click.Option(
        ["--steps"], type=click.IntRange(min=1), default=800, show_default=True, help="Of 12 sequences of 64."
    ),
    click.Option(["--prompt"], default="The value of", show_default=True, help="Where heads look, and samples begin."),
    click.Option(["--temperatures"], type=NUMBERS, default="0,0.5,1,2", show_default=True),
    click.Option(["--tokens"], type=click.IntRange(min=1), default=150, show_default=True, help="Of each sample."),
    SEED,
)

# Trained in some two seconds: 1.92 nats on held-out text, of which a model that counts pairs has 2.46.
SMALL: dict[str, Any] = {"length": 64, "blocks": 2, "width": 96, "heads": 4, "batch": 12, "learning_rate": 2e-3}
LINE, SHADES = 80, " .:-=+*#%@"


def show(text: str, steps: int, prompt: str, temperatures: Sequence[float], tokens: int, seed: int) -> Demonstration:
    """A small GPT learns to write, from a text that every Python has or one of yours.

    Its loss on a tenth of the text that it never saw, beside that of a model that has counted pairs; what each head of
    its attention looks at; and what it writes at several temperatures.
    """
    for each in temperatures:
        as_number(each, "one of temperatures", 0.0)
    settings = LanguageSettings(**SMALL, steps=steps, warmup=min(100, steps // 2), seed=seed)
    corpus, training = trained(text, settings)
    model, records = training.model, training.records
    ids, pairs = known(model, prompt), bigram_nats(corpus.ids, corpus.vocabulary.size)
    last = records[-1]
    samples = {
        float(each): model.generate(prompt, tokens, temperature=each, seed=seed) for each in dict.fromkeys(temperatures)
    }
    places = inside_gpt.blocks(model.network)
    looks = [inside_gpt.attention(model.network, place, ids) for place in places]
    return Demonstration(
        title=f"{model.network.parameter_count:,} parameters learn to write: {last.val_loss:.2f} nats a token after "
        f"{steps:,} steps",
        sections=(
            Section("What it learned from", learned_from(training, len(corpus), pairs)),
            Section("Its loss", (picture(records, pairs),)),
            Section(f"Where its heads look in {prompt!r}", maps(prompt, model.vocabulary.decode, ids, looks)),
            *(
                Section(f"Written at T = {decimal(each)}", (written_out(prompt + sample),))
                for each, sample in samples.items()
            ),
        ),
        numbers={
            "parameters": model.network.parameter_count, "tokens": len(corpus), "bigram_nats": pairs, "seed": seed,
            "macs_a_step": training.network.cost(settings.batch, "adamw").total.macs,
            "records": [{"step": each.step, "loss": each.loss, "val_loss": each.val_loss} for each in records],
            "attention": [each.tolist() for each in looks],
            "samples": [{"temperature": each, "text": sample} for each, sample in samples.items()],
        },
    )  # fmt: skip


def learned_from(training: LanguageTraining, tokens: int, pairs: float) -> tuple[Block, ...]:
    settings, size, last = training.settings, training.model.vocabulary.size, training.records[-1]
    seen = settings.batch * settings.length
    cost = training.network.cost(settings.batch, "adamw").total
    below = "below" if last.val_loss < pairs else "not yet below"
    return (
        f"{tokens:,} tokens, of {size} kinds. The first nine tenths are learned from, {seen:,} of them a step: "
        f"{cost.macs:,} multiply-adds, {settings.steps * cost.flops / 1e9:,.0f} GFLOP in all.",
        Table(
            columns=("nats a token", ""),
            rows=(
                (f"{np.log(size):.3f}", "all tokens alike: the logarithm of their number"),
                (f"{pairs:.3f}", "pairs counted, of the text itself"),
                (f"{last.loss:.3f}", "this network, on what it learned from of late"),
                (f"{last.val_loss:.3f}", f"this network, on text that it never saw: {below} pairs"),
            ),
        ),
    )


def picture(records: Sequence[Record], pairs: float) -> Picture:
    steps = tuple(float(each.step) for each in records)
    losses = {"learned from": [each.loss for each in records], "never seen": [each.val_loss for each in records]}
    series = [
        Series(name=name, kind="linked", colour=colour, x=steps, y=tuple(y))
        for colour, (name, y) in enumerate(losses.items())
    ]
    ends = (steps[0], steps[-1])
    level = Series(name="pairs counted", kind="line", colour=2, dash="dash", x=ends, y=(pairs, pairs))
    return Picture(
        family="gpt", title="Loss by step", x=Axis(title="step", plain=True), y=Axis(title="nats a token", plain=True),
        series=(*series, level),
    )  # fmt: skip


def maps(prompt: str, decode: Any, ids: Sequence[int], looks: Sequence[NDArray[np.float64]]) -> tuple[Block, ...]:
    """A block's heads side by side, as far as they fit: of each token that looks a row, of each looked at a column."""
    letters = [(decode([number]) or " ")[0] for number in ids]
    letters = [letter if letter.isprintable() else "?" for letter in letters]
    found: list[Block] = ["A row is a token that looks, a column one that it looks at; the darker, the more."]
    for number, heads in enumerate(looks):
        side_by_side = max(1, (LINE - 2) // (len(ids) + 2))
        for first in range(0, len(heads), side_by_side):
            some = heads[first : first + side_by_side]
            lines = ["  " + "  ".join("".join(letters) for _ in some)]
            for row, letter in enumerate(letters):
                lines.append(f"{letter} " + "  ".join(shaded(head[row]) for head in some).rstrip())
            names = ", ".join(str(first + at + 1) for at in range(len(some)))
            found += [f"Block {number + 1}, heads {names}:", Drawing(tuple(lines))]
    return tuple(found)


def shaded(shares: NDArray[np.float64]) -> str:
    """A character each, from nothing to all."""
    return "".join(SHADES[min(int(share * len(SHADES)), len(SHADES) - 1)] for share in shares)
