"""torch.nn.Sequential to Network and back: the same bits as weights, the same outputs within rounding."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

import needs
import numpy as np
import pytest
from example_networks import deep, normal
from reference_networks import assert_within, expected

import fastnn
from fastnn import Activation, Dense, Dropout, Network, from_torch, load_state_dict, mlp, state_dict, to_torch
from fastnn.kernels.activation import NAMES

torch: Any = needs.package("torch")
nn = torch.nn

DTYPES = ("float32", "float64")
MODULES: dict[str, Any] = {
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(0.2),
    "elu": nn.ELU(0.7),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU("tanh"),
    "silu": nn.SiLU(),
    "softplus": nn.Softplus(),
}


def module_of(activation: Any, dtype: str = "float32") -> Any:
    """Nested, with and without biases, an activation before any layer, two in a row, and parts that do nothing."""
    torch.manual_seed(0)
    block = nn.Sequential(OrderedDict(linear=nn.Linear(9, 7, bias=False), act=activation))
    parts = [nn.Flatten(), nn.Tanh(), nn.Linear(6, 9), activation, block, nn.Tanh(), nn.Identity(), nn.Dropout(0.5)]
    return nn.Sequential(*parts, nn.Linear(7, 3)).to(getattr(torch, dtype)).eval()


def output_of(module: Any, x: Any, dtype: str) -> Any:
    return module(torch.tensor(x, dtype=getattr(torch, dtype))).detach().numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODULES)
def test_a_module_and_its_network_give_the_same_within_rounding(name: str, dtype: str) -> None:
    module = module_of(MODULES[name], dtype)
    net = from_torch(module)
    x = normal(20, 6).astype(dtype)
    right = expected(net, x, np.zeros(20, np.int64))
    assert_within(net(x), right.output, right.output_error)
    assert_within(output_of(module, x.reshape(20, 2, 3), dtype), right.output, right.output_error)
    assert [layer.activation for layer in net.layers] == ["tanh", name, name, "tanh", "identity", "identity"]
    assert net.layers[4] == Dropout(0.5)


@pytest.mark.parametrize("name", MODULES)
def test_weights_come_and_go_to_the_bit(name: str) -> None:
    module = module_of(MODULES[name])
    net = from_torch(module)
    assert net.named_parameters["1.weight"].tobytes() == module[2].weight.detach().numpy().T.tobytes()
    again = to_torch(net)
    assert [tensor.numpy().tobytes() for tensor in again.state_dict().values()] == [
        tensor.numpy().tobytes() for tensor in module.state_dict().values()
    ]
    back = from_torch(again)
    assert back.layers == net.layers
    assert back.parameters.tobytes() == net.parameters.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "step"])
def test_a_network_its_module_and_the_network_of_that_agree(name: str, dtype: str) -> None:
    net = deep(name, dtype)
    module = to_torch(net)
    x = normal(20, 9).astype(dtype)
    right = expected(net, x, np.zeros(20, np.int64))
    assert_within(output_of(module, x, dtype), right.output, right.output_error)
    assert from_torch(module)(x).tobytes() == net(x).tobytes()


def test_the_names_of_the_state_dict_are_those_of_the_module() -> None:
    layers = [Activation("tanh"), Dense(4, "elu", alpha=0.3), Dense(4, bias=False), Activation("identity"), Dense(2)]
    net = Network(3, layers)
    found, right = state_dict(net), to_torch(net).state_dict()
    assert list(found) == list(right) == ["1.weight", "1.bias", "3.weight", "5.weight", "5.bias"]
    for name, values in found.items():
        assert values.flags.c_contiguous
        assert values.tobytes() == right[name].numpy().tobytes()
    assert found["1.weight"].shape == (4, 3)


def test_a_gradient_step_of_torch_on_the_module_leaves_the_network_alone() -> None:
    net = mlp(3, 4, 2, seed=0)
    before = net.parameters.tobytes()
    module = to_torch(net)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 1
    assert net.parameters.tobytes() == before
    assert from_torch(module).parameters.tobytes() != before


def test_making_a_module_draws_no_random_number() -> None:
    state = torch.random.get_rng_state()
    to_torch(mlp(3, 4, 2, seed=0))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_module_of_one_layer_and_one_used_twice() -> None:
    linear = nn.Linear(3, 3)
    assert from_torch(linear).parameter_count == 12
    relu = nn.ReLU()
    net = from_torch(nn.Sequential(linear, relu, linear, relu))
    assert [layer.activation for layer in net.layers] == ["relu", "relu"]
    assert net.parameter_count == 24


def test_the_loss_is_the_one_asked_for() -> None:
    net = from_torch(nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), loss="binary_cross_entropy")
    assert net.loss_function == fastnn.BinaryCrossEntropy()
    with pytest.raises(ValueError, match="cross_entropy over 1 output"):
        from_torch(nn.Linear(3, 1))


def hooked() -> Any:
    linear = nn.Linear(3, 2)
    linear.register_forward_hook(lambda module, args, output: output + 1)
    return linear


class Residual(nn.Sequential):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        return x + super().forward(x)


class ReLU(nn.ReLU):  # type: ignore[misc]
    """Not torch's, whatever its name."""


REFUSED: dict[str, tuple[Any, str]] = {
    "another layer": (
        lambda: nn.Conv3d(3, 2, 1),
        "module 1.0 is Conv3d.*: fastnn has no such layer; expected",
    ),
    "a norm": (lambda: nn.LocalResponseNorm(2), "module 1.0 is LocalResponseNorm"),
    "a container that computes": (
        lambda: Residual(nn.Linear(3, 3)),
        "module 1.0 is Residual: fastnn has no such",
    ),
    "a class of the same name": (ReLU, r"module 1.0 is ReLU\(\): fastnn has no such layer"),
    "hooks": (hooked, "module 1.0 is Linear.* it has hooks"),
    "half": (lambda: nn.Linear(3, 2).half(), "its weight is torch.float16; expected float32 or float64"),
    "two dtypes": (lambda: nn.Linear(3, 2).double(), "the weight is float64 and what came before float32"),
    "widths": (lambda: nn.Linear(4, 2), "the weight takes 4 inputs and 3 features come"),
    "a norm of other features": (lambda: nn.LayerNorm(4), r"module 1.0 is LayerNorm.*and 3 features come"),
    "a norm of two dimensions": (lambda: nn.LayerNorm((3, 1)), "expected one dimension to normalise"),
    "a norm without weights": (lambda: nn.LayerNorm(3, elementwise_affine=False), "expected weights"),
    "flatten of rows": (lambda: nn.Flatten(0), r"module 1.0 is Flatten.*expected"),
    "softplus of another slope": (lambda: nn.Softplus(2), "expected beta=1"),
    "softplus with an early threshold": (lambda: nn.Softplus(1, 5), "a threshold of at least 20"),
    "a slope below 0": (lambda: nn.LeakyReLU(-0.1), r"module 1.0 is LeakyReLU.*: alpha is -0.1"),
    "softmax": (lambda: nn.Softmax(1), "module 1.0 is Softmax"),
}


@pytest.mark.parametrize(("part", "message"), REFUSED.values(), ids=REFUSED)
def test_what_fastnn_has_not_is_refused_by_its_path(part: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){message}"):
        from_torch(nn.Sequential(nn.Linear(3, 3), nn.Sequential(part())))


def test_weights_that_are_no_parameters_are_read_and_none_are_made_up() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    right = from_torch(module).parameters
    for keep in (module[0].register_buffer, partial(setattr, module[0])):
        weight = module[0].weight.detach()
        del module[0].weight
        keep("weight", weight)
        assert (from_torch(module).parameters == right).all()
    del module[0].weight
    with pytest.raises(ValueError, match=r"module 0 is Linear.*: it has no weight"):
        from_torch(module)


def test_what_is_no_module_or_has_no_layer_is_refused() -> None:
    with pytest.raises(TypeError, match=r"module is a dict; expected a torch.nn.Module"):
        from_torch({})
    with pytest.raises(ValueError, match="there is no layer with weights"):
        from_torch(nn.Sequential(nn.ReLU()))
    with pytest.raises(ValueError, match="layer 0 has the activation step, which torch has no module for"):
        to_torch(mlp(3, 1, output_activation="step", loss="perceptron"))


def test_dropout_of_nothing_is_left_out() -> None:
    assert len(from_torch(nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.0))).layers) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_and_dropout_come_and_go_with_their_weights(dtype: str) -> None:
    torch.manual_seed(1)
    kind, parts = getattr(torch, dtype), [nn.LayerNorm(6, eps=1e-3), nn.Linear(6, 9), nn.ReLU(), nn.Dropout(0.25)]
    module = nn.Sequential(*parts, nn.RMSNorm(9), nn.Linear(9, 5), nn.LayerNorm(5, bias=False), nn.Linear(5, 3))
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    module = module.to(kind).eval()
    net = from_torch(module)
    assert [type(layer).__name__ for layer in net.layers] == [
        "LayerNorm", "Dense", "Dropout", "RMSNorm", "Dense", "LayerNorm", "Dense",
    ]  # fmt: skip
    x = normal(20, 6).astype(dtype)
    right = expected(net, x, np.zeros(20, np.int64))
    assert_within(net(x), right.output, right.output_error)
    assert_within(output_of(module, x, dtype), right.output, right.output_error)
    again = to_torch(net)
    assert not again.training
    assert (output_of(again, x, dtype) == output_of(module, x, dtype)).all()
    assert (from_torch(again).parameters == net.parameters).all()
    copy = net.copy()
    copy.initialize(5)
    load_state_dict(copy, module.state_dict())
    assert (copy.parameters == net.parameters).all()


def test_files_of_safetensors_for_torch_go_both_ways(tmp_path: Any) -> None:
    from safetensors.torch import load_file, save_file, save_model

    module = module_of(nn.ELU(0.7))
    for write in (save_model, lambda module, path: save_file(module.state_dict(), path)):
        write(module, str(tmp_path / "module.safetensors"))
        net = mlp(6, 9, 7, 3)
        with pytest.raises(ValueError, match=r"4.linear holds weight \(7, 9\); layer 1 expects weight .*, bias"):
            fastnn.load_state_dict(net, {name: tensor for name, tensor in module.state_dict().items()})
        net = Network(6, [Dense(9), Dense(7, bias=False), Dense(3)])
        fastnn.load_state_dict(net, tmp_path / "module.safetensors")
        assert net.parameters.tobytes() == from_torch(module).parameters.tobytes()
    fastnn.save_state_dict(net, tmp_path / "net.safetensors")
    again = to_torch(Network(6, net.layers, initialize=False))
    again.load_state_dict(load_file(tmp_path / "net.safetensors"))
    assert from_torch(again).parameters.tobytes() == net.parameters.tobytes()


def test_parameters_that_are_trained_load_as_any_tensor() -> None:
    module = nn.Linear(3, 2)
    net = mlp(3, 2)
    fastnn.load_state_dict(net, dict(module.named_parameters()))
    assert net.named_parameters["0.weight"].tobytes() == module.weight.detach().numpy().T.tobytes()
