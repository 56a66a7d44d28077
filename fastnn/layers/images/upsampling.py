"""Images made larger. Formulas: fastnn.kernels.images.upsampling."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastnn import cost
from fastnn.edge.checks import as_choice
from fastnn.graph.forms import Form
from fastnn.graph.protocol import IMAGES, Places, SameShape, Shape
from fastnn.layers.images.sides import Pair, sides_of
from fastnn.operations.images import upsampling as on_tape

# B images, C channels, Y X sides of one, H W sides of what it becomes, s bytes of a number. Between four pixels are
# three differences, products and sums; backward four products and sums. Shares are of a call.
NEAREST = cost.Formula(bytes="s·B·Y·X·C + s·B·H·W·C")
NEAREST_BACKWARD = cost.Formula(flops_elementwise="B·H·W·C - B·Y·X·C", bytes="s·B·Y·X·C + s·B·H·W·C")
BILINEAR = cost.Formula(flops_elementwise="9·B·H·W·C", bytes="s·B·Y·X·C + s·B·H·W·C")
BILINEAR_BACKWARD = cost.Formula(flops_elementwise="8·B·H·W·C - B·Y·X·C", bytes="s·B·Y·X·C + s·B·H·W·C")

# Of each mode, its kind on tapes and its formulas.
MODES = {
    "nearest": (on_tape.NEAREST, NEAREST, NEAREST_BACKWARD),
    "bilinear": (on_tape.BILINEAR, BILINEAR, BILINEAR_BACKWARD),
}
# How ONNX's Resize finds the pixel of a place, and rounds to it, where that is as here for whole factors.
ONNX_NEAREST = {
    "asymmetric": ("floor",),
    "half_pixel": ("round_prefer_floor", "round_prefer_ceil"),
    "pytorch_half_pixel": ("round_prefer_floor", "round_prefer_ceil"),
}


@dataclass(frozen=True)
class Upsample2d(SameShape):
    """Images larger by whole factors: x (B, H, W, C), y (B, F H, G W, C).

    scale_factor: F and G, a number, or two, down and across. mode: "nearest", each pixel F G times; or "bilinear",
    between the four pixels around, as in torch with align_corners=False.
    """

    scale_factor: int | Pair
    mode: str = "nearest"
    positionwise: ClassVar[bool] = False
    beside: ClassVar[bool] = True
    axes: ClassVar[str] = IMAGES
    reads_backward: ClassVar[Collection[str]] = ()
    torch_names: ClassVar[Collection[str]] = ("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d")
    onnx_names: ClassVar[Collection[str]] = ("Resize",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale_factor", sides_of(2, self.scale_factor, "scale_factor", 1))
        as_choice(self.mode, tuple(MODES), "mode")

    @property
    def kind(self) -> int:
        return MODES[self.mode][0]

    @property
    def _factors(self) -> Pair:
        factors: Any = self.scale_factor
        down, across = factors
        return down, across

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,), (down, across) = shapes, self._factors
        if len(shape) != 3:
            raise ValueError(f"Upsample2d takes images (H, W, C); {shape} comes")
        return (shape[0] * down, shape[1] * across, shape[2])

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return dict(zip(range(on_tape.HEIGHT, on_tape.HEIGHT + 5), (*shapes[0], *self._factors), strict=True))

    def _cost(self, formula: cost.Formula, rows: int, itemsize: int, shape: Shape) -> cost.Cost:
        height, width, channels = shape
        down, across, _ = self.output_shape(shape)
        return formula.cost(B=rows, C=channels, Y=height, X=width, H=down, W=across, s=itemsize)

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return self._cost(MODES[self.mode][1], rows, itemsize, *shapes)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return self._cost(MODES[self.mode][2], rows, itemsize, *shapes) if input_gradient else cost.Cost()

    def torch_form(self, shape: Shape) -> Form:
        return Form("Upsample", {"scale_factor": self._factors, "mode": self.mode})

    @classmethod
    def from_torch(cls, form: Form) -> Upsample2d:
        mode = {"nearest-exact": "nearest"}.get(form.settings["mode"], form.settings["mode"])
        if form.settings["size"] is not None or form.settings["align_corners"]:
            raise ValueError("expected a scale_factor in place of a size, and align_corners=False")
        return cls(_whole(form.settings["scale_factor"]), mode)

    def onnx_forms(self, shape: Shape) -> list[Form]:
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        bilinear = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        scales = {"roi": np.zeros(0, np.float32), "scales": np.array([1, 1, *self._factors], np.float32)}
        return [Form("Resize", nearest if self.mode == "nearest" else bilinear, constants=scales)]

    @classmethod
    def from_onnx(cls, form: Form) -> Upsample2d:
        """Of four scales, the first two of which are 1."""
        form.require(antialias=0, exclude_outside=0)
        mode, scales = form.settings.get("mode", "nearest"), form.constants.get("2")
        if scales is None or scales.shape != (4,) or tuple(scales[:2]) != (1, 1) or "axes" in form.settings:
            raise ValueError("expected four scales, of which the first two are 1")
        at = form.settings.get("coordinate_transformation_mode", "half_pixel")
        rounded = form.settings.get("nearest_mode", "round_prefer_floor")
        if mode == "nearest" and rounded not in ONNX_NEAREST.get(at, ()):
            raise ValueError(f"it takes the pixel by {at} and {rounded}; expected asymmetric and floor")
        if mode == "linear" and at not in ("half_pixel", "pytorch_half_pixel"):
            raise ValueError(f"its coordinate_transformation_mode is {at!r}; expected 'half_pixel'")
        return cls(_whole(tuple(map(float, scales[2:]))), {"linear": "bilinear"}.get(mode, mode))


def _whole(factors: Any) -> Any:
    """Factors that others have as floats. ValueError: one that is no whole number."""
    given = factors if isinstance(factors, tuple) else (factors,)
    if any(factor != int(factor) for factor in given):
        raise ValueError(f"its scale_factor is {factors}; expected whole numbers")
    found = tuple(map(int, given))
    return found if isinstance(factors, tuple) else found[0]
