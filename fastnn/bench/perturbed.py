"""How far kernels are from the reference where no running error analysis is written: norms, residual blocks, positions,
other activations and losses.

Kernels of unit roundoff u give what the reference would of numbers that are off by a little (Higham 2002, Accuracy and
Stability of Numerical Algorithms, 3.1): in a sum of K terms by 4 sqrt(K) u with near certainty, as in
fastnn.bench.residual. So parameters and inputs are moved by that much, up or down at random, a few times, and the most
that the reference's answer moves by is what rounding explains. Of each array the largest numbers are compared: coarser
than an analysis of each number, and enough for a wrong sign, factor or row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn import reference
from fastnn.bench.residual import LOSS_LIMIT, UNIT_ROUNDOFF, NotChecked, Residual
from fastnn.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Conv2d,
    Dense,
    Embedding,
    LayerNorm,
    PositionEmbedding,
    RMSNorm,
    TiedHead,
    TransformerBlock,
)
from fastnn.layers import Residual as ResidualLayer
from fastnn.lowering import is_joint
from fastnn.networks.network import Network

if TYPE_CHECKING:
    from fastnn.cuda.trainer import CudaTrainer
    from fastnn.learning.trainer import Trainer

Array = NDArray[np.float64]
Arrays = Mapping[str, Array]

# Times that numbers are moved. Of networks of norms, blocks and positions, at batches of 1 to 256 in both types, errors
# were 0.13 of the limit at most.
DRAWS = 4
# Of the largest number of an array, in u: what it is rounded by in the end.
LAST_UNITS = 4.0
SEED = 0


def perturbed_residual(
    network: Network, trainer: Trainer | CudaTrainer, x: NDArray[Any], y: NDArray[Any]
) -> Residual:  # fmt: skip
    """Of the output, the loss and the gradient of one batch, of a network and its trainer.

    NotChecked: a network that the reference has not.
    """
    if network.precision:
        raise NotChecked(f"its products are of {network.precision}, which is checked for multilayer perceptrons alone")
    exact = {name: block.astype(np.float64) for name, block in network.named_parameters.items()}
    rows, units = x.astype(np.float64), UNIT_ROUNDOFF[network.dtype.name]
    expected = _answer(network, exact, rows, y)
    ids = isinstance(network.layers[0], Embedding)  # which are what they are
    moved = [_answer(network, *_moved(exact, rows, units, draw, ids), y) for draw in range(DRAWS)]
    limits = {name: _limit(name, expected, moved, units) for name in expected}
    limits["loss"] += LOSS_LIMIT[network.dtype.name] * abs(float(expected["loss"]))

    output = np.array(trainer.forward(x), np.float64)
    loss = np.array(trainer.gradient(x, y))
    actual = {name: np.array(block, np.float64) for name, block in network.named(trainer.grads).items()}
    of_gradients = [_ratio(block, expected[name], limits[name]) for name, block in actual.items()]
    return Residual(
        _ratio(output, expected["output"], limits["output"]),
        _ratio(loss, expected["loss"], limits["loss"]),
        max(of_gradients, default=0.0),
    )


def _moved(
    parameters: Arrays, x: Array, units: float, draw: int, ids: bool
) -> tuple[dict[str, Array], Array]:  # fmt: skip
    """Each number up or down by what sums of so many terms are off by: rows are summed too, in gradients."""
    rng = np.random.default_rng((SEED, draw))
    rows = x.size if ids else x.size // x.shape[-1]
    terms = max(rows, x.shape[-1], *(len(array) for array in parameters.values() if array.ndim))
    off = 4.0 * math.sqrt(terms) * units

    def move(array: Array) -> Array:
        return array * (1.0 + off * rng.choice((-1.0, 1.0), array.shape))

    return {name: move(array) for name, array in parameters.items()}, x if ids else move(x)


def _limit(name: str, expected: Arrays, moved: Sequence[Arrays], units: float) -> float:
    most = max(float(np.max(np.abs(each[name] - expected[name]), initial=0.0)) for each in moved)
    return most + LAST_UNITS * units * float(np.max(np.abs(expected[name]), initial=0.0))


def _ratio(actual: Array, expected: Array, limit: float) -> float:
    error = float(np.max(np.abs(actual.reshape(expected.shape) - expected), initial=0.0))
    worst = error / max(limit, float(np.finfo(np.float64).tiny))
    return worst if math.isfinite(worst) else float("inf")


def _answer(network: Network, parameters: Arrays, x: Array, y: NDArray[Any]) -> dict[str, Array]:
    """What the reference gives: "output", "loss", and gradients by the names of the parameters."""
    if any(isinstance(layer, (Conv2d, RNN, LSTM, GRU)) for layer in network.layers):
        return _answer_of_zoo(network, parameters, x, y)
    if isinstance(network.layers[0], Embedding):
        return _answer_of_gpt(network, parameters, x, y)
    layers = _chain(network.layers, parameters, x.shape[-1], "")
    loss, options = network.loss_function, _options(network)
    labels = np.issubdtype(y.dtype, np.integer)
    target = y.reshape(-1) if labels else y.reshape(-1, network.outputs).astype(np.float64)
    # All layers of the reference do the same at each position.
    output, trace = reference.network.run(layers, x.reshape(-1, x.shape[-1]))
    value, dy = reference.network.LOSSES[loss.name](output, target, **options)
    _, pairs = reference.network.differentiate(trace, dy, input_gradient=False)
    found = {"output": output, "loss": np.array(value)}
    for name, pair in zip(_names(network.layers, ""), pairs, strict=True):
        whole = zip((f"{name}.weight", f"{name}.bias"), pair, strict=True)
        found |= {key: part for key, part in whole if key in parameters}
    return found


def _options(network: Network) -> dict[str, Any]:
    """Of the loss, as the reference has them. NotChecked: one that it has not."""
    loss, options = network.loss_function, asdict(network.loss_function)
    if options.pop("ignore_missing", False):
        raise NotChecked("a loss with ignore_missing, which the reference does not have")
    if loss.name not in reference.network.LOSSES:
        raise NotChecked(f"the loss {loss.name}, which the reference does not have")
    if options.get("class_weight") is not None:
        options["class_weight"] = np.array(options["class_weight"])
    return options


def _answer_of_gpt(network: Network, parameters: Arrays, ids: Array, y: NDArray[Any]) -> dict[str, Array]:
    """Of a language model as GPT-2. NotChecked: one that is otherwise."""
    blocks = [layer for layer in network.layers if isinstance(layer, TransformerBlock)]
    plain = {
        replace(block, heads=1, hidden=1, bias=True, initializer="auto", residual_initializer=None) for block in blocks
    }
    kinds = [type(layer) for layer in network.layers]
    expected = [Embedding, PositionEmbedding, *[TransformerBlock] * len(blocks), LayerNorm, TiedHead]
    if plain != {TransformerBlock(1, 1)} or kinds != expected or network.loss_function.name != "cross_entropy":
        raise NotChecked("a language model is checked against the reference where it is one of GPT-2's kind, with gelu")
    output, loss, gradients = reference.transformer.loss_and_gradient(
        parameters, ids, y, blocks[0].heads, len(blocks), **_options(network)
    )
    return {"output": output, "loss": np.array(loss), **gradients}


def _answer_of_zoo(network: Network, parameters: Arrays, x: Array, y: NDArray[Any]) -> dict[str, Array]:
    """Of a network of convolutions or recurrent layers. NotChecked: one that the reference has not."""
    try:
        layers = network.description()["layers"]
        output, loss, gradients = reference.zoo.loss_and_gradient(
            layers, parameters, x, y, network.loss_function.name, **_options(network)
        )
        if is_joint(network.operations):
            output = reference.zoo.infer(layers, parameters, x)
    except KeyError as error:
        raise NotChecked(f"{error}, which the reference does not have") from error
    return {"output": output, "loss": np.array(loss), **gradients}


def _chain(
    layers: Sequence[Any], parameters: Arrays, width: int, prefix: str
) -> list[reference.network.AnyLayer]:  # fmt: skip
    """The layers of the reference; an Activation is a dense layer whose weight is the identity."""
    found: list[reference.network.AnyLayer] = []
    for index, layer in enumerate(layers):
        name = f"{prefix}{index}"
        w, b = parameters.get(f"{name}.weight"), parameters.get(f"{name}.bias")
        match layer:
            case Dense() | Activation():
                w = np.eye(width) if w is None else w
                found.append(reference.network.Layer(w, b, layer.activation, layer.alpha))
                width = w.shape[1]
            case LayerNorm() | RMSNorm():
                assert w is not None
                found.append(reference.network.Norm(w, b, layer.epsilon, layer.centred))
            case ResidualLayer():
                inner = _chain(layer.layers, parameters, width, f"{name}.")
                found.append(reference.network.Residual(inner))
            case _:
                raise NotChecked(
                    f"layer {name} is {layer!r}; a network is checked against the reference where its layers are "
                    "Dense, Activation, LayerNorm, RMSNorm and Residual"
                )
    return found


def _names(layers: Sequence[Any], prefix: str) -> Iterator[str]:
    """Of the layers that the reference gives gradients of, in their order."""
    for index, layer in enumerate(layers):
        if isinstance(layer, ResidualLayer):
            yield from _names(layer.layers, f"{prefix}{index}.")
        else:
            yield f"{prefix}{index}"
