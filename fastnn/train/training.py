"""The training of a network on a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.tables import Column, Filling, Scaling, Table
from fastnn.tables.missing import MEAN, MEDIAN
from fastnn.train.building import network_of
from fastnn.train.model import Model
from fastnn.train.splitting import PARTS, gather
from fastnn.train.standing import Standing, described, fingerprint


class Training(Standing[Table, Model]):
    """Of a table, which is standardised in place."""

    def _prepared(self, table: Table) -> Model:
        x, y = self.x["train"], self.y["train"]
        filling = _filling(table, x)
        scaling = Scaling.none(table.x.shape[1]) if self.settings.standardise is False else Scaling.of(x)
        network = network_of(self.settings, table.x.shape[1], table.target, y)
        scaling.apply(table.x)
        target = table.target, scaling, self._target_scaling(table)
        return Model(network, table.columns, *target, table.rule, filling, table.form)

    def _weights(self, table: Table, parts: Any) -> dict[str, NDArray[np.float64]]:
        return {} if table.weights is None else dict(zip(PARTS, gather(table.weights, parts), strict=True))

    def _identity(self, table: Table) -> dict[str, Any]:
        digest = fingerprint(table.x, table.y)
        if table.weights is not None:
            digest.update(table.weights.data)
        return {
            "rows": len(table),
            "columns": [_named(column) for column in table.columns],
            "target": described(table.target),
            "fingerprint": digest.hexdigest(),
        }


def _filling(table: Table, x: NDArray[Any]) -> Filling | None:
    """What stands for the missing values of a table whose rows to train on are x; table.x is filled. ValueError."""
    if table.rule not in (MEAN, MEDIAN):
        return None
    found = Filling.of(x, table.rule)
    names = [column.name for column in table.columns for _ in range(column.width)]
    if empty := [name for name, value in zip(names, found.values, strict=True) if np.isnan(value)]:
        raise ValueError(
            f"{table.title}: column {empty[0]!r} holds no number in the rows to train on; leave it out (drop)"
        )
    found.apply(table.x)
    return found


def _named(column: Column) -> str:
    return column.name if column.categories is None else f"{column.name}: {', '.join(column.categories)}"
