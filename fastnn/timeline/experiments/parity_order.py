"""1969: no line separates XOR, and no functions of fewer than n bits add up to the parity of n, proved by linear
programs whose certificates are checked in whole numbers."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.demo.display.demonstration import Table
from fastnn.timeline.experiments.found import Comparison, Run
from fastnn.timeline.papers.milestones import printed

BITS = (2, 3, 4, 5, 6)
Integers = NDArray[np.int64]


class Answer(NamedTuple):
    """Of the question whether some sum of functions of at most `order` bits has the sign of the parity of `bits`.

    certificate: weights >= 0 of the inputs by which all those functions add to 0, where the answer is no.
    """

    bits: int
    order: int
    functions: int
    possible: bool
    certificate: tuple[Fraction, ...]
    checked: bool


def run() -> Run:
    """XOR is the parity of two bits, and a line is of order one."""
    answers = [ask(bits, order) for bits in BITS for order in (bits - 1, bits)]
    below = [each for each in answers if each.order < each.bits]
    proved = sum(not each.possible and each.checked for each in below)
    xor = below[0]
    least = {each.bits: each.order for each in reversed(answers) if each.possible}
    return Run(
        title=f"No line separates XOR, and parity needs all its bits: {proved} of {len(below)} proofs checked",
        comparisons=(
            Comparison(
                what="order that parity needs, divided by the bits",
                ours=float(np.mean([least[bits] / bits for bits in BITS])),
                published=printed("1969", "order of parity divided by bits"), low=1, high=1, note="n = 2 to 6",
            ),
            Comparison(
                what="certificates that hold, of all", ours=proved / len(below), low=1, high=1, percent=True,
                note="in whole numbers",
            ),
        ),
        blocks=(
            "A line w1 x1 + w2 x2 + b that is at least 1 on one side and at most -1 on the other is a linear program, "
            "and the program says that there is none. That it is right can be checked by hand: take the four "
            f"conditions, each {xor.certificate[0]} times, and add them. All weights cancel, and what is left says "
            "0 >= 1:",
            Table(
                columns=("input", "has to be", "times"),
                rows=tuple(
                    (f"{first} {second}", f"{left} {sign} 1", str(share))
                    for (first, second), (left, sign), share in zip(
                        product((0, 1), repeat=2),
                        (("b", "<= -"), ("w2 + b", ">="), ("w1 + b", ">="), ("w1 + w2 + b", "<= -")),
                        xor.certificate, strict=True,
                    )
                ),
            ),
            "In the same way for n bits, and all products of fewer than n of them in place of the two inputs:",
            Table(
                columns=("bits", "inputs", "products of at most", "of them", "parity", "proof"),
                rows=tuple(
                    (
                        str(each.bits), str(2**each.bits), str(each.order), str(each.functions),
                        "yes" if each.possible else "no", "weights" if each.possible else "sums to 0",
                    )
                    for each in answers
                ),
            ),
        ),
        numbers={
            "answers": [
                {
                    "bits": each.bits, "order": each.order, "possible": each.possible, "checked": each.checked,
                    "certificate": [str(share) for share in each.certificate],
                }
                for each in answers
            ],
        },
    )  # fmt: skip


def conditions(bits: int, order: int) -> Integers:
    """(inputs, functions): products of at most `order` bits, 1 among them, by the sign that they are to have."""
    inputs = np.array(list(product((0, 1), repeat=bits)), np.int64)
    some = [chosen for size in range(order + 1) for chosen in combinations(range(bits), size)]
    functions = np.stack([inputs[:, list(chosen)].prod(axis=1) for chosen in some], axis=1)
    signs = 2 * (inputs.sum(axis=1) % 2) - 1
    return np.asarray(functions * signs[:, None])


def ask(bits: int, order: int) -> Answer:
    """Either weights w with conditions @ w >= 1, or, by Farkas' lemma, inputs' shares that add all of them to 0."""
    rows = conditions(bits, order)
    weights = _solve(-rows, None)
    if weights is not None:
        return Answer(bits, order, rows.shape[1], True, (), bool((rows @ np.rint(weights) >= 1).all()))
    shares = _solve(None, np.vstack([rows.T, np.ones(len(rows))]))
    if shares is None:
        raise ArithmeticError(f"{bits} bits, order {order}: neither weights nor a certificate were found")
    exact = tuple(Fraction(share).limit_denominator(4**bits) for share in shares)
    return Answer(bits, order, rows.shape[1], False, exact, is_certificate(rows, exact))


def is_certificate(rows: Integers, shares: tuple[Fraction, ...]) -> bool:
    """Whether the conditions contradict each other: shares >= 0, not all 0, that add them to 0."""
    sums = [sum(share * int(value) for share, value in zip(shares, column, strict=True)) for column in rows.T]
    return min(shares) >= 0 < sum(shares) and not any(sums)


def _solve(above: NDArray[np.int64] | None, equal: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Any w with above @ w <= -1; or any w >= 0 with equal @ w = (0, ..., 0, 1). None where there is none."""
    from scipy.optimize import linprog

    if above is not None:
        found = linprog(np.zeros(above.shape[1]), above, -np.ones(len(above)), bounds=(None, None))
    else:
        assert equal is not None
        found = linprog(np.zeros(equal.shape[1]), A_eq=equal, b_eq=np.eye(len(equal))[-1], bounds=(0, None))
    return np.asarray(found.x) if found.success else None
