"""The table of operations: a row for each, which says in which files its parts are and what is built of it.

`norm` is fastnn/kernels/norm.py, the arithmetic on plain arrays; operations/norm.py, which finds those arrays for it;
layers/norm.py, its layers with their cost and what PyTorch and ONNX call them; reference/norm.py, the same in NumPy and
the cases that it is checked and timed by. All else asks here: what fastnn exports, the names of layers in files, the
numbers of operations on tapes, the formats of others, the checks. `images.scale` is fastnn/kernels/images/scale.py, and
so on: each room has one inside it for them.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """An operation, or what builds of several.

    module: the name of its file in each room. layers: the classes that a network is made of, and their names in saved
    files. tape, cases: whether it has an entry on tapes beside those of the walker, and a reference with cases.
    """

    module: str
    layers: dict[str, str]
    tape: bool = True
    cases: bool = True


# Operations have numbers on tapes in this order: new rows come after all that have an entry, as tapes may be kept.
TABLE = (
    Row("dense", {"Dense": "dense", "Activation": "activation"}, tape=False),
    Row("concatenate", {"Concatenate": "concatenate"}),
    Row("dropout", {"Dropout": "dropout"}),
    Row("norm", {"LayerNorm": "layer_norm", "RMSNorm": "rms_norm"}),
    Row("residual", {"Residual": "residual"}),
    Row("fan_out", {}, cases=False),
    Row("tied", {}, cases=False),
    Row(
        "pooling",
        {
            "MaxPool2d": "max_pool2d",
            "AvgPool2d": "avg_pool2d",
            "MaxPool1d": "max_pool1d",
            "AvgPool1d": "avg_pool1d",
            "GlobalAvgPool2d": "global_avg_pool2d",
            "Flatten": "flatten",
        },
    ),
    Row("shared", {"Shared": "shared"}, tape=False, cases=False),
    Row("embedding", {"Embedding": "embedding", "PositionEmbedding": "position_embedding"}),
    Row("attention", {"SelfAttention": "self_attention", "CrossAttention": "cross_attention"}),
    Row("head", {"TiedHead": "tied_head"}, cases=False),
    Row("gated", {"GatedDense": "gated_dense"}),
    Row("rotary", {}),
    Row("transformer", {"TransformerBlock": "transformer_block"}, tape=False, cases=False),
    Row("slices", {"Slice": "slice"}),
    Row("masking", {"Masking": "masking"}, cases=False),
    Row("encoder_decoder", {"EncoderDecoder": "encoder_decoder"}, tape=False),
    Row("sinusoids", {"SinusoidalPositions": "sinusoidal_positions"}),
    Row("convolution", {"Conv2d": "conv2d", "Conv1d": "conv1d"}),
    Row("recurrent", {"RNN": "rnn", "LSTM": "lstm", "GRU": "gru"}),
    Row("batch_norm", {"BatchNorm": "batch_norm"}),
    Row("images.channels", {"Channels": "channels", "ChannelSums": "channel_sums"}),
    Row("images.scale", {"Scale": "scale", "UnitBias": "unit_bias", "ScaledTanh": "scaled_tanh"}),
    Row("images.group_norm", {"GroupNorm": "group_norm", "InstanceNorm2d": "instance_norm2d"}),
    Row("images.upsampling", {"Upsample2d": "upsample2d"}),
)

# Of each layer, the module that it is in.
LAYERS = {name: f"fastnn.layers.{row.module}" for row in TABLE for name in row.layers}
