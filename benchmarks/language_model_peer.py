"""The process of a GPT in another library: python benchmarks/language_model_peer.py NAME THREADS

    {"do": "prepare", "file": ..., "heads": n}  -> {"loss": of the first step}
    {"do": "time", "phase": "step" | "cached" | "whole", "calls": n}  -> {"seconds": ...}

The file, of numpy.savez, holds the parameters by fastnn's names, and x and y, one batch. A call of `cached` is a
sequence of as many tokens as there are positions, each the most probable, with keys and values kept; of `whole` the
same without, the window filled up. See fastnn.bench.peers.worker. The step is that of nanoGPT: AdamW that lets
matrices alone decay.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import Any

import numpy as np

from fastnn.bench.peers.worker import serve

RATE, BETAS, DECAY, EPSILON = 3e-4, (0.9, 0.999), 0.1, 1e-8


class Torch:
    """PyTorch, eager."""

    compiles = False

    def __init__(self, arrays: dict[str, Any], heads: int, threads: int) -> None:
        import torch

        from fastnn.bench.peers.torch_language_model import LanguageModel

        torch.set_num_threads(threads)
        parameters = {name: values for name, values in arrays.items() if name not in "xy"}
        self.torch, self.model = torch, LanguageModel(parameters, heads)
        self.x, self.y = torch.tensor(arrays["x"]), torch.tensor(arrays["y"])
        every = list(self.model.parameters())
        matrices, others = ([v for v in every if (v.ndim > 1) == wide] for wide in (True, False))
        groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, eps=EPSILON, fused=not self.compiles)
        self.loss_of: Any = self.loss
        if self.compiles:
            self.loss_of, self.optimizer.step = torch.compile(self.loss), torch.compile(self.optimizer.step)

    def loss(self, x: Any, y: Any) -> Any:
        found = self.model(x)
        return self.torch.nn.functional.cross_entropy(found.view(-1, found.shape[-1]), y.view(-1))

    def step(self) -> float:
        self.optimizer.zero_grad()
        loss = self.loss_of(self.x, self.y)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def cached(self) -> None:
        self.model.generate(self.x[:1])

    def whole(self) -> None:
        self.model.generate_whole(self.x[:1])


class TorchCompile(Torch):
    """PyTorch with torch.compile: the loss with its backward pass, and the update."""

    compiles = True


class Jax:
    """JAX: the whole step as one jitted function."""

    def __init__(self, arrays: dict[str, Any], heads: int, threads: int) -> None:
        import jax
        import jax.numpy as jnp

        from fastnn.bench.peers import jax_language_model

        self.jax, self.jnp = jax, jnp
        self._loss = partial(jax_language_model.loss, heads=heads)
        p = {name: jnp.asarray(values) for name, values in arrays.items() if name not in "xy"}
        self.held = p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p)
        self.made = jnp.zeros(())
        self.x, self.y = jnp.asarray(arrays["x"]), jnp.asarray(arrays["y"])
        self._step = jax.jit(self._whole_step, donate_argnums=(0, 1))

    def _whole_step(self, held: Any, made: Any, x: Any, y: Any) -> Any:
        p, m, v = held
        loss, g = self.jax.value_and_grad(self._loss)(p, x, y)
        tree, (one, two), made = self.jax.tree.map, BETAS, made + 1
        m = tree(lambda m, g: one * m + (1 - one) * g, m, g)
        v = tree(lambda v, g: two * v + (1 - two) * g * g, v, g)

        def update(p: Any, m: Any, v: Any) -> Any:
            kept = p * (1 - RATE * DECAY) if p.ndim > 1 else p
            return kept - RATE * (m / (1 - one**made)) / (self.jnp.sqrt(v / (1 - two**made)) + EPSILON)

        return loss, (tree(update, p, m, v), m, v), made

    def step(self) -> float:
        loss, self.held, self.made = self._step(self.held, self.made, self.x, self.y)
        return float(loss)


MODELS = {"torch": Torch, "torch-compile": TorchCompile, "jax": Jax}


class Worker:
    """Answers requests about one model."""

    def __init__(self, name: str, threads: int) -> None:
        self.kind, self.threads = MODELS[name], threads

    def prepare(self, file: str, heads: int) -> dict[str, float]:
        with np.load(file) as arrays:
            self.model = self.kind(dict(arrays), heads, self.threads)
        return {"loss": self.model.step()}

    def time(self, phase: str, calls: int) -> dict[str, float]:
        call, start = getattr(self.model, phase), time.perf_counter()
        for _ in range(calls):
            call()
        return {"seconds": time.perf_counter() - start}


if __name__ == "__main__":
    serve(partial(Worker, sys.argv[1], int(sys.argv[2])))
