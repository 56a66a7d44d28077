"""The cases of fastnn's own layers: checked by the tests, and timed by pytest-benchmark."""

from __future__ import annotations

from importlib import import_module

from fastnn import layers
from fastnn.operations.table import TABLE
from fastnn.testing.case import Case

CASES = [
    Case(
        example.build(layers), shape, example.values, example.terms, example.wrong, example.smooth, ids=example.ids
    )  # fmt: skip
    for row in TABLE
    if row.cases
    for example in import_module(f"fastnn.reference.{row.module}").EXAMPLES
    for shape in example.shapes
]
