"""State dicts, from memory and from safetensors files: the names and shapes of torch, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from example_networks import deep, normal
from safetensors.numpy import load_file, save_file

from fastnn import (
    Activation,
    Dense,
    FileError,
    Network,
    from_state_dict,
    load_state_dict,
    mlp,
    save_state_dict,
    state_dict,
)

Array = npt.NDArray[Any]


def tensors(*sizes: int, names: tuple[str, ...] = ("0", "2", "4"), dtype: str = "float32") -> dict[str, Array]:
    """Of a torch module with these sizes."""
    found = {}
    for name, inputs, units in zip(names, sizes, sizes[1:], strict=False):
        found[f"{name}.weight"] = normal(units, inputs, seed=units).astype(dtype)
        found[f"{name}.bias"] = normal(units, seed=inputs).astype(dtype)
    return found


def test_weights_are_out_by_in_and_activations_take_a_place() -> None:
    net = mlp(3, 4, 2, seed=0)
    found = state_dict(net)
    assert {name: values.shape for name, values in found.items()} == {
        "0.weight": (4, 3),
        "0.bias": (4,),
        "2.weight": (2, 4),
        "2.bias": (2,),
    }
    assert np.array_equal(found["0.weight"], net.named_parameters["0.weight"].T)
    assert not any(np.shares_memory(values, net.parameters) for values in found.values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_a_network_gives_it_takes_back_to_the_bit(dtype: str, tmp_path: Path) -> None:
    net = deep("elu", dtype)
    save_state_dict(net, tmp_path / "net.safetensors")
    assert {name: values.tobytes() for name, values in load_file(tmp_path / "net.safetensors").items()} == {
        name: values.tobytes() for name, values in state_dict(net).items()
    }
    for source in (state_dict(net), tmp_path / "net.safetensors", str(tmp_path / "net.safetensors")):
        again = net.copy()
        again.initialize(7)
        load_state_dict(again, source)
        assert again.parameters.tobytes() == net.parameters.tobytes()


def test_the_architecture_follows_from_the_shapes() -> None:
    found = tensors(5, 7, 3)
    net = from_state_dict(found, "elu", "sigmoid", alpha=0.5, loss="mse")
    assert net.layers == (Dense(7, "elu", alpha=0.5), Dense(3, "sigmoid"))
    assert net.loss_function.name == "mse"
    x = normal(4, 5)
    hidden = x @ found["0.weight"].T + found["0.bias"]
    hidden = np.where(hidden > 0, hidden, 0.5 * np.expm1(hidden))
    right = 1 / (1 + np.exp(-(hidden @ found["2.weight"].T + found["2.bias"])))
    np.testing.assert_allclose(net(x), right, atol=1e-6)
    del found["0.bias"]
    assert from_state_dict(found).layers == (Dense(7, "relu", bias=False), Dense(3))


@pytest.mark.parametrize(
    "names",
    [("0", "3", "12"), ("fc1", "fc2", "fc10"), ("net.0", "net.2", "net.10.0"), ("a.1.lin", "a.2.lin", "a.11.lin")],
)
def test_numbers_in_names_tell_the_order_whatever_order_a_file_has(names: tuple[str, ...], tmp_path: Path) -> None:
    found = tensors(5, 5, 5, 5, names=names)  # as likely in any other order
    save_file(found, tmp_path / "file.safetensors")
    shuffled = dict(sorted(found.items(), reverse=True))
    for source in (found, shuffled, tmp_path / "file.safetensors"):
        net = from_state_dict(source)
        for index, name in enumerate(names):
            assert np.array_equal(net.named_parameters[f"{index}.weight"], found[f"{name}.weight"].T)


@pytest.mark.parametrize("names", [("hidden", "out"), ("fc1", "out"), ("0", "0.1"), ("a.1", "b.2")])
def test_names_that_tell_no_order_ask_for_it(names: tuple[str, str]) -> None:
    found = tensors(4, 4, 4, names=names)
    with pytest.raises(ValueError, match="is first, their names do not tell; give order"):
        from_state_dict(found)
    for order in (names, names[::-1]):
        net = from_state_dict(found, order=order)
        assert np.array_equal(net.named_parameters["0.weight"], found[f"{order[0]}.weight"].T)
        other = mlp(4, 4, 4)
        load_state_dict(other, found, order=order)
        assert other.parameters.tobytes() == net.parameters.tobytes()
    with pytest.raises(ValueError, match=r"order is \['out'\]; expected"):
        from_state_dict(found, order=["out"])


def test_half_precision_becomes_float32_exactly(tmp_path: Path) -> None:
    found = tensors(3, 4, 2, dtype="float16")
    save_file(found, tmp_path / "half.safetensors")
    net = from_state_dict(tmp_path / "half.safetensors")
    assert net.dtype == np.float32
    assert np.array_equal(net.named_parameters["1.weight"], found["2.weight"].T.astype("f4"))


def test_layers_with_activations_between_are_matched_by_order() -> None:
    net = Network(3, [Activation("tanh"), Dense(4, bias=False), Dense(2)])
    found = tensors(3, 4, 2, names=("7", "9"))
    del found["7.bias"]
    load_state_dict(net, found)
    assert np.array_equal(net.named_parameters["1.weight"], found["7.weight"].T)
    assert np.array_equal(net.named_parameters["2.bias"], found["9.bias"])


LOADS: list[tuple[Any, type[Exception], str]] = [
    ({}, ValueError, "the state dict is empty"),
    ([1], TypeError, "the state dict is a list; expected a mapping, or the path of a file"),
    (tensors(3, 4), ValueError, "has the layers 0; expected 2 with parameters"),
    (
        tensors(3, 5, 2),
        ValueError,
        r"0 holds weight \(5, 3\), bias .*; layer 0 expects weight \(4, 3\), bias \(4,\)",
    ),
    (
        {"0.weight": np.zeros((4, 3)), **tensors(4, 2, names=("2",))},
        ValueError,
        "0 holds weight.* expects .*, bias",
    ),
    ({**tensors(3, 4, 2), "2.running_mean": np.zeros(2)}, ValueError, "2 holds weight .*, running_mean"),
    ({**tensors(3, 4, 2), "2.bias": ["a", "b"]}, TypeError, "2.bias has dtype"),
]


@pytest.mark.parametrize(("source", "error", "message"), LOADS)
def test_what_does_not_fit_is_refused_and_nothing_is_overwritten(source: Any, error: Any, message: str) -> None:
    net = mlp(3, 4, 2, seed=0)
    before = net.parameters.tobytes()
    with pytest.raises(error, match=message):
        load_state_dict(net, source)
    assert net.parameters.tobytes() == before


BUILDS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (tensors(3, 4, 2), {"activation": "gleu"}, "activation is 'gleu'"),
    (tensors(3, 4, 2), {"alpha": 0.1}, "alpha is for leaky_relu and elu"),
    (
        {"0.weight": np.zeros((4, 3)), "2.weight": np.zeros((2, 5))},
        {},
        "2: the weight takes 5 inputs and 4",
    ),
    ({"0.weight": np.zeros((4, 3)), "0.bias": np.zeros(3)}, {}, r"0: the bias has shape \(3,\); expected \(4,\)"),
    ({"0.weight": np.zeros(4)}, {}, r"0: the weight has shape \(4,\); expected two dimensions"),
    ({"0.weight": np.zeros((0, 3))}, {}, r"0: the weight has shape \(3, 0\)"),
    ({"0.weight": np.zeros((4, 3), int)}, {}, "0: dtype is int64; expected float32 or float64"),
    ({"0.bias": np.zeros(4)}, {}, "0 holds bias; expected weight and, where there is one, bias"),
    ({**tensors(3, 4), "0.weight": np.zeros((4, 3))}, {}, "0: the bias is float32 and what came before float64"),
]


@pytest.mark.parametrize(("source", "options", "message"), BUILDS)
def test_tensors_that_make_no_perceptron_are_refused(source: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_state_dict(source, **options)


def test_broken_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no tensors")
    with pytest.raises(FileError, match="broken: not a readable safetensors file"):
        from_state_dict(tmp_path / "broken")
    with pytest.raises(FileNotFoundError):
        load_state_dict(mlp(3, 2), tmp_path / "absent")


HALVES = {"0.weight": ([[1.5, -2.0], [3.0, 0.15625]], [2, 2]), "0.bias": ([float("inf"), -0.0], [2])}


def bfloat16_file(folder: Path) -> Path:
    """As others write it: the upper halves of float32 numbers."""
    header, body = {}, b""
    for name, (values, shape) in HALVES.items():
        raw = (np.array(values, "<f4").view("<u4") >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    file = folder / "bf16.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return file


def test_bfloat16_becomes_float32_exactly(tmp_path: Path) -> None:
    found = from_state_dict(bfloat16_file(tmp_path))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.named_parameters["0.weight"], np.array(HALVES["0.weight"][0]).T)
    np.testing.assert_array_equal(found.named_parameters["0.bias"], HALVES["0.bias"][0])


def test_tensors_that_numpy_has_not_are_named(tmp_path: Path) -> None:
    text = json.dumps({"0.weight": {"dtype": "F8_E4M3", "shape": [1, 2], "data_offsets": [0, 2]}}).encode()
    file = tmp_path / "f8.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"ab")
    with pytest.raises(FileError, match="tensor 0.weight is F8_E4M3; expected one of F64, F32, F16, .* or BF16|BF16"):
        from_state_dict(file)
