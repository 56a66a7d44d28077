"""Elementwise formulas that several ONNX nodes make up, brought to one form so that activations are found in them.

A tree is a leaf, a call (function, alpha, tree), a product ("*", constant, *factors) or a sum ("+", constant, *terms).
Factors and terms are sorted and their constants merged, so that 0.5 * x * (1 + erf(x / sqrt 2)) is the same tree in
whatever order and by whatever nodes it was written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Tree = Any
# A formula of more parts is none of ours. It also bounds the time that a malicious file can take.
MOST_PARTS = 64


class Constant(float):
    """A number of a formula to six digits, by which formulas are compared, as files keep sqrt(2) in float32 and differ
    in its last bits; exact: what it was."""

    exact: float

    def __new__(cls, exact: float) -> Constant:
        found = super().__new__(cls, f"{exact:.6g}")
        found.exact = float(exact)
        return found


def shortest(number: float) -> float:
    """What a float32 stands for: 0.01, where the nearest float32 is 0.00999999977648..."""
    return float(str(np.float32(number)))


def call(function: str, tree: Tree, alpha: float | None = None) -> Tree:
    return _bounded((function, alpha, tree))


def product(*factors: Tree | float) -> Tree:
    return _merged("*", 1.0, lambda one, other: one * other, factors)


def total(*terms: Tree | float) -> Tree:
    return _merged("+", 0.0, lambda one, other: one + other, terms)


def _merged(kind: str, neutral: float, merge: Callable[[float, float], float], parts: tuple[Tree | float, ...]) -> Tree:
    constant, trees = neutral, list[Tree]()
    for part in parts:
        if isinstance(part, float | int):
            constant = merge(constant, _exact(part))
        elif isinstance(part, tuple) and part[0] == kind:
            constant = merge(constant, _exact(part[1]))
            trees += part[2:]
        else:
            trees.append(part)
    if not trees:
        return constant
    if constant == neutral and len(trees) == 1:
        return trees[0]
    return _bounded((kind, Constant(constant), *sorted(trees, key=repr)))


def _bounded(tree: Tree) -> Tree:
    if sum(1 for _ in parts_of(tree)) > MOST_PARTS:
        raise ValueError(f"it ends a formula of more than {MOST_PARTS} parts, which no activation of fastnn has")
    return tree


def _exact(constant: float) -> float:
    return constant.exact if isinstance(constant, Constant) else constant


def parts_of(tree: Tree) -> Iterator[Tree]:
    """The tree and all trees in it."""
    yield tree
    if isinstance(tree, tuple):
        for part in tree[2:]:
            yield from parts_of(part)


def _gelu(x: Tree) -> Tree:
    return product(0.5, x, total(1.0, call("erf", product(math.sqrt(0.5), x))))


def _gelu_tanh(x: Tree) -> Tree:
    inner = product(math.sqrt(2 / math.pi), total(x, product(0.044715, x, x, x)))
    return product(0.5, x, total(1.0, call("tanh", inner)))


FORMULAS: dict[str, Callable[[Tree], Tree]] = {
    "silu": lambda x: product(x, call("sigmoid", x)),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "softplus": lambda x: call("log", total(1.0, call("exp", x))),
}


def outermost(tree: Tree) -> tuple[str, float | None, Tree] | None:
    """(activation, alpha, x) where tree is that activation of x; None where it is none."""
    for x in parts_of(tree):
        for name, formula in FORMULAS.items():
            if x is not tree and formula(x) == tree:
                return name, None, x
    return None


def scaled_tanh(tree: Tree) -> tuple[float, float, Tree] | None:
    """(scale, slope, x) where tree is scale * tanh(slope * x), both above 0 and not both 1; None where it is none."""
    scale, inner = _factor(tree)
    if not isinstance(inner, tuple) or inner[0] != "tanh":
        return None
    slope, x = _factor(inner[2])
    return (scale, slope, x) if min(scale, slope) > 0 and (scale, slope) != (1.0, 1.0) else None


def _factor(tree: Tree) -> tuple[float, Tree]:
    """The constant that something is multiplied by, and that; 1 of another tree."""
    is_product = isinstance(tree, tuple) and tree[0] == "*" and len(tree) == 3
    return (_exact(tree[1]), tree[2]) if is_product else (1.0, tree)
