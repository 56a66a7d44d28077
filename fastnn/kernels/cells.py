"""What a recurrent layer does with the sums of a step, unit by unit, and back.

    h', c' the state before   i, f, g, o, r, z, n gates, of sums a + b, b the recurrent biases   s sigmoid

    RNN    h = tanh(a + b), or relu
    LSTM   i, f, o = s(a + b), g = tanh(a + b);  c = f c' + i g;  h = o tanh(c)                 (Gers et al. 2000)
    GRU    r, z = s(a + b);  n = tanh(a_n + r (u + b_n)), u of the product of h' alone;  h = (h' - n) z + n
           or, the reset before the product,  n = tanh(a_n + b_n), a_n with that of r h'        (Cho et al. 2014)

One row each: arrays of `units` numbers, no two of which share memory, gates and their biases in tuples of such (see
three, four). gates and `kept` are what the backward pass reads; `kept` is tanh(c) of an LSTM, u + b_n of a GRU, or
r h'. d before a name is its gradient; dz are those of the sums. All are inlined, and apart: of an LSTM of 64 units and
32 positions at batch 32 a step took 1.25 times as long with calls, which pass seven words for each array, and with
loops that first compare where arrays begin and end; of 128 units 1.14, of a GRU 1.13 and 1.15.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.simd.vecmath import sigmoid, tanh
from fastnn.simd.views import vector


@kernel(inlined=True, views=True)
def three(values, at, units):
    """Of a GRU: r, z, n, from place `at` on."""
    return vector(values, at, units), vector(values, at + units, units), vector(values, at + 2 * units, units)


@kernel(inlined=True, views=True)
def four(values, at, units):
    """Of an LSTM: i, f, g, o."""
    return (vector(values, at, units), vector(values, at + units, units), vector(values, at + 2 * units, units),
            vector(values, at + 3 * units, units))  # fmt: skip


@kernel(inlined=True)
def _slope(y):
    """Of a sigmoid."""
    return y * (type(y)(1) - y)


@kernel(inlined=True, apart=True)
def rnn_forward(h, gates, bias, relu):
    """gates holds the sums, and then h, too."""
    for j in range(h.size):
        total = gates[j] + bias[j]
        value = (type(total)(0) if total < type(total)(0) else total) if relu else tanh(total)
        gates[j] = h[j] = value


@kernel(inlined=True, apart=True)
def rnn_backward(dz, dh, gates, relu):
    for j in range(dh.size):
        y = gates[j]
        slope = (type(y)(1) if y > type(y)(0) else type(y)(0)) if relu else type(y)(1) - y * y
        dz[j], dh[j] = dh[j] * slope, type(y)(0)


@kernel(inlined=True, apart=True)
def lstm_forward(h, c, before, kept, gates, bias):
    """c: of the step before, and then of this one; before: the former."""
    (i, f, g, o), (bi, bf, bg, bo) = gates, bias
    for j in range(h.size):
        come, keep, new, out = sigmoid(i[j] + bi[j]), sigmoid(f[j] + bf[j]), tanh(g[j] + bg[j]), sigmoid(o[j] + bo[j])
        former = c[j]
        total = keep * former + come * new
        squashed = tanh(total)
        i[j], f[j], g[j], o[j] = come, keep, new, out
        before[j], c[j], kept[j], h[j] = former, total, squashed, out * squashed


@kernel(inlined=True, apart=True)
def lstm_backward(dz, dh, dc, before, kept, gates):
    """dc: of this step's c, and then of the former. dh = 0, to which the product with the weight is added."""
    (i, f, g, o), (di, df, dg, do) = gates, dz
    for j in range(dh.size):
        come, keep, new, out, squashed, slope = i[j], f[j], g[j], o[j], kept[j], dh[j]
        one = type(slope)(1)
        total = dc[j] + slope * out * (one - squashed * squashed)
        do[j] = slope * squashed * _slope(out)
        di[j] = total * new * _slope(come)
        df[j] = total * before[j] * _slope(keep)
        dg[j] = total * come * (one - new * new)
        dc[j], dh[j] = total * keep, type(slope)(0)


@kernel(inlined=True, apart=True)
def gru_forward(h, kept, gates, bias, sums):
    """sums: a_n; kept: u, and then u + b_n."""
    (r, z, n), (br, bz, bn) = gates, bias
    for j in range(h.size):
        reset, keep, inner = sigmoid(r[j] + br[j]), sigmoid(z[j] + bz[j]), kept[j] + bn[j]
        new = tanh(sums[j] + reset * inner)
        r[j], z[j], n[j], kept[j] = reset, keep, new, inner
        h[j] = (h[j] - new) * keep + new


@kernel(inlined=True, apart=True)
def gru_backward(dz, dh, slopes, kept, gates, before):
    """slopes: the gradient of u. dh: then that of h' but for the product with the weight. before: h'."""
    (r, z, n), (dr, dk, dn) = gates, dz
    for j in range(dh.size):
        reset, keep, new, slope = r[j], z[j], n[j], dh[j]
        one = type(slope)(1)
        inner = slope * (one - keep) * (one - new * new)
        dk[j] = slope * (before[j] - new) * _slope(keep)
        dn[j] = inner
        dr[j] = inner * kept[j] * _slope(reset)
        slopes[j] = inner * reset
        dh[j] = slope * keep


@kernel(inlined=True, apart=True)
def reset_forward(h, kept, gates, bias):
    """The gates of a GRU that resets before its product, and kept = r h', of which that is."""
    (r, z, _), (br, bz, _) = gates, bias
    for j in range(h.size):
        r[j], z[j] = sigmoid(r[j] + br[j]), sigmoid(z[j] + bz[j])
        kept[j] = r[j] * h[j]


@kernel(inlined=True, apart=True)
def new_forward(h, gates, bias):
    """The rest of it: gates holds a_n with that product."""
    (_, z, n), (_, _, bn) = gates, bias
    for j in range(h.size):
        new = tanh(n[j] + bn[j])
        n[j] = new
        h[j] = (h[j] - new) * z[j] + new


@kernel(inlined=True, apart=True)
def new_backward(dz, dh, gates, before):
    """What the product of r h' is to be turned back with, and dh: then that of h' but for products."""
    (_, z, n), (_, dk, dn) = gates, dz
    for j in range(dh.size):
        keep, new, slope = z[j], n[j], dh[j]
        one = type(slope)(1)
        dk[j] = slope * (before[j] - new) * _slope(keep)
        dn[j] = slope * (one - keep) * (one - new * new)
        dh[j] = slope * keep


@kernel(inlined=True, apart=True)
def reset_backward(dz, dh, turned, gates, before):
    """turned: the gradient of r h'."""
    (r, _, _), (dr, _, _) = gates, dz
    for j in range(dh.size):
        dr[j] = turned[j] * before[j] * _slope(r[j])
        dh[j] += turned[j] * r[j]
