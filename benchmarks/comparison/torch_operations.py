"""PyTorch: eager, into given outputs where it takes them, and compiled where that pays (functions and softmax)."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from comparison.operation import ELEMENTWISE, Array, Arrays, NotOffered, Operation, function_of, named
from fastnn.bench.peers.torch_peer import OPTIMIZERS

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": torch.exp, "log": torch.log, "erf": torch.erf, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
    "gelu": functional.gelu,
}  # fmt: skip
# Ways that torch.optim spells one update; which is fastest depends on the optimizer and the size.
SPELLINGS: dict[str, dict[str, bool]] = {
    "fused": {"fused": True}, "foreach": {"foreach": True}, "eager": {"foreach": False}
}  # fmt: skip
TRIALS = 5


def elementwise(z: Array, name: str) -> Operation:
    source = torch.from_numpy(z)
    if name == "gelu":  # takes no output
        return Operation(partial(functional.gelu, source), named("y"))
    return Operation(partial(FUNCTIONS[name], source, out=torch.empty_like(source)), named("y"))


def product(inputs: Arrays, about: dict[str, Any]) -> Operation:
    x, w = torch.from_numpy(inputs["x"]), torch.from_numpy(inputs["w"])
    x, w = x.t() if about["form"] == "TN" else x, w.t() if about["form"] == "NT" else w
    return Operation(partial(torch.mm, x, w, out=x.new_empty((len(x), w.shape[1]))), named("y"))


def softmax(inputs: Arrays, about: dict[str, Any]) -> Operation:
    logits = torch.from_numpy(inputs["logits"])
    return Operation(partial(torch.softmax, logits, 1, out=torch.empty_like(logits)), named("p"))


def loss(inputs: Arrays, function: Callable[..., Any] = functional.cross_entropy) -> Operation:
    logits, labels = torch.from_numpy(inputs["logits"]).requires_grad_(), torch.from_numpy(inputs["target"])

    def call() -> Any:
        logits.grad = None
        value = function(logits, labels)
        value.backward()
        return value

    return Operation(call, lambda value: {"value": value.detach().numpy(), "dlogits": logits.grad.numpy()})


def update(inputs: Arrays, about: dict[str, Any]) -> Operation:
    """The fastest of torch's spellings here."""
    operations = [_update(inputs, about, how) for how in SPELLINGS]
    return min(operations, key=lambda operation: _trial(operation.call))


def _update(inputs: Arrays, about: dict[str, Any], how: str) -> Operation:
    p = torch.from_numpy(inputs["p"].copy()).requires_grad_()
    p.grad = torch.from_numpy(inputs["g"])
    optimizer = OPTIMIZERS[about["optimizer"]]([p], about["learning_rate"], **SPELLINGS[how])
    optimizer.step()
    first = p.detach().numpy().copy()  # before the trial
    return Operation(optimizer.step, lambda _: {"p": first}, how)


def _trial(call: Callable[[], Any]) -> float:
    """Seconds of the fastest of a few calls."""
    seconds = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


def convolution(inputs: Arrays, about: dict[str, Any]) -> Operation:
    """In the layout that is faster here; the arrays are laid so before."""
    operations = [_convolution(inputs, about, how) for how in LAYOUTS]
    return min(operations, key=lambda operation: _trial(operation.call))


def _convolution(inputs: Arrays, about: dict[str, Any], how: str) -> Operation:
    def there(name: str, *axes: int) -> Any:
        return torch.from_numpy(inputs[name]).permute(*axes).contiguous(memory_format=LAYOUTS[how])

    images, weight = {"x": (0, 3, 1, 2), "dy": (0, 3, 1, 2)}, {"w": (3, 2, 0, 1)}
    given = {name: there(name, *axes) for name, axes in (images | weight).items() if name in inputs}
    stride, padding = [about["stride"]] * 2, [about["padding"]] * 2
    if about["product"] == "forward":
        call = partial(torch.conv2d, given["x"], given["w"], None, stride, padding)
        return Operation(call, lambda y: {"y": y.permute(0, 2, 3, 1).numpy()}, how)
    side, window, channels = about["side"], about["window"], about["channels"]
    shapes = {"x": (about["images"], channels, side, side), "w": (about["filters"], channels, window, window)}
    missing = {
        name: torch.empty(shape).contiguous(memory_format=LAYOUTS[how])
        for name, shape in shapes.items()
        if name not in given
    }
    of = given | missing  # whose values the other gradient alone reads
    wanted = [about["product"] == "inward", about["product"] == "gradient", False]
    call = partial(torch.ops.aten.convolution_backward, of["dy"], of["x"], of["w"], None, stride, padding, [1, 1],
                   False, [0, 0], 1, wanted)  # fmt: skip
    if about["product"] == "inward":
        return Operation(call, lambda found: {"dx": found[0].permute(0, 2, 3, 1).numpy()}, how)
    return Operation(call, lambda found: {"dw": found[1].permute(2, 3, 1, 0).numpy()}, how)


OPERATIONS = {
    "matmul": product,
    "convolution": convolution,
    "softmax": softmax,
    "cross_entropy": lambda inputs, _: loss(inputs),
    "update": update,
}


def compiled(op: str, inputs: Arrays, about: dict[str, Any]) -> Operation:
    """Compiled for these very sizes. NotOffered: for other operations, and where compiling fails."""
    if op in ELEMENTWISE:
        function = torch.compile(FUNCTIONS[function_of(op, about)], dynamic=False)
        operation = Operation(partial(function, torch.from_numpy(inputs["z"])), named("y"))
    elif op == "softmax":
        function = torch.compile(torch.softmax, dynamic=False)
        operation = Operation(partial(function, torch.from_numpy(inputs["logits"]), 1), named("p"))
    elif op == "cross_entropy":
        operation = loss(inputs, torch.compile(functional.cross_entropy, dynamic=False))
    else:
        raise NotOffered("compared for functions and softmax only")
    try:
        operation.call()
    except Exception as error:
        raise NotOffered(f"torch.compile fails here: {str(error).splitlines()[0]}") from error
    return operation


class Library:
    """See comparison.operation.Library."""

    def __init__(self, threads: int, compiled: bool) -> None:
        torch.set_num_threads(threads)
        self._compiled = compiled

    def operation(self, op: str, inputs: Arrays, about: dict[str, Any]) -> Operation:
        if self._compiled:
            torch.compiler.reset()  # else the eighth size of a function would not be compiled
            return compiled(op, inputs, about)
        return elementwise(inputs["z"], function_of(op, about)) if op in ELEMENTWISE else OPERATIONS[op](inputs, about)
