"""Networks with tanh between their layers, from weights (I, O), in two spellings."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

Array = NDArray[Any]
Arrays = dict[str, Array]
# Plays an example once; its answer.
Call = Callable[[], Array]


def layers_of(arrays: Arrays) -> tuple[list[Array], list[Array]]:
    """Weights and biases w0, b0, w1, ..."""
    count = sum(name[0] == "w" and name[1:].isdigit() for name in arrays)
    return [arrays[f"w{i}"] for i in range(count)], [arrays[f"b{i}"] for i in range(count)]


def sequential(weights: list[Array], biases: list[Array]) -> nn.Sequential:
    """As it is usually written."""
    layers: list[nn.Module] = []
    for weight, bias in zip(weights, biases, strict=True):
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Bare:
    """Without modules, every tensor made ahead: fill x, call forward, read y, both of them NumPy's views of tensors."""

    def __init__(self, weights: list[Array], biases: list[Array]) -> None:
        self._weights = [torch.from_numpy(weight.T.copy()) for weight in weights]
        self._biases = [torch.from_numpy(bias.copy()) for bias in biases]
        self._values = [torch.zeros(size) for size in (len(weights[0]), *(len(bias) for bias in biases))]
        self.x, self.y = self._values[0].numpy(), self._values[-1].numpy()

    def forward(self) -> None:
        last = len(self._weights) - 1
        layers = zip(self._weights, self._biases, pairwise(self._values), strict=True)
        for i, (weight, bias, (x, y)) in enumerate(layers):
            torch.addmv(bias, weight, x, out=y)
            if i < last:
                torch.tanh(y, out=y)
