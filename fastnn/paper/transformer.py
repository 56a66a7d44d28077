"""Decoder-only transformers, counted: parameters by matrix, multiply-adds of a forward pass over a sequence.

    d width   h heads   g key-value heads   w head width   f hidden units   L layers   V vocabulary   T tokens

A block: queries d x hw, keys and values d x gw each, output hw x d, an MLP of two matrices d x f (three where gated),
and its normalisations. Attention multiplies queries with keys and weights with values, h w T each for every token: all
T positions, also those that a causal mask hides, as published counts do (nanoGPT's transformer_sizing, PaLM's appendix
B). Embedding is a look-up and costs nothing. Elementwise work is not counted: below 1 % from 1,000 wide on.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastnn import cost
from fastnn.edge.checks import as_choice, as_count

NORMS = ("layer", "layer-no-bias", "rms")


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """The shape of a model; see models.toml for the fields."""

    layers: int
    width: int
    heads: int
    vocabulary: int
    context: int
    head_width: int | None = None
    kv_heads: int | None = None
    hidden: int | None = None
    gated: bool = False
    biases: bool = False
    positions: bool = False
    tied: bool = False
    norm: str = "layer"
    norms: int = 2

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "vocabulary", "context"):
            as_count(getattr(self, name), name)
        for name in ("head_width", "kv_heads", "hidden"):
            if getattr(self, name) is not None:
                as_count(getattr(self, name), name)
        as_count(self.norms, "norms", least=0)
        as_choice(self.norm, NORMS, "norm")
        if self.head_width is None and self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}; say head_width")
        if self.heads % self.groups:
            raise ValueError(f"heads {self.heads} is no multiple of kv_heads {self.groups}")

    @property
    def groups(self) -> int:
        """Heads that have keys and values of their own."""
        return self.kv_heads or self.heads

    @property
    def attention_width(self) -> int:
        """Of all heads together."""
        return self.heads * (self.head_width or self.width // self.heads)

    @property
    def kv_width(self) -> int:
        """Of all keys, or all values, of a token."""
        return self.attention_width // self.heads * self.groups

    @property
    def _matrices(self) -> list[tuple[int, int]]:
        """Inputs and outputs of the matrices of a block."""
        d, hidden = self.width, self.hidden or 4 * self.width
        up = [(d, hidden)] * (2 if self.gated else 1)
        attention = [(d, self.attention_width), (d, self.kv_width), (d, self.kv_width), (self.attention_width, d)]
        return [*attention, *up, (hidden, d)]

    @property
    def _norm_parameters(self) -> int:
        return cost.norm_parameters(self.width, bias=self.norm == "layer")

    @property
    def parameters(self) -> int:
        """All of them, embeddings included."""
        block = sum(cost.dense_parameters(*matrix, self.biases) for matrix in self._matrices)
        block += self.norms * self._norm_parameters
        embeddings = self.vocabulary * self.width * (1 if self.tied else 2)
        embeddings += self.context * self.width if self.positions else 0
        return self.layers * block + self._norm_parameters + embeddings

    def forward_macs(self, tokens: int) -> int:
        """Multiply-adds of a forward pass over that many tokens, logits for each."""
        matrices = sum(cost.dense_forward(tokens, *matrix).macs for matrix in self._matrices)
        attention = cost.attention_products(1, tokens, tokens, self.attention_width).macs
        return self.layers * (matrices + attention) + cost.dense_forward(tokens, self.width, self.vocabulary).macs

    def cache_bytes(self, tokens: int, itemsize: int) -> int:
        """Keys and values kept for so many tokens."""
        return 2 * self.layers * self.kv_width * tokens * itemsize
