"""The demonstrations by name: a line on each, and the module that shows it, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from fastnn.demo.display.demonstration import Demonstration

# In the order in which one learns them. fastnn.demo.NAME has OPTIONS and `show`, which takes them by name.
SUMMARIES = {
    "neuron": "One neuron: products, a sum, an activation",
    "perceptron": "It learns AND and OR, not XOR; hidden units do",
    "spam": "26 parameters find spam; a step by hand",
    "activations": "Nine of them, their slopes, units that die",
    "gradients": "How they vanish in deep networks; what cures it",
    "losses": "What being wrong costs, and how steep that is",
    "learning-rate": "From too small to exploding; a schedule",
    "temperature": "The same logits, sharper or flatter; sampling",
    "universal": "A layer follows a curve; what a digit costs",
    "digits": "Handwritten digits, and those it misreads",
    "cnn": "Filters, maps, pools; digits that move",
    "rnn": "A symbol remembered: gates, cells, exchanged",
    "attention": "Digits backwards, from one vector or from all",
    "llm": "A language model, from prompt to next token",
    "gpt": "It learns to write; where its heads look",
}


class Entry(NamedTuple):
    show: Callable[..., Demonstration]
    options: Sequence[click.Option]


def entry(name: str) -> Entry:
    module: Any = import_module(f"fastnn.demo.{name.replace('-', '_')}")
    return Entry(module.show, module.OPTIONS)
