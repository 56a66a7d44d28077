"""Updates of parameters by optimizers. P parameters, s bytes of a number."""

from __future__ import annotations

from collections.abc import Mapping

from fastnn.cost.counts import Cost, Formula, look_up, whole_sizes

# FLOPs of an update, a parameter. Weight decay is always computed: g + wd p is 2,
# adamw's factor on p 1.
UPDATES: Mapping[str, int] = {
    "sgd": 4,  # p - lr g
    "momentum": 6,  # b = mu b + g; p - lr b
    "nesterov": 8,  # b = mu b + g; p - lr (g + mu b)
    "adam": 15,  # m: 3, v: 4; p - a m / (sqrt(v) c + epsilon): 6
    "adamw": 14,
}
# Arrays that an update moves: it reads p, g and the state, and writes p and the state. Counts stand apart from the
# compiled kernels; the tests hold this against their optimizer.STATE.
MOVED: Mapping[str, int] = {"sgd": 3, "momentum": 5, "nesterov": 5, "adam": 7, "adamw": 7}


def update(optimizer: str, n: int, itemsize: int = 4) -> Cost:
    """One update of n parameters."""
    flops = look_up("optimizer", UPDATES, optimizer)
    formula = Formula(flops_elementwise=f"{flops}·P", bytes=f"{MOVED[optimizer]}·s·P")
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    return formula.cost(P=n, s=itemsize)


def six_n_d(parameters: int, samples: int) -> int:
    """The 6 N D model of training FLOPs, N parameters on D samples: to compare with, not what fastnn counts.

    It takes 2 N forward and 4 N backward a sample (Kaplan et al. 2020, arXiv 2001.08361): biases as if
    they were multiplied, and an input gradient for the first layer.
    """
    parameters, samples = whole_sizes(parameters=parameters, samples=samples)
    return 6 * parameters * samples
