"""The page of filters: its maps are a convolution's by the book, and its training is that of fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sessions import Heard

import fastnn
from fastnn import data
from fastnn.demo.convnets import as_rows, convnet
from fastnn.demo.digits import moved, split_rows

DIGITS = data.digits()
SPLIT = split_rows(len(DIGITS.x), 0)
# Steps of an epoch of 1,079 digits.
EPOCH = 34


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard("cnn", settings={"data": "digits"})
    yield made
    made.session.take(None)


def trained(epochs: int) -> fastnn.Network:
    network = convnet(8, False, 0)
    x, y = as_rows(network, DIGITS.x[SPLIT.train]), DIGITS.y[SPLIT.train]
    network.fit(x, y, epochs=epochs, batch=32, optimizer=fastnn.Adam(0.003), seed=0)
    return network


def convolved(image: Any, weight: Any, bias: Any) -> Any:
    """(filters, H, W), of an image (H, W) with a border of 0s, after the relu."""
    padded = np.pad(image.astype(np.float64), 1)
    side = len(image)
    found = np.zeros((weight.shape[-1], side, side))
    for down in range(3):
        for right in range(3):
            found += padded[down : down + side, right : right + side] * weight[down, right, 0][:, None, None]
    return np.maximum(found + bias[:, None, None], 0)


def test_maps_are_what_filters_find_and_pools_keep(heard: Heard, tmp_path: Path) -> None:
    heard.do("train", until=2 * EPOCH)
    heard.word("paused")
    heard.do("set", settings={"digit": 7, "right": 1})
    frame, network = heard.frame(), trained(2)
    heard.delivered.clear()
    network.save(tmp_path / "fitted.safetensors")
    assert heard.file("safetensors") == (tmp_path / "fitted.safetensors").read_bytes()
    digit = moved(DIGITS.x[SPLIT.test][7:8], 0, 1)
    assert frame["image"].tobytes() == digit.tobytes()
    assert frame["truth"].tolist() == [DIGITS.y[SPLIT.test][7]]
    weight, bias = network.named_parameters["0.weight"], network.named_parameters["0.bias"]
    maps = convolved(digit.reshape(8, 8), weight, bias)
    np.testing.assert_allclose(frame["stage0"].reshape(8, 8, 8), maps, atol=1e-5)
    pooled = maps.reshape(8, 4, 2, 4, 2).max(axis=(2, 4))
    np.testing.assert_allclose(frame["stage1"].reshape(8, 4, 4), pooled, atol=1e-5)
    np.testing.assert_array_equal(frame["filters"].reshape(8, 3, 3), np.moveaxis(weight[:, :, 0], 2, 0))
    expected = network.predict_proba(as_rows(network, digit))[0]
    assert frame["probabilities"].tobytes() == expected.astype("<f4").tobytes()
    tested = as_rows(network, DIGITS.x[SPLIT.test])
    assert frame["numbers"][0] == np.float32(network.accuracy(tested, DIGITS.y[SPLIT.test]))


def test_where_a_digit_moves_its_maps_move(heard: Heard) -> None:
    """Bit for bit, but for what comes in and leaves."""
    maps = []
    for right in (0, 2):
        heard.do("set", settings={"digit": 3, "right": right})
        maps.append(heard.frame()["stage0"].reshape(8, 8, 8))
    np.testing.assert_array_equal(maps[1][:, :, 3:7], maps[0][:, :, 1:5])
    assert (maps[0] != maps[1]).any()


def test_layers_are_counted() -> None:
    words = Heard("cnn").word("words")
    network = convnet(28, False, 0)
    assert words["parameters"] == network.parameter_count == sum(each["parameters"] for each in words["layers"])
    assert sum(each["macs"] for each in words["layers"]) == network.cost(1).forward.macs
    assert [each["uses"] for each in words["layers"] if each["uses"]] == [784, 196, 49, 1]
