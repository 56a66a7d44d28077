"""Recurrent layers, but for the dense layer that their inputs go through. B rows, T positions, H units, G gates of the
cell, A rows whose last state alone goes out, s bytes of a number.

The first state is zeros, and not multiplied: T - 1 products forward, and T - S of the gradients of states, S the parts
that a gradient goes back through, one unless it is truncated; that of the weight is one product over all positions.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastnn.cost.counts import Cost, Formula, look_up, times, whole_sizes

STATES = Formula(macs="B·T·H·G·H - S·B·H·G·H")
WEIGHT = Formula(macs="B·T·H·G·H", bytes="s·B·T·H + s·H·G·H")
BIASES = Formula(flops_elementwise="B·T·G·H - G·H", bytes="s·G·H")
# Of a cell: gates; FLOPs and transcendentals of a unit and step; FLOPs of it backward; arrays of T H numbers that are
# kept beside gates and states. Counted in fastnn.kernels.cells, forward and back, a cell a line:
#     bias 1, tanh;                                      dh 1, slope 2, dz 1
#     bias 1, relu 1;                                    dh 1, slope 1, dz 1
#     biases 4, sigmoids 6, c 3, h 1;                    dh 1, dc 5, dz 16, dc' 1
#     biases 3, sigmoids 4, r u 1, its sum 1, h 3;       dh 1, dn 5, dz 5, dr 4, du 1, dh' 1
#     biases 3, sigmoids 4, r h' 1, h 3;                 dh 1, dz 5, dn 5, dh' 1, dr 4, dh' 2
CELLS: Mapping[str, tuple[int, int, int, int, int]] = {
    "tanh": (1, 1, 1, 4, 0),
    "relu": (1, 2, 0, 3, 0),
    "lstm": (4, 14, 5, 23, 2),
    "gru": (3, 12, 3, 17, 1),
    "gru_before": (3, 11, 3, 18, 1),
}
# Where a gradient ends, a GRU that resets before its product still makes that of what the reset multiplied.
RESETS = Formula(macs="S·B·H·H - B·H·H")
# Of a GRU that resets after its product that gradient has biases of its own.
OWN_BIASES = Formula(flops_elementwise="B·T·H - H", bytes="s·B·T·H")


def _letters(
    cell: str, rows: int, positions: int, units: int, last: bool, itemsize: int, reach: int = 0
) -> dict[str, int]:  # fmt: skip
    gates = look_up("cell", CELLS, cell)[0]
    rows, positions, units, itemsize = whole_sizes(rows=rows, positions=positions, units=units, itemsize=itemsize)
    parts = -(-positions // reach) if reach else 1
    return {"S": parts, "B": rows, "T": positions, "H": units, "G": gates, "A": rows if last else 0, "s": itemsize}


def recurrent_forward(
    cell: str, rows: int, positions: int, units: int, last: bool = False, itemsize: int = 4
) -> Cost:  # fmt: skip
    """Sums of the inputs (B, T, G H) in, states (B, T, H) out, or the last; reads the weight and the biases, and keeps
    gates, states and what the cell keeps."""
    _, flops, transcendentals, _, kept = look_up("cell", CELLS, cell)
    formula = STATES + Formula(
        flops_elementwise=times(flops, "B·T·H"),
        transcendentals=times(transcendentals, "B·T·H"),
        bytes=f"2·s·B·T·G·H + s·H·G·H + s·G·H + {1 + kept}·s·B·T·H + s·B·T·H - s·A·T·H + s·A·H",
    )
    return formula.cost(**_letters(cell, rows, positions, units, last, itemsize))


def recurrent_inward(
    cell: str, rows: int, positions: int, units: int, last: bool = False, itemsize: int = 4, reach: int = 0
) -> Cost:  # fmt: skip
    """The gradient of the sums of the inputs; a last state's is added once. reach: positions of a part, 0 for all."""
    _, _, _, flops, kept = look_up("cell", CELLS, cell)
    formula = STATES + Formula(
        flops_elementwise=f"{flops}·B·T·H - A·T·H + A·H",
        bytes=f"2·s·B·T·G·H + s·H·G·H + {1 + kept}·s·B·T·H + s·B·T·H - s·A·T·H + s·A·H",
    )
    formula += RESETS if cell == "gru_before" else Formula()
    return formula.cost(**_letters(cell, rows, positions, units, last, itemsize, reach))


def recurrent_gradient(cell: str, rows: int, positions: int, units: int, bias: bool, itemsize: int = 4) -> Cost:
    """Of the weight of the states, and its biases."""
    formula = WEIGHT + Formula(bytes="s·B·T·G·H")
    if bias:
        formula += BIASES + (OWN_BIASES if cell == "gru" else Formula())
    return formula.cost(**_letters(cell, rows, positions, units, False, itemsize))
