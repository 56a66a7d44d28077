"""Elementwise formulas that several ONNX nodes make up, brought to one form so that activations are found in them.

A tree is a leaf, a call (function, alpha, tree), a product ("*", constant, *factors) or a sum ("+", constant, *terms).
Factors and terms are sorted and their constants merged, so that 0.5 * x * (1 + erf(x / sqrt 2)) is the same tree in
whatever order and by whatever nodes it was written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

Tree = Any
# A formula of more parts is none of ours. It also bounds the time that a malicious file can take.
MOST_PARTS = 64


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
            constant = merge(constant, part)
        elif isinstance(part, tuple) and part[0] == kind:
            constant = merge(constant, part[1])
            trees += part[2:]
        else:
            trees.append(part)
    if not trees:
        return constant
    if constant == neutral and len(trees) == 1:
        return trees[0]
    return _bounded((kind, _rounded(constant), *sorted(trees, key=repr)))


def _bounded(tree: Tree) -> Tree:
    if sum(1 for _ in parts_of(tree)) > MOST_PARTS:
        raise ValueError(f"it ends a formula of more than {MOST_PARTS} parts, which no activation of fastnn has")
    return tree


def _rounded(constant: float) -> float:
    """Six digits: files keep sqrt(2) as float32, and differ in its last bits."""
    return float(f"{constant:.6g}")


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
