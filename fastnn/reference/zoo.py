"""Networks of convolutions, pools and recurrent layers, from the description of a network: output, loss, gradient.

Each layer gives its values and what takes their gradient back; parameters have the names that the network gives them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import activation, batch_norm
from .network import LOSSES
from .recurrent import sigmoid

Array = npt.NDArray[Any]
Parameters = Mapping[str, Array]
# Of the gradient of the values, that of what came in; gradients of parameters go to a dict.
Back = Callable[[Array, dict[str, Array]], Array]
Layer = Mapping[str, Any]


def loss_and_gradient(
    layers: Sequence[Layer], parameters: Parameters, x: Array, y: Array, loss: str, **options: Any
) -> tuple[Array, Any, dict[str, Array]]:
    """In training. layers: as fastnn.Network.description tells them. options: of the loss. KeyError: a layer that is
    not here."""
    output, back = _chain(layers, parameters, x, "", training=True)
    labels = y.ndim < output.ndim  # of each row, or of each of its positions
    rows = output.reshape(-1, output.shape[-1]) if labels else output
    value, dy = LOSSES[loss](rows, y.reshape(-1) if labels else y, **options)
    found: dict[str, Array] = {}
    back(dy.reshape(output.shape), found)
    return output, value, found


def infer(layers: Sequence[Layer], parameters: Parameters, x: Array) -> Array:
    """The output where nothing is trained."""
    return _chain(layers, parameters, x, "", training=False)[0]


def _chain(layers: Sequence[Layer], p: Parameters, x: Array, prefix: str, training: bool) -> tuple[Array, Back]:
    backs: list[Back] = []
    for index, layer in enumerate(layers):
        x, back = LAYERS[layer["kind"]]({**layer, "training": training}, p, x, f"{prefix}{index}.")
        backs.append(back)

    def turn(dy: Array, found: dict[str, Array]) -> Array:
        for back in reversed(backs):
            dy = back(dy, found)
        return dy

    return x, turn


def _dense(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    w, function, alpha = p[f"{name}weight"], layer["activation"], layer["alpha"]
    z = x @ w + (p[f"{name}bias"] if layer["bias"] else 0)
    y = activation.value(function, z, alpha)

    def back(dy: Array, found: dict[str, Array]) -> Array:
        dz = dy * activation.derivative(function, z, y, alpha)
        found[f"{name}weight"] = np.tensordot(x, dz, (range(x.ndim - 1), range(x.ndim - 1)))
        if layer["bias"]:
            found[f"{name}bias"] = dz.reshape(-1, dz.shape[-1]).sum(0)
        return dz @ w.T

    return y, back


def _embedding(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    table, ids = p[f"{name}weight"], x.astype(int)

    def back(dy: Array, found: dict[str, Array]) -> Array:
        found[f"{name}weight"] = np.zeros_like(table)
        np.add.at(found[f"{name}weight"], ids, dy)
        return np.zeros_like(x)

    return table[ids], back


def _activation(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    y = activation.value(layer["activation"], x, layer["alpha"])
    return y, lambda dy, found: dy * activation.derivative(layer["activation"], x, y, layer["alpha"])


def _conv2d(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    """A pixel of the window after the other, of all images and places."""
    w, stride, dilation, groups = p[f"{name}weight"], layer["stride"], layer["dilation"], layer["groups"]
    if isinstance(layer["padding"], str) or groups != 1:
        raise KeyError(f"conv2d with padding {layer['padding']!r} and {groups} groups")
    (top, left), (height, width) = layer["padding"], x.shape[1:3]
    padded = np.pad(x, ((0, 0), (top, top), (left, left), (0, 0)))
    places = [(padded.shape[1 + k] - (w.shape[k] - 1) * dilation[k] - 1) // stride[k] + 1 for k in (0, 1)]

    def seen(array: Array, kh: int, kw: int) -> Array:
        """What pixel (kh, kw) of the window lies on, at every place."""
        first = kh * dilation[0], kw * dilation[1]
        ends = [at + (count - 1) * step + 1 for at, count, step in zip(first, places, stride, strict=True)]
        return array[:, first[0] : ends[0] : stride[0], first[1] : ends[1] : stride[1]]

    pixels = list(np.ndindex(*w.shape[:2]))
    y = sum(seen(padded, *pixel) @ w[pixel] for pixel in pixels) + (p[f"{name}bias"] if layer["bias"] else 0)

    def back(dy: Array, found: dict[str, Array]) -> Array:
        dw, dx = np.zeros_like(w), np.zeros_like(padded)
        for pixel in pixels:
            dw[pixel] = np.tensordot(seen(padded, *pixel), dy, ((0, 1, 2), (0, 1, 2)))
            seen(dx, *pixel)[...] += dy @ w[pixel].T
        found[f"{name}weight"] = dw
        if layer["bias"]:
            found[f"{name}bias"] = dy.sum((0, 1, 2))
        return dx[:, top : top + height, left : left + width]

    return np.asarray(y), back


def _windows(x: Array, layer: Layer) -> tuple[Array, tuple[int, int]]:
    """(B, P, Q, C, KH KW): whole windows, without a border; and their sides. KeyError: with one."""
    if any(layer["padding"]):
        raise KeyError(f"{layer['kind']} with padding {layer['padding']}")
    sides: tuple[int, int] = tuple(layer["kernel_size"])
    found = np.lib.stride_tricks.sliding_window_view(x, sides, (1, 2))[:, :: layer["stride"][0], :: layer["stride"][1]]
    return found.reshape(*found.shape[:4], -1), sides


def _to_pixels(dx: Array, dy: Array, shares: Array, layer: Layer, sides: tuple[int, int]) -> Array:
    """dx += dy times the share of each pixel of a window, (B, P, Q, C, KH KW)."""
    down, across = dy.shape[1:3]
    for k, (kh, kw) in enumerate(np.ndindex(*sides)):
        rows = slice(kh, kh + (down - 1) * layer["stride"][0] + 1, layer["stride"][0])
        columns = slice(kw, kw + (across - 1) * layer["stride"][1] + 1, layer["stride"][1])
        dx[:, rows, columns] += dy * shares[..., k]
    return dx


def _max_pool2d(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    windows, sides = _windows(x, layer)
    shares = np.arange(windows.shape[-1]) == windows.argmax(-1)[..., None]
    return windows.max(-1), lambda dy, found: _to_pixels(np.zeros_like(x), dy, shares, layer, sides)


def _avg_pool2d(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    windows, sides = _windows(x, layer)
    shares = np.full(windows.shape, 1 / windows.shape[-1])
    return windows.mean(-1), lambda dy, found: _to_pixels(np.zeros_like(x), dy, shares, layer, sides)


def _global_avg_pool2d(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    pixels = x.shape[1] * x.shape[2]
    return x.mean((1, 2), keepdims=True), lambda dy, found: np.broadcast_to(dy / pixels, x.shape)


def _flatten(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    return x.reshape(len(x), -1), lambda dy, found: dy.reshape(x.shape)


def _residual(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    y, back = _chain(layer["layers"], p, x, name, layer["training"])
    return x + y, lambda dy, found: dy + back(dy, found)


def _batch_norm(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    """The gradient of a running statistic is what it moves by, times the numbers of a channel."""
    w, b, epsilon = p[f"{name}weight"], p[f"{name}bias"], layer["epsilon"]
    running = p[f"{name}running_mean"], p[f"{name}running_var"]
    used = batch_norm.statistics(x) if layer["training"] else running

    def back(dy: Array, found: dict[str, Array]) -> Array:
        if not layer["training"]:
            raise KeyError("batch_norm backward where nothing is trained")
        dx, found[f"{name}weight"], found[f"{name}bias"] = batch_norm.backward(dy, x, w, *used, epsilon)
        count = x.size // x.shape[-1]
        moved = batch_norm.moved(running, x, layer["momentum"])
        for own, before, after in zip(("running_mean", "running_var"), running, moved, strict=True):
            found[f"{name}{own}"] = (before - after) * count
        found[f"{name}num_batches_tracked"] = np.array(float(count))
        return dx

    return batch_norm.forward(x, w, b, *used, epsilon), back


# Cells: of the state before, the sums of the inputs, and the product of the state with its weight and bias. They give
# the state after, and what takes its gradient to those of the state before, but for the product, of the sums, and of
# the product.


def _rnn_cell(state: Any, sums: Array, product: Array, relu: bool) -> Any:
    h = np.maximum(sums + product, 0) if relu else np.tanh(sums + product)

    def back(dstate: Any) -> Any:
        dz = dstate[0] * ((h > 0) if relu else 1 - h * h)
        return (np.zeros_like(h),), dz, dz

    return (h,), back


def _lstm_cell(state: Any, sums: Array, product: Array, relu: bool) -> Any:
    _, before = state
    parts = np.split(sums + product, 4, axis=1)
    i, f, o, g = sigmoid(parts[0]), sigmoid(parts[1]), sigmoid(parts[3]), np.tanh(parts[2])
    c = f * before + i * g
    squashed = np.tanh(c)

    def back(dstate: Any) -> Any:
        dh, dc = dstate
        dc = dc + dh * o * (1 - squashed**2)
        slopes = [dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g * g), dh * squashed * o * (1 - o)]
        dz = np.concatenate(slopes, axis=1)
        return (np.zeros_like(dh), dc * f), dz, dz

    return (o * squashed, c), back


def _gru_cell(state: Any, sums: Array, product: Array, relu: bool) -> Any:
    (h,) = state
    (ar, az, an), (ur, uz, un) = np.split(sums, 3, axis=1), np.split(product, 3, axis=1)
    r, z = sigmoid(ar + ur), sigmoid(az + uz)
    n = np.tanh(an + r * un)

    def back(dstate: Any) -> Any:
        (dh,) = dstate
        dn = dh * (1 - z) * (1 - n * n)
        dr, dz = dn * un * r * (1 - r), dh * (h - n) * z * (1 - z)
        return (dh * z,), np.concatenate([dr, dz, dn], axis=1), np.concatenate([dr, dz, dn * r], axis=1)

    return ((1 - z) * n + z * h,), back


CELLS: Mapping[str, tuple[int, Any]] = {"rnn": (1, _rnn_cell), "lstm": (2, _lstm_cell), "gru": (1, _gru_cell)}


def _recurrent(layer: Layer, p: Parameters, x: Array, name: str) -> tuple[Array, Back]:
    """One layer in one direction; its last state, or all."""
    if layer["layers"] != 1 or layer["bidirectional"] or not (layer["bias"] and layer.get("reset_after", True)):
        raise KeyError(f"{layer['kind']} of several layers or directions, without biases, or with reset_after=False")
    count, cell = CELLS[layer["kind"]]
    w, b, v = p[f"{name}hh_l0.weight"], p[f"{name}hh_l0.bias"], p[f"{name}ih_l0.weight"]
    sums = x @ v + p[f"{name}ih_l0.bias"]
    state = tuple(np.zeros((len(x), len(w)), x.dtype) for _ in range(count))
    states, backs = [state], []
    for t in range(x.shape[1]):
        state, back = cell(state, sums[:, t], state[0] @ w + b, layer.get("activation") == "relu")
        states.append(state)
        backs.append(back)
    every = np.stack([each[0] for each in states[1:]], axis=1)

    def turn(dy: Array, found: dict[str, Array]) -> Array:
        dstate = tuple(np.zeros_like(each) for each in state)
        dw, db, dsums = np.zeros_like(w), np.zeros_like(b), np.zeros_like(sums)
        for t in range(x.shape[1])[::-1]:
            if layer["return_sequences"] or t == x.shape[1] - 1:
                dstate = (dstate[0] + (dy[:, t] if layer["return_sequences"] else dy), *dstate[1:])
            direct, dsums[:, t], dproduct = backs[t](dstate)
            dw += states[t][0].T @ dproduct
            db += dproduct.sum(0)
            dstate = (direct[0] + dproduct @ w.T, *direct[1:])
        found[f"{name}ih_l0.weight"] = np.tensordot(x, dsums, ((0, 1), (0, 1)))
        found[f"{name}ih_l0.bias"] = dsums.sum((0, 1))
        found[f"{name}hh_l0.weight"], found[f"{name}hh_l0.bias"] = dw, db
        return dsums @ v.T

    return (every if layer["return_sequences"] else state[0]), turn


LAYERS: Mapping[str, Callable[[Layer, Parameters, Array, str], tuple[Array, Back]]] = {
    "embedding": _embedding,
    "dense": _dense,
    "activation": _activation,
    "conv2d": _conv2d,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "global_avg_pool2d": _global_avg_pool2d,
    "flatten": _flatten,
    "residual": _residual,
    "batch_norm": _batch_norm,
    "rnn": _recurrent,
    "lstm": _recurrent,
    "gru": _recurrent,
}
