"""ONNX files that PyTorch and scikit-learn export are read into networks that compute the same."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from example_networks import normal, one_by_one

from fastnn import GRU, LSTM, RNN, Activation, Dense, FileError, LayerNorm, Residual, from_onnx

needs.package("onnx")


@pytest.mark.parametrize(("dynamo", "opset"), [(False, 13), (False, 20), (True, 20)])
def test_what_torch_exports_is_read(dynamo: bool, opset: int, tmp_path: Path) -> None:
    if dynamo:
        needs.package("onnxscript")
    torch: Any = needs.package("torch")
    nn = torch.nn
    activations = [nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.Tanh(), nn.Sigmoid(), nn.GELU(), nn.GELU("tanh")]
    parts = [
        part for act in [*activations, nn.SiLU(), nn.Softplus()] for part in (nn.Linear(6, 6), act, nn.Dropout(0.3))
    ]
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), *parts, nn.Linear(6, 3, bias=False), nn.Softmax(1)).eval()
    x = torch.randn(7, 2, 3)
    export(torch, module, x, tmp_path / "module.onnx", dynamo, opset)
    net = from_onnx(tmp_path / "module.onnx")
    names = ["relu", "leaky_relu", "elu", "tanh", "sigmoid", "gelu", "gelu_tanh", "silu", "softplus", "identity"]
    assert [layer.activation for layer in net.layers] == names
    assert [layer.alpha for layer in net.layers][1:3] == [0.2, 0.7]
    np.testing.assert_allclose(net.predict_proba(x.reshape(7, 6)), module(x).detach(), atol=1e-6)


def export(torch: Any, module: Any, x: Any, path: Path, dynamo: bool, opset: int, fixed: bool = False) -> None:
    """fixed: of as many rows as x has."""
    rows = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if dynamo else {"dynamic_axes": {"x": {0: "n"}}}
    rows = {} if fixed else rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters deprecate one another
        torch.onnx.export(module, (x,), path, dynamo=dynamo, opset_version=opset, input_names=["x"], **rows)


def test_what_torch_exports_of_images_is_read(tmp_path: Path) -> None:
    torch: Any = needs.package("torch")
    nn = torch.nn
    torch.manual_seed(0)
    pools = [nn.MaxPool2d(3, 2, 1), nn.SiLU(), nn.AvgPool2d(2, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False)]
    module = nn.Sequential(*pools, nn.Flatten(), nn.LayerNorm(18), nn.Linear(18, 3)).eval()
    x = torch.randn(7, 3, 8, 6)
    export(torch, module, x, tmp_path / "module.onnx", dynamo=False, opset=17)
    net = from_onnx(tmp_path / "module.onnx")
    assert net.input_shape == (8, 6, 3)
    np.testing.assert_allclose(net(np.moveaxis(x.numpy(), 1, -1)), module(x).detach(), atol=1e-6)


@pytest.mark.parametrize(("dynamo", "opset"), [(False, 17), (True, 20)])
@pytest.mark.parametrize("sides", [1, 2])
def test_convolutional_networks_that_torch_exports_are_read(
    sides: int, dynamo: bool, opset: int, tmp_path: Path
) -> None:
    """With groups, dilation, a border by name and a mean of all pixels, which the newer exporter writes as such."""
    if dynamo:
        needs.package("onnxscript")
    torch: Any = needs.package("torch")
    nn = torch.nn
    conv, norm, pool, mean = (
        getattr(nn, f"{name}{sides}d") for name in ("Conv", "BatchNorm", "MaxPool", "AdaptiveAvgPool")
    )
    torch.manual_seed(0)
    module = nn.Sequential(
        conv(3, 6, 3, padding=1, groups=3), norm(6), nn.ReLU(), pool(2), conv(6, 4, 3, stride=2, dilation=2, padding=2),
        nn.Tanh(), conv(4, 5, 3, padding="same", bias=False), mean(1), nn.Flatten(), nn.Linear(5, 2),
    ).eval()  # fmt: skip
    x = torch.randn(7, 3, *(12, 10)[:sides])
    export(torch, module, x, tmp_path / "module.onnx", dynamo, opset)
    net = from_onnx(tmp_path / "module.onnx")
    rows = np.ascontiguousarray(np.moveaxis(x.numpy(), 1, -1))
    assert net.input_shape == rows.shape[1:]
    np.testing.assert_allclose(net(rows), module(x).detach(), atol=1e-6)


@pytest.mark.parametrize(("dynamo", "opset"), [(False, 17), (True, 20)])
def test_ways_around_that_torch_exports_are_read(dynamo: bool, opset: int, tmp_path: Path) -> None:
    if dynamo:
        needs.package("onnxscript")
    torch: Any = needs.package("torch")
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.into, self.out = nn.LayerNorm(6), nn.Linear(6, 9), nn.Linear(9, 6)

        def forward(self, x: Any) -> Any:
            return torch.relu(x + self.out(nn.functional.gelu(self.into(self.norm(x)))))

    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), Block(), Block(), nn.Linear(6, 3)).eval()
    x = torch.randn(7, 4)
    export(torch, module, x, tmp_path / "module.onnx", dynamo, opset)
    net = from_onnx(tmp_path / "module.onnx")
    block = [Residual(LayerNorm(), Dense(9, "gelu"), Dense(6)), Activation("relu")]
    assert net.layers == (Dense(6, "tanh"), *block, *block, Dense(3))
    np.testing.assert_allclose(net(x), module(x).detach(), atol=1e-6)


# What is taken of the two results of a recurrent module; None: last states, side by side.
TAKEN: dict[str, tuple[dict[str, Any], Any]] = {
    "all states": ({}, lambda y, h: y),
    "the last position": ({}, lambda y, h: y[:, -1]),
    "the last state": ({}, lambda y, h: h[-1]),
    "the last state of two layers": ({"num_layers": 2}, lambda y, h: h[-1]),
    "all states of both": ({"num_layers": 2, "bidirectional": True}, lambda y, h: y),
    "last states of both": ({"bidirectional": True, "bias": False}, None),
    "last states of both, moved": (
        {"num_layers": 2, "bidirectional": True}, lambda y, h: h[-2:].movedim(0, 1).flatten(1),
    ),
}  # fmt: skip
# Of the older exporter, and of the newer one, which has no word for RNN; fixed: of as many rows as it was shown.
EXPORTS = [
    *((name, taken, False, 17, False) for name in ("RNN", "LSTM", "GRU") for taken in TAKEN),
    *(("LSTM", taken, False, 11, True) for taken in TAKEN),
    *(("LSTM", taken, True, 20, False) for taken in TAKEN),
    *(("GRU", taken, True, 18, True) for taken in ("the last position", "all states of both", "last states of both")),
]


@pytest.mark.parametrize(("name", "taken", "dynamo", "opset", "fixed"), EXPORTS)
def test_what_torch_exports_of_recurrent_modules_is_read(
    name: str, taken: str, dynamo: bool, opset: int, fixed: bool, tmp_path: Path
) -> None:
    if dynamo:
        needs.package("onnxscript")
    torch: Any = needs.package("torch")
    settings, function = TAKEN[taken]
    function = function or (lambda y, h: torch.cat((h[-2], h[-1]), 1))
    module = taking(torch, getattr(torch.nn, name)(3, 4, batch_first=True, **settings), function)
    x = torch.randn(7, 5, 3)
    export(torch, module, x, tmp_path / "module.onnx", dynamo, opset, fixed)
    net = from_onnx(tmp_path / "module.onnx", "mse")
    kind: Any = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}[name]
    layer = kind(4, settings.get("num_layers", 1), "bidirectional" in settings, "all" in taken, "bias" not in settings)
    assert net.layers == (*one_by_one(layer), Dense(2))
    np.testing.assert_allclose(net(x), module(x).detach(), atol=1e-6)
    right = [values.numpy().T.tobytes() for values in module.part.state_dict().values()]
    found = [values.tobytes() for values in net.named_parameters.values()]
    assert sorted(right) == sorted(found[: len(right)])


def taking(torch: Any, part: Any, function: Any) -> Any:
    """A module that goes on with what is taken of a recurrent one's results."""

    class Taking(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.part, self.out = part, torch.nn.LazyLinear(2)

        def forward(self, x: Any) -> Any:
            y, h = self.part(x)
            return self.out(function(y, h[0] if isinstance(h, tuple) else h))

    torch.manual_seed(0)
    module = Taking().eval()
    module(torch.zeros(1, 5, 3))
    return module


def test_what_the_newer_exporter_makes_of_rnn_is_refused(tmp_path: Path) -> None:
    """A step for each position, in products and sums."""
    needs.package("onnxscript")
    torch: Any = needs.package("torch")
    module = taking(torch, torch.nn.RNN(3, 4, batch_first=True), lambda y, h: y)
    export(torch, module, torch.randn(7, 5, 3), tmp_path / "module.onnx", True, 20)
    with pytest.raises(FileError, match=r"\(Slice\): it takes data; expected constants"):
        from_onnx(tmp_path / "module.onnx")


@pytest.mark.parametrize("dynamo", [False, True])
def test_a_convolution_before_a_recurrent_module_is_read(dynamo: bool, tmp_path: Path) -> None:
    if dynamo:
        needs.package("onnxscript")
    torch: Any = needs.package("torch")
    nn = torch.nn

    class Both(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.gru, self.out = nn.Conv1d(3, 6, 3), nn.GRU(6, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            y, _ = self.gru(torch.relu(self.conv(x)).permute(0, 2, 1))
            return self.out(y[:, -1])

    torch.manual_seed(0)
    module, x = Both().eval(), torch.randn(7, 3, 9)
    export(torch, module, x, tmp_path / "module.onnx", dynamo, 20 if dynamo else 17)
    net = from_onnx(tmp_path / "module.onnx")
    assert net.input_shape == (9, 3)
    np.testing.assert_allclose(net(x.permute(0, 2, 1).contiguous()), module(x).detach(), atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_what_skl2onnx_makes_of_scikit_learns_networks_is_read(activation: str, tmp_path: Path) -> None:
    skl2onnx: Any = needs.package("skl2onnx")
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    x, labels = normal(60, 4).astype("f4"), np.arange(60) % 3
    for model, options, end in (
        (MLPClassifier((7,), activation=activation, max_iter=1), {"zipmap": False}, {"output": "probabilities"}),
        (MLPRegressor(hidden_layer_sizes=(7,), activation=activation, max_iter=1), None, {"loss": "mse"}),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, labels)
        made = skl2onnx.to_onnx(model, x[:1], options=options)
        (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
        net = from_onnx(tmp_path / "model.onnx", **end)
        right = model.predict_proba(x) if options else model.predict(x)[:, None]
        np.testing.assert_allclose(net.predict_proba(x) if options else net(x), right, atol=1e-5)
