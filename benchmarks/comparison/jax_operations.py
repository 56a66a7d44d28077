"""JAX: each operation a jitted function; a call ends when its answer is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from comparison.operation import ELEMENTWISE, Arrays, Operation, function_of, named
from fastnn.bench.peers.jax_peer import MOMENTS, UPDATES

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": jnp.exp, "log": jnp.log, "erf": jax.lax.erf, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid,
    "gelu": partial(jax.nn.gelu, approximate=False),
}  # fmt: skip
PRODUCTS: dict[str, Callable[..., Any]] = {
    "NN": lambda x, w: x @ w, "NT": lambda x, w: x @ w.T, "TN": lambda x, w: x.T @ w
}  # fmt: skip


def _waiting(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """Calls that overlap would time two at once."""
    jitted, arrays = jax.jit(function), [jnp.asarray(argument) for argument in arguments]
    return lambda: jax.block_until_ready(jitted(*arrays))


def _cross_entropy(logits: Any, labels: Any) -> Any:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))


def loss(inputs: Arrays) -> Operation:
    call = _waiting(jax.value_and_grad(_cross_entropy), inputs["logits"], inputs["target"])
    return Operation(call, lambda answer: {"value": np.asarray(answer[0]), "dlogits": np.asarray(answer[1])})


def convolution(inputs: Arrays, about: dict[str, Any]) -> Operation:
    """Channels last; a gradient is that of the linear map."""
    stride, padding = (about["stride"],) * 2, [(about["padding"],) * 2] * 2

    def forward(x: Any, w: Any) -> Any:
        return jax.lax.conv_general_dilated(x, w, stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def of_weight(x: Any, dy: Any) -> Any:
        shape = about["window"], about["window"], about["channels"], about["filters"]
        return jax.vjp(partial(forward, x), _zeros(shape, dy))[1](dy)[0]

    def of_images(w: Any, dy: Any) -> Any:
        shape = about["images"], about["side"], about["side"], about["channels"]
        return jax.vjp(lambda x: forward(x, w), _zeros(shape, dy))[1](dy)[0]

    products = {
        "forward": (forward, "x", "w", "y"), "gradient": (of_weight, "x", "dy", "dw"),
        "inward": (of_images, "w", "dy", "dx"),
    }  # fmt: skip
    function, first, second, answer = products[about["product"]]
    return Operation(_waiting(function, inputs[first], inputs[second]), named(answer))


def _zeros(shape: tuple[int, ...], like: Any) -> Any:
    """Where the gradient of a linear map is taken; it is not read."""
    return jnp.zeros(shape, like.dtype)


def update(inputs: Arrays, about: dict[str, Any]) -> Operation:
    """The old parameters and moments are given back to be overwritten."""
    name = about["optimizer"]
    p, g = jnp.asarray(inputs["p"]), jnp.asarray(inputs["g"])
    held = (p, *(jnp.zeros_like(p) for _ in range(MOMENTS[name])))
    made = jnp.zeros((), p.dtype)

    def step(held: Any, made: Any, g: Any) -> Any:
        return UPDATES[name](about["learning_rate"], made + 1, held[0], g, *held[1:]), made + 1

    jitted = jax.jit(step, donate_argnums=(0, 1))

    def call() -> Any:
        nonlocal held, made
        held, made = jax.block_until_ready(jitted(held, made, g))
        return held[0]

    return Operation(call, named("p"))


class Library:
    """See comparison.operation.Library."""

    def __init__(self, threads: int) -> None:
        """The environment has told XLA."""
        jax.config.update("jax_enable_x64", True)

    def operation(self, op: str, inputs: Arrays, about: dict[str, Any]) -> Operation:
        if op in ELEMENTWISE:
            return Operation(_waiting(FUNCTIONS[function_of(op, about)], inputs["z"]), named("y"))
        if op == "matmul":
            return Operation(_waiting(PRODUCTS[about["form"]], inputs["x"], inputs["w"]), named("y"))
        if op == "convolution":
            return convolution(inputs, about)
        if op == "softmax":
            return Operation(_waiting(jax.nn.softmax, inputs["logits"]), named("p"))
        return loss(inputs) if op == "cross_entropy" else update(inputs, about)
