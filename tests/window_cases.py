"""Convolutions of images, one of their three products at a time, as layers make them: with the border that an image is
laid in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from case import Case, draw, unwritten
from limits import Arrays, chain, unit

from fastnn import cost, reference
from fastnn.compiler.jit import kernel, most_threads
from fastnn.kernels.convolution.border import place_in_border
from fastnn.kernels.convolution.forward import convolution_forward
from fastnn.kernels.convolution.gradient import convolution_gradient, gradient_scratch
from fastnn.kernels.convolution.inward import convolution_inward, inward_scratch
from fastnn.layers import Conv2d

FORWARD, INWARD, GRADIENT = PRODUCTS = ("forward", "inward", "gradient")


@kernel
def bordered_forward(y, bordered, x, w, of, sides, begins):
    """As on a tape: images without a border are read as they are."""
    if (of.height, of.width) == sides:
        convolution_forward(y, x, w, w[:0], of)
        return
    place_in_border(bordered, x, of.images, (of.height, of.width), sides, begins, of.channels)
    convolution_forward(y, bordered, w, w[:0], of)


@dataclass(frozen=True, kw_only=True)
class Convolution(Case):
    """product: the values; "inward", the gradient of the images; "gradient", that of the weight."""

    op: ClassVar[str] = "convolution"
    product: str
    images: int
    side: int
    channels: int
    filters: int
    window: int
    stride: int = 1
    padding: int = 0

    @property
    def layer(self) -> Conv2d:
        return Conv2d(self.filters, self.window, self.stride, self.padding, bias=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.side, self.side, self.channels

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        layer = self.layer
        return {
            "x": (self.images, *self.shape), "w": layer.parameters(self.shape)["weight"].shape,
            "dy": (self.images, *layer.output_shape(self.shape)),
        }  # fmt: skip

    def make(self, rng: np.random.Generator) -> Arrays:
        unread = {FORWARD: "dy", INWARD: "x", GRADIENT: "w"}[self.product]
        return {name: draw(self.data, shape, self.dtype, rng) for name, shape in self._shapes.items() if name != unread}

    @property
    def answer(self) -> str:
        return {FORWARD: "y", INWARD: "dx", GRADIENT: "dw"}[self.product]

    def outputs(self, inputs: Arrays) -> Arrays:
        shape = self._shapes[{FORWARD: "dy", INWARD: "x", GRADIENT: "w"}[self.product]]
        of = self.layer.sizes(self.images, self.shape)
        sizes = {
            FORWARD: self.images * of.height * of.width * of.channels, INWARD: inward_scratch(of, most_threads()),
            GRADIENT: gradient_scratch(of),
        }  # fmt: skip
        scratch = unwritten((int(sizes[self.product]),), self.dtype)
        return {self.answer: unwritten(shape, self.dtype), "scratch": scratch}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        of, begins = self.layer.sizes(self.images, self.shape), self.layer.begins(self.shape)
        given = {name: values.reshape(-1) for name, values in (inputs | outputs).items()}
        sides = self.shape[:2]
        if self.product == FORWARD:
            return partial(bordered_forward, given["y"], given["scratch"], given["x"], given["w"], of, sides, begins)
        if self.product == INWARD:
            return partial(
                convolution_inward, given["dx"], given["dy"], given["w"], given["scratch"], of, sides, begins
            )
        images = given["x"]
        if (of.height, of.width) != sides:  # which the forward pass has laid in their border
            images = np.empty(self.images * of.height * of.width * of.channels, self.dtype)
            place_in_border(images, given["x"], of.images, (of.height, of.width), sides, begins, of.channels)
        return partial(convolution_gradient, given["dw"], given["dw"][:0], given["dy"], images, given["scratch"], of)

    def _products(self, inputs: Arrays) -> Arrays:
        given = {name: np.zeros(shape) for name, shape in self._shapes.items()} | inputs
        about = {
            "stride": (self.stride,) * 2, "padding": (self.padding,) * 2, "dilation": (1, 1), "groups": 1, "bias": False
        }  # fmt: skip
        y, back = reference.zoo.LAYERS["conv2d"](about, {"weight": given["w"]}, given["x"], "")
        if self.product == FORWARD:
            return {"y": y}
        found: Arrays = {}
        dx = back(given["dy"], found)
        return {"dx": dx} if self.product == INWARD else {"dw": found["weight"]}

    def reference(self, inputs: Arrays) -> Arrays:
        return self._products(inputs)

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        places = self._shapes["dy"][1] ** 2
        terms = {
            FORWARD: self.window**2 * self.channels, INWARD: self.window**2 * self.filters,
            GRADIENT: self.images * places,
        }[self.product]  # fmt: skip
        sums = self._products({name: np.abs(values) for name, values in inputs.items()})
        return {name: chain(terms, self.data) * unit(self.dtype) * values for name, values in sums.items()}

    def cost(self) -> cost.Cost:
        itemsize = np.dtype(self.dtype).itemsize
        return self.layer.forward_cost(self.images, itemsize, self.shape)
