"""Convolutional networks that made history, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastnn.edge.checks import as_count
from fastnn.layers import (
    Activation,
    AvgPool2d,
    BatchNorm,
    Container,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    MaxPool2d,
    Residual,
)
from fastnn.networks.network import Network

RELU = Activation("relu")


def LeNet5(
    classes: int = 10, *, pool: str = "max", activation: str = "relu", dtype: DTypeLike = "float32",
    seed: int | np.random.Generator | None = None,
) -> Network:  # fmt: skip
    """LeNet-5 as it is taught: images (32, 32, 1), 61,706 parameters for 10 classes.

    pool: "max" or "average". That of 1998, whose second convolution sees some channels alone, is LeNet1998.
    """
    pools = {"max": MaxPool2d, "average": AvgPool2d}
    if pool not in pools:
        raise ValueError(f"pool is {pool!r}; expected one of {', '.join(pools)}")
    layers = [*lenet_body(pools[pool](2), activation), _head(classes)]
    return Network((32, 32, 1), layers, dtype=dtype, seed=seed)


def _head(classes: int) -> Dense:
    return Dense(as_count(classes, "classes"))


def lenet_body(pool: Layer | None = None, activation: str = "relu", border: int = 0) -> list[Layer | Container]:
    """The layers of a LeNet but the last. border: zeros around the images."""
    function, pool = Activation(activation), MaxPool2d(2) if pool is None else pool
    images: list[Any] = [Conv2d(6, 5, padding=border), function, pool, Conv2d(16, 5), function, pool, Flatten()]
    return [*images, Dense(120, activation), Dense(84, activation)]


def SimpleChainsLeNet(
    classes: int = 10, *, dtype: DTypeLike = "float32", seed: int | np.random.Generator | None = None
) -> Network:  # fmt: skip
    """The LeNet that SimpleChains.jl was measured with (Elrod, Korsbo & Rackauckas 2022): images (28, 28, 1), 44,426
    parameters for 10 classes."""
    return Network((28, 28, 1), [*lenet_body(), _head(classes)], dtype=dtype, seed=seed)


def KerasConvNet(
    classes: int = 10, *, dropout: float = 0.5, dtype: DTypeLike = "float32",
    seed: int | np.random.Generator | None = None,
) -> Network:  # fmt: skip
    """The convnet of Keras' example for MNIST: images (28, 28, 1), 34,826 parameters for 10 classes."""
    return Network((28, 28, 1), [*keras_convnet_body(dropout), _head(classes)], dtype=dtype, seed=seed)


def keras_convnet_body(dropout: float = 0.5) -> list[Layer | Container]:
    """The layers of KerasConvNet but the last."""
    dropped: list[Any] = [Dropout(dropout)] if dropout else []
    return [Conv2d(32, 3), RELU, MaxPool2d(2), Conv2d(64, 3), RELU, MaxPool2d(2), Flatten(), *dropped]


def AlexNet(
    classes: int = 1000, *, dropout: float = 0.5, dtype: DTypeLike = "float32",
    seed: int | np.random.Generator | None = None,
) -> Network:  # fmt: skip
    """AlexNet for one device (Krizhevsky 2014, arXiv 1404.5997), as torchvision has it: images (224, 224, 3),
    61,100,840 parameters for 1,000 classes."""
    return Network((224, 224, 3), [*alexnet_body(dropout), _head(classes)], dtype=dtype, seed=seed)


def alexnet_body(dropout: float = 0.5) -> list[Layer | Container]:
    """The layers of AlexNet but the last."""
    convolutions: list[Any] = [Conv2d(64, 11, 4, 2), RELU, MaxPool2d(3, 2), Conv2d(192, 5, padding=2), RELU]
    convolutions += [MaxPool2d(3, 2), Conv2d(384, 3, padding=1), RELU, Conv2d(256, 3, padding=1), RELU]
    convolutions += [Conv2d(256, 3, padding=1), RELU, MaxPool2d(3, 2), Flatten()]
    dropped: list[Any] = [Dropout(dropout)] if dropout else []
    return [*convolutions, *dropped, Dense(4096, "relu"), *dropped, Dense(4096, "relu")]


def ResNet(
    input_shape: Sequence[int], classes: int = 10, *, blocks: int = 3, width: int = 16, norm: bool = True,
    dtype: DTypeLike = "float32", seed: int | np.random.Generator | None = None,
) -> Network:  # fmt: skip
    """A residual network for small images (H, W, C), of the shape of He et al. 2016 for CIFAR-10: three stages of
    `blocks` residual blocks, of width, 2 width and 4 width filters. The second and third begin with a convolution of
    stride 2 of their own, through which the way around goes, too: 6 blocks + 4 layers deep.

    norm: a BatchNorm after each convolution, in place of its bias. Without, blocks begin as the identity: the last
    weight of each is 0 (Zhang, Dauphin & Ma 2019).
    """
    return Network(tuple(input_shape), [*resnet_body(blocks, width, norm), _head(classes)], dtype=dtype, seed=seed)


def resnet_body(blocks: int = 3, width: int = 16, norm: bool = True) -> list[Layer | Container]:
    """The layers of ResNet but the last."""
    as_count(blocks, "blocks")
    layers = [*_convolution(as_count(width, "width"), norm), RELU]
    for stage, filters in enumerate((width, 2 * width, 4 * width)):
        if stage:
            layers += [*_convolution(filters, norm, stride=2), RELU]
        for _ in range(blocks):
            last = _convolution(filters, norm, initializer="auto" if norm else "zeros")
            layers += [Residual(*_convolution(filters, norm), RELU, *last), RELU]
    return [*layers, GlobalAvgPool2d(), Flatten()]


def _convolution(filters: int, norm: bool, stride: int = 1, initializer: str = "auto") -> list[Any]:
    """Of 3 x 3 pixels, with its norm."""
    found = Conv2d(filters, 3, stride, 1, bias=not norm, initializer=initializer)
    return [found, BatchNorm()] if norm else [found]
