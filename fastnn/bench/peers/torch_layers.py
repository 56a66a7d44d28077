"""A network of convolutions or recurrent layers in PyTorch: modules of torch.nn, one after the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from fastnn.bench.peers.task import Task
from fastnn.edge.checks import as_shape
from fastnn.interchange.torch_modules import to_torch
from fastnn.layers import layer_of
from fastnn.networks.network import Network


class _Around(nn.Module):  # type: ignore[misc]
    """x + f(x)"""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        return x + self.inner(x)


def module_of(task: Task) -> nn.Module:
    """With the parameters of the task, in training."""
    assert task.description is not None
    dtype = next(iter(task.parameters.values())).dtype
    start = as_shape(task.description["inputs"], "inputs")
    parts: list[nn.Module] = []
    run: list[Any] = []

    def finish(first: int) -> None:
        """The layers so far, from the one of that number on, as modules of torch."""
        nonlocal start
        if run:
            module, start = _modules(run, start, task, [f"{first + k}." for k in range(len(run))], dtype)
            parts.append(module)
            run.clear()

    for index, described in enumerate(task.description["layers"]):
        if described["kind"] == "embedding":  # the first
            table = torch.from_numpy(task.parameters[f"{index}.weight"])
            parts.append(nn.Embedding.from_pretrained(table.clone(), freeze=False))
            start = (*start, table.shape[1])
            continue
        if described["kind"] != "residual":
            run.append(layer_of(described))
            continue
        finish(index - len(run))
        inner = [layer_of(each) for each in described["layers"]]
        around, _ = _modules(inner, start, task, [f"{index}.{k}." for k in range(len(inner))], dtype)
        parts.append(_Around(around))
    finish(len(task.description["layers"]) - len(run))
    return nn.Sequential(*parts).train()


def _modules(
    layers: list[Any], shape: tuple[int, ...], task: Task, names: list[str], dtype: Any
) -> tuple[nn.Module, tuple[int, ...]]:
    """Of layers that follow each other, and the shape that they give. names: what those of each layer's parameters
    begin with in the task."""
    network = Network(shape, layers, loss="mse", dtype=dtype, initialize=False)
    for name, values in network.named_parameters.items():
        index, _, own = name.partition(".")
        values[...] = task.parameters[names[int(index)] + own]
    return to_torch(network), network.output_shape
