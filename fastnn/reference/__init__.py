"""The oracle: every operation of the package in obvious NumPy, never optimised, sharing no code with the
kernels.

Functions take and return plain arrays and force no dtype: pass float64. Object arrays of an instrumented
number work as well, and then count the operations that `fastnn.cost` states.
"""

from . import activation, dense, dropout, loss, network, norm, optimizer, softmax, transformer, zoo

__all__ = ["activation", "dense", "dropout", "loss", "network", "norm", "optimizer", "softmax", "transformer", "zoo"]
