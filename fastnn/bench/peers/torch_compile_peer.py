"""PyTorch with torch.compile: the forward pass, the loss with its backward pass, and the update of the optimizer.

The second step with momentum finds a state that the first did not and compiles its update once more: that is warm-up.
"""

from __future__ import annotations

import logging

import torch
import torch._logging

from fastnn.bench.peers import torch_peer
from fastnn.bench.peers.task import Task


def bring_in_the_compiler() -> None:
    """Compiles next to nothing: what is imported when first needed, and found out once a machine, is no network's."""
    torch._logging.set_logs(dynamo=logging.ERROR)  # warns that it leaves out the profiler of Optimizer.step
    x = torch.ones(64, requires_grad=True)
    torch.compile(lambda x: (x * x).sum())(x).backward()


class Model(torch_peer.Model):
    """See fastnn.bench.peers.worker.Peer."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        bring_in_the_compiler()
        self.network = torch.compile(self.network)
        self.loss_of, self.update = torch.compile(self.loss_of), torch.compile(self.update)
