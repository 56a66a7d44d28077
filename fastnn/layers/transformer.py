"""Transformer blocks: attention between positions, then dense layers at each, both with a way around."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from fastnn.edge.checks import as_choice, as_count
from fastnn.graph.forms import Form
from fastnn.graph.graph import Graph
from fastnn.graph.protocol import FEATURES, Shape
from fastnn.layers.attention import CrossAttention, SelfAttention
from fastnn.layers.dense import Dense
from fastnn.layers.dropout import Dropout
from fastnn.layers.gated import GatedDense
from fastnn.layers.norm import LayerNorm, RMSNorm
from fastnn.layers.residual import Residual

NORMS = ("layer", "rms")


def norm_of(name: str, epsilon: float | None, bias: bool) -> LayerNorm | RMSNorm:
    """Of NORMS, with an epsilon of its own, and a bias where it may have one."""
    if name == "layer":
        return LayerNorm(bias=bias) if epsilon is None else LayerNorm(epsilon, bias)
    return RMSNorm() if epsilon is None else RMSNorm(epsilon)


@dataclass(frozen=True)
class TransformerBlock:
    """x + attention(norm(x)), then x + dense(norm(x)): x, y (B, T, C).

    heads, causal, kv_heads, rotary: of SelfAttention. bias: of all its layers. hidden: units between the two dense
    layers, 4 C unless said; activation: of the first, which is a GatedDense where `gated`. norm_first: False is
    norm(x + f(x)), as the first transformers were. norm: "layer" or "rms", epsilon: its own where it is not said.
    dropout: share of what each way adds that a step leaves out. initializer: of all matrices; residual_initializer: of
    those whose outputs are added, where they have another. cross: between both, the block attends to what an
    EncoderDecoder, in whose decoder it stands, encodes.

    Parameters: "3.0.1.qkv.weight" is of the attention of a network's fourth layer, "3.1.1.weight" and "3.1.2.weight"
    of its dense layers; without norm_first "3.0.0.qkv.weight", "3.2.0.weight" and "3.2.1.weight". Behind attention to
    another sequence they are one higher, without norm_first two.
    """

    heads: int
    hidden: int | None = None
    activation: str = "gelu"
    causal: bool = True
    kv_heads: int | None = None
    norm_first: bool = True
    norm: str = "layer"
    bias: bool = True
    dropout: float = 0.0
    initializer: str | float = "auto"
    residual_initializer: str | float | None = None
    rotary: float | None = None
    gated: bool = False
    epsilon: float | None = None
    cross: bool = False
    axes: ClassVar[str] = FEATURES
    torch_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.torch_modules

    def __post_init__(self) -> None:
        self._attention()
        as_choice(self.norm, NORMS, "norm")
        norm_of(self.norm, self.epsilon, self.bias)
        for name in ("norm_first", "cross"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} is {getattr(self, name)!r}; expected True or False")
        if self.hidden is not None:
            as_count(self.hidden, "hidden")
        self._dense(1)

    def _attention(self) -> SelfAttention:
        return SelfAttention(
            self.heads,
            self.causal,
            self.kv_heads,
            self.bias,
            self.initializer,
            self.residual_initializer,
            self.rotary,
        )

    def _cross(self) -> list[Any]:
        return [CrossAttention(self.heads, self.kv_heads, self.bias, self.initializer, self.residual_initializer)]

    def _dense(self, width: int) -> list[Any]:
        last = self.initializer if self.residual_initializer is None else self.residual_initializer
        kind = GatedDense if self.gated else Dense
        return [
            kind(self.hidden or 4 * width, self.activation, bias=self.bias, initializer=self.initializer),
            Dense(width, bias=self.bias, initializer=last),
        ]

    def layers(self, width: int) -> list[Any]:
        """What it is made of, for rows of so many features."""
        norm = norm_of(self.norm, self.epsilon, self.bias)
        dropped = [Dropout(self.dropout)] if self.dropout else []
        found: list[Any] = []
        cross = [self._cross()] if self.cross else []
        for part in ([self._attention()], *cross, self._dense(width)):
            found += [Residual(norm, *part, *dropped)] if self.norm_first else [Residual(*part, *dropped), norm]
        return found

    def torch_form(self, shape: Shape) -> Form:
        """ValueError for what torch's layer has not. Its mask is an argument of a call there, and no setting."""
        unknown = {
            "causal": self.causal, "kv_heads": self.kv_heads, "norm": self.norm != "layer", "rotary": self.rotary,
            "gated": self.gated, "epsilon": self.epsilon, "cross": self.cross,
        }  # fmt: skip
        if told := [name for name, value in unknown.items() if value]:
            raise ValueError(f"torch's TransformerEncoderLayer has no setting for its {told[0]}")
        if self.activation not in ("relu", "gelu"):
            raise ValueError(f"torch's TransformerEncoderLayer has relu and gelu, and no {self.activation}")
        return Form("TransformerEncoderLayer", {
            "d_model": shape[-1], "nhead": self.heads, "dim_feedforward": self.hidden or 4 * shape[-1],
            "dropout": self.dropout, "activation": self.activation, "norm_first": self.norm_first, "bias": self.bias,
            "batch_first": True,
        })  # fmt: skip

    @property
    def torch_parameters(self) -> dict[str, str]:
        """Its own names of parameters, by torch's."""
        before = ("0.1.", "1.1.", "1.2.", "0.0.", "1.0."), ("0.0.", "2.0.", "2.1.", "1.", "3.")
        attention, first, second, norm1, norm2 = before[not self.norm_first]
        found: dict[str, str] = {}
        for name, own in self._attention().torch_parameters.items():
            found[f"self_attn.{name}"] = f"{attention}{own}"
        for kind in ("weight", "bias") if self.bias else ("weight",):
            found |= {
                f"linear1.{kind}": f"{first}{kind}", f"linear2.{kind}": f"{second}{kind}",
                f"norm1.{kind}": f"{norm1}{kind}", f"norm2.{kind}": f"{norm2}{kind}",
            }  # fmt: skip
        return found

    def build(self, graph: Graph, name: str, source: int) -> int:
        graph.enter()
        return graph.chain(self.layers(graph.shape_of(source)[-1]), source, f"{name}.")
