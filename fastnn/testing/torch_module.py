"""A fact of operations that PyTorch has a module for: values and gradients are that module's."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from fastnn.graph.protocol import IMAGES, axes_of
from fastnn.interchange.state_dict import load_state_dict
from fastnn.interchange.torch_modules import to_torch
from fastnn.testing.case import Array, Case, targets

# Of the largest value of a row, and of a gradient: both sides round in float64.
TOLERANCE = 1e-12


def has_module(case: Case) -> bool:
    """Whether PyTorch is installed, and its layer, of one operation, says what it is there."""
    is_told = "torch_names" in vars(type(case.layer)) and not hasattr(case.layer, "build")
    return is_told and find_spec("torch") is not None


def check_torch(case: Case) -> None:
    """Values, and the gradient of its parameters, are those of PyTorch's module in float64.

    A case of which `has_module` is false has nothing to check.
    """
    if not has_module(case):
        return
    import torch

    net, x = case.alone("float64"), case.rows(11, "float64")
    images = axes_of(case.layer, case.shape) == IMAGES
    module = to_torch(net)
    found = module(torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)) if images else x))
    values = found.detach().numpy()
    _require_close(net(x), np.moveaxis(values, 1, -1) if images else values, "values")
    if net.parameter_count:
        y, theirs = targets(net, len(x)), net.copy()
        torch.nn.functional.mse_loss(found, torch.from_numpy(np.moveaxis(y, -1, 1) if images else y)).backward()
        slopes = {name: parameter.grad for name, parameter in module.named_parameters()}
        without = {name: torch.zeros_like(buffer) for name, buffer in module.named_buffers()}
        load_state_dict(theirs, slopes | without)
        _require_close(net.gradient(x, y), theirs.parameters, "gradients")


def _require_close(ours: Array, theirs: Array, what: str) -> None:
    assert ours.shape == theirs.shape, f"{what} have shape {ours.shape}; PyTorch's {theirs.shape}"
    error = np.abs(ours - theirs).max(initial=0.0) / max(1.0, np.abs(theirs).max(initial=0.0))
    assert error <= TOLERANCE, f"{what} are {error:.1e} from PyTorch's"
