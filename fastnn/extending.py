"""What operations and losses of one's own are written with; docs/adding-an-operation.md and docs/adding-a-loss.md have
one each from beginning to end.

kernel, register                 compile its three kernels when they are used, and give them a number on tapes
values_at, matrix, vector, flat  arrays within the flat ones that a kernel gets
columns                          names of the columns of a tape's row
as_double, bits                  a real constant out of a column, and into one
SameShape, Parameter, Places     what its layer is made of
Graph, Cost                      where a container adds operations, and what they cost
register_layer                   the name of a layer in files, for save and load
register_loss_kernel, LossOfRows, register_loss
                                 the same of a loss

fastnn.testing.check_operation and check_loss say whether they do all that those of fastnn do.
"""

from fastnn.compiler.jit import kernel
from fastnn.cost import Cost
from fastnn.graph.graph import Graph
from fastnn.graph.protocol import Parameter, Places, SameShape, Shape
from fastnn.layers.description import register_layer
from fastnn.learning.losses import LossOfRows, register_loss
from fastnn.simd.scalar import as_double
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape import columns
from fastnn.tape.columns import bits
from fastnn.tape.losses import register_loss_kernel
from fastnn.tape.operations import register, values_at

__all__ = [
    "Cost",
    "Graph",
    "LossOfRows",
    "Parameter",
    "Places",
    "SameShape",
    "Shape",
    "as_double",
    "bits",
    "columns",
    "flat",
    "kernel",
    "matrix",
    "register",
    "register_layer",
    "register_loss",
    "register_loss_kernel",
    "values_at",
    "vector",
]
