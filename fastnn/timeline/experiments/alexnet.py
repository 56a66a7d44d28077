"""2012: AlexNet, counted to the last weight from the layers that the paper describes."""

from __future__ import annotations

from typing import Any

from fastnn.demo.display.demonstration import Table
from fastnn.layers import Activation, Conv2d, Dense, Flatten, MaxPool2d
from fastnn.networks.network import Network
from fastnn.timeline.experiments.found import Comparison, Run
from fastnn.timeline.papers.milestones import printed

RELU = Activation("relu")
# The paper prints 224, of which windows of 11 with a step of 4 do not come out even; 55 of them are printed, too.
SIDE = 227
# The paper's counts are round ones: share by which they may differ.
ROUNDED = 0.02


def network() -> Network:
    """As it lay on two GPUs: where layers are in two groups, each GPU saw its own half. Its weights are not drawn."""
    pool = MaxPool2d(3, 2)
    layers: list[Any] = [Conv2d(96, 11, 4), RELU, pool, Conv2d(256, 5, padding=2, groups=2), RELU, pool]
    layers += [Conv2d(384, 3, padding=1), RELU, Conv2d(384, 3, padding=1, groups=2), RELU]
    layers += [Conv2d(256, 3, padding=1, groups=2), RELU, pool, Flatten()]
    layers += [Dense(4096, "relu"), Dense(4096, "relu"), Dense(1000)]
    return Network((SIDE, SIDE, 3), layers, initialize=False)


def run() -> Run:
    net = network()
    weighted = [each for each in net.operations if each.parameter_count]
    units = [each.outputs for each in weighted]
    dense = [each.parameter_count for each in weighted[5:]]
    cost = net.cost(1)
    training = 6 * cost.forward.macs * printed("2012", "epochs") * printed("2012", "photographs")
    sizes = {"parameters": net.parameter_count, "units": sum(units)}
    return Run(
        title=f"AlexNet has {net.parameter_count:,} parameters, {dense[0] / net.parameter_count:.0%} of them in one "
        "layer",
        comparisons=tuple(
            Comparison(
                what=name, ours=ours, published=printed("2012", name), low=printed("2012", name) * (1 - ROUNDED),
                high=printed("2012", name) * (1 + ROUNDED),
            )
            for name, ours in sizes.items()
        ),
        blocks=(
            Table(
                columns=("layer", "units", "parameters"),
                rows=tuple(
                    (str(number), f"{size:,}", f"{each.parameter_count:,}")
                    for number, (each, size) in enumerate(zip(weighted, units, strict=True), 1)
                ),
            ),
            f"The first dense layer alone has {dense[0]:,}; the five of windows together "
            f"{net.parameter_count - sum(dense):,}, and {cost.forward.macs:,} multiply-adds an image, nearly all of "
            "them theirs.",
        ),
        fails=(
            f"Nobody trains it here: 1.2 million photographs are not in any package, and 90 epochs of them take "
            f"{training / 1e17:.1f}e17 FLOPs. The printed side of 224 does not fit the printed "
            f"55 windows of 11 with a step of 4; {SIDE} does. And the list of units in its figure 2 begins with 253,440"
            f" (from memory), where 96 maps of 55 by 55 are {units[0]:,}."
        ),
        numbers={**sizes, "macs": cost.forward.macs},
    )  # fmt: skip
