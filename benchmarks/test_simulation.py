"""The README's simulation, and PyTorch at its prediction and training step: pytest benchmarks/test_simulation.py"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
STEPS = 10_000


def test_simulation(benchmark: Any, describe: Any, capsys: Any) -> None:
    (example,) = (text for text in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "def simulate" in text)
    scope: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), scope)
    arrays = [scope[name] for name in ("tape", "params", "grads", "state", "control", "workspace", "x", "y")]
    describe("simulation", simulated_steps=STEPS)
    assert benchmark(scope["simulate"], STEPS, 0, *arrays) > 0.9


def test_torch(benchmark: Any, describe: Any) -> None:
    """One prediction and one training step from Python, without the physics."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    optimizer, loss = torch.optim.SGD(model.parameters(), 0.1), torch.nn.CrossEntropyLoss()
    x, y = torch.rand(1, 3), torch.tensor([1])

    def step() -> float:
        with torch.no_grad():
            model(x)
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return float(value.detach())

    describe("simulation", simulated_steps=1)
    assert benchmark(step) >= 0
