"""fastnn: a high-performance simulation kernel for neural networks, with hand-written Numba kernels."""

from importlib.metadata import PackageNotFoundError as _NotInstalled
from importlib.metadata import version as _version

from numba import get_num_threads, set_num_threads

from fastnn.fit import History, NonFiniteLoss, Trainer, fit
from fastnn.layers import Activation, Dense
from fastnn.losses import (
    MSE,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Hinge,
    Perceptron,
)
from fastnn.network import Network, mlp
from fastnn.optimizers import SGD, Adam, AdamW, Cosine, InverseScaling, Momentum, Nesterov, Schedule, StepDecay
