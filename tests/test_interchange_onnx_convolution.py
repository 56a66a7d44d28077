"""Convolutional networks in ONNX: what runtimes compute of them, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from example_networks import normal, with_biases

from fastnn import (
    Activation,
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool2d,
    MaxPool1d,
    MaxPool2d,
    Network,
    from_onnx,
    to_onnx,
)

needs.package("onnx")

# Windows of every kind: apart, over groups, one for each channel, over borders of either kind.
CONVOLUTIONS: dict[str, tuple[Any, list[Any]]] = {
    "images": (
        (9, 8, 4), [
            Conv2d(6, (3, 2), (2, 1), (1, 0), groups=2), Activation("tanh"), MaxPool2d(2, 1, 1),
            Conv2d(12, 3, padding="same", groups=6, bias=False), AvgPool2d((2, 3), 1, (1, 0), count_include_pad=False),
            Conv2d(5, 2, dilation=(2, 1)), Activation("relu"), GlobalAvgPool2d(), Flatten(), Dense(3),
        ],
    ),
    "sequences": (
        (15, 4), [
            Conv1d(8, 3, 2, 1, groups=4), Activation("tanh"), MaxPool1d(3, 1), Conv1d(6, 3, dilation=2, bias=False),
            AvgPool1d(2), Flatten(), Dense(3),
        ],
    ),
    "an odd pixel": ((8, 7, 2), [Conv2d(3, 4, 3, "same"), Flatten(), Dense(3)]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "layers"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_random_convolutional_networks_are_computed_and_come_back_to_the_bit(
    shape: Any, layers: list[Any], dtype: str, tmp_path: Path
) -> None:
    """By ONNX Runtime; in float64, which it has no pools in, by ONNX's own implementation."""
    from onnx.reference import ReferenceEvaluator

    net = with_biases(Network(shape, layers, seed=0, dtype=dtype))
    to_onnx(net, tmp_path / "net.onnx")
    x = normal(5, int(np.prod(shape))).reshape(5, *shape).astype(dtype)
    if dtype == "float32":
        runtime: Any = needs.package("onnxruntime")
        evaluator = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    else:
        evaluator = ReferenceEvaluator(str(tmp_path / "net.onnx"))
    close = 2e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(evaluator.run(None, {"input": x})[0], net(x), rtol=close, atol=close)
    again = from_onnx(tmp_path / "net.onnx")
    assert again(x).tobytes() == net(x).tobytes()
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in net.layers]
