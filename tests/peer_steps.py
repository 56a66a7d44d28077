"""A peer and ours, side by side in one process: the losses of some steps, then the logits of a forward pass."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from fastnn.bench import zoo
from fastnn.bench.case import Case
from fastnn.bench.ladder import language_model, parse
from fastnn.bench.peers.registry import PEERS
from fastnn.bench.peers.task import Task

OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
STEPS = 8


GPT = "gpt-2x16"
# With adam alone: what PyTorch and JAX compile for them takes seconds.
ZOO = ("resnet10", "rnn-64-28", "gru-64-28", "lstm-64-28", "char-lstm-128-64")


def case(name: str = "3-4-2", optimizer: str = "sgd", dtype: str = "float32") -> Case:
    if name in ZOO:
        (rung,) = (each for each in [*zoo.images(), *zoo.sequences()] if each.name == name)
        return Case(rung, 4, 1, dtype, optimizer)
    rung = language_model(2, 16, 4, 12) if name == GPT else parse(name)
    return Case(rung, 32 if name != GPT else 4, 1, dtype, optimizer)


def model(name: str, of: Case) -> Any:
    """The peer with the case's initial weights."""
    kind = import_module(f"fastnn.bench.peers.{PEERS[name].module}").Model
    rate = of.trainer.optimizer.learning_rate
    start = of.network.named(of.initial)
    return kind(Task(start, of.rung.heads, of.batch, of.optimizer_name, rate, of.threads, of.description))


def difference(name: str, network: str, optimizer: str, dtype: str) -> dict[str, Any]:
    """Largest error of a loss, and of a logit, relative to the largest of ours; number types that the peer gives.

    Logits may differ by a constant a row, so each row's mean is taken away.
    """
    of = case(network, optimizer, dtype)
    for kind, values in of.network.named(of.initial).items():
        if kind.endswith("bias"):  # they begin as zeros, which a peer could leave out
            values[...] = np.random.default_rng(0).uniform(-0.5, 0.5, values.shape)
    peer = model(name, of)
    of.restart()
    errors = [0.0]
    for x, y in of.batches[:STEPS] if "step" in PEERS[name].phases else []:
        ours = of.trainer.step(x, y)
        errors.append(abs(float(peer.step(peer.prepare(x, y))) / ours - 1))
    x, y = of.batches[STEPS]
    theirs = np.array(peer.logits(peer.forward(peer.prepare(x, y))))
    centered = [z - z.mean(axis=-1, keepdims=True) for z in (theirs, of.trainer.forward(x))]
    error = np.abs(centered[0] - centered[1]).max() / np.abs(centered[1]).max()
    return {"losses": max(errors), "logits": float(error), "dtype": theirs.dtype.name}


def differences(name: str, dtype: str, network: str = "64-16-10") -> dict[str, dict[str, Any]]:
    """For each optimizer that the peer has; without a step they are alike."""
    trains = "step" in PEERS[name].phases
    wanted = ("adam",) if network in ZOO else OPTIMIZERS
    optimizers = [optimizer for optimizer in wanted if optimizer not in PEERS[name].lacks]
    return {each: difference(name, network, each, dtype) for each in optimizers[: None if trains else 1]}
