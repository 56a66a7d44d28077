"""The demonstration of convolutional networks: its counts, its maps, what becomes of digits that move."""

from __future__ import annotations

from io import StringIO
from typing import Any

import numpy as np
import pytest
from demos import numbers, run, shown

from fastnn import Conv2d, Flatten, MaxPool2d, Network, data
from fastnn.demo import convnets
from fastnn.demo.display.maps import Maps
from fastnn.demo.display.terminal import console, print_demonstration
from fastnn.demo.looking_inside import values


def by_name(**settings: Any) -> dict[str, Any]:
    return {each["name"]: each for each in numbers("cnn", **settings)["networks"]}


def test_its_layers_have_few_parameters_that_are_used_at_every_place() -> None:
    layers = [each for each in numbers("cnn")["layers"] if each["macs"]]
    assert [(each["parameters"], each["macs"], each["uses"]) for each in layers] == [
        (8 * 9 + 8, 64 * 8 * 9, 64), (16 * 8 * 9 + 16, 16 * 16 * 8 * 9, 16), (64 * 10 + 10, 64 * 10, 1),
    ]  # fmt: skip
    whole = by_name()["convolutions"]
    assert whole["parameters"] == sum(each["parameters"] for each in layers) == 1898
    assert whole["macs"] == sum(each["macs"] for each in layers) == 23_680


@pytest.mark.parametrize(("side", "parameters", "macs"), [(8, 1898, 23_680), (28, 8778, 510_912)])
def test_dense_networks_have_as_many_parameters_or_multiply_adds(side: int, parameters: int, macs: int) -> None:
    found = {name: network for name, network, _ in convnets.networks(side, 0)}
    assert (found["convolutions"].parameter_count, found["convolutions"].cost(1).forward.macs) == (parameters, macs)
    unit = side * side + 11
    assert abs(found["dense, as many parameters"].parameter_count - parameters) <= unit / 2
    assert abs(found["dense, as many multiply-adds"].cost(1).forward.macs - macs) <= unit / 2
    assert found["convolutions, anywhere"].operations[-2].inputs == found["convolutions"].operations[-3].shape[-1]


@pytest.mark.parametrize("seed", [0, 1])
def test_it_reads_held_out_digits_and_moved_ones_better_than_dense_networks(seed: int) -> None:
    right = {name: each["right"] for name, each in by_name(seed=seed).items()}
    assert right["convolutions"][0] > 0.96
    assert right["convolutions"][0] > right["dense, as many parameters"][0]
    for dense in ("dense, as many parameters", "dense, as many multiply-adds"):
        assert right["convolutions"][1] > right[dense][1] + 0.05
    assert right["convolutions, anywhere"][2] > right["convolutions"][2] + 0.1
    for kind in ("convolutions", "dense"):
        assert right[f"{kind}, shown moved"][1] > 0.9


def test_the_filters_drawn_make_the_maps_drawn() -> None:
    """By the definition: windows of the digit, zeros around it, times the weights, and the bias; relu; the largest."""
    network = convnets.convnet(8, False, 3)
    x = data.digits().x[:3]
    found = values(network, convnets.as_rows(network, x))
    weight, bias = network.named_parameters["0.weight"], network.named_parameters["0.bias"] + 0.0
    around = np.pad(x.reshape(3, 8, 8), ((0, 0), (1, 1), (1, 1))).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(1, 2))
    maps = np.maximum(np.einsum("nyxij,ijf->nyxf", windows, weight[:, :, 0].astype(np.float64)) + bias, 0)
    np.testing.assert_allclose(found["1"], maps, atol=1e-6)
    np.testing.assert_allclose(found["2"], maps.reshape(3, 4, 2, 4, 2, 8).max(axis=(2, 4)), atol=1e-6)
    np.testing.assert_array_equal(found[network.operations[-1].name], network(convnets.as_rows(network, x)))


def test_the_maps_of_a_digit_that_moved_are_the_maps_moved() -> None:
    assert numbers("cnn")["same_bits"] == 1
    # Not so of places of another width: pooled maps move by one where digits move by two.
    pooled = Network((8, 8, 1), [MaxPool2d(2), Conv2d(4, 3, padding="same"), Flatten()], loss="mse", seed=0)
    assert convnets.same_bits(pooled, data.digits().x[:50], 2) < 0.9


def test_pools_make_numbers_change_less() -> None:
    changed = numbers("cnn")["changes"]["convolutions"]
    assert changed["2"] < 0.8 * changed["1"]
    assert changed["5"] < 0.9 * changed["4"]
    network = convnets.convnet(8, False, 0)
    assert set(convnets.changes(network, data.digits().x[:9], 0).values()) == {0.0}


def test_ink_that_leaves_is_counted() -> None:
    corner = np.zeros((1, 64), np.float32)
    corner[0, 0] = 1
    assert convnets.ink_left(corner, 1) == 0.5
    assert convnets.ink_left(np.ones((1, 64), np.float32), 2) == 0.75


def test_filters_maps_and_pools_are_drawn() -> None:
    blocks = [block for section in shown("cnn").sections for block in section.blocks if isinstance(block, Maps)]
    assert [maps.maps[0].values.shape[0] for maps in blocks] == [3, 8, 8, 4, 4, 2, 8, 8, 4]
    assert [maps.signed for maps in blocks] == [True, *[False] * 8]
    assert np.array(numbers("cnn")["filters"]).shape == (8, 3, 3)


def test_large_digits_and_shifts_fit_80_columns() -> None:
    stream = StringIO()
    print_demonstration(console(stream), shown("cnn", name="mnist", steps=20, shift=4))
    assert max(map(len, stream.getvalue().splitlines())) <= 80


def test_shifts_that_leave_nothing_are_refused() -> None:
    assert run("cnn", "--shift", "5").exit_code == 2
    assert run("cnn", "--shift", "0").exit_code == 2
