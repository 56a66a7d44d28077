"""One training step of other libraries on a GPU: plain sgd on softmax cross-entropy, parameters as given.

A peer is made by PEERS[name](weights, biases, x, labels, learning_rate), where x and labels are one batch, and gives a
call that makes one step and does not wait for it, and a call that waits. Weights are (inputs, outputs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

Arrays = Sequence[NDArray[Any]]
Step = tuple[Callable[[], Any], Callable[[], Any]]
# Steps before a capture; and before compiled steps run from the graphs that they record.
WARM_UP, COMPILED_WARM_UP = 3, 5


def set_precision(names: Sequence[str], precision: str | None) -> None:
    """What peers may multiply float32 matrices with from now on: tensor cores only where that is asked for."""
    if "torch" in names:
        import torch

        torch.set_float32_matmul_precision({"tf32": "high", "bf16": "medium"}.get(precision or "", "highest"))
    if "jax" in names:
        import jax

        wanted = {"tf32": "tensorfloat32", "bf16": "bfloat16"}.get(precision or "", "highest")
        jax.config.update("jax_default_matmul_precision", wanted)


def _torch_step(weights: Arrays, biases: Arrays, x: NDArray[Any], labels: NDArray[Any], rate: float) -> Any:
    """PyTorch, and a function that makes one step with its data on the device."""
    import torch

    layers: list[Any] = []
    for w, b in zip(weights, biases, strict=True):
        layer = torch.nn.Linear(*w.shape, device="cuda")
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w.T.copy()))
            layer.bias.copy_(torch.from_numpy(b.copy()))
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), rate)
    inputs, targets = torch.from_numpy(x.copy()).cuda(), torch.from_numpy(labels.copy()).cuda()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()

    return torch, step


def torch_eager(*given: Any) -> Step:
    torch, step = _torch_step(*given)
    return step, torch.cuda.synchronize


def torch_compiled(*given: Any) -> Step:
    torch, step = _torch_step(*given)
    torch.compiler.reset()  # else the ninth network would not be compiled
    compiled = torch.compile(step, mode="reduce-overhead")
    for _ in range(COMPILED_WARM_UP):
        compiled()
    return compiled, torch.cuda.synchronize


def torch_graph(*given: Any) -> Step:
    """The eager step captured once in a CUDA graph."""
    torch, step = _torch_step(*given)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay(held: Any = step) -> None:
        """The graph reads the memory of the step that it is made of, which must live as long."""
        graph.replay()

    return replay, torch.cuda.synchronize


def jax(weights: Arrays, biases: Arrays, x: NDArray[Any], labels: NDArray[Any], rate: float) -> Step:
    import jax
    import jax.numpy as jnp

    parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(weights, biases, strict=True)]
    inputs, targets = jnp.asarray(x), jnp.asarray(labels)

    def loss(parameters: Any, inputs: Any, targets: Any) -> Any:
        y = inputs
        for w, b in parameters[:-1]:
            y = jax.nn.relu(jnp.matmul(y, w) + b)
        w, b = parameters[-1]
        log_p = jax.nn.log_softmax(jnp.matmul(y, w) + b)
        return -jnp.mean(jnp.take_along_axis(log_p, targets[:, None], axis=1))

    def moved(parameters: Any, inputs: Any, targets: Any) -> Any:
        gradients = jax.grad(loss)(parameters, inputs, targets)
        return jax.tree.map(lambda p, g: p - rate * g, parameters, gradients)

    make = jax.jit(moved, donate_argnums=0)

    def step() -> None:
        nonlocal parameters
        parameters = make(parameters, inputs, targets)

    return step, lambda: jax.block_until_ready(parameters)


PEERS: dict[str, Callable[..., Step]] = {
    "torch": torch_eager, "torch_compiled": torch_compiled, "torch_graph": torch_graph, "jax": jax
}  # fmt: skip
