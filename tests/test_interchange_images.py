"""Networks of images go to PyTorch and ONNX and come back: (H, W, C) here, (C, H, W) there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from example_networks import normal, with_biases

from fastnn import (
    Activation,
    AvgPool2d,
    Dense,
    Dropout,
    FileError,
    Flatten,
    LayerNorm,
    MaxPool2d,
    Network,
    from_onnx,
    from_torch,
    load_state_dict,
    state_dict,
    to_onnx,
    to_torch,
)
from fastnn.extending import register_layer
from fastnn.interchange.axes import as_here, as_there
from fastnn.layers import LAYERS

Array = Any
SHAPE = (8, 6, 3)


def images(rows: int = 11, dtype: str = "float32") -> Array:
    return normal(rows, int(np.prod(SHAPE))).reshape(rows, *SHAPE).astype(dtype)


def channels_first(x: Array) -> Array:
    return np.moveaxis(x, -1, 1)


def network(*last: Any, dtype: str = "float32") -> Network:
    """A vector for each feature of what is flattened, then a matrix."""
    first = [Activation("tanh"), MaxPool2d(2), Dropout(0.5), AvgPool2d((3, 1), (1, 2), (1, 0)), Flatten()]
    return with_biases(Network(SHAPE, [*first, *(last or (LayerNorm(), Dense(5, "relu"), Dense(3)))], dtype=dtype,
                               seed=0))  # fmt: skip


# Axes -----------------------------------------------------------------------------------------------------------------


def test_the_axes_of_weights_go_and_come() -> None:
    assert as_there(np.zeros((5, 3))).shape == (3, 5)
    assert as_there(np.zeros((7, 6, 5, 3))).shape == (3, 5, 7, 6)
    assert as_there(np.zeros(5)).shape == (5,)
    x = normal(7, 6 * 5 * 3).reshape(7, 6, 5, 3)
    assert np.array_equal(as_here(as_there(x)), x)


def test_a_state_dict_has_the_order_of_images_whose_channels_are_first() -> None:
    net = Network((2, 3, 4), [MaxPool2d(1), Flatten(), LayerNorm(), Dense(2)], seed=0)
    weight = net.named_parameters["2.weight"]
    weight[:] = np.arange(24)
    net.named_parameters["3.weight"][:, 0] = np.arange(24)
    found = state_dict(net)
    right = np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1).ravel()
    assert found["2.weight"].tolist() == found["3.weight"][0].tolist() == right.tolist()
    copy = net.copy()
    copy.initialize(1)
    load_state_dict(copy, found)
    assert copy.parameters.tobytes() == net.parameters.tobytes()


def test_rows_of_several_axes_that_no_layer_takes_for_images_keep_their_order() -> None:
    """Of positions, whose features are last for PyTorch too."""
    net = Network((2, 3, 4), [Dense(5), Flatten(), Dense(2)], seed=0)
    assert np.array_equal(state_dict(net)["2.weight"].T, net.named_parameters["2.weight"])


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([MaxPool2d(2), Dense(3)], r"layer 1 is Dense.*: it works on the last axis, and channels come first"),
        ([Dense(3), MaxPool2d(2)], "layer 1 is MaxPool2d.*: it takes images, after a layer of the last axis"),
        ([MaxPool2d(2), Flatten()], "the network ends in images that are flattened"),
    ],
)
def test_what_has_no_axes_there_is_refused(layers: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        state_dict(Network(SHAPE, layers, loss="mse"))


def test_images_of_one_pixel_or_one_channel_have_one_order() -> None:
    for net in (Network(SHAPE, [AvgPool2d((8, 6)), Flatten()], loss="mse"),
                Network((4, 4, 1), [MaxPool2d(2), Flatten()], loss="mse")):  # fmt: skip
        assert state_dict(net) == {}


@dataclass(frozen=True)
class MyPool(AvgPool2d):
    """Another layer than the one that it is made of, which no format knows."""


def test_a_layer_made_of_another_does_not_take_its_words(tmp_path: Path) -> None:
    register_layer("my_pool", MyPool)
    try:
        net = Network(SHAPE, [MyPool(2), Flatten(), Dense(3)])
        for use in (state_dict, lambda net: to_onnx(net, tmp_path / "net")):
            with pytest.raises(ValueError, match="layer 0 is MyPool.*; this format has words for Dense"):
                use(net)
    finally:
        del LAYERS["my_pool"]


# ONNX -----------------------------------------------------------------------------------------------------------------


CHANNELS_MIXED = [MaxPool2d(2), Dense(4, "tanh"), MaxPool2d(2), Flatten(), Dense(3)]


@pytest.mark.parametrize(
    "net", [network(), Network(SHAPE, CHANNELS_MIXED, seed=0), Network(SHAPE, CHANNELS_MIXED, seed=0, dtype="float64")]
)
def test_onnxruntime_computes_what_the_network_does(net: Network, tmp_path: Path) -> None:
    needs.package("onnx")
    runtime: Any = needs.package("onnxruntime")
    to_onnx(net, tmp_path / "net.onnx")
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    x = images(dtype=net.dtype.name)
    (found,) = session.run(["output"], {"input": x})
    np.testing.assert_allclose(found, net(x), rtol=1e-5, atol=1e-5)


def test_a_network_comes_back_to_the_bit(tmp_path: Path) -> None:
    needs.package("onnx")
    net = network()
    to_onnx(net, tmp_path / "net.onnx")
    again = from_onnx(tmp_path / "net.onnx")
    assert again.layers == tuple(layer for layer in net.layers if not isinstance(layer, Dropout))
    assert again.input_shape == net.input_shape
    assert again(images()).tobytes() == net(images()).tobytes()


POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}
READ: dict[str, list[Any]] = {
    "as exporters write it": [
        ("MaxPool", "x", "p", POOL), ("Tanh", "p", "t", {}),
        ("AveragePool", "t", "q", {"kernel_shape": [3, 1], "pads": [1, 0, 1, 0], "count_include_pad": 1}),
        ("Flatten", "q", "f", {}),
    ],
    "without the border": [
        ("MaxPool", "x", "p", POOL), ("AveragePool", "p", "q", {"kernel_shape": [3, 1], "pads": [1, 0, 1, 0]}),
        ("Flatten", "q", "f", {"axis": 1}),
    ],
    "reshaped": [("MaxPool", "x", "p", POOL), ("Reshape", "p shape", "f", {})],
    "borders by name": [
        ("MaxPool", "x", "p", POOL | {"auto_pad": "SAME_UPPER"}),
        ("AveragePool", "p", "q", {"kernel_shape": [3, 1], "auto_pad": "SAME_LOWER"}),
        ("Flatten", "q", "f", {"axis": -3}),
    ],
    "sizes that no window exceeds": [
        ("MaxPool", "x", "p", POOL | {"ceil_mode": 1, "storage_order": 1}),
        ("AveragePool", "p", "q", {"kernel_shape": [1, 1], "pads": 4 * [0], "ceil_mode": 1}),
        ("Reshape", "q shape", "f", {}),
    ],
    "a mean of all pixels": [
        ("ReduceMean", "x sides", "p", {}), ("MaxPool", "p", "q", {"kernel_shape": [1, 1]}), ("Flatten", "q", "f", {}),
    ],
    "a mean of all pixels as a row": [("ReduceMean", "x sides", "f", {"keepdims": 0})],
    "channels moved last": [
        ("Transpose", "x", "h", {"perm": [0, 2, 3, 1]}), ("Transpose", "h", "c", {"perm": [0, 3, 1, 2]}),
        ("MaxPool", "c", "p", POOL), ("Transpose", "p", "q", {"perm": [0, 2, 3, 1]}), ("Flatten", "q", "f", {}),
    ],
}  # fmt: skip


def write(path: Path, nodes: list[Any], rows: int = 36) -> Path:
    """Of images (N, 3, 8, 6), and a Gemm (36, 4) at the end."""
    onnx: Any = needs.package("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    made = [
        helper.make_node(op, taken.split(), [given], name=f"the {op}", **settings)
        for op, taken, given, settings in nodes
    ]
    made.append(helper.make_node("Gemm", ["f", "w", "b"], ["y"], name="the Gemm"))
    constants = {"w": normal(rows, 4).astype("f4"), "b": normal(1, 4)[0].astype("f4"), "shape": np.array([-1, rows]),
                 "two": np.array([2]), "sides": np.array([-1, 2])}  # fmt: skip
    graph = helper.make_graph(
        made, "images", [helper.make_tensor_value_info("x", kind, ["n", 3, 8, 6])],
        [helper.make_tensor_value_info("y", kind, ["n", 4])],
        [onnx.numpy_helper.from_array(values, name) for name, values in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    return path


@pytest.mark.parametrize("nodes", READ.values(), ids=READ)
def test_files_of_images_whose_channels_are_first_are_read(nodes: list[Any], tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", nodes, 3 if "ReduceMean" in str(nodes) else 36)
    from onnx.reference import ReferenceEvaluator

    net, x = from_onnx(path), images()
    assert net.input_shape == SHAPE
    (right,) = ReferenceEvaluator(str(path)).run(None, {"x": np.ascontiguousarray(channels_first(x))})
    np.testing.assert_allclose(net(x), right, rtol=2e-6, atol=2e-6)


BAD: dict[str, tuple[list[Any], str]] = {
    "an uneven border": (
        [("MaxPool", "x", "f", POOL | {"pads": [0, 0, 1, 1]})], r"\(MaxPool\): its pads are .0, 0, 1, 1.; expected",
    ),
    "an uneven border by name": (
        [("MaxPool", "x", "f", {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"})],
        r"its auto_pad is 'SAME_LOWER' and its pads are .1, 1, 0, 0.; expected as many pixels on both sides",
    ),
    "a border of another name": (
        [("MaxPool", "x", "f", POOL | {"auto_pad": "SAME"})], "its auto_pad is 'SAME'; expected NOTSET",
    ),
    "windows that do not fit": (
        [("MaxPool", "x", "f", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1})],
        r"its ceil_mode is 1, and windows would end behind rows \(8, 6, 3\); expected 0",
    ),
    "windows of pixels apart": ([("MaxPool", "x", "f", POOL | {"dilations": [1, 2]})], "its dilations is .1, 2.;"),
    "pads of another number of sides": ([("MaxPool", "x", "f", POOL | {"pads": [0, 0]})], "expected two for each of 2"),
    "a window of an axis of one": (
        [("MaxPool", "x", "p", POOL), ("Unsqueeze", "p two", "f", {})], "expected 2 or 3, of sequences",
    ),
    "images of another order": ([("Transpose", "x", "f", {"perm": [0, 3, 2, 1]})], r"its perm is .0, 3, 2, 1.; expect"),
    "channels that are first already": (
        [("MaxPool", "x", "p", POOL), ("Transpose", "p", "f", {"perm": [0, 3, 1, 2]})], "expected an image",
    ),
    "a mean of rows": ([("ReduceMean", "x two", "f", {})], "it takes the mean along .2.; expected the sides of images"),
    "no flattening": ([("MaxPool", "x", "f", POOL)], r"\(Gemm\): it takes no rows"),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "message"), BAD.values(), ids=BAD)
def test_what_is_no_pooling_of_fastnns_is_refused(nodes: list[Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", nodes)
    with pytest.raises(FileError, match=message):
        from_onnx(path)


def written(path: Path, nodes: list[Any], dims: Any, **constants: Any) -> Path:
    """Of x to y."""
    onnx: Any = needs.package("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    made = [helper.make_node(op, taken.split(), given.split(), **settings) for op, taken, given, settings in nodes]
    graph = helper.make_graph(
        made, "rows", [helper.make_tensor_value_info("x", kind, dims)],
        [helper.make_tensor_value_info("y", kind, dims)],
        [onnx.numpy_helper.from_array(np.asarray(values, "f4"), name) for name, values in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    return path


NORM = ("LayerNormalization", "x g h", "n", {})
ROWS: dict[str, tuple[list[Any], Any, str]] = {
    "a softmax of positions": ([NORM, ("Softmax", "n", "y", {"axis": 1})], ("n", 3, 5), "expected the last axis"),
    "a softmax of rows of unknown axes": ([("Softmax", "x", "y", {})], ("n", "t", 5), "expected the last axis"),
    "a softmax over the width": (
        [("MaxPool", "x", "p", POOL), ("Softmax", "p", "y", {})], ("n", 3, 8, 6), "or of images the channels",
    ),
    "a norm of unknown positions": ([NORM, ("MatMul", "n w", "y", {})], ("n", "t", 5), "the shape of a row is not kno"),
    "a second output": ([("LayerNormalization", "x g h", "n y", {})], ("n", 5), "y is not the first of its node"),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "dims", "message"), ROWS.values(), ids=ROWS)
def test_what_is_not_told_by_a_file_is_not_guessed(nodes: list[Any], dims: Any, message: str, tmp_path: Path) -> None:
    path = written(tmp_path / "net", nodes, dims, g=np.ones(5), h=np.zeros(5), w=np.ones((5, 2)))
    with pytest.raises(FileError, match=message):
        from_onnx(path)


def test_positions_come_back(tmp_path: Path) -> None:
    needs.package("onnx")
    net = with_biases(
        Network((4, 5), [LayerNorm(), Dense(6, "tanh"), Dense(3, bias=False), Flatten(), Dense(2)], seed=0)
    )
    to_onnx(net, tmp_path / "net")
    again = from_onnx(tmp_path / "net")
    x = normal(7, 20).reshape(7, 4, 5)
    assert again.layers == net.layers
    assert again(x).tobytes() == net(x).tobytes()


# PyTorch --------------------------------------------------------------------------------------------------------------


def module_of(torch: Any, dtype: str) -> Any:
    nn = torch.nn
    torch.manual_seed(0)
    parts = [nn.MaxPool2d(2), nn.Tanh(), nn.Sequential(nn.AvgPool2d((3, 1), stride=1, padding=(1, 0)), nn.Flatten()),
             nn.LayerNorm(36), nn.Dropout(0.5), nn.Linear(36, 5), nn.ReLU(), nn.Linear(5, 3)]  # fmt: skip
    module = nn.Sequential(*parts).to(getattr(torch, dtype)).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.rand_like(parameter) / 5
    return module


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_module_of_images_comes_and_goes(dtype: str) -> None:
    torch: Any = needs.package("torch")
    module, x = module_of(torch, dtype), images(dtype=dtype)
    net = from_torch(module, input_shape=(3, 8, 6))
    assert net.input_shape == SHAPE
    there = torch.tensor(np.ascontiguousarray(channels_first(x)))
    right = module(there)
    np.testing.assert_allclose(net(x), right.detach().numpy(), rtol=1e-5, atol=1e-6)
    again = to_torch(net)
    np.testing.assert_allclose(again(there).detach().numpy(), right.detach().numpy(), rtol=1e-6, atol=1e-6)
    tensors, back = [[values.numpy().tobytes() for values in one.state_dict().values()] for one in (module, again)]
    assert tensors == back
    assert from_torch(again, input_shape=(3, 8, 6)).parameters.tobytes() == net.parameters.tobytes()


@pytest.mark.thorough
def test_the_gradient_of_images_is_pytorchs() -> None:
    torch: Any = needs.package("torch")
    module, x, y = module_of(torch, "float64"), images(dtype="float64"), np.arange(11) % 3
    net = from_torch(module, input_shape=(3, 8, 6))
    loss = torch.nn.functional.cross_entropy(
        module(torch.tensor(np.ascontiguousarray(channels_first(x)))), torch.tensor(y)
    )
    loss.backward()
    slopes = {name: parameter.grad.numpy() for name, parameter in module.named_parameters()}
    right = Network(SHAPE, net.layers, dtype="float64")
    load_state_dict(right, slopes)
    np.testing.assert_allclose(net.gradient(x, y), right.parameters, rtol=1e-9, atol=1e-12)


@pytest.mark.thorough
def test_a_module_of_images_needs_their_shape_and_takes_no_other() -> None:
    torch: Any = needs.package("torch")
    nn = torch.nn
    with pytest.raises(ValueError, match="module 0 is MaxPool2d.*: the shape of a row is not known"):
        from_torch(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)))
    with pytest.raises(ValueError, match=r"module itself is MaxPool2d.*: rows are \(36,\); expected \(C, H, W\)"):
        from_torch(nn.MaxPool2d(2), input_shape=36)
    with pytest.raises(ValueError, match="module 1 is Linear.*: it works on the last axis"):
        from_torch(nn.Sequential(nn.MaxPool2d(2), nn.Linear(3, 3)), input_shape=(3, 8, 6))
    assert from_torch(
        nn.Sequential(nn.MaxPool2d(2, dilation=(1, 1)), nn.Flatten(), nn.Linear(36, 3)), input_shape=(3, 8, 6)
    )
    with pytest.raises(ValueError, match="its dilation is 2; expected 1"):
        from_torch(nn.MaxPool2d(2, dilation=2), input_shape=(3, 8, 6))
    with pytest.raises(ValueError, match="its divisor_override is 3; expected None"):
        from_torch(nn.AvgPool2d(2, divisor_override=3), input_shape=(3, 8, 6))
    with pytest.raises(ValueError, match="the weight takes 35 inputs and 36 features come"):
        from_torch(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(35, 3)), input_shape=(3, 8, 6))
