"""What the formats have in common: layers that none has a word for are refused before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest

from fastnn import Activation, Dense, Network, load_state_dict, save_state_dict, state_dict, to_onnx, to_torch
from fastnn.interchange.chain import Chain


@dataclass(frozen=True)
class Another(Activation):
    """A layer of the user's own."""


def assert_refused(use: Any, folder: Path) -> None:
    net = Network(3, [Dense(4), Another("tanh")], seed=0)
    before = net.parameters.tobytes()
    with pytest.raises(
        ValueError, match=r"layer 1 is Another\(.*; this format has words for Dense, Activation, Dropout, LayerNorm"
    ):
        use(net, folder / "net")
    assert net.parameters.tobytes() == before
    assert not (folder / "net").exists()


@pytest.mark.parametrize(
    ("use", "package"),
    [
        (lambda net, path: state_dict(net), None),
        (lambda net, path: load_state_dict(net, {"0.weight": np.zeros((4, 3))}), None),
        (save_state_dict, None),
        (to_onnx, "onnx"),
    ],
)
def test_layers_that_the_formats_have_no_word_for_are_refused(use: Any, package: str | None, tmp_path: Path) -> None:
    if package:
        needs.package(package)
    assert_refused(use, tmp_path)


@pytest.mark.thorough
def test_layers_that_torch_has_no_word_for_are_refused(tmp_path: Path) -> None:
    needs.package("torch")
    assert_refused(lambda net, path: to_torch(net), tmp_path)


def test_an_activation_goes_into_the_dense_before_it_where_that_has_none() -> None:
    chain = Chain()
    chain.activation("tanh")
    chain.dense(np.ones((3, 4)), np.ones(4))
    for name in ("identity", "relu", "relu"):
        chain.activation(name)
    assert chain.layers == [Activation("tanh"), Dense(4, "relu"), Activation("relu")]
    assert not chain.add_bias(np.ones(4))
    net = chain.network("mse")
    assert net.dtype == np.float64
    assert net.named_parameters["1.weight"].tolist() == np.ones((3, 4)).tolist()
