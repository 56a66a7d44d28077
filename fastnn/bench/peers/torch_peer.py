"""PyTorch, eager, as its users write a training step."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from fastnn.bench.peers.task import Task
from fastnn.bench.peers.torch_language_model import LanguageModel
from fastnn.bench.peers.torch_layers import module_of

# Of parameters and a rate; what else torch.optim takes, such as fused=True, says how.
OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda p, rate, **how: torch.optim.SGD(p, lr=rate, **how),
    "momentum": lambda p, rate, **how: torch.optim.SGD(p, lr=rate, momentum=0.9, **how),
    "adam": lambda p, rate, **how: torch.optim.Adam(p, lr=rate, **how),
    "adamw": lambda p, rate, **how: torch.optim.AdamW(p, lr=rate, weight_decay=0.01, **how),
}


def perceptron(task: Task) -> nn.Sequential:
    layers: list[nn.Module] = []
    for weight, bias in zip(task.weights, task.biases, strict=True):
        linear = nn.Linear(*weight.shape, dtype=torch.from_numpy(weight).dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Model:
    """See fastnn.bench.peers.worker.Peer."""

    def __init__(self, task: Task) -> None:
        torch.set_num_threads(task.threads)
        self.takes_ids = task.takes_ids
        model: Any
        if task.heads:
            model = LanguageModel(task.parameters, task.heads)
        else:
            model = perceptron(task) if task.description is None else module_of(task)
        self.modes: Any = None if task.description is None else model
        self.network: Any = model.__call__ if task.heads else model
        self.generated: Any = getattr(model, "generate", None)
        self.loss = nn.CrossEntropyLoss()
        optimizer_of = OPTIMIZERS[task.optimizer](model.parameters(), task.learning_rate)
        self.zero_gradients, self.update = optimizer_of.zero_grad, optimizer_of.step
        self.loss_of: Any = self._positions_loss if self.takes_ids else lambda x, y: self.loss(self.network(x), y)

    def _positions_loss(self, x: Any, y: Any) -> Any:
        logits = self.network(x)
        return self.loss(logits.view(-1, logits.shape[-1]), y.view(-1))

    def prepare(self, x: NDArray[Any], y: NDArray[Any]) -> Any:
        given = torch.from_numpy(x.copy())
        if given.ndim == 4:  # images, with their channels first
            given = given.permute(0, 3, 1, 2).contiguous()
        return given.long() if self.takes_ids else given, torch.from_numpy(y.copy())

    def generate(self, batch: Any) -> Any:
        """Of the first row."""
        return self.generated(batch[0][:1])

    def wait(self) -> None:
        """On a CPU every call has ended when it returns."""

    def forward(self, batch: Any) -> Any:
        self._train(False)
        with torch.no_grad():
            return self.network(batch[0])

    def logits(self, output: Any) -> NDArray[Any]:
        return output.numpy()  # type: ignore[no-any-return]

    def _train(self, training: bool) -> None:
        """A batch norm does something else in each."""
        if self.modes is not None and self.modes.training is not training:
            self.modes.train(training)

    def step(self, batch: Any) -> Any:
        self._train(True)
        self.zero_gradients()
        loss = self.loss_of(*batch)
        loss.backward()
        self.update()
        return loss.detach()
