"""LeCun's networks of 1989 and 1998: the published counts, PyTorch's values with a mask over a whole weight, digits."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import needs
import numba
import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys
from processes import run_python

from fastnn import (
    Adam,
    Channels,
    ChannelSums,
    Conv2d,
    LeCun1989,
    LeNet1998,
    Network,
    ScaledTanh,
    data,
    drawn_digits,
    from_onnx,
    load,
    nearest_digit,
    to_onnx,
)
from fastnn.networks.lecun import C3_SEES, H2_SEES
from fastnn.reference.convolution import conv2d

Array = Any
NETWORKS: dict[str, Any] = {"1989": LeCun1989, "1998": LeNet1998}

# Layers by the first part of their names in a network, and their parameters as the papers count them.
PARAMETERS = {
    "1989": {"H1": ("01", 1_068), "H2": ("45", 2_592), "H3": ("8", 5_790), "output": (["10"], 310)},
    "1998": {
        "C1": ("0", 156), "S2": ("3", 12), "C3": ("67", 1_516), "S4": (["10"], 32), "C5": (["13"], 48_120),
        "F6": (["15"], 10_164),
    },
}  # fmt: skip
TOTAL = {"1989": (9_760, 63_660), "1998": (60_000, 325_680)}


def stepped(kind: str) -> Network:
    """After a step of training, with the parameters that it has then."""
    net = NETWORKS[kind](dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    net.trainer("sgd", 2).step(rng.normal(size=(2, *net.input_shape)), rng.normal(size=(2, *net.output_shape)))
    return net


@pytest.mark.parametrize("kind", NETWORKS)
def test_parameters_and_multiply_adds_are_those_of_the_papers(kind: str) -> None:
    net = stepped(kind)
    sizes = {name: values.size for name, values in net.named_parameters.items()}
    found = {
        layer: sum(size for name, size in sizes.items() if name.partition(".")[0] in numbers)
        for layer, (numbers, _) in PARAMETERS[kind].items()
    }
    assert found == {layer: count for layer, (_, count) in PARAMETERS[kind].items()}
    assert (sum(sizes.values()), net.cost(1).forward.macs) == TOTAL[kind]
    assert net.parameter_count == TOTAL[kind][0]


def test_the_connections_of_1998_are_those_of_the_paper() -> None:
    """340,908: a bias counts as one, and so do four pixels of a mean, and the last layer's 840 that are not here."""
    units = {"C1": 28 * 28 * 6, "S2": 14 * 14 * 6, "C3": 10 * 10 * 16, "S4": 5 * 5 * 16, "C5": 120, "F6": 84}
    means = 4 * (units["S2"] + units["S4"])
    assert LeNet1998(seed=0).cost(1).forward.macs + sum(units.values()) + means + 10 * 84 == 340_908


def test_a_unit_of_1989_has_a_squashing_function_of_its_own() -> None:
    """1,000 of them."""
    assert LeCun1989(seed=0).cost(1).forward.transcendentals == 768 + 192 + 30 + 10


def test_what_windows_see_outside_of_an_image_is_a_bias_of_their_unit() -> None:
    """-1 in the paper, 0 here: a number for each unit, the same for any image."""
    net, rng = stepped("1989"), np.random.default_rng(0)
    weight, x = net.named_parameters["0.weight"], rng.normal(size=(3, 16, 16, 1))
    zeros, paper = (
        conv2d(np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=outside), weight, stride=(2, 2))
        for outside in (0, -1)
    )
    apart = paper - zeros
    assert abs(apart).max() > 0.1
    np.testing.assert_allclose(apart, apart[:1].repeat(3, axis=0), atol=1e-12)


def test_the_table_of_c3_has_60_connections_and_no_two_maps_see_the_same() -> None:
    assert [len(maps) for maps in C3_SEES] == 6 * [3] + 9 * [4] + [6]
    assert len({frozenset(maps) for maps in C3_SEES}) == 16
    assert [sum(first in maps for maps in C3_SEES) for first in range(6)] == 6 * [10]
    assert [len({*maps}) for maps in H2_SEES] == [8, 8, 8]


def count_products() -> None:
    """Multiply-adds that the convolutions of a forward pass were called for, in plain Python."""
    from fastnn.kernels.convolution import depthwise, stripes

    made = [0]

    def counted(inner: Any) -> Any:
        def run(rows: int, columns: int, *of: Any) -> None:
            *_, terms, segments, _, _ = of
            made[0] += int(rows * columns * terms * segments)
            inner(rows, columns, *of)

        return run

    stripes.windows, depthwise.each_channel = counted(stripes.windows), counted(depthwise.each_channel)
    found = []
    for build in NETWORKS.values():
        net = build(seed=0)
        made[0] = 0
        net(np.zeros((1, *net.input_shape)))
        found.append(made[0])
    json.dump(found, sys.stdout)


def test_only_connections_that_there_are_are_multiplied() -> None:
    """H1 and H2; C1, and C3 by its 60 connections of 96."""
    found = run_python("import test_lecun; test_lecun.count_products()", NUMBA_DISABLE_JIT="1")
    assert found == [12 * 64 * 25 + 12 * 16 * 8 * 25, 6 * 784 * 25 + 60 * 100 * 25]


@needs.compiled_kernels
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_step_of_training_allocates_nothing(kind: str) -> None:
    """Of several spans, on one thread."""
    numba.set_num_threads(1)
    net = NETWORKS[kind](seed=0)
    x, y = np.zeros((40, *net.input_shape), np.float32), np.zeros((40, *net.output_shape), np.float32)
    trainer = net.trainer("adam", 40)
    trainer.step(x, y)
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats().alloc
    trainer.step(x, y)
    assert rtsys.get_allocation_stats().alloc == before


@needs.two_cores
@pytest.mark.parametrize("kind", NETWORKS)
def test_threads_and_batches_change_no_bit(kind: str) -> None:
    found = set()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        net = NETWORKS[kind](seed=0)
        x, y = (np.random.default_rng(1).normal(size=(37, *shape)) for shape in (net.input_shape, net.output_shape))
        net.trainer("adam", 37).step(x, y)
        found.add(net.parameters.tobytes() + net(x).tobytes())
    assert len(found) == 1
    x = np.random.default_rng(0).normal(size=(5, *net.input_shape))
    assert net(x).tobytes() == b"".join(net(row[None]).tobytes() for row in x)


# PyTorch --------------------------------------------------------------------------------------------------------------


def connections(kind: str) -> list[tuple[Any, int, int]]:
    """Which part of a weight here (KH, KW, D, F) is of which channel and which filter of a whole one."""
    if kind == "1989":
        return [((..., d, f), c, f) for f in range(12) for d, c in enumerate(H2_SEES[f // 4])]
    pairs = [(c, f) for f, maps in enumerate(C3_SEES) for c in maps]
    return [((..., 0, k), c, f) for k, (c, f) in enumerate(pairs)]


def masked(kind: str, part: Array) -> Array:
    """A whole weight (KH, KW, C, F) with zeros where a filter does not see."""
    whole = np.zeros((5, 5, 12, 12) if kind == "1989" else (5, 5, 6, 16))
    for at, channel, number in connections(kind):
        whole[..., channel, number] = part[at]
    return whole


def convolved(torch: Any, x: Any, weight: Any, **how: Any) -> Any:
    """Weights as fastnn has them, of images as PyTorch has them."""
    return torch.nn.functional.conv2d(x, weight.permute(3, 2, 0, 1), **how)


def squashed(torch: Any, x: Any) -> Any:
    return 1.7159 * torch.tanh(2 / 3 * x)


def flat_as_here(x: Any) -> Any:
    return x.permute(0, 2, 3, 1).flatten(1)


def of_1989(torch: Any, p: dict[str, Any], x: Any, whole: Any) -> Any:
    h1 = squashed(torch, convolved(torch, x, p["0.weight"], stride=2, padding=2) + p["1.bias"].permute(2, 0, 1))
    h2 = convolved(torch, h1, whole, stride=2, padding=2) + p["5.bias"].permute(2, 0, 1)
    h3 = squashed(torch, flat_as_here(squashed(torch, h2)) @ p["8.weight"] + p["8.bias"])
    return squashed(torch, h3 @ p["10.weight"] + p["10.bias"])


def subsampled(torch: Any, x: Any, weight: Any, bias: Any) -> Any:
    """By the sum of four pixels, as the paper has it."""
    total = 4 * torch.nn.functional.avg_pool2d(x, 2)
    return squashed(torch, total * (weight / 4)[:, None, None] + bias[:, None, None])


def of_1998(torch: Any, p: dict[str, Any], x: Any, whole: Any) -> Any:
    c1 = squashed(torch, convolved(torch, x, p["0.weight"], bias=p["0.bias"]))
    s2 = subsampled(torch, c1, p["3.weight"], p["3.bias"])
    c3 = squashed(torch, convolved(torch, s2, whole, bias=p["7.bias"]))
    s4 = subsampled(torch, c3, p["10.weight"], p["10.bias"])
    c5 = squashed(torch, flat_as_here(s4) @ p["13.weight"] + p["13.bias"])
    return squashed(torch, c5 @ p["15.weight"] + p["15.bias"])


# The same in PyTorch, and the name of the weight that is whole there.
MASKED: dict[str, Any] = {"1989": (of_1989, "4.weight"), "1998": (of_1998, "6.weight")}


@pytest.mark.parametrize("kind", NETWORKS)
def test_values_and_gradients_are_those_of_a_whole_weight_under_a_mask_in_pytorch(kind: str) -> None:
    torch: Any = needs.package("torch")
    theirs, part = MASKED[kind]
    net, rng = stepped(kind), np.random.default_rng(1)
    for values in net.named_parameters.values():
        values += rng.normal(0, 0.1, values.shape)
    x, y = rng.normal(size=(3, *net.input_shape)), rng.normal(size=(3, *net.output_shape))
    own = net.named_parameters
    p = {name: torch.tensor(values, requires_grad=True) for name, values in own.items() if name != part}
    mask = torch.tensor(masked(kind, np.ones_like(own[part])))
    weight = torch.tensor(masked(kind, own[part]), requires_grad=True)
    output = theirs(torch, p, torch.tensor(np.moveaxis(x, 3, 1).copy()), weight * mask)
    np.testing.assert_allclose(net(x), output.detach(), atol=1e-10)
    torch.nn.functional.mse_loss(output, torch.tensor(y)).backward()
    found = net.named(net.gradient(x, y))
    for name, parameter in p.items():
        np.testing.assert_allclose(found[name], parameter.grad, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(masked(kind, found[part]), weight.grad, atol=1e-10)
    assert int(mask.sum()) == own[part].size


# Digits ---------------------------------------------------------------------------------------------------------------


def digits(side: int) -> tuple[Array, Array]:
    """scikit-learn's, each pixel several; -1 is paper and 1 ink."""
    found = data.digits()
    order, times = np.random.default_rng(0).permutation(len(found.y)), side // 8
    images = found.x.reshape(-1, 8, 8, 1).repeat(times, axis=1).repeat(times, axis=2)
    return (2 * images - 1)[order], found.y[order]


def test_that_of_1989_reads_digits() -> None:
    x, y = digits(16)
    net = LeCun1989(seed=0)
    net.fit(x[:1400], 2 * np.eye(10)[y[:1400]] - 1, epochs=5, batch=16, optimizer=Adam(2e-3), seed=0)
    assert np.mean(net(x[1400:]).argmax(axis=1) == y[1400:]) >= 0.96


def test_that_of_1998_reads_digits_by_the_nearest_drawing() -> None:
    x, y = digits(32)
    net = LeNet1998(seed=0)
    net.fit(x[:1400], drawn_digits()[y[:1400]], epochs=4, batch=16, optimizer=Adam(2e-3), seed=0)
    assert np.mean(nearest_digit(net(x[1400:])) == y[1400:]) >= 0.95


def test_the_drawn_digits_are_84_pixels_that_differ() -> None:
    found = drawn_digits()
    assert found.shape == (10, 84)
    assert {*found.ravel()} == {-1.0, 1.0}
    apart = np.count_nonzero(found[:, None] != found, axis=2)[~np.eye(10, dtype=bool)]
    assert apart.min() >= 10
    assert nearest_digit(found + np.random.default_rng(0).normal(0, 0.3, found.shape)).tolist() == [*range(10)]


# Around them ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
def test_files_give_it_back_to_the_bit(kind: str, tmp_path: Path) -> None:
    net = stepped(kind)
    net.save(tmp_path / "net.safetensors")
    again = load(tmp_path / "net.safetensors")
    assert again.layers == net.layers
    assert again.parameters.tobytes() == net.parameters.tobytes()


@pytest.mark.parametrize("kind", NETWORKS)
def test_onnxruntime_computes_what_it_does(kind: str, tmp_path: Path) -> None:
    needs.package("onnx")
    runtime: Any = needs.package("onnxruntime")
    net = NETWORKS[kind](seed=3)
    to_onnx(net, tmp_path / "net.onnx")
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(3, *net.input_shape)).astype(np.float32)
    (found,) = session.run(["output"], {"input": x})
    np.testing.assert_allclose(found, net(x), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_onnx_gives_it_back_to_the_bit(kind: str, dtype: str, tmp_path: Path) -> None:
    """All but how weights are drawn at first, which files of others do not say."""
    needs.package("onnx")
    net = NETWORKS[kind](seed=3, dtype=dtype)
    for values in net.named_parameters.values():
        values += np.random.default_rng(0).normal(0, 0.1, values.shape)
    to_onnx(net, tmp_path / "net.onnx")
    again = from_onnx(tmp_path / "net.onnx", "mse")
    drawn = [replace(each, initializer="auto") if hasattr(each, "initializer") else each for each in net.layers]
    assert [*again.layers] == drawn
    assert again.parameters.tobytes() == net.parameters.tobytes()
    x = np.random.default_rng(0).normal(size=(3, *net.input_shape)).astype(dtype)
    assert again(x).tobytes() == net(x).tobytes()


REFUSED: list[Any] = [
    (lambda: Channels([]), ValueError, r"channels is \[\]; expected numbers of channels, one at least"),
    (lambda: Channels(3), ValueError, "channels is 3; expected numbers of channels"),  # type: ignore[arg-type]
    (lambda: Channels([0, -1]), ValueError, "a channel is -1; expected at least 0"),
    (lambda: Channels([0.5]), TypeError, "a channel is 0.5; expected a whole number"),  # type: ignore[list-item]
    (lambda: Network((4, 4, 2), [Channels([0, 2]), Conv2d(1, 3)]), ValueError,
     "layer 0: Channels asks for channel 2, and 2 come, from 0 on"),
    (lambda: ChannelSums([0, 2, 3]), ValueError, "nothing is added to channel 1 of 4; expected numbers from 0 on"),
    (lambda: ChannelSums([2**40]), ValueError, "nothing is added to channel 0 of"),
    (lambda: Network((4, 4, 2), [ChannelSums([0, 1, 0])]), ValueError,
     "layer 0: ChannelSums has a number for 3 channels, and 2 come"),
    (lambda: nearest_digit(np.zeros((2, 10))), ValueError, r"outputs has shape \(2, 10\); expected \(N, 84\)"),
    (lambda: ScaledTanh(0), ValueError, "scale is 0; expected more"),
    (lambda: ScaledTanh(slope=-1), ValueError, r"slope is -1; expected a finite number in \[0, inf\]"),
    (lambda: ScaledTanh(slope="2"), TypeError, "slope is '2'; expected a number"),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "message"), REFUSED)
def test_what_is_no_such_layer_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
