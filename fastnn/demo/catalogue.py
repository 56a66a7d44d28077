"""The demonstrations by name: a line on each, and the module that shows it, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from fastnn.demo.demonstration import Demonstration

# In the order in which one learns them. fastnn.demo.NAME has OPTIONS and `show`, which takes them by name.
SUMMARIES = {
    "neuron": "One neuron: products, their sum, an activation.",
    "perceptron": "It learns AND and OR, not XOR; a hidden layer does.",
    "spam": "26 parameters tell spam from mail; each weight, and a step by hand.",
    "activations": "Nine activations, their slopes, and units that die.",
    "losses": "What being wrong costs: binary, 100,000 classes, squared error.",
    "temperature": "The same logits, sharper or flatter, and sampled.",
}


class Entry(NamedTuple):
    show: Callable[..., Demonstration]
    options: Sequence[click.Option]


def entry(name: str) -> Entry:
    module: Any = import_module(f"fastnn.demo.{name.replace('-', '_')}")
    return Entry(module.show, module.OPTIONS)
