"""A GPT in PyTorch, as nanoGPT writes it: its attention is scaled_dot_product_attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch.nn import functional


class LanguageModel:
    """fastnn.GPT without biases, with layer norms, gelu and a tied head, by its names of parameters, (I, O)."""

    def __init__(self, parameters: Mapping[str, NDArray[Any]], heads: int) -> None:
        self.p = {name: torch.tensor(values).requires_grad_() for name, values in parameters.items()}
        self.heads, self.layers = heads, sum(".qkv." in name for name in parameters)

    def parameters(self) -> Iterator[Any]:
        return iter(self.p.values())

    def _norm(self, h: Any, name: str) -> Any:
        return functional.layer_norm(h, h.shape[-1:], self.p[name])

    def _heads_of(self, h: Any) -> Any:
        return h.view(*h.shape[:2], self.heads, -1).transpose(1, 2)

    def _block(self, h: Any, i: int, cache: list[Any] | None = None) -> Any:
        parts = (self._norm(h, f"{i}.0.0.weight") @ self.p[f"{i}.0.1.qkv.weight"]).split(h.shape[-1], dim=2)
        q, k, v = map(self._heads_of, parts)
        if cache is not None:
            k, v = (torch.cat(pair, 2) for pair in zip(cache[i], (k, v), strict=True)) if cache[i] else (k, v)
            cache[i] = (k, v)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1)
        h = h + y.transpose(1, 2).reshape(h.shape) @ self.p[f"{i}.0.1.out.weight"]
        inner = functional.gelu(self._norm(h, f"{i}.1.0.weight") @ self.p[f"{i}.1.1.weight"])
        return h + inner @ self.p[f"{i}.1.2.weight"]

    def __call__(self, ids: Any, first: int = 0, cache: list[Any] | None = None) -> Any:
        """Logits (B, T, V); cache: keys and values of a block each, of the positions before `first`."""
        h = self.p["0.weight"][ids] + self.p["1.weight"][first : first + ids.shape[1]]
        for i in range(2, 2 + self.layers):
            h = self._block(h, i, cache)
        return self._norm(h, f"{2 + self.layers}.weight") @ self.p["0.weight"].T

    def generate(self, ids: Any) -> Any:
        """As many tokens as there are positions after the first of ids (1, T), each the most probable, with a cache."""
        with torch.inference_mode():
            cache: list[Any] = [None] * (2 + self.layers)
            token = ids[:, :1]
            for t in range(ids.shape[1]):
                token = self(token, t, cache)[:, -1:].argmax(2)
        return token

    def generate_whole(self, ids: Any) -> Any:
        """The same without: all positions anew for each token."""
        with torch.inference_mode():
            tokens = ids[:, :1]
            for _ in range(ids.shape[1] - 1):
                tokens = torch.cat([tokens, self(tokens)[:, -1:].argmax(2)], 1)
            return self(tokens)[:, -1:].argmax(2)
