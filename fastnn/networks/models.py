"""Networks by their sizes, and from files."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastnn.edge.checks import as_choice, as_count, as_number
from fastnn.kernels.activation import NAMES
from fastnn.layers import (
    GRU,
    LSTM,
    RNN,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    Masking,
    PositionEmbedding,
    Slice,
    TiedHead,
    TransformerBlock,
    layer_of,
)
from fastnn.layers.transformer import norm_of
from fastnn.learning.losses import Loss, loss_of
from fastnn.networks.io import read
from fastnn.networks.network import Network

# Of the first weights of a GPT and a BERT.
DEVIATION = 0.02
# Of a recurrent language model, by their names.
CELLS: dict[str, Any] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}


def _of_description(description: dict[str, Any]) -> Network:
    chain = [layer_of(layer) for layer in description["layers"]]
    loss = loss_of(description["loss"])
    return Network(description["inputs"], chain, loss=loss, dtype=description["dtype"], initialize=False)


def load(path: str | PathLike[str]) -> Network:
    """Read a network that save wrote. FileError where the file is anything else; FileNotFoundError where it is not."""
    return read(path, _of_description)


def mlp(
    inputs: int,
    *units: int,
    activation: str = "relu",
    output_activation: str = "identity",
    loss: str | Loss = "cross_entropy",
    dtype: DTypeLike = "float32",
    seed: int | np.random.Generator | None = None,
    initializer: str = "auto",
    device: str = "cpu",
    precision: str | None = None,
) -> Network:
    """A multilayer perceptron by its sizes: mlp(3, 4, 2) has 3 inputs, 4 hidden units and 2 outputs."""
    if not units:
        raise ValueError("mlp needs the number of inputs and of at least one layer's units, such as mlp(3, 4, 2)")
    as_choice(activation, NAMES, "activation")
    hidden = [Dense(size, activation, initializer=initializer) for size in units[:-1]]
    last = Dense(units[-1], output_activation, initializer=initializer)
    return Network(inputs, [*hidden, last], loss=loss, dtype=dtype, seed=seed, device=device, precision=precision)


def GPT(
    vocabulary: int,
    length: int,
    layers: int,
    width: int,
    heads: int,
    *,
    hidden: int | None = None,
    activation: str = "gelu",
    kv_heads: int | None = None,
    norm: str = "layer",
    bias: bool = True,
    tied: bool = True,
    dropout: float = 0.0,
    rotary: float | None = None,
    gated: bool = False,
    epsilon: float | None = None,
    loss: str | Loss = "cross_entropy",
    dtype: DTypeLike = "float32",
    seed: int | np.random.Generator | None = None,
) -> Network:
    """A language model of the kind of GPT-2: ids (N, length) in, logits of the next token (N, length, vocabulary) out.

    Embeddings of tokens and learned positions (none where they are `rotary`), `layers` TransformerBlocks with the norm
    first, a last norm, and a head: that of the tokens' own table where `tied`. hidden, activation, kv_heads, norm,
    bias, dropout, rotary, gated, epsilon: of the blocks; GPT-2 itself has activation="gelu_tanh", Llama norm="rms",
    rotary=10000, gated=True, activation="silu", bias=False and tied=False. Weights begin as GPT-2's: N(0, 0.02), those
    whose outputs are added to the way around N(0, 0.02 / sqrt(2 layers)), biases 0 (Radford et al. 2019).

    GPT(65, 64, 4, 128, 4, bias=False) is nanoGPT's character model on a CPU, of 804,096 parameters.
    """
    chain = gpt_layers(
        vocabulary, length, layers, width, heads, hidden, activation, kv_heads, norm, bias, tied, dropout, rotary,
        gated, epsilon,
    )  # fmt: skip
    return Network(as_count(length, "length"), chain, loss=loss, dtype=dtype, seed=seed)


def gpt_layers(
    vocabulary: int, length: int, layers: int, width: int, heads: int, hidden: int | None = None,
    activation: str = "gelu", kv_heads: int | None = None, norm: str = "layer", bias: bool = True, tied: bool = True,
    dropout: float = 0.0, rotary: float | None = None, gated: bool = False, epsilon: float | None = None,
) -> list[Any]:  # fmt: skip
    """What GPT makes its network of."""
    as_count(layers, "layers")
    block = TransformerBlock(
        heads, hidden, activation, True, kv_heads, True, norm, bias, dropout, DEVIATION,
        DEVIATION / (2 * layers) ** 0.5, rotary, gated, epsilon,
    )  # fmt: skip
    learned = [PositionEmbedding(length, DEVIATION)] if rotary is None else []
    parts = [Embedding(vocabulary, width, DEVIATION), *learned]
    dropped = [Dropout(dropout)] if dropout else []
    head = TiedHead() if tied else Dense(vocabulary, bias=False, initializer=DEVIATION)
    last = norm_of(norm, epsilon, bias)
    return [*parts, *dropped, *[block] * layers, last, head]


def CharRNN(
    vocabulary: int,
    length: int,
    layers: int = 2,
    width: int = 128,
    *,
    cell: str = "lstm",
    dropout: float = 0.0,
    loss: str | Loss = "cross_entropy",
    dtype: DTypeLike = "float32",
    seed: int | np.random.Generator | None = None,
) -> Network:
    """A recurrent language model of the kind of char-rnn (Karpathy 2015): ids (N, length) in, logits of the next token
    (N, length, vocabulary) out; of any tokens, not of characters alone.

    An embedding of `width` features, `layers` of as many units, and a dense layer. cell: "lstm", "gru", or "rnn", of
    tanh. dropout: between layers. A row begins with a state of zeros. `generate` and a Decoder keep the state and go on
    beyond `length` without an end, since all positions are alike to such a network.

    CharRNN(65, 50) has 280,897 parameters; char-rnn, whose first layer takes tokens one-hot and not by an embedding,
    has 240,321. The head is dense as there; with that of the tokens' table, of N(0, 0.05), 1,000 steps of `fastnn train
    --text` on topics came to 2.25 nats, and to 1.62 with this one.
    """
    if as_number(dropout, "dropout", 0.0) and as_count(layers, "layers") == 1:
        raise ValueError(f"dropout is {dropout}, between layers, and there is one; expected two or more, or no dropout")
    states = CELLS[as_choice(cell, tuple(CELLS), "cell")](as_count(width, "width"), layers=layers, dropout=dropout)
    chain = [Embedding(vocabulary, width), states, Dense(vocabulary)]
    return Network(as_count(length, "length"), chain, loss=loss, dtype=dtype, seed=seed)


def BERT(
    vocabulary: int,
    length: int,
    layers: int,
    width: int,
    heads: int,
    *,
    classes: int | None = None,
    filler: int = 0,
    hidden: int | None = None,
    activation: str = "gelu",
    norm_first: bool = False,
    dropout: float = 0.0,
    epsilon: float = 1e-12,
    loss: str | Loss = "cross_entropy",
    dtype: DTypeLike = "float32",
    seed: int | np.random.Generator | None = None,
) -> Network:
    """An encoder of the kind of BERT (Devlin et al. 2018): ids (N, length) in, and out the logits of each position's
    token (N, length, vocabulary), or with `classes` those of the row's class (N, classes).

    Shorter texts are filled up with the id `filler`, to which nobody attends; such positions, and all whose token is
    not asked for, have the label -100. Embeddings of tokens and learned positions, a norm, `layers` TransformerBlocks
    that see both ways, with the norm last unless norm_first. Tokens: a dense layer, a norm, and the tokens' own table;
    classes: tanh of a dense layer at the first position, and a dense layer. hidden, activation, dropout, epsilon: of
    the blocks. Weights begin as N(0, 0.02), biases as 0.

    BERT itself has two kinds of segments and a bias of each token beside: BERT(30522, 512, 12, 768, 12, classes=2) has
    the 109,482,240 parameters of its base, less 1,536 of segments, and 1,538 of the classes.
    """
    as_count(layers, "layers")
    if classes is not None:
        as_count(classes, "classes")
    block = TransformerBlock(
        heads, hidden, activation, False, norm_first=norm_first, dropout=dropout, initializer=DEVIATION, epsilon=epsilon
    )
    tokens = [Embedding(vocabulary, width, DEVIATION), PositionEmbedding(length, DEVIATION), LayerNorm(epsilon)]
    dropped = [Dropout(dropout)] if dropout else []

    def dense(units: int, function: str = "identity") -> Dense:
        return Dense(units, function, initializer=DEVIATION)

    if classes is None:
        head = [dense(width, activation), LayerNorm(epsilon), TiedHead("1")]
    else:
        head = [Slice(0, 1), Flatten(), dense(width, "tanh"), dense(classes)]
    chain: list[Any] = [Masking(filler), *tokens, *dropped, *[block] * layers, *head]
    return Network(as_count(length, "length"), chain, loss=loss, dtype=dtype, seed=seed)
