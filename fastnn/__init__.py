"""fastnn: a high-performance simulation kernel for neural networks, with hand-written Numba kernels.

Networks are data, kernels are compiled once. `mlp` and `Network` build a network, `fit` trains it, a `Trainer` gives
the flat arrays that `fastnn.training.train_step` takes inside your own @njit code.

`import fastnn` brings in numba, the kernels and the operations of a tape; all else is imported when it is asked for.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from numba import get_num_threads, set_num_threads

from fastnn.operations import table as _table

if TYPE_CHECKING:
    from fastnn.functional import (
        binary_cross_entropy,
        binary_cross_entropy_with_logits,
        cross_entropy,
        hinge,
        log_softmax,
        matmul,
        mse,
        scaled_dot_product_attention,
        softmax,
    )
    from fastnn.generation.decoder import Decoder
    from fastnn.interchange.huggingface import from_huggingface, save_huggingface
    from fastnn.interchange.nanogpt import from_nanogpt, save_nanogpt
    from fastnn.interchange.onnx_export import to_onnx
    from fastnn.interchange.onnx_import import from_onnx
    from fastnn.interchange.state_dict import from_state_dict, load_state_dict, save_state_dict, state_dict
    from fastnn.interchange.torch_modules import from_torch, to_torch
    from fastnn.layers.names import *  # noqa: F403
    from fastnn.learning.fitting import History, fit
    from fastnn.learning.losses import (
        MSE,
        BinaryCrossEntropy,
        BinaryCrossEntropyWithLogits,
        CrossEntropy,
        Hinge,
        Perceptron,
    )
    from fastnn.learning.optimizers import (
        SGD,
        Adam,
        AdamW,
        Cosine,
        InverseScaling,
        Linear,
        Momentum,
        Nesterov,
        Schedule,
        StepDecay,
    )
    from fastnn.learning.trainer import NonFiniteLoss, Trainer
    from fastnn.networks.io import FileError, save
    from fastnn.networks.lecun import LeCun1989, LeNet1998, drawn_digits, nearest_digit
    from fastnn.networks.models import BERT, GPT, CharRNN, load, mlp
    from fastnn.networks.network import Network
    from fastnn.networks.vision import AlexNet, KerasConvNet, LeNet5, ResNet, SimpleChainsLeNet

    __version__: str

__all__ = [
    "BERT",
    "GPT",
    "MSE",
    "SGD",
    "Adam",
    "AdamW",
    "AlexNet",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyWithLogits",
    "CharRNN",
    "Cosine",
    "CrossEntropy",
    "Decoder",
    "FileError",
    "Hinge",
    "History",
    "InverseScaling",
    "KerasConvNet",
    "LeCun1989",
    "LeNet5",
    "LeNet1998",
    "Linear",
    "Momentum",
    "Nesterov",
    "Network",
    "NonFiniteLoss",
    "Perceptron",
    "ResNet",
    "Schedule",
    "SimpleChainsLeNet",
    "StepDecay",
    "Trainer",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "drawn_digits",
    "fit",
    "from_huggingface",
    "from_nanogpt",
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
    "nearest_digit",
    "save",
    "save_huggingface",
    "save_nanogpt",
    "save_state_dict",
    "scaled_dot_product_attention",
    "set_num_threads",
    "softmax",
    "state_dict",
    "to_onnx",
    "to_torch",
]
__all__ += _table.LAYERS

# Where they are; the same as above, for Python.
_HOMES = {
    "learning.fitting": ("History", "fit"),
    "generation.decoder": ("Decoder",),
    "functional": (
        "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "hinge", "log_softmax", "matmul",
        "mse", "scaled_dot_product_attention", "softmax",
    ),
    "interchange.huggingface": ("from_huggingface", "save_huggingface"),
    "interchange.nanogpt": ("from_nanogpt", "save_nanogpt"),
    "interchange.onnx_export": ("to_onnx",),
    "interchange.onnx_import": ("from_onnx",),
    "interchange.state_dict": ("from_state_dict", "load_state_dict", "save_state_dict", "state_dict"),
    "interchange.torch_modules": ("from_torch", "to_torch"),
    "networks.io": ("FileError", "save"),
    "networks.lecun": ("LeCun1989", "LeNet1998", "drawn_digits", "nearest_digit"),
    "learning.losses": (
        "MSE", "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits", "CrossEntropy", "Hinge", "Perceptron",
    ),
    "networks.models": ("BERT", "GPT", "CharRNN", "load", "mlp"),
    "networks.vision": ("AlexNet", "KerasConvNet", "LeNet5", "ResNet", "SimpleChainsLeNet"),
    "networks.network": ("Network",),
    "learning.optimizers": (
        "SGD", "Adam", "AdamW", "Cosine", "InverseScaling", "Linear", "Momentum", "Nesterov", "Schedule",
        "StepDecay",
    ),
    "learning.trainer": ("NonFiniteLoss", "Trainer"),
}  # fmt: skip
_HOME_OF = {name: f"fastnn.{home}" for home, names in _HOMES.items() for name in names} | _table.LAYERS
# Modules that `import fastnn` makes attributes of the package, as if it had imported them.
_MODULES = (
    "cost", "edge", "functional", "generation", "graph", "io", "layers", "learning", "losses", "lowering", "network",
    "networks", "optimizers", "training",
)  # fmt: skip

# At once: the numbers by which a tape names its operations, in this order, must be there for whoever brings a tape.
for _module in [row.module for row in _table.TABLE if row.tape]:
    import_module(f"fastnn.operations.{_module}")


def _version() -> str:
    try:
        return version("fastnn")
    except PackageNotFoundError:  # a source tree on the path, not installed
        return "0+source"


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
    elif name in _MODULES:
        value = import_module(f"fastnn.{name}")
    elif name == "__version__":
        value = _version()
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES, "__version__"})
