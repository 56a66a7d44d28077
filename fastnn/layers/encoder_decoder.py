"""Two chains of layers, of which the second attends to what the first gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastnn.edge.checks import as_count
from fastnn.graph.graph import Graph, Memory
from fastnn.layers.slices import Slice


@dataclass(frozen=True)
class EncoderDecoder:
    """y = decoder(x[:, source:], encoder(x[:, :source])): x (B, T, C), y as the decoder gives the last T - source.

    source: positions of the sequence that is read; behind them stands the one that is written. encoder, decoder: lists
    of layers, of which the encoder may give fewer positions; in the decoder CrossAttention, and TransformerBlock with
    cross=True, attend to the encoder's output.

    Parameters: "2.encoder.0.0.1.qkv.weight" of the encoder's first block where this is the network's third layer.
    """

    source: int
    encoder: tuple[Any, ...]
    decoder: tuple[Any, ...]

    def __init__(self, source: int, encoder: Sequence[Any], decoder: Sequence[Any]) -> None:
        as_count(source, "source")
        for name, layers in (("encoder", encoder), ("decoder", decoder)):
            if not isinstance(layers, (list, tuple)):
                raise TypeError(f"{name} is {layers!r}; expected a list of layers")
            object.__setattr__(self, name, tuple(layers))
        object.__setattr__(self, "source", source)

    def build(self, graph: Graph, name: str, source: int) -> int:
        whole = graph.shape_of(source)
        if len(whole) != 2 or whole[0] <= self.source:
            raise ValueError(
                f"layer {name} reads {self.source} positions of features and writes those behind them; {whole} comes"
            )
        graph.enter()
        mask, outer = graph.mask, graph.memory
        end = Slice(0, self.source).build(graph, f"{name}.read", source)
        end = graph.chain(self.encoder, end, f"{name}.encoder.")
        if len(graph.shape_of(end)) != 2:
            raise ValueError(
                f"layer {name} has an encoder that gives {graph.shape_of(end)}; expected positions of features (T, C)"
            )
        graph.memory, graph.mask = Memory(end, graph.mask), mask
        end = Slice(self.source).build(graph, f"{name}.write", source)
        end = graph.chain(self.decoder, end, f"{name}.decoder.")
        graph.memory = outer
        return end
