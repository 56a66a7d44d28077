"""The training of a language model, which stops after any step and goes on from there to the same bits.

Nothing hangs on what was before but parameters, moments and the number of steps: the sequences of a step, and what
dropout leaves out of it, follow from the seed and its number.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.compiler.jit import compile_clock
from fastnn.language.corpus import Corpus
from fastnn.language.model import LanguageModel
from fastnn.language.settings import LanguageSettings, describe
from fastnn.learning.trainer import NonFiniteLoss, Trainer
from fastnn.networks.models import GPT, CharRNN
from fastnn.train.checkpoint import Checkpoint, differences

# Times that a run tells how it stands, and tokens of the held-out text that it is then scored on.
TOLD, SCORED = 20, 20_000
# Of which an identity is made where a text is long: its beginning and its end.
MARKED = 2**20


class Record(NamedTuple):
    """How a run stands after so many steps. loss: the mean since the last record, or since it goes on; val_loss: of the
    held-out text, NaN without one; seconds, of training alone, since then, and what was made in them."""

    step: int
    loss: float
    val_loss: float
    seconds: float
    tokens_per_s: float
    gflops: float

    def as_dict(self) -> dict[str, Any]:
        """Without what is not there."""
        return {name: value for name, value in self._asdict().items() if math.isfinite(value)}


class LanguageTraining:
    """A text in two parts, a model, and where it stands.

    Iterating trains; `checkpoint` and `resume` are for between two steps.
    """

    def __init__(self, corpus: Corpus, settings: LanguageSettings, begin: LanguageModel | None = None) -> None:
        """begin: a model that goes on, of the corpus's vocabulary. ValueError: settings that do not suit the text."""
        self.settings = settings
        network = _network(corpus, settings) if begin is None else begin.network
        self.model = LanguageModel(network, corpus.vocabulary)
        self.network = network
        self.train, self.held = corpus.split(settings.split, self.model.length)
        self.data = _identity(corpus) | ({} if begin is None else {"from": _digest(network.parameters)})
        self.trainer = Trainer(network, settings.optimizer(), settings.batch, settings.seed)
        self.flops = network.cost(settings.batch, "adamw").total.flops
        self.records: list[Record] = []
        self.every = -(-settings.steps // TOLD)

    @property
    def steps(self) -> int:
        """Steps done."""
        return self.trainer.steps

    @property
    def is_over(self) -> bool:
        return self.steps >= self.settings.steps

    def __iter__(self) -> Iterator[Record | None]:
        """Trains to the end, a step at a time: a Record after some, None after the others. NonFiniteLoss, with the
        parameters of the last finite step."""
        losses, seconds = list[float](), 0.0
        while not self.is_over:
            begin = time.perf_counter()
            with compile_clock() as compiling:
                losses.append(self.step())
            seconds += time.perf_counter() - begin - compiling.seconds
            if self.steps % self.every and not self.is_over:
                yield None
                continue
            self.records.append(self._record(losses, seconds))
            losses, seconds = [], 0.0
            yield self.records[-1]

    def _record(self, losses: list[float], seconds: float) -> Record:
        held = self.model.score(self.held[:SCORED]).nats if len(self.held) > 1 else math.nan
        if len(self.held) > 1 and not math.isfinite(held):
            raise NonFiniteLoss(held, self.steps, None)
        tokens = len(losses) * self.settings.batch * self.model.length
        return Record(
            self.steps, float(np.mean(losses)), held, seconds, tokens / seconds,
            len(losses) * self.flops / seconds / 1e9,
        )  # fmt: skip

    def step(self) -> float:
        """One, and its loss before the update. NonFiniteLoss."""
        rng, length = np.random.default_rng([self.settings.seed, 1, self.steps]), self.model.length
        begins = rng.integers(0, len(self.train) - length, self.settings.batch)
        found = self.train[begins[:, None] + np.arange(length + 1)]
        loss = self.trainer.step(found[:, :-1], found[:, 1:].astype(np.int64))
        if not math.isfinite(loss) or not self.trainer.is_finite():
            # Parameters that are not are those of which the next loss would be.
            raise NonFiniteLoss(math.nan if math.isfinite(loss) else loss, self.steps, None)
        return loss

    # Standing -------------------------------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """Where it stands, by reference: write it before the next step."""
        records = np.array(self.records, np.float64).reshape(len(self.records), len(Record._fields))
        none = self.network.parameters[:0]
        return Checkpoint(describe(self.settings), self.data, self.network.parameters, self.trainer.state,
                          self.trainer.control, records, none, -1, math.nan)  # fmt: skip

    def resume(self, found: Checkpoint) -> None:
        """Stand where the checkpoint was taken. ValueError, saying what differs: other settings, other text."""
        # Of a checkpoint from before there were other models.
        settings = {"model": "gpt"} | found.settings
        told = differences(settings, describe(self.settings)) + differences(found.data, self.data)
        if told:
            raise ValueError(
                f"it cannot go on: {'; '.join(told)}. Resume with the same settings and text, or name another "
                "checkpoint"
            )
        self.trainer.restore((found.parameters, found.state, found.control))
        self.records = [Record(int(row[0]), *row[1:]) for row in found.records.tolist()]


def _network(corpus: Corpus, settings: LanguageSettings) -> Any:
    about: dict[str, Any] = {
        "vocabulary": corpus.vocabulary.size, "length": settings.length, "layers": settings.blocks,
        "width": settings.width, "dropout": settings.dropout, "dtype": settings.dtype, "seed": settings.seed,
    }  # fmt: skip
    if settings.model == "gpt":
        return GPT(**about, heads=settings.heads, bias=False)  # type: ignore[arg-type]
    return CharRNN(**about, cell=settings.model)


def _digest(values: NDArray[Any]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).hexdigest()


def _identity(corpus: Corpus) -> dict[str, Any]:
    """What a run goes on with only if it is the same."""
    ids = corpus.ids
    parts = [ids] if len(ids) <= 2 * MARKED else [ids[:MARKED], ids[-MARKED:]]
    return {"tokens": len(ids), "vocabulary": corpus.vocabulary.size, "fingerprint": _digest(np.concatenate(parts))}
