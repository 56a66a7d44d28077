"""A language model from prompt to next token: every stage with its numbers, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from fastnn.demo import inside_gpt
from fastnn.demo.display.demonstration import Block, Demonstration, Section, Table, decimal
from fastnn.demo.parameters import SEED
from fastnn.demo.small_gpt import TEXT, known, token, trained, written_out
from fastnn.functional import softmax
from fastnn.language.model import LanguageModel
from fastnn.language.settings import LanguageSettings
from fastnn.networks.network import Network
from fastnn.paper.models import model as on_paper

OPTIONS = (
    click.Option(["--prompt"], default="The value of the ", show_default=True),
    click.Option(["--temperature"], type=click.FloatRange(min=0), default=0.8, show_default=True),
    click.Option(["--tokens"], type=click.IntRange(min=1), default=60, show_default=True, help="To go on with."),
    click.Option(
        ["--model"], type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A model of `fastnn train --text`; a small one is trained unless given.",
    ),
    TEXT,
    SEED,
)  # fmt: skip

# Trained in about a second: 2.14 nats on held-out text, of which a model that counts pairs has 2.46.
SMALL: dict[str, Any] = {
    "length": 32, "blocks": 2, "width": 64, "heads": 4, "batch": 16, "steps": 600, "learning_rate": 3e-3
}  # fmt: skip
A_LINE, LAST, FIRST, LOOKED_AT = 10, 6, 4, 3
# By the layer that a user writes.
PARTS = {
    "Embedding": "embeddings of tokens", "PositionEmbedding": "embeddings of places", "SelfAttention": "attention",
    "Dense": "dense layers", "TiedHead": "head, the tokens' table again",
}  # fmt: skip
OTHERS = "norms and sums"
LARGE = ("gpt2", "gpt3", "gpt4")


def show(prompt: str, temperature: float, tokens: int, model: Path | None, text: str, seed: int) -> Demonstration:
    """A small language model, from the prompt to the next token.

    Tokens, embeddings, attention and what each layer makes of them, logits, softmax at a temperature, and what comes
    out when the next token is drawn again and again: every stage with its numbers and its exact cost.
    """
    shown = LanguageModel.load(model) if model else trained(text, LanguageSettings(**SMALL, seed=seed))[1].model
    ids, network = known(shown, prompt), shown.network
    places = inside_gpt.blocks(network)
    logits, order = inside_gpt.likely(network, ids)
    shares = {each: softmax(logits[None], temperature=each)[0] for each in (1.0, temperature)}
    written = shown.generate(prompt, tokens, temperature=temperature, seed=seed)
    parts = costs(network)
    return Demonstration(
        title=f"{prompt!r} goes through {network.parameter_count:,} parameters to the next token",
        sections=(
            Section("1. Text to tokens", tokens_of(shown, ids)),
            Section("2. Tokens to vectors", vectors_of(shown, ids)),
            Section("3. Attention: where the last token looks", attention_of(shown, ids, places)),
            Section("4. Layer after layer: what it would say by now", layers_of(shown, ids, places)),
            Section("5. Logits to probabilities", (
                Table(
                    columns=("token", "logit", *(f"T = {decimal(each)}" for each in shares)),
                    rows=tuple(
                        (token(shown, at), f"{logits[at]:.3f}", *(f"{share[at]:.2%}" for share in shares.values()))
                        for at in order.tolist()
                    ),
                ),
                f"The {len(order)} most probable of {len(logits):,} tokens; p = softmax(logits / T).",
            )),
            Section(f"6. Drawn {tokens} times, each token put behind the others", (written_out(prompt + written),)),
            Section("7. What it costs", cost_of(network, parts)),
        ),
        numbers={
            "parameters": network.parameter_count, "prompt": prompt, "ids": ids, "temperature": temperature,
            "most_probable": [
                {"token": shown.vocabulary.decode([at]), "logit": logit, "probability": share}
                for at, logit, share in zip(
                    order.tolist(), logits[order].tolist(), shares[1.0][order].tolist(), strict=True
                )
            ],
            "text": written, "macs": {name: macs for name, (_, macs) in parts.items()}, "seed": seed,
        },
    )  # fmt: skip


def tokens_of(model: LanguageModel, ids: Sequence[int]) -> tuple[Block, ...]:
    tables = []
    for first in range(0, len(ids), A_LINE):
        some = ids[first : first + A_LINE]
        rows = (("token", *(token(model, number) for number in some)), ("id", *map(str, some)))
        tables.append(Table(columns=("place", *(str(first + at) for at in range(len(some)))), rows=rows))
    return f"The model knows {model.vocabulary.size:,} tokens, and looks at {model.length} at a time.", *tables


def vectors_of(model: LanguageModel, ids: Sequence[int]) -> tuple[str, Table]:
    named = model.network.named_parameters
    table, places = named["0.weight"], named["1.weight"]
    rows = []
    for place in range(len(ids))[-LAST:]:
        parts = (table[ids[place]], places[place], table[ids[place]] + places[place])
        rows.append((token(model, ids[place]), *(" ".join(f"{x:+.2f}" for x in part[:FIRST]) for part in parts)))
    return (
        f"A row of {table.shape[1]} numbers of the tokens' table, and one of the places' table, are added; of the last "
        f"{len(rows)} tokens the first {FIRST} numbers:",
        Table(columns=("token", "by token", "by place", "sum"), rows=tuple(rows)),
    )


def attention_of(model: LanguageModel, ids: Sequence[int], places: Sequence[int]) -> tuple[Table, str]:
    rows = []
    for number, place in enumerate(places):
        for head, looks in enumerate(inside_gpt.attention(model.network, place, ids)):
            most = np.argsort(-looks[-1], kind="stable")[:LOOKED_AT].tolist()
            cells = [f"{token(model, ids[at])} at {at}: {looks[-1, at]:.0%}" for at in most]
            rows.append((f"block {number + 1}", f"head {head + 1}", *cells, *[""] * (LOOKED_AT - len(cells))))
    return (
        Table(columns=("", "", "most", "then", "then"), rows=tuple(rows)),
        "Each head compares the last token's query with every token's key; a softmax of those products says how much "
        "of each token's value it takes.",
    )


def layers_of(model: LanguageModel, ids: Sequence[int], places: Sequence[int]) -> tuple[str, Table]:
    before, rows = None, []
    for until in (places[0], *(place + 1 for place in places)):
        vector = inside_gpt.vectors(model.network, until, ids)[-1]
        best, probability = inside_gpt.guess(model.network, until, ids)
        change = "" if before is None else f"{np.linalg.norm(vector - before):.2f}"
        name = "embeddings" if until == places[0] else f"block {until - places[0]}"
        rows.append((name, f"{np.linalg.norm(vector):.2f}", change, token(model, best), f"{probability:.1%}"))
        before = vector
    return (
        "The vector of the last token after each layer, and what the last norm and the head make of it:",
        Table(columns=("after", "length", "change", "most probable", "probability"), rows=tuple(rows)),
    )


def costs(network: Network) -> dict[str, tuple[int, int]]:
    """Parameters, and multiply-adds of a pass over all its positions, of each kind of layer."""
    found = dict.fromkeys([*PARTS.values(), OTHERS], (0, 0))
    for operation in network.operations:
        name = PARTS.get(operation.owner, OTHERS)
        parameters, macs = found[name]
        macs += operation.forward_cost(1, network.dtype.itemsize).macs
        found[name] = parameters + operation.parameter_count, macs
    return found


def cost_of(network: Network, parts: Mapping[str, tuple[int, int]]) -> tuple[Table, str, Table]:
    total, length = sum(macs for _, macs in parts.values()), network.input_shape[0]
    rows = [(name, f"{count:,}", f"{macs:,}", f"{macs / total:.1%}") for name, (count, macs) in parts.items()]
    rows.append(("all", f"{network.parameter_count:,}", f"{total:,}", ""))
    others = [(name, on_paper(name)) for name in LARGE]
    return (
        Table(columns=("part", "parameters", "multiply-adds", "share"), rows=tuple(rows)),
        f"The multiply-adds are of a pass over {length} positions, {total // length:,} a token on average. One more "
        "token takes no more, as keys and values of those before it are kept. The same stages, in other numbers:",
        Table(
            columns=("model", "parameters", "times as many"),
            rows=tuple(
                (f"{name}, an estimate" if other.estimate else name, f"{other.parameters:,}",
                 f"{other.parameters / network.parameter_count:,.0f}")
                for name, other in others
            ),
        ),
    )  # fmt: skip
