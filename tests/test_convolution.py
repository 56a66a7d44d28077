"""Convolutions: shapes and counts that are published, padding as TensorFlow has it, bits, PyTorch and ONNX.
fastnn.reference.convolution has the cases that every operation is held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import DTYPES
from numba.core.runtime import _nrt_python, rtsys

from fastnn import (
    Activation,
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Dense,
    FileError,
    Flatten,
    MaxPool1d,
    MaxPool2d,
    Network,
    from_onnx,
    from_torch,
    load,
    to_onnx,
    to_torch,
)
from fastnn.kernels.convolution.gradient import IMAGES, SUMS
from fastnn.lowering.spanning import LOCAL_PARAMETERS, span_of
from fastnn.reference import convolution as reference
from fastnn.tape import columns

Array = Any


def lenet(dtype: str = "float32") -> Network:
    """LeNet-5 as it is taught, on 32 x 32 (LeCun et al. 1998 without its sparse table)."""
    tanh = Activation("tanh")
    images = [Conv2d(6, 5), tanh, AvgPool2d(2), Conv2d(16, 5), tanh, AvgPool2d(2), Flatten()]
    return Network((32, 32, 1), [*images, Dense(120, "tanh"), Dense(84, "tanh"), Dense(10)], dtype=dtype, seed=0)


def keras() -> Network:
    """The convnet of Keras' example for MNIST."""
    relu = Activation("relu")
    layers = [Conv2d(32, 3), relu, MaxPool2d(2), Conv2d(64, 3), relu, MaxPool2d(2), Flatten(), Dense(10)]
    return Network((28, 28, 1), layers, seed=0)


def test_counts_are_those_that_are_published() -> None:
    """Of LeNet-5, and its backward pass without the gradient of the images; of Keras' convnet."""
    found = lenet().cost(1)
    assert (lenet().parameter_count, found.forward.macs) == (61_706, 416_520)
    assert found.forward.macs + found.backward.macs == 1_131_960
    found = keras().cost(1)
    assert (keras().parameter_count, found.forward.macs) == (34_826, 2_440_960)
    assert found.forward.macs + found.backward.macs == 7_128_192


def drawn(net: Network) -> Network:
    rng = np.random.default_rng(1)
    for values in net.named_parameters.values():
        values += rng.normal(0, 0.3, values.shape)
    return net


# Side, window, stride: what TensorFlow puts above and below.
SAME = [
    (8, 4, 3, (1, 1)),
    (7, 4, 3, (1, 2)),
    (5, 4, 1, (1, 2)),
    (6, 3, 2, (0, 1)),
    (5, 3, 2, (1, 1)),
    (4, 1, 2, (0, 0)),
]


@pytest.mark.parametrize(("side", "window", "stride", "padding"), SAME)
def test_same_has_a_place_a_stride_and_the_odd_pixel_at_the_end(
    side: int, window: int, stride: int, padding: Any
) -> None:
    net = drawn(Network((side, side, 2), [Conv2d(3, window, stride, "same")], loss="mse", dtype="float64", seed=0))
    assert net.output_shape == (-(-side // stride), -(-side // stride), 3)
    x, p = np.random.default_rng(0).normal(size=(2, side, side, 2)), net.named_parameters
    right = reference.conv2d(x, p["0.weight"], p["0.bias"], (stride, stride), (padding, padding))
    np.testing.assert_allclose(net(x), right, atol=1e-12)
    if padding[0] != padding[1]:
        turned = reference.conv2d(x, p["0.weight"], p["0.bias"], (stride, stride), (padding[::-1], padding[::-1]))
        assert np.abs(net(x) - turned).max() > 0.1


def test_the_gradient_is_the_sum_over_groups_of_images() -> None:
    """Of more images than there is room for sums at once, the last group short."""
    count = IMAGES * SUMS + 2 * IMAGES + 3
    net = drawn(Network((5, 4, 2), [Conv2d(3, 3, padding=1)], loss="mse", dtype="float64", seed=0))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(count, 5, 4, 2)), rng.normal(size=(count, 5, 4, 3))
    whole = net.gradient(x, y)
    parts = sum(net.gradient(x[k : k + 1], y[k : k + 1]) for k in range(count)) / count
    np.testing.assert_allclose(whole, parts, atol=1e-13)


@needs.two_cores
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_change_no_bit(dtype: str) -> None:
    layers = [Conv2d(16, 3, padding=1), Activation("relu"), Conv2d(16, 3, 2, "same"), Flatten(), Dense(10)]
    rng, found = np.random.default_rng(0), set()
    x, y = rng.normal(size=(37, 20, 20, 8)).astype(dtype), rng.integers(0, 10, 37)
    for threads in (1, 2):
        numba.set_num_threads(threads)
        net = Network((20, 20, 8), layers, dtype=dtype, seed=0)
        trainer = net.trainer("adam", 37)
        for _ in range(2):
            trainer.step(x, y)
        found.add(net.parameters.tobytes() + net(x).tobytes())
    assert len(found) == 1


def test_spans_are_as_many_images_as_a_cache_holds_and_threads_take_them() -> None:
    """Activations of images have positions, and no terms of a gradient."""
    assert [span_of(net.operations) for net in (lenet(), keras())] == [16, 4]
    tape = lenet().plan(40).tape
    assert tape[0, columns.SLOTS] == min(numba.config.NUMBA_NUM_THREADS, 3)
    assert tape[0, columns.GROUP] == 3
    many = Network((32, 32, 3), [Conv2d(64, 3), Activation("relu"), Flatten(), Dense(100)], seed=0)
    assert many.parameter_count > LOCAL_PARAMETERS
    assert many.plan(2000).tape[0, columns.GROUP] == 1


def test_rows_do_not_depend_on_each_other() -> None:
    net, x = lenet(), np.random.default_rng(0).normal(size=(5, 32, 32, 1)).astype(np.float32)
    together = net(x)
    for k in range(5):
        assert net(x[k : k + 1]).tobytes() == together[k : k + 1].tobytes()


@needs.compiled_kernels
def test_a_step_of_training_allocates_nothing() -> None:
    """Of several spans, on one thread."""
    numba.set_num_threads(1)
    net = keras()
    trainer, x, y = net.trainer("adam", 9), np.zeros((9, 28, 28, 1), np.float32), np.arange(9)
    trainer.step(x, y)
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats().alloc
    trainer.step(x, y)
    assert rtsys.get_allocation_stats().alloc == before


def test_it_learns_images() -> None:
    """Which of four corners is bright."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 400)
    x = rng.normal(0, 0.5, (400, 12, 12, 1))
    for k, corner in enumerate(y):
        top, left = 6 * (corner // 2) + rng.integers(0, 4), 6 * (corner % 2) + rng.integers(0, 4)
        x[k, top : top + 3, left : left + 3] += 2
    layers = [Conv2d(8, 3, padding="same"), Activation("relu"), MaxPool2d(3), Flatten(), Dense(4)]
    net = Network((12, 12, 1), layers, seed=0)
    net.fit(x[:300], y[:300], epochs=15, optimizer="adam", seed=0)
    assert net.accuracy(x[300:], y[300:]) > 0.95


def require_pytorchs(net: Network, x: Array) -> None:
    """Outputs, and the gradient of every parameter, of a network of classes in float64; and it comes back as it was."""
    torch: Any = needs.package("torch")
    drawn(net)
    module, (height, width, channels) = to_torch(net), net.input_shape
    y = np.random.default_rng(0).integers(0, net.output_shape[-1], len(x))
    output = module(torch.tensor(np.moveaxis(x, 3, 1).copy()))
    np.testing.assert_allclose(net(x), output.detach(), atol=1e-10)
    torch.nn.functional.cross_entropy(output, torch.tensor(y)).backward()
    again = from_torch(module, input_shape=(channels, height, width))
    assert again.layers == net.layers
    assert again.parameters.tobytes() == net.parameters.tobytes()
    for parameter in module.parameters():
        parameter.data = parameter.grad
    theirs = from_torch(module, input_shape=(channels, height, width))
    np.testing.assert_allclose(net.gradient(x, y), theirs.parameters, atol=1e-10)


@pytest.mark.thorough
def test_lenet_is_pytorchs_in_float64() -> None:
    require_pytorchs(lenet("float64"), np.random.default_rng(0).normal(size=(4, 32, 32, 1)))


@pytest.mark.thorough
def test_convolutions_of_sequences_are_pytorchs() -> None:
    torch: Any = needs.package("torch")
    layers = [
        Conv1d(4, 3, 2, 1, dilation=2, groups=2),
        Activation("tanh"),
        AvgPool1d(2),
        Conv1d(3, 2),
        Flatten(),
        Dense(2),
    ]
    net = drawn(Network((19, 4), layers, dtype="float64", seed=0))
    module, x = to_torch(net), np.random.default_rng(0).normal(size=(3, 19, 4))
    output = module(torch.tensor(np.moveaxis(x, 2, 1).copy()))
    np.testing.assert_allclose(net(x), output.detach(), atol=1e-12)
    again = from_torch(module, input_shape=(4, 19))
    assert again.layers == net.layers
    assert again.parameters.tobytes() == net.parameters.tobytes()


def any_convolution(rng: np.random.Generator, spread: int) -> Conv2d:
    """kernel_size up to 4, stride 3, padding 3, dilation `spread`."""
    window, stride, padding, dilation = (
        (int(down), int(across)) for down, across in rng.integers((1, 1, 0, 1), (5, 4, 4, spread + 1), (2, 4)).T
    )
    groups, filters = int(rng.choice([1, 1, 2, 4])), 4 * int(rng.integers(1, 6))
    return Conv2d(filters, window, stride, padding, bool(rng.integers(2)), dilation=dilation, groups=groups)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(40))
def test_random_convolutions_are_pytorchs_in_float64(seed: int) -> None:
    """Two in a row, so that the second's gradient goes through the first; any groups, step, border and dilation."""
    rng = np.random.default_rng(seed)
    shape = (*map(int, rng.integers(30, 34, 2)), 4 * int(rng.integers(1, 4)))
    layers = [any_convolution(rng, 3), Activation("tanh"), any_convolution(rng, 2), Flatten(), Dense(3)]
    net = Network(shape, layers, dtype="float64", seed=0)
    require_pytorchs(net, rng.normal(size=(3, *shape)))


def test_the_values_that_pytorchs_own_tests_have() -> None:
    """Conv2dEven of its C++ tests: whole numbers, exactly."""
    net = Network((5, 5, 3), [Conv2d(2, 3, bias=False)], loss="mse", seed=0)
    weight = np.arange(54).reshape(2, 3, 3, 3)
    net.named_parameters["0.weight"][...] = weight.transpose(2, 3, 1, 0)
    x = np.arange(75).reshape(1, 3, 5, 5).transpose(0, 2, 3, 1)
    right = [[15219, 15570, 15921], [16974, 17325, 17676], [18729, 19080, 19431]]
    also = [[37818, 38898, 39978], [43218, 44298, 45378], [48618, 49698, 50778]]
    assert np.array_equal(np.moveaxis(net(x)[0], 2, 0), [right, also])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("settings", "said"),
    [({"padding_mode": "circular"}, "padding_mode"), ({"padding_mode": "reflect", "padding": 1}, "padding_mode")],
)
def test_what_pytorchs_has_more_is_named(settings: dict[str, Any], said: str) -> None:
    torch: Any = needs.package("torch")
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3, **settings))
    with pytest.raises(ValueError, match=said):
        from_torch(module, "mse", input_shape=(2, 6, 6))


@pytest.mark.thorough
def test_a_border_that_pytorch_has_not_is_named() -> None:
    needs.package("torch")
    with pytest.raises(ValueError, match="padding='same' for a stride of 1 alone"):
        to_torch(Network((7, 7, 1), [Conv2d(2, 3, 2, "same")], loss="mse"))


@pytest.mark.parametrize("make", [lenet, keras])
def test_files_and_onnx_give_it_back_to_the_bit(make: Any, tmp_path: Path) -> None:
    needs.package("onnx")
    net = drawn(make())
    net.save(tmp_path / "net.fastnn")
    to_onnx(net, tmp_path / "net.onnx")
    x = np.random.default_rng(0).normal(size=(3, *net.input_shape)).astype(np.float32)
    for again in (load(tmp_path / "net.fastnn"), from_onnx(tmp_path / "net.onnx")):
        assert again.layers == net.layers
        assert again(x).tobytes() == net(x).tobytes()


def test_sequences_go_to_onnx_and_come_back(tmp_path: Path) -> None:
    runtime: Any = needs.package("onnxruntime")
    layers = [
        Conv1d(4, 3, padding=1),
        Activation("relu"),
        MaxPool1d(2),
        Conv1d(5, 2),
        AvgPool1d(2),
        Flatten(),
        Dense(3),
    ]
    net = drawn(Network((12, 2), layers, seed=0))
    to_onnx(net, tmp_path / "net.onnx")
    x = np.random.default_rng(0).normal(size=(3, 12, 2)).astype(np.float32)
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"input": x})[0], net(x), rtol=1e-5, atol=1e-5)
    again = from_onnx(tmp_path / "net.onnx")
    assert again.layers == net.layers
    assert again(x).tobytes() == net(x).tobytes()


def test_onnx_has_a_border_of_its_own_on_each_side(tmp_path: Path) -> None:
    """Of `same` an odd pixel, which is read as such from where it is; elsewhere it is none of fastnn's."""
    runtime: Any = needs.package("onnxruntime")
    net = drawn(Network((8, 7, 2), [Conv2d(3, 4, 3, "same"), Flatten(), Dense(2)], seed=0))
    to_onnx(net, tmp_path / "net.onnx")
    x = np.random.default_rng(0).normal(size=(3, 8, 7, 2)).astype(np.float32)
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"input": x})[0], net(x), rtol=1e-5, atol=1e-5)
    again = from_onnx(tmp_path / "net.onnx")
    assert again.layers == net.layers
    assert again(x).tobytes() == net(x).tobytes()
    onnx: Any = needs.package("onnx")
    model = onnx.load(tmp_path / "net.onnx")
    (pads,) = (each.ints for node in model.graph.node for each in node.attribute if each.name == "pads")
    pads[:] = [pads[2], pads[3], pads[0], pads[1]]
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(FileError, match="its pads are"):
        from_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Conv2d(0, 3), "filters"),
        (lambda: Conv2d(3, 0), "kernel_size"),
        (lambda: Conv2d(3, 3, 0), "stride"),
        (lambda: Conv2d(3, 3, padding=-1), "padding"),
        (lambda: Conv2d(3, 3, padding="full"), "expected pixels, or one of valid, same"),
        (lambda: Conv2d(3, 3, bias=1), "bias is 1"),
        (lambda: Conv2d(3, 3, dilation=0), "dilation"),
        (lambda: Conv2d(3, 3, groups=2), "filters is 3; expected a multiple of its 2 groups"),
        (lambda: Network((4, 4, 3), [Conv2d(4, 3, groups=2)]), "has 2 groups, and 3 channels come"),
        (lambda: Network((4, 4, 3), [Conv2d(4, 3, dilation=2)]), "a window of 5 with stride 1 does not fit"),
        (lambda: Network((4, 4, 1), [Conv2d(3, 5)]), "a window of 5 with stride 1 does not fit a side of 4"),
        (lambda: Network((4, 4), [Conv2d(3, 2)]), "Conv2d takes images"),
    ],
)
def test_what_cannot_be_is_named(make: Any, said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        make()
