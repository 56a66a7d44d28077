"""What the training of a language model is told, with its defaults, which are those of nanoGPT's character model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from fastnn.edge.checks import as_choice, as_count, as_dtype, as_number
from fastnn.language.vocabulary import Characters
from fastnn.learning.optimizers import AdamW, Cosine
from fastnn.networks.models import CELLS


class Own(NamedTuple):
    """What a model has where nobody says it."""

    blocks: int
    heads: int | None
    learning_rate: float


# nanoGPT's; and char-rnn's layers, at three times the rate: after 1,000 steps on topics two of LSTM were at 1.62 nats
# of what was held out, and at 1e-3 at 1.87.
MODELS = {"gpt": Own(4, 4, 1e-3), **dict.fromkeys(CELLS, Own(2, None, 3e-3))}


@dataclass(frozen=True)
class LanguageSettings:
    """model: "gpt", "lstm", "gru" or "rnn". vocabulary: "characters", "bytes", or a tokenizer.json. length: tokens of a
    sequence. blocks, width, heads: of the network, see fastnn.GPT; blocks are the layers of a fastnn.CharRNN, which has
    no heads. None is the model's own.

    steps: of `batch` sequences each, drawn from anywhere in the text. learning_rate: of AdamW, after `warmup` steps;
    from there a cosine leads to a tenth of it. split: share of the text, its beginning, that is trained on. freeze:
    patterns of names of parameters that stay as they are.

    ValueError, TypeError: a value that cannot be.
    """

    model: str = "gpt"
    vocabulary: str = Characters.name
    length: int = 64
    blocks: int | None = None
    width: int = 128
    heads: int | None = None
    dropout: float = 0.0
    batch: int = 12
    steps: int = 2000
    learning_rate: float | None = None
    warmup: int = 100
    weight_decay: float = 0.1
    beta2: float = 0.99
    clip_norm: float = 1.0
    split: float = 0.9
    seed: int = 0
    dtype: str = "float32"
    freeze: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in MODELS[as_choice(self.model, tuple(MODELS), "model")]._asdict().items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for name in ("length", "blocks", "width", "batch", "steps"):
            as_count(getattr(self, name), name)
        self._check_heads()
        if as_count(self.seed, "seed", least=0) >= 2**31:
            raise ValueError(f"seed is {self.seed}; expected less than {2**31}")
        as_dtype(self.dtype)
        if as_number(self.split, "split", 0.0, 1.0) == 0:
            raise ValueError("split is 0, which leaves nothing to train on; expected a share above 0")
        if as_number(self.dropout, "dropout", 0.0, 1.0) == 1:
            raise ValueError("dropout is 1, which leaves nothing; expected less")
        if not isinstance(self.freeze, (str, tuple, list)):
            raise TypeError(f"freeze is {self.freeze!r}; expected patterns of names, such as ['2.*']")
        object.__setattr__(self, "freeze", (self.freeze,) if isinstance(self.freeze, str) else tuple(self.freeze))
        self.optimizer()

    def _check_heads(self) -> None:
        if self.heads is None:
            return
        if MODELS[self.model].heads is None:
            raise ValueError(f"heads are of a gpt's attention, and {self.model} has none; leave them out")
        if self.width % as_count(self.heads, "heads"):
            raise ValueError(f"width is {self.width} and heads {self.heads}; expected a multiple")

    def optimizer(self) -> AdamW:
        """With its schedule."""
        warmup = min(as_count(self.warmup, "warmup", least=0), self.steps - 1)
        rate = as_number(self.learning_rate, "learning_rate", 0.0)
        return AdamW(
            rate, beta2=self.beta2, weight_decay=self.weight_decay, decay="matrices", clip_norm=self.clip_norm,
            schedule=Cosine(self.steps, warmup, rate / 10), rates=dict.fromkeys(self.freeze, 0.0),
        )  # fmt: skip


SETTINGS = tuple(each.name for each in fields(LanguageSettings))


def settings_of(values: Mapping[str, Any]) -> LanguageSettings:
    """Settings from names and values; None leaves the default."""
    return LanguageSettings(**{name: value for name, value in values.items() if value is not None})


def describe(settings: LanguageSettings) -> dict[str, Any]:
    """As JSON can keep it."""
    return asdict(settings) | {"freeze": list(settings.freeze)}
