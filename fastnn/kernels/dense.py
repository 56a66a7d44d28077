"""The dense layer: y = f(x @ w + b).

    B batch   I inputs   O outputs
    x (B, I)   w (I, O)   b (O,) or (0,)   z, y (B, O)   and a gradient of the same shape beside each

Reference: fastnn.reference.dense.
"""

from __future__ import annotations

from fastnn._jit import kernel
from fastnn.kernels.activation import IDENTITY, STEP, activation_backward, activation_forward
from fastnn.kernels.matmul import NN, NT, TN, matmul, scratch_size
from fastnn.simd.views import flat


@kernel
def dense_scratch(batch, inputs, outputs, itemsize, threads):
    """Elements of scratch with which the forward and the backward pass can use so many threads."""
    return max(scratch_size(NN, batch, outputs, inputs, itemsize, threads),
               scratch_size(NT, batch, inputs, outputs, itemsize, threads),
               scratch_size(TN, inputs, outputs, batch, itemsize, threads))  # fmt: skip


@kernel(inlined=True)
def dense_forward(y, z, x, w, b, kind, alpha, scratch):
    """Overwrites z = x @ w + b and y = f(z). Rows are independent. y may be z where f' needs no z (see NEEDS_Z)."""
    batch, inputs = x.shape
    outputs = w.shape[1]
    matmul(flat(z), outputs, flat(x), inputs, flat(w), outputs, b, scratch, NN, batch, outputs, inputs)
    if kind != IDENTITY:
        activation_forward(flat(y), flat(z), kind, alpha)


@kernel(inlined=True)
def bias_gradient(db, dz):
    """db = column sums of dz."""
    batch, outputs = dz.shape
    for j in range(outputs):
        db[j] = 0
    for i in range(batch):
        for j in range(outputs):
            db[j] += dz[i, j]


@kernel(inlined=True)
def dense_backward(dx, dw, db, dy, x, w, z, y, kind, alpha, scratch, wants_dx):
    """Overwrites dw, db and, where wanted, dx; turns dy into dz in place."""
    batch, inputs = x.shape
    outputs = w.shape[1]
    if kind not in (IDENTITY, STEP):
        activation_backward(flat(dy), flat(dy), flat(z), flat(y), kind, alpha)
    if db.size > 0:
        bias_gradient(db, dy)
    nothing = flat(db)[:0]
    matmul(flat(dw), outputs, flat(x), inputs, flat(dy), outputs, nothing, scratch, TN, inputs, outputs, batch)
    if wants_dx:
        matmul(flat(dx), inputs, flat(dy), outputs, flat(w), outputs, nothing, scratch, NT, batch, inputs, outputs)
