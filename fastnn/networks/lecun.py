"""LeCun's networks as they were: that of 1989, for zip codes, and LeNet-5 of 1998."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnn.edge.checks import as_numeric
from fastnn.layers import (
    AvgPool2d,
    Channels,
    ChannelSums,
    Conv2d,
    Dense,
    Flatten,
    Scale,
    ScaledTanh,
    UnitBias,
)
from fastnn.networks.network import Network

SQUASHED = ScaledTanh()
# Weights for it have a variance of 1 / inputs (LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.6).
SPREAD = "lecun_uniform"

# Of the twelve maps of H1, the eight that four maps of H2 see. The paper says that there are eight, and not which:
# these are Karpathy's (2022, "Deep neural nets: 33 years ago and 33 years from now").
H2_SEES = (tuple(range(8)), tuple(range(4, 12)), (*range(4), *range(8, 12)))

# Of the six maps of S2, those that each of the sixteen of C3 sees (LeCun et al. 1998, table I): three that are next to
# each other, four, four in two pairs, all.
C3_SEES = (
    *(tuple((first + k) % 6 for k in range(3)) for first in range(6)),
    *(tuple((first + k) % 6 for k in range(4)) for first in range(6)),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip

# Digits of 7 x 12 pixels: what F6 of LeNet-5 is to show for each class. Drawn for fastnn in the manner of figure 3 of
# the paper, which has its own.
DRAWN = """
.#####. ...#... .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
##...## ..##... ##...## ##...## ...###. ##..... .##..## ##...## ##...## ##...##
##...## .###... ##...## .....## ..####. ##..... ##..... .....## ##...## ##...##
##...## ...#... .....## .....## .##.##. ##..... ##..... .....## ##...## ##...##
##...## ...#... .....## .....## ##..##. #####.. ##..... ....##. .##.##. ##...##
##...## ...#... ....##. ..####. ##..##. .....## ######. ....##. ..###.. .######
##...## ...#... ...##.. .....## ####### .....## ##...## ...##.. .##.##. .....##
##...## ...#... ..##... .....## ....##. .....## ##...## ...##.. ##...## .....##
##...## ...#... .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...#... ##..... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...#... ##..... ##...## ....##. ##...## ##...## ..##... ##...## ##..##.
.#####. .#####. ####### .#####. ....##. .#####. .#####. ..##... .#####. .####..
"""


def drawn_digits() -> NDArray[np.float64]:
    """The digits 0 to 9 as 84 numbers each, (10, 84), row by row: 1 where there is ink and -1 elsewhere."""
    rows = zip(*(line.split() for line in DRAWN.strip().splitlines()), strict=True)
    return np.array([[1.0 if pixel == "#" else -1.0 for pixel in "".join(digit)] for digit in rows])


def LeCun1989(*, dtype: DTypeLike = "float32", seed: int | np.random.Generator | None = None) -> Network:
    """The network that read zip codes (LeCun et al. 1989, Backpropagation Applied to Handwritten Zip Code Recognition,
    Neural Computation 1, 541-551): images (16, 16, 1), 10 outputs, 9,760 parameters, 63,660 multiply-adds.

    H1: 12 maps of 8 x 8, H2: 12 of 4 x 4, whose units each see eight maps of H1; both by windows of 5 x 5 with a step
    of two that the units of a map share, each with a bias of its own. H3: 30 units. All are scaled hyperbolic tangents,
    the outputs too, which are trained by the mean squared error towards 1 for the class and -1 for the others.

    Other than there: windows see 0 outside of an image, where they saw -1, which the bias of a unit makes up for; which
    eight maps a unit sees is Karpathy's choice, as the paper does not say; the first weights are drawn with a variance
    of 1 / inputs, those there from +-2.4 / inputs. Its Newton's method with a diagonal Hessian is not here; fit takes
    any optimizer.
    """
    seen = [channel for maps in H2_SEES for channel in maps]
    window: dict[str, Any] = {"kernel_size": 5, "stride": 2, "padding": 2, "bias": False, "initializer": SPREAD}
    layers: list[Any] = [Conv2d(12, **window), UnitBias(), SQUASHED]
    layers += [Channels(seen), Conv2d(12, groups=len(H2_SEES), **window), UnitBias(), SQUASHED, Flatten()]
    layers += [Dense(30, initializer=SPREAD), SQUASHED, Dense(10, initializer=SPREAD), SQUASHED]
    return Network((16, 16, 1), layers, loss="mse", dtype=dtype, seed=seed)


def LeNet1998(*, dtype: DTypeLike = "float32", seed: int | np.random.Generator | None = None) -> Network:
    """LeNet-5 of 1998 (LeCun, Bottou, Bengio & Haffner, Gradient-Based Learning Applied to Document Recognition, Proc.
    IEEE 86, 2278-2324): images (32, 32, 1), 84 outputs, 60,000 parameters, 325,680 multiply-adds.

    C3's sixteen maps see three, four or all six maps of S2: 60 connections, each with a window of its own, which alone
    are there and are multiplied. S2 and S4 have a coefficient and a bias for each map, all layers a scaled hyperbolic
    tangent. The outputs are F6, the layer before the last, since the last has nothing to train: the squared distance
    to a drawn digit of 84 pixels for each class. So targets are drawn_digits()[y] for labels y, by the mean squared
    error, which is the paper's equation (8) over 84; and nearest_digit gives the class.

    Other than there: a coefficient is of the mean of four pixels, four times that of their sum; the drawn digits are
    fastnn's; the first weights are drawn with a variance of 1 / inputs, those there from +-2.4 / inputs. The criterion
    with a rubbish class (equation 9) is not here. For ten outputs and the usual losses see LeNet5.
    """
    layers: list[Any] = [Conv2d(6, 5, initializer=SPREAD), SQUASHED, *_subsampled(), *_c3(), SQUASHED]
    layers += [*_subsampled(), Flatten()]
    layers += [Dense(120, initializer=SPREAD), SQUASHED, Dense(84, initializer=SPREAD), SQUASHED]
    return Network((32, 32, 1), layers, loss="mse", dtype=dtype, seed=seed)


def nearest_digit(outputs: ArrayLike) -> NDArray[np.intp]:
    """The digit (N,) whose drawing is nearest to each row of a LeNet1998's outputs (N, 84): its last layer.

    ValueError: another shape.
    """
    rows, drawn = as_numeric(outputs, "outputs").astype(float), drawn_digits()
    if rows.ndim != 2 or rows.shape[1] != drawn.shape[1]:
        raise ValueError(f"outputs has shape {rows.shape}; expected (N, {drawn.shape[1]})")
    distances = np.square(rows[:, None] - drawn).sum(axis=2)
    found: NDArray[np.intp] = distances.argmin(axis=1)
    return found


def _subsampled() -> list[Any]:
    return [AvgPool2d(2), Scale(), SQUASHED]


def _c3() -> list[Any]:
    """A depthwise convolution of a channel for each connection, and their sums.

    Weights are drawn as those of a map that sees as many others as all do on the average: from a normal distribution.
    Groups of one filter each would do the same, in 2.4 times the time of a whole training step.
    """
    sees = [channel for maps in C3_SEES for channel in maps]
    filters = [number for number, maps in enumerate(C3_SEES) for _ in maps]
    spread = (25 * len(sees) / len(C3_SEES)) ** -0.5
    windows = Conv2d(len(sees), 5, groups=len(sees), bias=False, initializer=spread)
    return [Channels(sees), windows, ChannelSums(filters)]
