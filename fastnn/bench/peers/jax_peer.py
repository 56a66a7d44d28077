"""JAX: the whole training step as one jitted function that gives its old parameters back to be overwritten."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from fastnn.bench.peers import jax_language_model, jax_layers
from fastnn.bench.peers.task import Task

BETA1, BETA2, EPSILON, MOMENTUM, WEIGHT_DECAY = 0.9, 0.999, 1e-8, 0.9, 0.01
# Moments that an optimizer keeps.
MOMENTS = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}


def _forward(parameters: Any, x: Any) -> Any:
    for w, b in parameters[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = parameters[-1]
    return x @ w + b


def _loss(parameters: Any, x: Any, y: Any) -> Any:
    log_p = jax.nn.log_softmax(_forward(parameters, x))
    return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))


def _without_statistics(loss: Callable[..., Any]) -> Callable[..., Any]:
    """Of a network that keeps no running ones; see jax_layers.loss."""
    return lambda *arguments: (loss(*arguments), {})


def _sgd(rate: float, step: Any, p: Any, g: Any) -> Any:
    return (p - rate * g,)


def _momentum(rate: float, step: Any, p: Any, g: Any, m: Any) -> Any:
    m = MOMENTUM * m + g
    return p - rate * m, m


def _adam(rate: float, step: Any, p: Any, g: Any, m: Any, v: Any) -> Any:
    m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
    corrected = m / (1 - BETA1**step), v / (1 - BETA2**step)
    return p - rate * corrected[0] / (jnp.sqrt(corrected[1]) + EPSILON), m, v


def _adamw(rate: float, step: Any, p: Any, g: Any, m: Any, v: Any) -> Any:
    return _adam(rate, step, p * (1 - rate * WEIGHT_DECAY), g, m, v)


UPDATES: dict[str, Callable[..., Any]] = {"sgd": _sgd, "momentum": _momentum, "adam": _adam, "adamw": _adamw}


class Model:
    """See fastnn.bench.peers.worker.Peer."""

    def __init__(self, task: Task) -> None:
        jax.config.update("jax_enable_x64", next(iter(task.parameters.values())).dtype == np.float64)
        parameters: Any = {name: jnp.asarray(values) for name, values in task.parameters.items()}
        self.takes_ids = task.takes_ids
        loss: Any = _without_statistics(_loss)
        forward: Any = _forward
        if task.heads:
            loss = _without_statistics(partial(jax_language_model.loss, heads=task.heads))
            forward = partial(jax_language_model.logits, heads=task.heads)
        elif task.description is not None:
            loss = partial(jax_layers.loss, layers=task.description["layers"])
            forward = partial(jax_layers.logits, layers=task.description["layers"])
        else:
            parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(task.weights, task.biases, strict=True)]
        moments = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(MOMENTS[task.optimizer])]
        self.held = (parameters, *moments)
        self.made = jnp.zeros(())
        update = partial(UPDATES[task.optimizer], task.learning_rate)

        def step(held: Any, made: Any, x: Any, y: Any) -> Any:
            (value, moved), gradients = jax.value_and_grad(loss, has_aux=True)(held[0], x, y)
            flat, tree = zip(*(jax.tree.flatten(part) for part in (held[0], gradients, *held[1:])), strict=True)
            updated = [update(made + 1, *leaves) for leaves in zip(*flat, strict=True)]
            after = [jax.tree.unflatten(tree[0], part) for part in zip(*updated, strict=True)]
            return value, (after[0] | moved if moved else after[0], *after[1:]), made + 1

        self._forward, self._step = jax.jit(forward), jax.jit(step, donate_argnums=(0, 1))
        self.last: Any = self.made

    def prepare(self, x: NDArray[Any], y: NDArray[Any]) -> Any:
        return jnp.asarray(x.astype(np.int32) if self.takes_ids else x), jnp.asarray(y)

    def wait(self) -> None:
        jax.block_until_ready(self.last)

    def forward(self, batch: Any) -> Any:
        self.last = self._forward(self.held[0], batch[0])
        return self.last

    def logits(self, output: Any) -> NDArray[Any]:
        return np.asarray(output)

    def step(self, batch: Any) -> Any:
        self.last, self.held, self.made = self._step(self.held, self.made, *batch)
        return self.last
