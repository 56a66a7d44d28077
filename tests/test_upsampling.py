"""Upsampling: PyTorch's values and gradients, formats, what is refused. fastnn.reference.images.upsampling has the
cases that every operation is held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import DTYPES

from fastnn import (
    Activation,
    Concatenate,
    Conv2d,
    Dense,
    FileError,
    Flatten,
    MaxPool2d,
    Network,
    Upsample2d,
    from_onnx,
    from_torch,
    load,
    to_onnx,
    to_torch,
)
from fastnn.interchange.axes import as_there
from fastnn.kernels.images.upsampling import bilinear, bilinear_inward, nearest, nearest_inward

MODES = ["nearest", "bilinear"]
# (H, W, C), factors; of channels that fill no vector, and more than one.
SHAPES: list[Any] = [((3, 4, 2), 2), ((1, 1, 1), (3, 2)), ((5, 1, 17), (2, 3)), ((2, 6, 33), (1, 4)), ((4, 3, 5), 1)]


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def network(mode: str, dtype: str = "float64") -> Network:
    """Down and up again, so that the gradient of what is made larger goes on."""
    layers = [Conv2d(5, 3, padding=1), Activation("tanh"), MaxPool2d(2), Upsample2d((2, 3), mode), Conv2d(3, 3)]
    return Network((8, 6, 2), [*layers, Flatten(), Dense(4)], dtype=dtype, seed=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("shape", "factors"), SHAPES)
def test_values_and_gradients_are_pytorchs_in_float64(shape: Any, factors: Any, mode: str) -> None:
    torch: Any = needs.package("torch")
    pair = factors if isinstance(factors, tuple) else (factors, factors)
    forward, inward = (nearest, nearest_inward) if mode == "nearest" else (bilinear, bilinear_inward)
    x = normal(3, *shape)
    y, dx = np.full((3, shape[0] * pair[0], shape[1] * pair[1], shape[2]), np.nan), np.full_like(x, np.nan)
    forward(y, x, pair)
    images = torch.tensor(np.moveaxis(x, 3, 1).copy(), requires_grad=True)
    found = torch.nn.functional.interpolate(images, scale_factor=tuple(map(float, pair)), mode=mode)
    np.testing.assert_allclose(np.moveaxis(y, 3, 1), found.detach(), atol=1e-12)
    dy = normal(*y.shape, seed=1)
    inward(dx, dy, pair)
    found.backward(torch.tensor(np.moveaxis(dy, 3, 1).copy()))
    np.testing.assert_allclose(np.moveaxis(dx, 3, 1), images.grad, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_the_gradient_of_a_network_is_pytorchs_and_it_comes_back(mode: str) -> None:
    torch: Any = needs.package("torch")
    net, x, y = network(mode), normal(3, 8, 6, 2), np.arange(3)
    module = to_torch(net)
    output = module(torch.tensor(np.moveaxis(x, 3, 1).copy()))
    np.testing.assert_allclose(net(x), output.detach(), atol=1e-10)
    torch.nn.functional.cross_entropy(output, torch.tensor(y)).backward()
    again = from_torch(module, input_shape=(2, 8, 6))
    assert again.layers == net.layers
    assert again.parameters.tobytes() == net.parameters.tobytes()
    for parameter in module.parameters():
        parameter.data = parameter.grad
    np.testing.assert_allclose(net.gradient(x, y), from_torch(module, input_shape=(2, 8, 6)).parameters, atol=1e-10)


@pytest.mark.parametrize("mode", MODES)
def test_a_way_around_that_is_made_smaller_and_larger_is_joined_by_channels_as_pytorchs(mode: str) -> None:
    """As in a U-Net."""
    torch: Any = needs.package("torch")
    net = Network((4, 6, 2), [Conv2d(3, 1), Concatenate([], [MaxPool2d(2), Conv2d(5, 1), Upsample2d(2, mode)]),
                              Conv2d(1, 3)], loss="mse", dtype="float64", seed=0)  # fmt: skip
    own = net.named_parameters
    p = {name: torch.tensor(as_there(values), requires_grad=True) for name, values in own.items()}

    def convolved(x: Any, name: str) -> Any:
        return torch.nn.functional.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"])

    x, y = normal(3, 4, 6, 2), normal(3, 2, 4, 1, seed=1)
    first = convolved(torch.tensor(np.moveaxis(x, 3, 1).copy()), "0")
    small = convolved(torch.nn.functional.max_pool2d(first, 2), "1.1.1")
    large = torch.nn.functional.interpolate(small, scale_factor=2, mode=mode)
    output = convolved(torch.cat([first, large], dim=1), "2")
    np.testing.assert_allclose(np.moveaxis(net(x), 3, 1), output.detach(), atol=1e-10)
    torch.nn.functional.mse_loss(output, torch.tensor(np.moveaxis(y, 3, 1).copy())).backward()
    for name, gradient in net.named(net.gradient(x, y)).items():
        np.testing.assert_allclose(as_there(gradient), p[name].grad, atol=1e-10, err_msg=name)


def test_modules_of_pytorch_that_are_the_same_are_read_and_others_named() -> None:
    nn: Any = needs.package("torch").nn
    read = {"nearest-exact": nn.Upsample(scale_factor=3, mode="nearest-exact"),
            "its own class": nn.UpsamplingNearest2d(scale_factor=3)}  # fmt: skip
    for module in read.values():
        net = from_torch(nn.Sequential(module, nn.Conv2d(2, 1, 3)), "mse", input_shape=(2, 4, 4))
        assert net.layers[0] == Upsample2d(3)
    refused = {
        "expected a scale_factor in place of a size": nn.Upsample(size=(8, 8)),
        "and align_corners=False": nn.UpsamplingBilinear2d(scale_factor=2),
        "its scale_factor is 1.5; expected whole numbers": nn.Upsample(scale_factor=1.5),
        "mode is 'bicubic'; expected one of nearest, bilinear": nn.Upsample(scale_factor=2, mode="bicubic"),
    }
    for said, module in refused.items():
        with pytest.raises(ValueError, match=said):
            from_torch(nn.Sequential(module, nn.Conv2d(2, 1, 3)), "mse", input_shape=(2, 4, 4))


@needs.two_cores
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_change_no_bit(dtype: str, mode: str) -> None:
    x, y, found = normal(37, 8, 6, 2).astype(dtype), np.arange(37) % 4, set()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        net = network(mode, dtype)
        trainer = net.trainer("adam", 37)
        for _ in range(2):
            trainer.step(x, y)
        found.add(net.parameters.tobytes() + net(x).tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("mode", MODES)
def test_rows_do_not_depend_on_each_other(mode: str) -> None:
    net, x = network(mode, "float32"), normal(5, 8, 6, 2).astype(np.float32)
    assert net(x).tobytes() == b"".join(net(row[None]).tobytes() for row in x)


# Formats --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_files_and_onnx_give_it_back_to_the_bit(mode: str, dtype: str, tmp_path: Path) -> None:
    needs.package("onnx")
    net = network(mode, dtype)
    net.save(tmp_path / "net.safetensors")
    to_onnx(net, tmp_path / "net.onnx")
    for again in (load(tmp_path / "net.safetensors"), from_onnx(tmp_path / "net.onnx")):
        assert again.layers == net.layers
        assert again.parameters.tobytes() == net.parameters.tobytes()


@pytest.mark.parametrize("mode", MODES)
def test_onnxruntime_computes_what_the_network_does(mode: str, tmp_path: Path) -> None:
    needs.package("onnx")
    runtime: Any = needs.package("onnxruntime")
    net, x = network(mode, "float32"), normal(3, 8, 6, 2).astype(np.float32)
    to_onnx(net, tmp_path / "net.onnx")
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["output"], {"input": x})
    np.testing.assert_allclose(found, net(x), atol=1e-5)


def resize(path: Path, scales: Any, **attributes: Any) -> Path:
    """A Resize of images (2, 4, 4), as others write it, and a Conv, which says the dtype."""
    onnx: Any = needs.package("onnx")
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    nodes = [helper.make_node("Resize", ["x", "", "s"], ["y"], **attributes),
             helper.make_node("Conv", ["y", "w"], ["z"])]  # fmt: skip
    constants = [array(np.array(scales, np.float32), "s"), array(np.ones((1, 2, 1, 1), np.float32), "w")]
    kind = onnx.TensorProto.FLOAT
    x = helper.make_tensor_value_info("x", kind, ["N", 2, 4, 4])
    z = helper.make_tensor_value_info("z", kind, ["N", 1, "down", "across"])
    graph = helper.make_graph(nodes, "g", [x], [z], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), path)
    return path


READ: list[Any] = [
    (Upsample2d((2, 3)), {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    (Upsample2d((2, 3)), {}),
    (Upsample2d((2, 3)), {"nearest_mode": "round_prefer_ceil"}),
    (Upsample2d((2, 3), "bilinear"), {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}),
]


@pytest.mark.parametrize(("layer", "attributes"), READ)
def test_what_others_write_is_read(layer: Upsample2d, attributes: Any, tmp_path: Path) -> None:
    """And is what onnxruntime computes, whose images have their channels first."""
    runtime: Any = needs.package("onnxruntime")
    path = resize(tmp_path / "net.onnx", [1, 1, 2, 3], **attributes)
    net, x = from_onnx(path, "mse"), normal(2, 2, 4, 4).astype(np.float32)
    assert net.layers[0] == layer
    (right,) = runtime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_allclose(np.moveaxis(net(np.moveaxis(x, 1, 3)), 3, 1), right, atol=1e-5)


@pytest.mark.parametrize(
    ("scales", "attributes", "said"),
    [
        ([1, 1, 2, 1.5], {}, "expected whole numbers"),
        ([1, 2, 2, 2], {}, "expected four scales, of which the first two are 1"),
        ([1, 1, 2, 2], {"coordinate_transformation_mode": "align_corners"}, "it takes the pixel by align_corners"),
        ([1, 1, 2, 2], {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}, "expected 'half_pixel'"),
        ([1, 1, 2, 2], {"mode": "cubic"}, "mode is 'cubic'; expected one of nearest, bilinear"),
        ([1, 1, 2, 2], {"mode": "linear", "antialias": 1}, "antialias"),
    ],
)
def test_what_is_another_function_is_refused(scales: Any, attributes: Any, said: str, tmp_path: Path) -> None:
    path = resize(tmp_path / "net.onnx", scales, **attributes)
    with pytest.raises(FileError, match=said):
        from_onnx(path, "mse")


# Edges ----------------------------------------------------------------------------------------------------------------


REFUSED: list[Any] = [
    (lambda: Upsample2d(0), ValueError, "scale_factor is 0; expected at least 1"),
    (lambda: Upsample2d(2.0), TypeError, "scale_factor is 2.0; expected a whole number"),  # type: ignore[arg-type]
    (lambda: Upsample2d((1, 2, 3)), ValueError, "expected a number, or two: down and across"),  # type: ignore[arg-type]
    (lambda: Upsample2d(2, "cubic"), ValueError, "mode is 'cubic'; expected one of nearest, bilinear"),
    (lambda: Network((4, 6), [Upsample2d(2)]), ValueError,
     r"layer 0: Upsample2d takes images \(H, W, C\); \(4, 6\) comes"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "message"), REFUSED)
def test_what_is_no_upsampling_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_pixel_becomes_as_many_and_kernels_are_for_code_of_the_users_own() -> None:
    @numba.njit
    def enlarge(y: Any, x: Any) -> None:
        nearest(y, x, (2, 3))

    x, y = np.arange(4.0).reshape(1, 2, 2, 1), np.empty((1, 4, 6, 1))
    enlarge(y, x)
    assert y[0, :, :, 0].tolist() == [[0, 0, 0, 1, 1, 1]] * 2 + [[2, 2, 2, 3, 3, 3]] * 2


def test_between_two_pixels_it_is_between_them() -> None:
    """Outside of their centres as on them, and exactly that."""
    net = Network((1, 2, 1), [Upsample2d((1, 4), "bilinear")], loss="mse")
    assert net(np.array([[[[0.0], [8.0]]]]))[0, 0, :, 0].tolist() == [0, 0, 1, 3, 5, 7, 8, 8]
