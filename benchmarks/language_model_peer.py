"""The process of a GPT in another library: python benchmarks/language_model_peer.py NAME THREADS

    {"do": "prepare", "file": ..., "heads": n, "layers": n}  -> {"loss": of the first step}
    {"do": "time", "phase": "step" | "cached" | "whole", "calls": n}  -> {"seconds": ...}

The file, of numpy.savez, holds the parameters by fastnn's names, and x and y, one batch. A call of `cached` is a
sequence of as many tokens as there are positions, each the most probable, with keys and values kept; of `whole` the
same without, the window filled up. See fastnn.bench.peers.worker.
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
    """PyTorch, eager, as nanoGPT writes it: its attention is scaled_dot_product_attention."""

    compiles = False

    def __init__(self, arrays: dict[str, Any], heads: int, layers: int, threads: int) -> None:
        import torch
        from torch.nn import functional

        torch.set_num_threads(threads)
        self.torch, self.of, self.heads, self.layers = torch, functional, heads, layers
        names = [name for name in arrays if name not in "xy"]
        self.p = {name: torch.tensor(arrays[name]).requires_grad_() for name in names}
        self.x, self.y = torch.tensor(arrays["x"]), torch.tensor(arrays["y"])
        matrices, others = ([v for v in self.p.values() if (v.ndim > 1) == wide] for wide in (True, False))
        groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, eps=EPSILON, fused=not self.compiles)
        self.loss_of: Any = self.loss
        if self.compiles:
            self.loss_of, self.optimizer.step = torch.compile(self.loss), torch.compile(self.optimizer.step)

    def norm(self, h: Any, name: str) -> Any:
        return self.of.layer_norm(h, h.shape[-1:], self.p[name])

    def heads_of(self, h: Any) -> Any:
        return h.view(*h.shape[:2], self.heads, -1).transpose(1, 2)

    def block(self, h: Any, i: int, cache: list[Any] | None = None) -> Any:
        parts = (self.norm(h, f"{i}.0.0.weight") @ self.p[f"{i}.0.1.qkv.weight"]).split(h.shape[-1], dim=2)
        q, k, v = map(self.heads_of, parts)
        if cache is not None:
            k, v = (self.torch.cat(pair, 2) for pair in zip(cache[i], (k, v), strict=True)) if cache[i] else (k, v)
            cache[i] = (k, v)
        y = self.of.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1)
        h = h + y.transpose(1, 2).reshape(h.shape) @ self.p[f"{i}.0.1.out.weight"]
        inner = self.of.gelu(self.norm(h, f"{i}.1.0.weight") @ self.p[f"{i}.1.1.weight"])
        return h + inner @ self.p[f"{i}.1.2.weight"]

    def logits(self, ids: Any, first: int = 0, cache: list[Any] | None = None) -> Any:
        h = self.p["0.weight"][ids] + self.p["1.weight"][first : first + ids.shape[1]]
        for i in range(2, 2 + self.layers):
            h = self.block(h, i, cache)
        return self.norm(h, f"{2 + self.layers}.weight") @ self.p["0.weight"].T

    def loss(self, x: Any, y: Any) -> Any:
        found = self.logits(x)
        return self.of.cross_entropy(found.view(-1, found.shape[-1]), y.view(-1))

    def step(self) -> float:
        self.optimizer.zero_grad()
        loss = self.loss_of(self.x, self.y)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def cached(self) -> None:
        with self.torch.inference_mode():
            cache: list[Any] = [None] * (2 + self.layers)
            token = self.x[:1, :1]
            for t in range(self.x.shape[1]):
                token = self.logits(token, t, cache)[:, -1:].argmax(2)

    def whole(self) -> None:
        with self.torch.inference_mode():
            tokens = self.x[:1, :1]
            for _ in range(self.x.shape[1] - 1):
                tokens = self.torch.cat([tokens, self.logits(tokens)[:, -1:].argmax(2)], 1)
            self.logits(tokens)


class TorchCompile(Torch):
    """PyTorch with torch.compile: the loss with its backward pass, and the update."""

    compiles = True


class Jax:
    """JAX: the whole step as one jitted function."""

    def __init__(self, arrays: dict[str, Any], heads: int, layers: int, threads: int) -> None:
        import jax
        import jax.numpy as jnp

        self.jax, self.jnp, self.heads, self.layers = jax, jnp, heads, layers
        p = {name: jnp.asarray(values) for name, values in arrays.items() if name not in "xy"}
        self.held = p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p)
        self.made = jnp.zeros(())
        self.x, self.y = jnp.asarray(arrays["x"]), jnp.asarray(arrays["y"])
        self._step = jax.jit(self._whole_step, donate_argnums=(0, 1))

    def _norm(self, h: Any, weight: Any) -> Any:
        centred = h - h.mean(-1, keepdims=True)
        return centred / self.jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight

    def _heads(self, h: Any) -> Any:
        return h.reshape(*h.shape[:2], self.heads, -1)

    def _loss(self, p: Any, x: Any, y: Any) -> Any:
        h = p["0.weight"][x] + p["1.weight"][: x.shape[1]]
        for i in range(2, 2 + self.layers):
            parts = self.jnp.split(self._norm(h, p[f"{i}.0.0.weight"]) @ p[f"{i}.0.1.qkv.weight"], 3, axis=2)
            seen = self.jax.nn.dot_product_attention(*map(self._heads, parts), is_causal=True)
            h = h + seen.reshape(h.shape) @ p[f"{i}.0.1.out.weight"]
            inner = self.jax.nn.gelu(self._norm(h, p[f"{i}.1.0.weight"]) @ p[f"{i}.1.1.weight"], approximate=False)
            h = h + inner @ p[f"{i}.1.2.weight"]
        log_p = self.jax.nn.log_softmax(self._norm(h, p[f"{2 + self.layers}.weight"]) @ p["0.weight"].T)
        return -self.jnp.mean(self.jnp.take_along_axis(log_p, y[..., None], axis=2))

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

    def prepare(self, file: str, heads: int, layers: int) -> dict[str, float]:
        with np.load(file) as arrays:
            self.model = self.kind(dict(arrays), heads, layers, self.threads)
        return {"loss": self.model.step()}

    def time(self, phase: str, calls: int) -> dict[str, float]:
        call, start = getattr(self.model, phase), time.perf_counter()
        for _ in range(calls):
            call()
        return {"seconds": time.perf_counter() - start}


if __name__ == "__main__":
    serve(partial(Worker, sys.argv[1], int(sys.argv[2])))
