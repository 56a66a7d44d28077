"""Group norm and instance norm: PyTorch's values and gradients, formats, edges. fastnn.reference.images.group_norm has
the cases that every operation is held to."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
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
    Conv1d,
    Conv2d,
    Dense,
    FileError,
    Flatten,
    GroupNorm,
    InstanceNorm2d,
    Network,
    cost,
    from_onnx,
    from_torch,
    load,
    to_onnx,
    to_torch,
)
from fastnn.kernels.images.group_norm import WIDE, group_norm_forward, group_norm_gradient, group_norm_inward

NORMS: list[Any] = [
    GroupNorm(3), GroupNorm(1, epsilon=0.1), GroupNorm(6), GroupNorm(2, affine=False), InstanceNorm2d(),
    InstanceNorm2d(affine=True),
]  # fmt: skip


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def network(norm: Any, dtype: str = "float64") -> Network:
    layers = [Conv2d(6, 3), norm, Activation("relu"), Conv2d(4, 2), Flatten(), Dense(3)]
    net = Network((6, 5, 2), layers, dtype=dtype, seed=0)
    for name, values in net.named_parameters.items():
        values += np.random.default_rng(len(name)).normal(0, 0.3, values.shape)
    return net


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_values_and_gradients_are_pytorchs_in_float64_and_it_comes_back(norm: Any) -> None:
    torch: Any = needs.package("torch")
    net, x, y = network(norm), 3 + normal(4, 6, 5, 2), np.arange(4) % 3
    module = to_torch(net)
    output = module(torch.tensor(np.moveaxis(x, 3, 1).copy()))
    np.testing.assert_allclose(net(x), output.detach(), atol=1e-10)
    torch.nn.functional.cross_entropy(output, torch.tensor(y)).backward()
    again = from_torch(module, input_shape=(2, 6, 5))
    assert again.layers == net.layers
    assert again.parameters.tobytes() == net.parameters.tobytes()
    for parameter in module.parameters():
        parameter.data = parameter.grad
    np.testing.assert_allclose(net.gradient(x, y), from_torch(module, input_shape=(2, 6, 5)).parameters, atol=1e-10)


def by_kernels(x: Any, dy: Any, w: Any, b: Any, groups: int) -> list[Any]:
    """y, dx, dw, db of images (B, H, W, C), in the type of x."""
    rows, channels, of = len(x), x.shape[-1], partial(np.full, fill_value=np.nan, dtype=x.dtype)
    y, dx = (of((rows, x[0].size)) for _ in range(2))
    statistics, slopes, dw, db = of((rows, 5 * groups)), of((rows, 2 * channels)), of(channels), of(channels)
    group_norm_forward(y, statistics, slopes, x.reshape(y.shape), w, b, channels, groups, 1e-5)
    group_norm_inward(dx, slopes, statistics, dy.reshape(y.shape), x.reshape(y.shape), w, channels, groups)
    group_norm_gradient(dw, db, slopes)
    return [y.reshape(x.shape), dx.reshape(x.shape), dw, db]


# Of more channels than are taken together: in the last of a row's parts fewer; a group of more than that; places that
# lie side by side, and some that are left over.
WIDE_SHAPES: list[Any] = [
    ((3, 2, 72), 2), ((2, 2, 140), 35), ((2, 3, 70), 70), ((3, 2, 2 * WIDE + 2), 2), ((1, 1, 6), 3), ((5, 7, 3), 3),
    ((9, 11, 20), 5), ((1, 2, WIDE + 1), 1),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "groups"), WIDE_SHAPES)
def test_groups_of_many_channels_and_many_groups_are_pytorchs(shape: Any, groups: int) -> None:
    torch: Any = needs.package("torch")
    channels = shape[2]
    x, dy, w, b = 3 + normal(2, *shape), normal(2, *shape, seed=1), normal(channels, seed=2), normal(channels, seed=3)
    y, dx, dw, db = by_kernels(x, dy, w, b, groups)
    theirs = [torch.tensor(values, requires_grad=True) for values in (np.moveaxis(x, 3, 1).copy(), w, b)]
    output = torch.nn.functional.group_norm(theirs[0], groups, *theirs[1:])
    output.backward(torch.tensor(np.moveaxis(dy, 3, 1).copy()))
    found = [np.moveaxis(values, 3, 1) for values in (y, dx)]
    for ours, right in zip([*found, dw, db], [output.detach(), *(one.grad for one in theirs)], strict=True):
        np.testing.assert_allclose(ours, right, atol=1e-10)


def test_norms_of_sequences_are_pytorchs() -> None:
    torch: Any = needs.package("torch")
    net, x = (
        Network((7, 4), [GroupNorm(2), Conv1d(3, 2), Flatten(), Dense(2)], dtype="float64", seed=0),
        normal(3, 7, 4),
    )
    module, x = to_torch(net), normal(3, 7, 4)
    np.testing.assert_allclose(net(x), module(torch.tensor(np.moveaxis(x, 2, 1).copy())).detach(), atol=1e-10)
    assert from_torch(module, input_shape=(4, 7)).layers == net.layers


def test_running_statistics_of_pytorch_are_named() -> None:
    nn: Any = needs.package("torch").nn
    module = nn.Sequential(nn.InstanceNorm2d(2, track_running_stats=True), nn.Conv2d(2, 1, 3))
    with pytest.raises(ValueError, match="its track_running_stats is True; expected False"):
        from_torch(module, "mse", input_shape=(2, 6, 6))


@needs.two_cores
@pytest.mark.parametrize("norm", NORMS[:2], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_change_no_bit(dtype: str, norm: Any) -> None:
    x, y, found = normal(37, 6, 5, 2).astype(dtype), np.arange(37) % 3, set()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        net = network(norm, dtype)
        trainer = net.trainer("adam", 37)
        for _ in range(2):
            trainer.step(x, y)
        found.add(net.parameters.tobytes() + net(x).tobytes())
    assert len(found) == 1


@needs.compiled_kernels
@pytest.mark.parametrize("norm", NORMS[:2], ids=str)
def test_a_step_of_training_allocates_nothing(norm: Any) -> None:
    numba.set_num_threads(1)
    trainer, x, y = network(norm, "float32").trainer("adam", 9), np.zeros((9, 6, 5, 2), np.float32), np.arange(9) % 3
    trainer.step(x, y)
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats().alloc
    trainer.step(x, y)
    assert rtsys.get_allocation_stats().alloc == before


@pytest.mark.parametrize("norm", NORMS, ids=str)
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_rows_do_not_depend_on_each_other(norm: Any, value: float) -> None:
    """Nor on one that is no number."""
    net, x = Network((4, 3, 6), [norm], loss="mse", seed=0), normal(5, 4, 3, 6).astype(np.float32)
    x[2, 1, 1, 1] = value
    together = net(x)
    assert together.tobytes() == b"".join(net(row[None]).tobytes() for row in x)
    assert np.isfinite(np.delete(together, 2, axis=0)).all()


@pytest.mark.parametrize("norm", [GroupNorm(3, affine=False), GroupNorm(1, affine=False), InstanceNorm2d()], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_group_gives_exactly_0(dtype: str, norm: Any) -> None:
    net = Network((7, 9, 3), [norm], loss="mse", dtype=dtype)
    for value in (0.0, 0.7, -1e4, 1 / 3):
        assert not net(np.full((2, 7, 9, 3), value, dtype)).any()


def off_by(x: Any, groups: int) -> Any:
    """By how many roundings of the largest y, dx, dw and db of float32 are off, beside float64 of the same numbers."""
    images, channels = x.shape, x.shape[-1]
    given = [x, normal(*images, seed=1), normal(channels, seed=2), normal(channels, seed=3)]
    single = [values.astype(np.float32) for values in given]
    found = by_kernels(*single, groups), by_kernels(*(values.astype(float) for values in single), groups)
    return [np.abs(a - b).max() / np.abs(b).max() / 2**-24 for a, b in zip(*found, strict=True)]


@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.parametrize("mean", [1e2, 1e4])
def test_a_mean_far_above_the_deviation_costs_no_digit(mean: float, groups: int) -> None:
    assert max(off_by(mean + normal(3, 8, 8, 4), groups)) <= 8


@pytest.mark.parametrize("groups", [1, 4])
def test_first_places_far_from_the_others_cost_few_digits(groups: int) -> None:
    """A quarter of an image that is black, say: the first mean is of that."""
    x = 1e3 + normal(3, 8, 8, 4)
    x[:, :2] = 0
    assert max(off_by(x, groups)) <= 16


def test_sums_of_many_places_are_as_exact_as_those_of_few() -> None:
    """In one chain of float32 dw is off by 10 roundings."""
    assert max(off_by(normal(2, 90, 90, 3), 1)) <= 4


def test_one_group_computes_what_layer_norm_of_all_axes_does_without_parameters() -> None:
    layer, shape = GroupNorm(1, affine=False), (4, 3, 6)
    for ours, theirs in (
        (layer.forward_cost(5, 4, shape), cost.norm_forward(5, 72, 4, centred=True, parameters=0)),
        (layer.backward_cost(5, 4, True, shape), cost.norm_backward(5, 72, 4, True, centred=True, parameters=0)),
    ):
        assert replace(ours, bytes=0) == replace(theirs, bytes=0)
    assert layer.forward_cost(5, 4, shape).bytes == 4 * 5 * (2 * 72 + 3)
    assert layer.backward_cost(5, 4, True, shape).bytes == 4 * 5 * (3 * 72 + 3)
    assert layer.backward_cost(5, 4, False, shape) == cost.Cost()


# Formats --------------------------------------------------------------------------------------------------------------


def read_back(norm: Any) -> Any:
    """ONNX's norms always have a scale and a bias."""
    return replace(norm, affine=True)


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_files_and_onnx_give_it_back(norm: Any, tmp_path: Path) -> None:
    needs.package("onnx")
    net, x = network(norm, "float32"), normal(3, 6, 5, 2).astype(np.float32)
    net.save(tmp_path / "net.safetensors")
    assert load(tmp_path / "net.safetensors").layers == net.layers
    to_onnx(net, tmp_path / "net.onnx")
    again = from_onnx(tmp_path / "net.onnx")
    assert again.layers == (net.layers[0], read_back(norm), *net.layers[2:])
    assert again(x).tobytes() == net(x).tobytes()


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_onnxruntime_computes_what_the_network_does(norm: Any, tmp_path: Path) -> None:
    needs.package("onnx")
    runtime: Any = needs.package("onnxruntime")
    net, x = network(norm, "float32"), normal(3, 6, 5, 2).astype(np.float32)
    to_onnx(net, tmp_path / "net.onnx")
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["output"], {"input": x})
    np.testing.assert_allclose(found, net(x), atol=1e-4)


def test_a_scale_for_each_group_as_onnx_had_it_before_is_refused(tmp_path: Path) -> None:
    onnx: Any = needs.package("onnx")
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    nodes = [helper.make_node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)]
    constants = [array(np.ones(2, np.float32), name) for name in "sb"]
    shape = ["N", 4, 3, 3]
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    with pytest.raises(FileError, match="GroupNormalization is deprecated in domain_version of 18"):
        from_onnx(path, "mse")


# Edges ----------------------------------------------------------------------------------------------------------------


REFUSED: list[Any] = [
    (lambda: GroupNorm(0), ValueError, "groups is 0; expected at least 1"),
    (lambda: GroupNorm(2, 0), ValueError, "epsilon is 0; expected more"),
    (lambda: GroupNorm(2, affine=1), TypeError, "affine is 1; expected True or False"),  # type: ignore[arg-type]
    (lambda: InstanceNorm2d(-1.0), ValueError, r"epsilon is -1.0; expected a finite number"),
    (lambda: Network((4, 4, 6), [GroupNorm(4)]), ValueError,
     "layer 0: GroupNorm has 4 groups, and 6 channels come; expected a multiple"),
    (lambda: Network((6,), [GroupNorm(3)]), ValueError, r"layer 0: GroupNorm takes images \(H, W, C\), or sequences"),
    (lambda: Network((4, 6), [InstanceNorm2d()]), ValueError, r"layer 0: InstanceNorm2d takes images \(H, W, C\)"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "message"), REFUSED)
def test_what_is_no_such_norm_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
