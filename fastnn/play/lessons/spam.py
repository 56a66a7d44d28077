"""3-4-2: 26 numbers that learn to find spam, and each of them by hand."""

from __future__ import annotations

from typing import Any

from fastnn import data
from fastnn.demo.spam import BATCH, CLASSES, FEATURES, HELD_OUT, HIDDEN, MAILS, names_of_parameters
from fastnn.networks.models import mlp
from fastnn.play.lessons.again import again
from fastnn.play.lessons.trained import ACTIVATIONS, RATE, SEED, optimizer_choice, optimizer_of
from fastnn.play.session.fields import Choice, Number, Settings
from fastnn.play.session.lesson import Lesson, Recording
from fastnn.play.session.measured import Measured
from fastnn.play.session.run import Run
from fastnn.play.session.watched import Watched

INPUTS = ("money", "links", "known")
FIELDS = {
    **{
        name: Number(label=label, default=value, low=0.0, high=1.0)
        for name, label, value in zip(INPUTS, FEATURES, (1.0, 1.0, 0.0), strict=True)
    },
    "truth": Choice(label="What it really is", default=CLASSES[1], options=CLASSES),
    "activation": Choice(label="Activation", default="relu", options=ACTIVATIONS),
    "optimizer": optimizer_choice("sgd"),
    "rate": RATE,
    "batch": Choice(label="Mails a step", default=str(BATCH), options=("1", str(BATCH))),
    "seed": SEED,
}
COMPUTES = (
    "For another mail, or another truth, your browser finds answer and gradients itself, of the recorded parameters."
)
ADJUSTS = frozenset({*INPUTS, "truth", "rate"})


def texts() -> dict[str, Any]:
    return {
        "features": FEATURES, "classes": CLASSES, "mails": {words: list(x) for words, x in MAILS.items()},
        "inputs": INPUTS, "names": names(), "counted": "of other mails",
        "rows": len(data.spam().x) - HELD_OUT, "held_out": HELD_OUT, "noise": data.SPAM_NOISE,
    }  # fmt: skip


def names() -> list[str]:
    """Of all parameters, as they lie."""
    return [name for _, _, name in sorted(names_of_parameters(), key=_place)]


def _place(named: tuple[str, tuple[int, ...], str]) -> tuple[bool, bool, tuple[int, ...]]:
    """As parameters lie: by layer, weights before biases, rows first."""
    key, at, _ = named
    return key.startswith("1"), key.endswith("bias"), at


def begin(settings: Settings) -> Watched:
    mails, batch = data.spam(), int(settings["batch"])
    train, test = slice(None, -HELD_OUT), slice(-HELD_OUT, None)
    network = mlp(
        len(FEATURES), HIDDEN, len(CLASSES), activation=settings["activation"], seed=settings["seed"]
    )  # fmt: skip
    run = Run(network, mails.x[train], mails.y[train], optimizer_of(settings), batch, settings["seed"])
    held_out = mails.x[test], mails.y[test]
    return Watched(run, [settings["activation"], "identity"], held_out, settings["optimizer"])


def adjust(watched: Measured, settings: Settings) -> None:
    assert isinstance(watched, Watched)
    watched.look_at([settings[name] for name in INPUTS], CLASSES.index(settings["truth"]))
    watched.run.set_rate(settings["rate"])


def program(settings: Settings, steps: int) -> str:
    sizes, activation = f"{len(FEATURES)}, {HIDDEN}, {len(CLASSES)}", settings["activation"]
    return again(
        "spam", rows=f"mails = data.spam()\nx, y = mails.x[:-{HELD_OUT}], mails.y[:-{HELD_OUT}]",
        network=f"fastnn.mlp({sizes}, activation={activation!r}, seed=SEED)",
        optimizer=optimizer_of(settings), batch=int(settings["batch"]), seed=settings["seed"], steps=steps,
    )  # fmt: skip


LESSON = Lesson(
    fields=FIELDS, texts=texts, begin=begin, adjust=adjust, adjusts=ADJUSTS, keeps=frozenset({"activation"}),
    program=program, recording=Recording(last=9600, points=240, computes=frozenset({*INPUTS, "truth"}), told=COMPUTES),
)  # fmt: skip
