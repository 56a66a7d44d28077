"""Networks on disk: the same bits again, atomically, and one exception for every broken file."""

from __future__ import annotations

import json
import os
import pickle
import re
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from processes import run_python
from safetensors.numpy import load_file, save_file

from fastnn import (
    MSE,
    Activation,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Dense,
    FileError,
    Hinge,
    Network,
    Perceptron,
    load,
    mlp,
    save,
)
from fastnn.edge.atomic import write_atomically
from fastnn.kernels.activation import NAMES
from fastnn.networks.io import FORMAT, read_tensors

Array = npt.NDArray[Any]
X = np.random.default_rng(0).normal(size=(5, 3))


def assert_same(again: Network, net: Network) -> None:
    assert again.layers == net.layers
    assert again.loss_function == net.loss_function
    assert (again.inputs, again.outputs, again.dtype) == (net.inputs, net.outputs, net.dtype)
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert again(X).tobytes() == net(X).tobytes()


# Round trips ----------------------------------------------------------------------------------------------------------

KINDS: dict[str, list[Any]] = {
    "plain": [Dense(4, "relu"), Dense(2, "sigmoid")],
    "no bias": [Dense(4, "relu", bias=False), Dense(2, "sigmoid", bias=False)],
    "alpha": [Dense(4, "leaky_relu", alpha=0.3), Dense(4, "elu", alpha=0.7), Dense(2, "sigmoid")],
    "activations": [Activation("tanh"), Dense(4), Activation("elu", alpha=0.1), Dense(2, "sigmoid")],
    "initializer": [Dense(4, initializer="lecun_uniform"), Dense(2, "sigmoid", initializer="uniform")],
    "NumPy's numbers": [Dense(np.int64(4), "elu", alpha=np.float32(0.5)), Dense(np.int32(2), "sigmoid")],  # type: ignore[arg-type]
    "one, and no parameter": [Activation("sigmoid"), Activation("sigmoid")],
}
BY_ACTIVATION: dict[str, list[Any]] = {name: [Dense(3, name), Activation(name), Dense(2, "sigmoid")] for name in NAMES}
LAYERS = KINDS | BY_ACTIVATION


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_every_layer_comes_back_bit_for_bit(layers: list[Any], dtype: str, tmp_path: Path) -> None:
    net = Network(3, layers, dtype=dtype, loss="binary_cross_entropy", seed=5)
    for view in net.named_parameters.values():
        view += 0.1  # biases begin at 0
    net.save(str(tmp_path / "net"))
    assert_same(load(tmp_path / "net"), net)


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropy(),
        CrossEntropy("sum", label_smoothing=0.1, class_weight=[0.25, 1e-3], ignore_index=7),
        CrossEntropy(class_weight=np.array([0.1, 2], "f4"), label_smoothing=np.float32(0.1), ignore_index=np.int64(-1)),  # type: ignore[arg-type]
        BinaryCrossEntropyWithLogits(),
        MSE("sum"),
        Hinge("sum"),
    ],
    ids=repr,
)
def test_every_loss_comes_back(loss: Any, tmp_path: Path) -> None:
    net = mlp(3, 4, 2, loss=loss, seed=5)
    save(net, tmp_path / "net")
    assert_same(load(tmp_path / "net"), net)


def test_losses_with_demands_on_the_last_layer_come_back(tmp_path: Path) -> None:
    for loss, activation in ((BinaryCrossEntropy("sum"), "sigmoid"), (Perceptron("mean"), "step")):
        net = mlp(3, 1, loss=loss, output_activation=activation, seed=5)
        save(net, tmp_path / "net")
        assert_same(load(tmp_path / "net"), net)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_at_the_edge_come_back(dtype: str, tmp_path: Path) -> None:
    net = mlp(3, 2, dtype=dtype, seed=0)
    smallest = np.finfo(net.dtype).smallest_subnormal
    largest = np.finfo(net.dtype).max
    net.named_parameters["0.weight"][...] = [[np.nan, np.inf], [-np.inf, -0.0], [smallest, -largest]]
    save(net, tmp_path / "net")
    assert load(tmp_path / "net").parameters.tobytes() == net.parameters.tobytes()


def test_the_file_is_a_safetensors_file_of_named_tensors(tmp_path: Path) -> None:
    net = mlp(3, 4, 2, seed=0)
    save(net, tmp_path / "net.safetensors")
    tensors = load_file(tmp_path / "net.safetensors")
    assert set(tensors) == set(net.named_parameters)
    for name, values in net.named_parameters.items():
        np.testing.assert_array_equal(tensors[name], values)


def test_equal_networks_are_equal_bytes_in_any_process(tmp_path: Path) -> None:
    metadata = {name: name for name in "abcdefgh"}
    source = f"""
import json, fastnn
fastnn.save(fastnn.mlp(3, 4, 2, seed=0), {str(tmp_path / "net")!r}, {metadata})
print(json.dumps(open({str(tmp_path / "net")!r}, "rb").read().hex()))
"""
    assert len({run_python(source) for _ in range(2)}) == 1
    assert load(tmp_path / "net").parameters.tobytes() == mlp(3, 4, 2, seed=0).parameters.tobytes()
    assert read_tensors(tmp_path / "net")[0].items() >= metadata.items()


def test_training_goes_on_after_loading(tmp_path: Path) -> None:
    net = mlp(3, 4, 2, seed=0)
    save(net, tmp_path / "net")
    again = load(tmp_path / "net")
    for each in (net, again):
        each.fit(X, [0, 1, 0, 1, 1], epochs=3, seed=0)
    assert again.parameters.tobytes() == net.parameters.tobytes()


# Atomicity ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("function", ["fsync", "fdopen", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    function: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net"
    save(mlp(3, 4, 2, seed=0), path)
    before = path.read_bytes()

    def fail(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(type(error)):
        save(mlp(3, 4, 2, seed=1), path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "net"
    save(mlp(3, 400, 2, seed=0), path)
    small = mlp(3, 4, 2, seed=1)
    save(small, path)
    assert_same(load(path), small)
    assert os.listdir(tmp_path) == ["net"]


def test_a_reader_of_the_old_file_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new content")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new content"


@pytest.mark.skipif(os.name != "posix", reason="needs the permission bits of POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_file_has_the_permissions_that_open_would_give_it(mask: int, mode: int, tmp_path: Path) -> None:
    previous = os.umask(mask)
    try:
        write_atomically(tmp_path / "file", b"content")
    finally:
        assert os.umask(previous) == mask
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


@pytest.mark.parametrize("path", ["missing/net", "file/net"])
def test_saving_where_nothing_can_be_is_an_os_error(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="missing|file"):
        save(mlp(3, 2, seed=0), tmp_path / path)


# Broken files ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "net"
    save(mlp(3, 4, 2, seed=0), path)
    return path.read_bytes()


def assert_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(FileError, match=re.escape(str(path))):
        load(path)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")


def test_file_error_is_a_value_error() -> None:
    assert issubclass(FileError, ValueError)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=str(tmp_path)):
        load(tmp_path)


def test_a_file_cut_anywhere_is_refused(good: bytes, tmp_path: Path) -> None:
    cuts = [*range(0, len(good), 64), len(good) - 1]
    assert len(cuts) > 5
    for cut in cuts:
        assert_refused(tmp_path / "net", good[:cut])


def test_a_file_with_bytes_to_spare_is_refused(good: bytes, tmp_path: Path) -> None:
    assert_refused(tmp_path / "net", good + b"\0")


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for size in (1, 7, 8, 9, 64, 1000, 5000):
        for _ in range(5):
            assert_refused(tmp_path / "net", generator.bytes(size))


def test_a_header_with_a_wrong_byte_is_refused_or_means_the_same_shapes(good: bytes, tmp_path: Path) -> None:
    """Whatever one byte of the header becomes, load answers with a network or a FileError, and with nothing else."""
    path, (length,) = tmp_path / "net", struct.unpack("<Q", good[:8])
    refused = 0
    for at in range(0, 8 + length, 3):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x15]) + good[at + 1 :])
        try:
            assert load(path).parameter_count > 0
        except FileError:
            refused += 1
    assert refused > 0.8 * length / 3


FOREIGN: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"not a network\n" * 10,
    "JSON": lambda: json.dumps({"format": FORMAT}).encode(),
    "pickle": lambda: pickle.dumps({"0.weight": X}),
    "zeros": lambda: bytes(1000),
    "header of 2**63": lambda: struct.pack("<Q", 2**63) + b"{}",
    "empty header": lambda: struct.pack("<Q", 2) + b"{}",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_files_of_another_kind_are_refused(content: Callable[[], bytes], tmp_path: Path) -> None:
    assert_refused(tmp_path / "net", content())


def test_safetensors_files_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"0.weight": X}, tmp_path / "net")
    with pytest.raises(FileError, match="format is None; expected 'fastnn-network/1'"):
        load(tmp_path / "net")
    save_file({"0.weight": X}, tmp_path / "net", metadata={"format": "pt"})
    with pytest.raises(FileError, match="format is 'pt'"):
        load(tmp_path / "net")
    save_file({"0.weight": X}, tmp_path / "net", metadata={"format": FORMAT})
    with pytest.raises(FileError, match="architecture"):
        load(tmp_path / "net")


Architecture = dict[str, Any]
EDITS: dict[str, Callable[[Architecture], Any]] = {
    "no layers": lambda a: a.update(layers=[]),
    "layers of another type": lambda a: a.update(layers=5),
    "a layer that is no object": lambda a: a.update(layers=["dense"]),
    "an unknown layer": lambda a: a["layers"][0].update(kind="conv"),
    "a layer without a kind": lambda a: a["layers"][0].pop("kind"),
    "an unknown field": lambda a: a["layers"][0].update(colour="red"),
    "a missing field": lambda a: a["layers"][0].pop("units"),
    "units of another shape": lambda a: a["layers"][0].update(units=5),
    "units of 0": lambda a: a["layers"][0].update(units=0),
    "units of a string": lambda a: a["layers"][0].update(units="4"),
    "units past memory": lambda a: a["layers"][0].update(units=2**62),
    "units past every integer": lambda a: a["layers"][0].update(units=10**400),
    "an unknown activation": lambda a: a["layers"][0].update(activation="softmax"),
    "an activation of another type": lambda a: a["layers"][0].update(activation=[1]),
    "an alpha for relu": lambda a: a["layers"][0].update(alpha=1.0),
    "fewer layers": lambda a: a["layers"].pop(),
    "no bias": lambda a: a["layers"][1].update(bias=False),
    "inputs of another shape": lambda a: a.update(inputs=4),
    "negative inputs": lambda a: a.update(inputs=-3),
    "no inputs": lambda a: a.pop("inputs"),
    "another dtype": lambda a: a.update(dtype="float64"),
    "an unknown dtype": lambda a: a.update(dtype="float16"),
    "a dtype of another type": lambda a: a.update(dtype=["float32"]),
    "an unknown loss": lambda a: a["loss"].update(kind="nll"),
    "a loss that is a string": lambda a: a.update(loss="cross_entropy"),
    "a loss that does not fit": lambda a: a.update(loss={"kind": "perceptron"}),
    "a class weight too many": lambda a: a["loss"].update(class_weight=[1, 2, 3]),
    "a class weight of another type": lambda a: a["loss"].update(class_weight=5),
    "a label past every integer": lambda a: a["loss"].update(ignore_index=10**30),
    "a smoothing that is not a number": lambda a: a["loss"].update(label_smoothing=float("nan")),
}


def rewritten(good: bytes, architecture: str) -> bytes:
    (length,) = struct.unpack("<Q", good[:8])
    header = json.loads(good[8 : 8 + length])
    header["__metadata__"]["architecture"] = architecture
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + good[8 + length :]


def architecture_of(good: bytes) -> Architecture:
    (length,) = struct.unpack("<Q", good[:8])
    described: Architecture = json.loads(json.loads(good[8 : 8 + length])["__metadata__"]["architecture"])
    return described


def test_the_architecture_can_be_rewritten(good: bytes, tmp_path: Path) -> None:
    """What the edits below start from is a file that loads."""
    (tmp_path / "net").write_bytes(rewritten(good, json.dumps(architecture_of(good))))
    assert_same(load(tmp_path / "net"), mlp(3, 4, 2, seed=0))


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_architecture_that_makes_no_sense_is_refused(
    edit: Callable[[Architecture], Any], good: bytes, tmp_path: Path
) -> None:
    architecture = architecture_of(good)
    edit(architecture)
    assert_refused(tmp_path / "net", rewritten(good, json.dumps(architecture)))


@pytest.mark.parametrize("text", ["", "{", "5", "null", "[]", "{}", "[" * 50_000, '"\\ud800"'])
def test_metadata_that_is_no_architecture_is_refused(text: str, good: bytes, tmp_path: Path) -> None:
    assert_refused(tmp_path / "net", rewritten(good, text))


def test_tensors_that_do_not_fit_are_refused(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net"
    metadata = {"format": FORMAT, "architecture": json.dumps(architecture_of(good))}
    tensors = dict(mlp(3, 4, 2, seed=0).named_parameters)
    wrong: dict[str, dict[str, Array]] = {
        "it holds the tensors": {name: values for name, values in tensors.items() if name != "0.bias"},
        "extra": tensors | {"extra": np.zeros(3, "f4")},
        r"0.weight is float32 \(4, 3\); expected float32 \(3, 4\)": tensors | {"0.weight": np.zeros((4, 3), "f4")},
        "1.bias is float64": tensors | {"1.bias": np.zeros(2)},
        r"0.bias is float32 \(1, 4\)": tensors | {"0.bias": np.zeros((1, 4), "f4")},
    }
    for message, changed in wrong.items():
        save_file({name: np.ascontiguousarray(values) for name, values in changed.items()}, path, metadata=metadata)
        with pytest.raises(FileError, match=message):
            load(path)


def test_a_refused_file_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "net"
    assert_refused(path, b"not a network")
    assert path.read_bytes() == b"not a network"
    assert os.listdir(tmp_path) == ["net"]


def test_a_layer_of_ones_own_cannot_be_saved(tmp_path: Path) -> None:
    class Mine(Activation):
        pass

    with pytest.raises((TypeError, ValueError)):
        save(Network(3, [Mine("tanh")], seed=0), tmp_path / "net")
    assert os.listdir(tmp_path) == []
