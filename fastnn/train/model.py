"""A trained network with all that must be known to use it on a table: columns, scaling, classes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import as_choice
from fastnn.networks.io import FileError, read_metadata, save
from fastnn.networks.models import load
from fastnn.networks.network import Network
from fastnn.tables import RULES, Column, Filling, Format, Scaling, Target
from fastnn.tables.columns import column_of, describe, target_of
from fastnn.train.predictor import Predictor, as_lists, scaling_from

KEY = "table"


@dataclass(frozen=True, eq=False)
class Model(Predictor):
    """x of its methods holds a table's columns as `fastnn.tables` gives them; standardised is what the network takes.

    filling: what stands for missing values of x, where rule says that something does; form: how numbers are written
    in a file of text. scaling: of x; target_scaling: of numbers to predict.
    """

    network: Network
    columns: tuple[Column, ...]
    target: Target
    scaling: Scaling
    target_scaling: Scaling
    rule: str | None = None
    filling: Filling | None = None
    form: Format | None = None

    def prepare(self, x: NDArray[Any]) -> None:
        """Fill and standardise x (N, inputs) in place."""
        if self.filling is not None:
            self.filling.apply(x)
        self.scaling.apply(x)

    def standardised(self, x: NDArray[Any]) -> NDArray[Any]:
        """A copy of x (N, inputs) as the network takes it."""
        x = np.array(x, self.network.dtype)
        self.prepare(x)
        return x

    def save(self, path: str | PathLike[str]) -> None:
        """A file that fastnn.load reads too, as the bare network; atomically."""
        about = {
            "columns": [describe(column) for column in self.columns],
            "target": describe(self.target),
            "scaling": as_lists(self.scaling),
            "target_scaling": as_lists(self.target_scaling),
            "missing": {
                "rule": self.rule,
                "filling": None if self.filling is None else self.filling.values.tolist(),
            },
            "form": None if self.form is None else self.form.told,
        }
        save(self.network, path, {KEY: json.dumps(about)})

    @staticmethod
    def load(path: str | PathLike[str]) -> Model:
        """The model that `save` wrote. FileError, FileNotFoundError."""
        network = load(path)
        text = read_metadata(path).get(KEY)
        if text is None:
            raise FileError(f"{path} holds a network and not what its inputs are; expected a file of `fastnn train`")
        try:
            about = json.loads(text)
            model = Model(
                network,
                tuple(column_of(each) for each in about["columns"]),
                target_of(about["target"]),
                scaling_from(about["scaling"]),
                scaling_from(about["target_scaling"]),
                **_missing_of(about.get("missing") or {}),
                form=_form_of(about.get("form")),
            )
            model._check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FileError(f"{path}: what it says of its table is broken ({error!r})") from error
        return model

    def _check(self) -> None:
        """ValueError: sizes that do not belong together."""
        widths = [sum(column.width for column in self.columns), *(len(each) for each in as_lists(self.scaling))]
        if self.filling is not None:
            widths.append(len(self.filling.values))
        if set(widths) != {self.network.inputs}:
            raise ValueError(
                f"columns, scaling and filling have {widths} inputs; the network has {self.network.inputs}"
            )
        self.require_outputs()


def _missing_of(about: dict[str, Any]) -> dict[str, Any]:
    """What the file says of missing values; nothing, where it is older than that."""
    rule, values = about.get("rule"), about.get("filling")
    if rule is not None:
        as_choice(rule, RULES, "missing")
    filling = None if values is None else Filling(np.array(values, np.float64))
    return {"rule": rule, "filling": filling}


def _form_of(about: dict[str, Any] | None) -> Format | None:
    return None if about is None else Format(**about)
