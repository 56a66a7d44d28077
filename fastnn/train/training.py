"""A training that stops after any epoch and goes on from there to the same bits.

Nothing hangs on what was before but parameters, moments and the number of steps: the split follows from the seed, the
order of epoch e from (seed, e), and what dropout leaves out of a step from (seed, step).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import require_memory
from fastnn.kernels.dropout import SEEDS
from fastnn.learning.early_stopping import BestEpoch
from fastnn.learning.epochs import EpochResult, epochs_of
from fastnn.learning.held import Held
from fastnn.learning.trainer import Trainer
from fastnn.tables import Column, Filling, Scaling, Table
from fastnn.tables.columns import describe as describe_column
from fastnn.tables.missing import MEAN, MEDIAN
from fastnn.train.building import network_of, optimizer_of
from fastnn.train.checkpoint import Checkpoint, differences
from fastnn.train.model import Model
from fastnn.train.records import Record, as_array, of_array
from fastnn.train.scores import scores
from fastnn.train.settings import Settings, describe
from fastnn.train.splitting import PARTS, gather, split


class Training:
    """A table in three parts, a network, and where it stands.

    It takes the table over: rows of x are moved and standardised in place, so that nothing is held twice. Iterating
    trains, an epoch a Record; `checkpoint` and `resume` are for between two of them.
    """

    def __init__(self, table: Table, settings: Settings) -> None:
        """ValueError: settings that do not suit the data, or more than memory holds."""
        self.settings = settings
        parts = split(table.y, table.target.count, settings.split, settings.seed)
        self.rows = dict(zip(PARTS, map(len, parts), strict=True))
        self.x = dict(zip(PARTS, gather(table.x, parts), strict=True))
        self.y = dict(zip(PARTS, gather(table.y, parts), strict=True))
        self.weights = {} if table.weights is None else dict(zip(PARTS, gather(table.weights, parts), strict=True))
        self.data = _identity(table)
        self.model = self._prepared(table)
        self.network = self.model.network
        self.batch = min(settings.batch, self.rows["train"])
        steps = -(-self.rows["train"] // self.batch)
        self.trainer = Trainer(self.network, optimizer_of(settings, steps), self.batch, settings.seed % SEEDS,
                               settings.span)  # fmt: skip
        self.flops = self._flops(steps)
        self.records: list[Record] = []
        self.best = self._best()

    def _prepared(self, table: Table) -> Model:
        x, y = self.x["train"], self.y["train"]
        filling = _filling(table, x)
        scaling, target_scaling = Scaling.none(table.x.shape[1]), Scaling.none(1)
        if self.settings.standardise:
            scaling = Scaling.of(x)
            if table.target.classes is None:
                target_scaling = Scaling.of(y[:, None])
        network = network_of(self.settings, table.x.shape[1], table.target, y)
        scaling.apply(table.x)
        return Model(network, table.columns, table.target, scaling, target_scaling, table.rule, filling, table.form)

    def _flops(self, steps: int) -> int:
        """Of an epoch, exactly."""
        last = self.rows["train"] - (steps - 1) * self.batch
        name = self.settings.optimizer
        whole, short = (self.network.cost(rows, name).total.flops for rows in (self.batch, last))
        return (steps - 1) * whole + short

    def _best(self) -> BestEpoch | None:
        """None where no part is held out to choose by, and nobody has patience."""
        metric, patience = self.settings.metric, self.settings.patience
        if metric.endswith("accuracy") and self.model.target.classes is None:
            raise ValueError(f"metric is {metric}, and {self.model.target.name!r} holds numbers; expected a loss")
        if metric.startswith("val_") and not self.rows["validation"]:
            return None
        require_memory(self.network.parameters.size, self.network.dtype, "the parameters of the best epoch")
        return BestEpoch(metric, patience)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.records)

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or patience is at its end."""
        waited = self.best is not None and self.epoch > 0 and self.best.is_over(self.epoch - 1)
        return waited or self.epoch >= self.settings.epochs

    def __iter__(self) -> Iterator[Record]:
        """Trains an epoch, and tells of it, until it is over. NonFiniteLoss."""
        held, validation = self._held("train"), self._held("validation") if self.rows["validation"] else None
        for result in epochs_of(self.trainer, held, self._orders(), first=self.epoch, validation=validation):
            record = self._record(result)
            self.records.append(record)
            if self.best is not None:
                self.best.see(self.epoch - 1, getattr(record, self.best.metric), self.network.parameters)
            yield record

    def _held(self, part: str) -> Held:
        return self.trainer.hold(self.x[part], self.model.encoded(self.y[part]), self.weights.get(part))

    def _orders(self) -> Iterator[NDArray[np.int64]]:
        while not self.is_over:
            yield np.random.default_rng([self.settings.seed, self.epoch + 1]).permutation(self.rows["train"])

    def _record(self, result: EpochResult) -> Record:
        return Record(
            **(result._asdict() | {"epoch": result.epoch + 1}),
            samples_per_s=self.rows["train"] / result.seconds,
            gflops=self.flops / result.seconds / 1e9,
        )

    def finish(self) -> Model:
        """The model, with the parameters of the best epoch where there is one."""
        if self.best is not None and self.best.parameters is not None:
            self.network.parameters = self.best.parameters
        return self.model

    def scores(self) -> dict[str, dict[str, Any]]:
        """Of each part that has rows."""
        return {
            name: scores(self.model, self.x[name], self.y[name], self.weights.get(name))
            for name in PARTS
            if self.rows[name]
        }

    # Standing -------------------------------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """Where it stands, by reference: write it before the next epoch."""
        best = self.best
        return Checkpoint(
            describe(self.settings),
            self.data,
            self.network.parameters,
            self.trainer.state,
            self.trainer.control,
            as_array(self.records),
            self.network.parameters[:0] if best is None or best.parameters is None else best.parameters,
            -1 if best is None else best.epoch,
            math.nan if best is None else best.score,
        )

    def resume(self, found: Checkpoint) -> None:
        """Stand where the checkpoint was taken. ValueError, saying what differs: other settings, other data."""
        self._require_same(found)
        try:
            self.trainer.restore((found.parameters, found.state, found.control))
        except ValueError as error:
            raise ValueError(f"the checkpoint is of another network: {error}") from error
        self.records = of_array(found.records)
        if self.best is not None and found.best.size:
            self.best.epoch, self.best.score, self.best.parameters = found.best_epoch, found.best_score, found.best

    def _require_same(self, found: Checkpoint) -> None:
        settings, kept = describe(self.settings), dict(found.settings)
        follows_epochs = self.settings.schedule == "cosine" or (
            self.settings.schedule == "step" and self.settings.decay_every is None
        )
        if not follows_epochs and self.settings.epochs >= len(found.records):
            kept["epochs"] = settings["epochs"]
        if told := differences(kept, settings) + differences(found.data, self.data):
            raise ValueError(
                f"it cannot go on: {'; '.join(told)}. Resume with the same settings and data, or name another "
                "checkpoint"
            )


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


def _identity(table: Table) -> dict[str, Any]:
    """What a run goes on with only if it is the same."""
    digest = hashlib.blake2b(np.ascontiguousarray(table.x).data, digest_size=16)
    digest.update(np.ascontiguousarray(table.y).data)
    if table.weights is not None:
        digest.update(table.weights.data)
    return {
        "rows": len(table),
        "columns": [_named(column) for column in table.columns],
        "target": describe_column(table.target) | {"classes": list(table.target.classes or ())},
        "fingerprint": digest.hexdigest(),
    }


def _named(column: Column) -> str:
    return column.name if column.categories is None else f"{column.name}: {', '.join(column.categories)}"
