"""makemore's transformer beside the same in PyTorch: the losses of both while they learn names."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import needs
import numpy as np

from fastnn import GPT, AdamW, CrossEntropy, Network, TransformerBlock, to_torch

NAMES = (Path(__file__).parent / "external" / "microgpt_names.txt").read_text(encoding="utf-8").split()
LENGTH, BATCH, STEPS = 16, 32, 200
# Of the loss of a step; of 2,000 steps on all 32,033 names the largest difference is 6e-7.
ALLOWED = 1e-5


def rows_of(names: list[str]) -> tuple[Any, Any]:
    """As makemore has them: 0, the letters from 1, and 0 to end with; what is behind does not count."""
    x, y = np.zeros((len(names), LENGTH), np.int64), np.full((len(names), LENGTH), -1)
    for row, name in enumerate(names):
        ids = [ord(letter) - ord("a") + 1 for letter in name][: LENGTH - 1]
        x[row, 1 : len(ids) + 1], y[row, : len(ids) + 1] = ids, [*ids, 0]
    return x, y


def makemore() -> Network:
    """204,544 parameters: makemore's count, which leaves out none."""
    return GPT(27, LENGTH, 4, 64, 4, activation="gelu_tanh", tied=False, loss=CrossEntropy(ignore_index=-1), seed=0)


class Beside:
    """The same network in PyTorch."""

    def __init__(self, network: Network) -> None:
        torch: Any = needs.package("torch")
        self.torch, self.of = torch, torch.nn.functional
        named = network.named_parameters
        blocks = [layer for layer in network.layers if isinstance(layer, TransformerBlock)]
        bare = [replace(layer, causal=False, activation="gelu") for layer in blocks]
        encoder = Network((LENGTH, 64), bare, loss="mse", initialize=False)
        of_blocks = list(named)[2 : 2 + len(encoder.named_parameters)]
        for own, name in zip(encoder.named_parameters.values(), of_blocks, strict=True):
            own[...] = named[name]
        self.blocks = to_torch(encoder)
        for block in self.blocks:
            block.activation = partial(self.of.gelu, approximate="tanh")
        rest = [values for name, values in named.items() if name not in of_blocks]
        self.rest = [torch.tensor(values.copy(), requires_grad=True) for values in rest]
        self.mask = torch.nn.Transformer.generate_square_subsequent_mask(LENGTH)
        parameters = [*self.rest, *self.blocks.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, 5e-4, (0.9, 0.99), weight_decay=0.01)

    def step(self, x: Any, y: Any) -> float:
        tokens, positions, weight, bias, head = self.rest
        h = tokens[self.torch.tensor(x)] + positions
        for block in self.blocks:
            h = block(h, src_mask=self.mask)
        logits = self.of.layer_norm(h, (64,), weight, bias) @ head
        loss = self.of.cross_entropy(logits.view(-1, 27), self.torch.tensor(y).view(-1), ignore_index=-1)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())


def curves(names: list[str], steps: int) -> tuple[Any, Any]:
    network, rng = makemore(), np.random.default_rng(0)
    assert network.parameter_count == 204_544
    beside = Beside(network)
    trainer = network.trainer(AdamW(5e-4, 0.9, 0.99, weight_decay=0.01), batch=BATCH)
    x, y = rows_of(names)
    batches = rng.integers(0, len(x), (steps, BATCH))
    return tuple(np.array([step(x[batch], y[batch]) for batch in batches]) for step in (trainer.step, beside.step))


def test_the_losses_of_training_are_pytorchs() -> None:
    ours, theirs = curves(NAMES, STEPS)
    assert np.abs(ours - theirs).max() < ALLOWED
    assert ours[-10:].mean() < 2.6 < ours[0]
