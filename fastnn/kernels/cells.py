"""What a recurrent layer does with the sums of a step, unit by unit, and back.

    h', c' the state before   i, f, g, o, r, z, n gates, of sums a + b, b the recurrent biases   s sigmoid

    RNN    h = tanh(a + b), or relu
    LSTM   i, f, o = s(a + b), g = tanh(a + b);  c = f c' + i g;  h = o tanh(c)                 (Gers et al. 2000)
    GRU    r, z = s(a + b);  n = tanh(a_n + r (u + b_n)), u of the product of h' alone;  h = (h' - n) z + n
           or, the reset before the product,  n = tanh(a_n + b_n), a_n with that of r h'        (Cho et al. 2014)

One row each: gates lie side by side, `units` numbers each. gates and `kept` are what the backward pass reads; `kept` is
tanh(c) of an LSTM, u + b_n of a GRU, or r h'. d before a name is its gradient; dz are those of the sums.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.simd.vecmath import sigmoid, tanh
from fastnn.simd.views import vector


@kernel(inlined=True)
def _slope(y):
    """Of a sigmoid."""
    return y * (type(y)(1) - y)


@kernel
def rnn_forward(h, gates, bias, relu):
    """gates holds the sums, and then h, too."""
    for j in range(h.size):
        total = gates[j] + bias[j]
        value = (type(total)(0) if total < type(total)(0) else total) if relu else tanh(total)
        gates[j] = h[j] = value


@kernel
def rnn_backward(dz, dh, gates, relu):
    for j in range(dh.size):
        y = gates[j]
        slope = (type(y)(1) if y > type(y)(0) else type(y)(0)) if relu else type(y)(1) - y * y
        dz[j], dh[j] = dh[j] * slope, type(y)(0)


@kernel
def lstm_forward(h, c, before, kept, gates, bias):
    """c: of the step before, and then of this one; before: the former."""
    units = h.size
    i, f, g, o = (vector(gates, 0 * units, units), vector(gates, units, units), vector(gates, 2 * units, units),
                  vector(gates, 3 * units, units))  # fmt: skip
    bi, bf, bg, bo = (vector(bias, 0 * units, units), vector(bias, units, units), vector(bias, 2 * units, units),
                      vector(bias, 3 * units, units))  # fmt: skip
    for j in range(units):
        come, keep, new, out = sigmoid(i[j] + bi[j]), sigmoid(f[j] + bf[j]), tanh(g[j] + bg[j]), sigmoid(o[j] + bo[j])
        former = c[j]
        total = keep * former + come * new
        squashed = tanh(total)
        i[j], f[j], g[j], o[j] = come, keep, new, out
        before[j], c[j], kept[j], h[j] = former, total, squashed, out * squashed


@kernel
def lstm_backward(dz, dh, dc, before, kept, gates):
    """dc: of this step's c, and then of the former. dh = 0, to which the product with the weight is added."""
    units = dh.size
    i, f, g, o = (vector(gates, 0 * units, units), vector(gates, units, units), vector(gates, 2 * units, units),
                  vector(gates, 3 * units, units))  # fmt: skip
    di, df, dg, do = (vector(dz, 0 * units, units), vector(dz, units, units), vector(dz, 2 * units, units),
                      vector(dz, 3 * units, units))  # fmt: skip
    for j in range(units):
        come, keep, new, out, squashed, slope = i[j], f[j], g[j], o[j], kept[j], dh[j]
        one = type(slope)(1)
        total = dc[j] + slope * out * (one - squashed * squashed)
        do[j] = slope * squashed * _slope(out)
        di[j] = total * new * _slope(come)
        df[j] = total * before[j] * _slope(keep)
        dg[j] = total * come * (one - new * new)
        dc[j], dh[j] = total * keep, type(slope)(0)


@kernel
def gru_forward(h, kept, gates, bias, sums):
    """sums: a_n; kept: u, and then u + b_n."""
    units = h.size
    r, z, n = vector(gates, 0 * units, units), vector(gates, units, units), vector(gates, 2 * units, units)
    br, bz, bn = vector(bias, 0 * units, units), vector(bias, units, units), vector(bias, 2 * units, units)
    for j in range(units):
        reset, keep, inner = sigmoid(r[j] + br[j]), sigmoid(z[j] + bz[j]), kept[j] + bn[j]
        new = tanh(sums[j] + reset * inner)
        r[j], z[j], n[j], kept[j] = reset, keep, new, inner
        h[j] = (h[j] - new) * keep + new


@kernel
def gru_backward(dz, dh, slopes, kept, gates, before):
    """slopes: the gradient of u. dh: then that of h' but for the product with the weight. before: h'."""
    units = dh.size
    r, z, n = vector(gates, 0 * units, units), vector(gates, units, units), vector(gates, 2 * units, units)
    dr, dk, dn = vector(dz, 0 * units, units), vector(dz, units, units), vector(dz, 2 * units, units)
    for j in range(units):
        reset, keep, new, slope = r[j], z[j], n[j], dh[j]
        one = type(slope)(1)
        inner = slope * (one - keep) * (one - new * new)
        dk[j] = slope * (before[j] - new) * _slope(keep)
        dn[j] = inner
        dr[j] = inner * kept[j] * _slope(reset)
        slopes[j] = inner * reset
        dh[j] = slope * keep


@kernel
def reset_forward(h, kept, gates, bias):
    """The gates of a GRU that resets before its product, and kept = r h', of which that is."""
    units = h.size
    r, z = vector(gates, 0 * units, units), vector(gates, units, units)
    br, bz = vector(bias, 0 * units, units), vector(bias, units, units)
    for j in range(units):
        r[j], z[j] = sigmoid(r[j] + br[j]), sigmoid(z[j] + bz[j])
        kept[j] = r[j] * h[j]


@kernel
def new_forward(h, gates, bias):
    """The rest of it: gates holds a_n with that product."""
    units = h.size
    z, n, bn = vector(gates, units, units), vector(gates, 2 * units, units), vector(bias, 2 * units, units)
    for j in range(units):
        new = tanh(n[j] + bn[j])
        n[j] = new
        h[j] = (h[j] - new) * z[j] + new


@kernel
def new_backward(dz, dh, gates, before):
    """What the product of r h' is to be turned back with, and dh: then that of h' but for products."""
    units = dh.size
    z, n = vector(gates, units, units), vector(gates, 2 * units, units)
    dk, dn = vector(dz, units, units), vector(dz, 2 * units, units)
    for j in range(units):
        keep, new, slope = z[j], n[j], dh[j]
        one = type(slope)(1)
        dk[j] = slope * (before[j] - new) * _slope(keep)
        dn[j] = slope * (one - keep) * (one - new * new)
        dh[j] = slope * keep


@kernel
def reset_backward(dz, dh, turned, gates, before):
    """turned: the gradient of r h'."""
    units = dh.size
    r, dr = vector(gates, 0 * units, units), vector(dz, 0 * units, units)
    for j in range(units):
        dr[j] = turned[j] * before[j] * _slope(r[j])
        dh[j] += turned[j] * r[j]
