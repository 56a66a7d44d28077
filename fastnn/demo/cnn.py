"""A convolutional network reads digits: its filters, what they see, what each layer costs, and digits that move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fastnn import data
from fastnn.demo.convnets import (
    BATCH,
    KERNEL,
    Read,
    as_rows,
    changes,
    ink_left,
    networks,
    right_by_shift,
    same_bits,
    train,
)
from fastnn.demo.digits import as_images, moved, split_rows
from fastnn.demo.display.demonstration import Block, Demonstration, Section, Table
from fastnn.demo.display.maps import Map, Maps
from fastnn.demo.looking_inside import values
from fastnn.demo.parameters import SEED
from fastnn.networks.network import Network
from fastnn.report.picture import Axis, Picture, Series

OPTIONS = (
    click.Option(["--data", "name"], type=click.Choice(["digits", "mnist"]), default="digits", show_default=True,
                 help="1797 of 8 x 8 pixels, or 5000 MNIST digits of 28 x 28."),
    click.Option(["--steps"], type=click.IntRange(min=1), default=2000, show_default=True, help=f"Of {BATCH} digits."),
    click.Option(["--shift"], type=click.IntRange(1, 4), default=2, show_default=True,
                 help="By how many pixels digits move at most."),
    SEED,
)  # fmt: skip

# Pixels to the right: what a pool of two sees as one place.
STEP = 2
# Maps of a layer that are drawn.
MOST_MAPS = 16

Array = NDArray[Any]


def show(name: str, steps: int, shift: int, seed: int) -> Demonstration:
    """A convolutional network: the same few weights at every place of an image.

    What each layer has and costs, its filters, what they see in a digit and what pooling makes of that. Beside dense
    networks of as many parameters or multiply-adds, how well it reads digits that it has not seen, as they are and
    moved.
    """
    digits = data.load(name)
    split = split_rows(len(digits.x), seed)
    x, truth = digits.x[split.test], digits.y[split.test]
    read = []
    for called, network, moving in networks(as_images(x).shape[1], seed):
        train(network, digits.x[split.train], digits.y[split.train], steps, moving, seed)
        read.append(Read(called, network, right_by_shift(network, x, truth, shift)))
    convolutional, rival = read[0], read[3]
    changed = {each.name: changes(each.network, x, 1) for each in (convolutional, rival)}
    bits = same_bits(convolutional.network, x, STEP)
    return Demonstration(
        title=f"{convolutional.network.parameter_count:,} parameters read {convolutional.right[0]:.1%} of {len(x)} "
        f"held-out digits; without convolutions {rival.network.parameter_count:,} read {rival.right[0]:.1%}",
        sections=(
            Section("What its layers have and do", _costs(convolutional.network, rival.network)),
            Section("Beside dense networks", _beside(read, digits, len(split.train), x, steps, shift)),
            Section("Its first filters", _filters(convolutional.network)),
            Section(f"A {truth[0]} on its way through", tuple(_way_through(convolutional.network, x[:1]))),
            Section("Where a digit moves, its maps move", _moving(convolutional.network, x, changed, bits)),
        ),
        numbers={
            "data": digits.name, "steps": steps, "seed": seed, "same_bits": bits, "changes": changed,
            "ink_left": [ink_left(x, by) for by in range(shift + 1)],
            "layers": layers_of(convolutional.network),
            "networks": [
                {
                    "name": each.name, "parameters": each.network.parameter_count,
                    "macs": each.network.cost(1).forward.macs, "right": each.right,
                }
                for each in read
            ],
            "filters": _weights(convolutional.network).tolist(),
        },
    )  # fmt: skip


def _pixels(count: int) -> str:
    return f"{count} pixel{'s' * (count > 1)}"


def layers_of(network: Network) -> list[dict[str, Any]]:
    """uses: how often a digit needs each weight."""
    found = []
    for each in network.operations:
        macs = each.forward_cost(1, network.dtype.itemsize).macs
        weights = int(np.prod(each.parameters["weight"].shape)) if "weight" in each.parameters else 0
        found.append({
            "name": f"{each.name} {each.owner.lower()}", "output": list(each.shape), "parameters": each.parameter_count,
            "macs": macs, "uses": macs // weights if weights else 0,
        })  # fmt: skip
    return found


def _costs(network: Network, rival: Network) -> tuple[Block, ...]:
    layers = layers_of(network)
    rows = [
        (
            each["name"], " x ".join(map(str, each["output"])), f"{each['parameters']:,}", f"{each['macs']:,}",
            f"{each['uses']:,}" if each["uses"] else "-",
        )
        for each in layers
    ]  # fmt: skip
    macs = sum(each["macs"] for each in layers)
    rows.append(("all", "", f"{network.parameter_count:,}", f"{macs:,}", ""))
    first, last = layers[0], layers[-1]
    return (
        Table(columns=("layer", "output", "parameters", "multiply-adds", "uses of a weight"), rows=tuple(rows)),
        f"A filter has {KERNEL * KERNEL} weights for each channel that it sees, and a bias. The first layer uses the "
        f"same weights at {first['uses']:,} places, a dense layer at one: {first['parameters']:,} parameters make "
        f"{first['macs']:,} multiply-adds there, {last['parameters']:,} in the last layer {last['macs']:,}. A dense "
        f"network of {rival.operations[0].outputs:,} hidden units makes as many in all, "
        f"{rival.cost(1).forward.macs:,}, and has {rival.parameter_count:,} parameters.",
    )


def _beside(
    read: Sequence[Read], digits: data.Dataset, learned: int, x: Array, steps: int, shift: int
) -> tuple[Block, ...]:
    moves = [f"by {by}" for by in range(1, shift + 1)]
    table = Table(
        columns=("network", "parameters", "multiply-adds", "right", *moves),
        rows=tuple(
            (
                each.name, f"{each.network.parameter_count:,}", f"{each.network.cost(1).forward.macs:,}",
                *(f"{right:.1%}" for right in each.right),
            )
            for each in read
        ),
    )  # fmt: skip
    lost = ", ".join(f"{1 - ink_left(x, by):.1%} of the ink by {_pixels(by)}" for by in range(1, shift + 1))
    return (
        f"{digits.description}. {learned:,} to learn from, {steps:,} steps of {BATCH}; {len(x):,} to judge by, of "
        f"which one is {1 / len(x):.1%}. All are trained alike; the last two are shown digits where they are and a "
        "pixel away. Right of those held out, and where they are moved by so many pixels:",
        table,
        _picture(read, shift),
        f"Moved to four sides, of which this is the mean; what leaves the image is lost, {lost}. The second differs "
        "from the first in its last pool, the maximum of all places: what was found, not where.",
    )


def _picture(read: Sequence[Read], shift: int) -> Picture:
    return Picture(
        family="cnn", title="Digits right, of 100, by how far they moved", x=Axis(title="pixels", plain=True),
        y=Axis(title="right, %", plain=True),
        series=tuple(
            Series(
                name=each.name, kind="linked", colour=colour, x=tuple(float(by) for by in range(shift + 1)),
                y=tuple(100 * right for right in each.right),
            )
            for colour, each in enumerate(read)
        ),
    )  # fmt: skip


def _weights(network: Network) -> Array:
    """(filters, KERNEL, KERNEL), of the first layer."""
    return np.moveaxis(network.named_parameters["0.weight"][:, :, 0], 2, 0)


def _filters(network: Network) -> tuple[Block, ...]:
    filters = _weights(network)
    return (
        f"{len(filters)} filters of {KERNEL} x {KERNEL}, as learned: they want ink where a weight is above 0, "
        "and none where it is below. A map has a large number where both are so.",
        Maps(
            title=f"The weights of {len(filters)} filters", signed=True,
            maps=tuple(Map(caption=f"{number}", values=each) for number, each in enumerate(filters, 1)),
        ),
    )  # fmt: skip


def _way_through(network: Network, x: Array) -> list[Block]:
    """Maps of a digit (1, pixels) behind each relu and each pool."""
    found: list[Block] = [Maps(title="The digit", maps=(Map(caption="the digit", values=as_images(x)[0]),))]
    seen = values(network, as_rows(network, x))
    for each in network.operations:
        if each.owner not in ("Activation", "MaxPool2d"):
            continue
        maps = np.moveaxis(seen[each.name][0], 2, 0)
        made = "after the relu" if each.owner == "Activation" else "the largest of each 2 x 2"
        some = f"the first {MOST_MAPS} of {len(maps)}" if len(maps) > MOST_MAPS else f"{len(maps)}"
        words = f"{each.name} {each.owner.lower()}: {some} maps of {maps.shape[1]} x {maps.shape[2]}, {made}."
        drawn = tuple(Map(caption=f"{number}", values=one) for number, one in enumerate(maps[:MOST_MAPS], 1))
        found += [words, Maps(title=words, maps=drawn)]
    return found


def _moving(network: Network, x: Array, changed: dict[str, dict[str, float]], bits: float) -> tuple[Block, ...]:
    first, pool = (network.operations[place].name for place in (1, 2))
    pairs = [(each, values(network, as_rows(network, each))) for each in (x[:1], moved(x[:1], 0, STEP))]
    filter_ = int(pairs[0][1][first][0].max(axis=(0, 1)).argmax())
    drawn = {
        "the digit": [as_images(digit)[0] for digit, _ in pairs],
        f"filter {filter_ + 1}": [seen[first][0, :, :, filter_] for _, seen in pairs],
        "its pool": [seen[pool][0, :, :, filter_] for _, seen in pairs],
    }
    maps = [
        Maps(
            title=f"{what}, and of the digit that moved",
            maps=(Map(caption=what, values=one), Map(caption="moved", values=two)),
        )
        for what, (one, two) in drawn.items()
    ]
    ours, theirs = changed.values()
    rows = [
        (f"{each.name} {each.owner.lower()}", f"{ours[each.name]:.2f}")
        for each in network.operations
        if each.owner != "Flatten"
    ]
    hidden = next(iter(theirs.values()))
    return (
        f"What a filter finds it finds elsewhere, too. Of all held-out digits moved {_pixels(STEP)} to the right, "
        f"{bits:.1%} of the numbers of the first maps are those of the maps moved by as much, bit for bit, but for the "
        "last column, which sees what has left. In the pooled map that is one place.",
        *maps,
        "How much a layer's numbers change where digits move by one pixel: the norm of the difference, as a share of "
        f"that of the numbers. Those of the hidden units of the dense network that does as much: {hidden:.2f}.",
        Table(columns=("layer", "change"), rows=tuple(rows)),
    )
