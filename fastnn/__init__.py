"""fastnn: a high-performance simulation kernel for neural networks, with hand-written Numba kernels.

Networks are data, kernels are compiled once. `mlp` and `Network` build a network, `fit` trains it, a `Trainer` gives
the flat arrays that `fastnn.training.train_step` takes inside your own @njit code.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from numba import get_num_threads, set_num_threads

from fastnn.fitting import History, fit
from fastnn.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge,
    log_softmax,
    matmul,
    mse,
    softmax,
)
from fastnn.io import FileError, save
from fastnn.layers import Activation, Concatenate, Dense, Dropout, LayerNorm, Residual, RMSNorm, Shared
from fastnn.losses import (
    MSE,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Hinge,
    Perceptron,
)
from fastnn.models import load, mlp
from fastnn.network import Network
from fastnn.optimizers import SGD, Adam, AdamW, Cosine, InverseScaling, Momentum, Nesterov, Schedule, StepDecay
from fastnn.trainer import NonFiniteLoss, Trainer

if TYPE_CHECKING:
    from fastnn.interchange.onnx_export import to_onnx
    from fastnn.interchange.onnx_import import from_onnx
    from fastnn.interchange.state_dict import from_state_dict, load_state_dict, save_state_dict, state_dict
    from fastnn.interchange.torch_modules import from_torch, to_torch

try:
    __version__ = version("fastnn")
except PackageNotFoundError:  # a source tree on the path, not installed
    __version__ = "0+source"

__all__ = [
    "MSE",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyWithLogits",
    "Cosine",
    "Concatenate",
    "CrossEntropy",
    "Dense",
    "Dropout",
    "FileError",
    "Hinge",
    "History",
    "InverseScaling",
    "LayerNorm",
    "Momentum",
    "Nesterov",
    "Network",
    "NonFiniteLoss",
    "Perceptron",
    "RMSNorm",
    "Residual",
    "Shared",
    "Schedule",
    "StepDecay",
    "Trainer",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "fit",
    "from_onnx",
    "from_state_dict",
    "from_torch",
    "get_num_threads",
    "hinge",
    "load",
    "load_state_dict",
    "log_softmax",
    "matmul",
    "mlp",
    "mse",
    "save",
    "save_state_dict",
    "set_num_threads",
    "softmax",
    "state_dict",
    "to_onnx",
    "to_torch",
]

# Imported when they are asked for: 7 of the 270 ms of `import fastnn`, which few need.
_INTERCHANGE = {
    "from_onnx": "onnx_import",
    "from_state_dict": "state_dict",
    "from_torch": "torch_modules",
    "load_state_dict": "state_dict",
    "save_state_dict": "state_dict",
    "state_dict": "state_dict",
    "to_onnx": "onnx_export",
    "to_torch": "torch_modules",
}


def __getattr__(name: str) -> Any:
    if name not in _INTERCHANGE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"fastnn.interchange.{_INTERCHANGE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
