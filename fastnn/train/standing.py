"""A training that stops after any epoch and goes on from there to the same bits, whatever its rows are.

Nothing hangs on what was before but parameters, moments and the number of steps: the split follows from the seed, the
order of epoch e from (seed, e), and what dropout leaves out of a step, and what becomes of an image in it, from (seed,
step).
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import require_memory
from fastnn.kernels.dropout import SEEDS
from fastnn.learning.early_stopping import BestEpoch
from fastnn.learning.epochs import EpochResult, epochs_of
from fastnn.learning.held import Held
from fastnn.learning.trainer import Trainer
from fastnn.samples import Samples
from fastnn.tables import Scaling, Table, Target
from fastnn.tables.columns import describe as describe_column
from fastnn.train.building import optimizer_of
from fastnn.train.checkpoint import Checkpoint, differences
from fastnn.train.predictor import Predictor
from fastnn.train.records import Record, as_array, of_array
from fastnn.train.scores import scores
from fastnn.train.settings import Settings, describe
from fastnn.train.splitting import PARTS, gather, split

Source = TypeVar("Source", Table, Samples)
Kept = TypeVar("Kept", bound=Predictor)


class Standing(ABC, Generic[Source, Kept]):
    """Rows in three parts, a network, and where it stands.

    It takes the rows over: those of x are moved in place, so that nothing is held twice. Iterating trains, an epoch a
    Record; `checkpoint` and `resume` are for between two of them.
    """

    model: Kept

    def __init__(self, source: Source, settings: Settings) -> None:
        """ValueError: settings that do not suit the data, or more than memory holds."""
        self.settings = settings
        parts = split(source.y, source.target.count, settings.split, settings.seed)
        self.rows = dict(zip(PARTS, map(len, parts), strict=True))
        self.x: dict[str, Any] = dict(zip(PARTS, gather(source.x, parts), strict=True))
        self.y = dict(zip(PARTS, gather(source.y, parts), strict=True))
        self.weights = self._weights(source, parts)
        self.data = self._identity(source)
        self.model = self._prepared(source)
        self.network = self.model.network
        self.batch = min(settings.batch, self.rows["train"])
        steps = -(-self.rows["train"] // self.batch)
        self.trainer = Trainer(self.network, optimizer_of(settings, steps), self.batch, settings.seed % SEEDS,
                               self._span)  # fmt: skip
        self.flops = self._flops(steps)
        self.records: list[Record] = []
        self.best = self._best()

    @abstractmethod
    def _prepared(self, source: Source) -> Kept:
        """The model to train; x becomes what its network takes."""

    @abstractmethod
    def _identity(self, source: Source) -> dict[str, Any]:
        """What a run goes on with only if it is the same, once rows are in their parts."""

    @property
    def _span(self) -> int | None:
        """Of a batch; None leaves it to the network."""
        return self.settings.span

    def _weights(self, source: Source, parts: Any) -> dict[str, NDArray[np.float64]]:
        """Of rows that do not count alike, by part."""
        return {}

    def _target_scaling(self, source: Source) -> Scaling:
        """Of numbers to predict."""
        standardises = self.settings.standardise is not False and source.target.classes is None
        return Scaling.of(self.y["train"][:, None]) if standardises else Scaling.none(1)

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

    def finish(self) -> Kept:
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
        settings = describe(self.settings)
        kept = describe(Settings()) | dict(found.settings)
        if "model" not in found.settings and kept["standardise"] and settings["standardise"] is not False:
            kept["standardise"] = settings["standardise"]  # which tables did before images, unless told
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


def fingerprint(x: NDArray[Any], y: NDArray[Any]) -> hashlib.blake2b:
    """Of rows in their order."""
    digest = hashlib.blake2b(np.ascontiguousarray(x).data, digest_size=16)
    digest.update(np.ascontiguousarray(y).data)
    return digest


def described(target: Target) -> dict[str, Any]:
    return describe_column(target) | {"classes": list(target.classes or ())}
