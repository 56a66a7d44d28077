"""Networks of convolutions and recurrent layers in JAX: a function of the parameters, from a network's description."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"identity": lambda x: x, "relu": jax.nn.relu, "tanh": jnp.tanh}
IMAGES = ("NHWC", "HWIO", "NHWC")


def logits(parameters: Mapping[str, Any], x: Any, layers: Sequence[Mapping[str, Any]]) -> Any:
    """layers: of fastnn.Network.description."""
    return _chain(parameters, x, layers, "", None)


def loss(parameters: Mapping[str, Any], x: Any, y: Any, layers: Sequence[Mapping[str, Any]]) -> Any:
    """Mean cross-entropy in training, and the running statistics after it."""
    moved: dict[str, Any] = {}
    log_p = jax.nn.log_softmax(_chain(parameters, x, layers, "", moved))
    return -jnp.mean(jnp.take_along_axis(log_p, y[..., None], axis=-1)), moved


def _chain(
    p: Mapping[str, Any], x: Any, layers: Sequence[Mapping[str, Any]], prefix: str, moved: dict[str, Any] | None
) -> Any:  # fmt: skip
    """moved: takes running statistics in training; None where nothing is trained."""
    for index, layer in enumerate(layers):
        x = KINDS[layer["kind"]](p, x, {**layer, "moved": moved}, f"{prefix}{index}.")
    return x


def _conv2d(p: Mapping[str, Any], x: Any, layer: Mapping[str, Any], name: str) -> Any:
    padding = [(side, side) for side in layer["padding"]]
    y = lax.conv_general_dilated(
        x, p[f"{name}weight"], layer["stride"], padding, rhs_dilation=layer["dilation"], dimension_numbers=IMAGES,
        feature_group_count=layer["groups"],
    )  # fmt: skip
    return y + p[f"{name}bias"] if layer["bias"] else y


def _batch_norm(p: Mapping[str, Any], x: Any, layer: Mapping[str, Any], name: str) -> Any:
    mean, variance, moved = p[f"{name}running_mean"], p[f"{name}running_var"], layer["moved"]
    if moved is not None:
        axes, count, momentum = tuple(range(x.ndim - 1)), x.size // x.shape[-1], layer["momentum"]
        running = mean, variance
        mean, variance = x.mean(axes), x.var(axes)
        for own, before, now in zip(("running_mean", "running_var"), running,
                                    (mean, variance * (count / (count - 1))), strict=True):  # fmt: skip
            moved[f"{name}{own}"] = (1 - momentum) * before + momentum * lax.stop_gradient(now)
    return (x - mean) * (p[f"{name}weight"] * lax.rsqrt(variance + layer["epsilon"])) + p[f"{name}bias"]


def _pool(p: Mapping[str, Any], x: Any, layer: Mapping[str, Any], name: str) -> Any:
    sizes = ((1, *layer["kernel_size"], 1), (1, *layer["stride"], 1))
    return lax.reduce_window(x, -jnp.inf, lax.max, *sizes, "VALID")


def _dense(p: Mapping[str, Any], x: Any, layer: Mapping[str, Any], name: str) -> Any:
    return ACTIVATIONS[layer["activation"]](x @ p[f"{name}weight"] + p[f"{name}bias"])


def _residual(p: Mapping[str, Any], x: Any, layer: Mapping[str, Any], name: str) -> Any:
    return x + _chain(p, x, layer["layers"], name, layer["moved"])


def _recurrent(p: Mapping[str, Any], x: Any, layer: Mapping[str, Any], name: str) -> Any:
    """The last state of one layer in one direction, or all, by lax.scan."""
    w, b = p[f"{name}hh_l0.weight"], p[f"{name}hh_l0.bias"]
    sums = x @ p[f"{name}ih_l0.weight"] + p[f"{name}ih_l0.bias"]
    zeros = jnp.zeros((x.shape[0], layer["units"]), x.dtype)

    def keep(h: Any) -> Any:
        return h if layer["return_sequences"] else None

    def rnn(state: Any, z: Any) -> Any:
        h = jnp.tanh(z + state @ w + b)
        return h, keep(h)

    def lstm(state: Any, z: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(z + h @ w + b, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), keep(h)

    def gru(state: Any, z: Any) -> Any:
        (zr, zz, zn), (ur, uz, un) = jnp.split(z, 3, axis=1), jnp.split(state @ w + b, 3, axis=1)
        update, new = jax.nn.sigmoid(zz + uz), jnp.tanh(zn + jax.nn.sigmoid(zr + ur) * un)
        h = (state - new) * update + new
        return h, keep(h)

    step: Any = {"rnn": rnn, "lstm": lstm, "gru": gru}[layer["kind"]]
    state, states = lax.scan(step, (zeros, zeros) if layer["kind"] == "lstm" else zeros, jnp.swapaxes(sums, 0, 1))
    if layer["return_sequences"]:
        return jnp.swapaxes(states, 0, 1)
    return state[0] if layer["kind"] == "lstm" else state


KINDS: dict[str, Callable[..., Any]] = {
    "embedding": lambda p, x, layer, name: p[f"{name}weight"][x],
    "conv2d": _conv2d,
    "batch_norm": _batch_norm,
    "max_pool2d": _pool,
    "global_avg_pool2d": lambda p, x, layer, name: x.mean((1, 2), keepdims=True),
    "activation": lambda p, x, layer, name: ACTIVATIONS[layer["activation"]](x),
    "flatten": lambda p, x, layer, name: x.reshape(x.shape[0], -1),
    "dense": _dense,
    "residual": _residual,
    "rnn": _recurrent,
    "lstm": _recurrent,
    "gru": _recurrent,
}
