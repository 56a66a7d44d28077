"""Layers of channels, and of single numbers, in ONNX: the way back, and what others write of the kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from example_networks import normal
from test_interchange_exporters import export
from test_interchange_onnx_import import evaluated, node, write

from fastnn import (
    Activation,
    Channels,
    ChannelSums,
    Conv2d,
    Dense,
    FileError,
    Flatten,
    Network,
    Scale,
    ScaledTanh,
    UnitBias,
    from_onnx,
    to_onnx,
)

needs.package("onnx")

# Of every number of axes, of one channel, one after the other, behind a Flatten, at the beginning and at the end.
LAYERS: dict[str, tuple[Any, list[Any]]] = {
    "rows": ((5,), [Scale(), UnitBias(), Channels([4, 0, 0, 2]), ChannelSums([0, 1, 0, 0]), ScaledTanh()]),
    "sequences": ((4, 3), [Scale(), Channels([2, 0]), ScaledTanh(0.5, 0.3), Scale(), Flatten(), Scale(), Dense(2)]),
    "images": (
        (6, 5, 2), [
            Conv2d(6, 3), Scale(), ScaledTanh(1.0, 2.0), Channels(range(5, -1, -1)), UnitBias(),
            ChannelSums([0, 1, 2, 0, 1, 2]), ScaledTanh(2.5, 1.0), Conv2d(1, 1), Scale(), Flatten(), UnitBias(),
            Dense(3),
        ],
    ),
    "an image of one channel": ((4, 4, 1), [Scale(), UnitBias(), Channels([0, 0]), Conv2d(2, 2), Flatten()]),
    "biases alone": ((3, 4, 2), [UnitBias(), UnitBias(), Scale(), Scale(), ChannelSums([0, 0])]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "layers"), LAYERS.values(), ids=LAYERS)
def test_it_comes_back_to_the_bit(shape: Any, layers: list[Any], dtype: str, tmp_path: Path) -> None:
    net = Network(shape, layers, loss="mse", seed=0, dtype=dtype)
    for name, values in net.named_parameters.items():
        values += np.random.default_rng(len(name)).normal(0, 0.3, values.shape)
    to_onnx(net, tmp_path / "net.onnx")
    again, x = from_onnx(tmp_path / "net.onnx", "mse"), normal(5, *shape).astype(dtype)
    assert again.layers == net.layers
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert again(x).tobytes() == net(x).tobytes()
    np.testing.assert_allclose(evaluated(tmp_path / "net.onnx", x, "input"), net(x), rtol=1e-5, atol=1e-5)


CONV = Conv2d(3, 1, bias=False)
# Nodes "operator inputs output"; what they are read as.
CHANNELS_FIRST: dict[str, tuple[list[str], list[Any]]] = {
    "a factor and a term": (["Mul x c311 p", "Add p c1311 y"], [Scale()]),
    "two factors": (["Mul c311 x p", "Mul p c311 y"], [Scale(), Scale()]),
    "terms": (["Conv x k z", "Add z c311 a", "Tanh a t", "Add c311 t y"], [CONV, Scale(), Activation("tanh"), Scale()]),
    "a term for each number": (["Conv x k z", "Add z c345 y"], [CONV, UnitBias()]),
    "some channels": (["Conv x k z", "Gather z back y"], [CONV, Channels((2, 0))]),
    "a part of them": (["Conv x k z", "Slice z begin end along y"], [CONV, Channels((1, 2))]),
    "a scaled tanh": (["Mul x half p", "Tanh p t", "Mul two t s", "Conv s k y"], [ScaledTanh(2.0, 0.5), CONV]),
}
CONSTANTS: dict[str, Any] = {
    "c3": normal(3),
    "c311": normal(3, 1, 1), "c1311": normal(1, 3, 1, 1, seed=1), "c345": normal(3, 4, 5), "k": normal(3, 3, 1, 1),
    "half": np.float32(0.5), "two": np.float32(2), "begin": [1], "end": [3], "along": [1], "back": [-1, 0],
    "row": normal(4, 1), "weight": np.eye(5)[[0, 1, 2, 0, 4, 1, 2, 3]], "gap": np.eye(5)[[0, 1, 2, 0, 4, 1, 2, 0]],
}  # fmt: skip


def model(lines: list[str], path: Path, dims: Any, **attributes: Any) -> Path:
    """attributes: of Gather and Slice."""
    nodes = []
    for line in lines:
        op, *names, output = line.split()
        nodes.append(node(op, " ".join(names), output, **(attributes if op == "Gather" else {})))
    return write(path, nodes, dims=dims, **CONSTANTS)


@pytest.mark.parametrize(("lines", "layers"), CHANNELS_FIRST.values(), ids=CHANNELS_FIRST)
def test_channels_that_come_first_are_read(lines: list[str], layers: list[Any], tmp_path: Path) -> None:
    """As other exporters have images, (N, C, H, W)."""
    path, x = model(lines, tmp_path / "net.onnx", ("n", 3, 4, 5), axis=1), normal(2, 3, 4, 5).astype("f4")
    net = from_onnx(path, "mse")
    assert [*net.layers] == layers
    assert net.input_shape == (4, 5, 3)
    np.testing.assert_allclose(np.moveaxis(net(np.moveaxis(x, 1, -1)), -1, 1), evaluated(path, x), atol=1e-6)


def test_a_term_along_the_width_is_none_of_channels(tmp_path: Path) -> None:
    """Where there are as many columns as channels."""
    for lines in (["Conv x k z", "Mul z c311 p", "Add p c3 y"], ["Mul x c311 p", "Add p c3 y"]):
        path = model(lines, tmp_path / "net.onnx", ("n", 3, 4, 3))
        with pytest.raises(ValueError, match=r"adds a constant of shape \(3,\)"):
            from_onnx(path, "mse")


def test_a_matrix_that_is_no_sum_of_channels_stays_one(tmp_path: Path) -> None:
    """A channel of it gets nothing; and of as many as come it may be a product that begins so."""
    for name, read in (("weight", ChannelSums), ("gap", Dense)):
        path = model([f"MatMul x {name} y"], tmp_path / "net.onnx", ("n", 8))
        net, x = from_onnx(path, "mse"), normal(3, 8).astype("f4")
        assert type(net.layers[0]) is read
        np.testing.assert_allclose(net(x), evaluated(path, x), atol=1e-6)
    net = Network(3, [Dense(3)], loss="mse")
    net.named_parameters["0.weight"][...] = np.eye(3)
    to_onnx(net, tmp_path / "net.onnx")
    assert from_onnx(tmp_path / "net.onnx", "mse").layers == net.layers


@pytest.mark.thorough
@pytest.mark.parametrize(("dynamo", "opset"), [(False, 17), (True, 20)])
def test_what_torch_exports_of_channels_is_read(dynamo: bool, opset: int, tmp_path: Path) -> None:
    if dynamo:
        needs.package("onnxscript")
    torch: Any = needs.package("torch")
    torch.manual_seed(0)

    class Module(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = torch.nn.Conv2d(2, 6, 3), torch.nn.Linear(16, 3)
            self.weight, self.bias = (torch.nn.Parameter(torch.randn(6, 1, 1)) for _ in range(2))

        def forward(self, x: Any) -> Any:
            y = 1.7159 * torch.tanh(2 / 3 * (self.first(x) * self.weight + self.bias))
            return self.last(y[:, 1:5].flatten(1) * torch.linspace(0, 1, 16))

    module, x = Module().eval(), torch.randn(5, 2, 4, 4)
    export(torch, module, x, tmp_path / "net.onnx", dynamo, opset)
    net = from_onnx(tmp_path / "net.onnx", "mse")
    found = [type(layer) for layer in net.layers]
    assert found == [Conv2d, Scale, ScaledTanh, Channels, Flatten, Scale, Dense]
    np.testing.assert_allclose(net(np.moveaxis(x.numpy(), 1, -1)), module(x).detach(), atol=1e-5)


REFUSED: list[Any] = [
    (["Mul x row y"], ("n", 3, 4, 5), "it multiplies by a constant of shape .4, 1.; expected one number for each chan"),
    (["Add x row y"], ("n", 3, 4, 5), "it adds a constant of shape .4, 1.; expected a bias .5,., or one for a row"),
    (["Slice x begin end along y"], ("n", 3, 4), "it takes a part of axis 1; expected one of the features"),
    (["Conv x k z", "Flatten z f", "Gather f back y"], ("n", 3, 4, 5), "or of images that were flattened"),
    (["Gather x back y"], ("n", "m"), "it takes features of a row whose shape is not known"),
]


@pytest.mark.parametrize(("lines", "dims", "message"), REFUSED)
def test_what_is_of_no_channel_is_refused(lines: list[str], dims: Any, message: str, tmp_path: Path) -> None:
    path = model(lines, tmp_path / "net.onnx", dims, axis=1)
    with pytest.raises(FileError, match=rf"net.onnx: node 'the \w+' .*{message}"):
        from_onnx(path, "mse")
