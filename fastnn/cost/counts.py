"""A cost and the formula that it was counted by: one text, which is computed for the numbers and shown in a report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from numbers import Integral
from typing import TypeVar

Entry = TypeVar("Entry")

# A letter, or one less than a letter, and 0 where the letter is 0: additions of a sum of so many terms.
LETTER = re.compile(r"\(([A-Z])-1\)|[A-Za-z]")


@cache
def _terms(text: str) -> Sequence[tuple[int, tuple[str, ...]]]:
    """Of a sum of products: the sign of each and its factors, whole numbers and letters."""
    signed = text.replace(" - ", " + -").split(" + ") if text else []
    return [(-1 if term[0] == "-" else 1, tuple(term.lstrip("-").split("·"))) for term in signed]


def evaluate(text: str, letters: Mapping[str, int]) -> int:
    """Of "2·B·I·O + O·(B-1)": a sum, or difference, of products of whole numbers and letters; 0 of no text."""
    return sum(sign * prod(_value(factor, letters) for factor in factors) for sign, factors in _terms(text))


def put_in(text: str, letters: Mapping[str, int]) -> str:
    """The text with numbers in the place of letters."""
    return LETTER.sub(lambda match: f"{_value(match[0], letters):,}", text)


def _value(factor: str, letters: Mapping[str, int]) -> int:
    if factor.isdigit():
        return int(factor)
    less_one = LETTER.fullmatch(factor)
    return max(letters[less_one[1]] - 1, 0) if less_one and less_one[1] else letters[factor]


def times(count: int, text: str) -> str:
    """A product `count` times."""
    return f"{count}·{text}" if count > 1 else text * count


def joined(*texts: str) -> str:
    """The sum of texts; those of nothing are left out."""
    return " + ".join(text for text in texts if text)


@dataclass(frozen=True, slots=True)
class Formula:
    """Each count of a Cost as text; see `evaluate`."""

    macs: str = ""
    flops_elementwise: str = ""
    transcendentals: str = ""
    bytes: str = ""

    @property
    def flops(self) -> str:
        products = [f"2·{term}" for term in self.macs.split(" + ")] if self.macs else []
        return joined(*products, self.flops_elementwise)

    def __add__(self, other: Formula) -> Formula:
        return Formula(
            joined(self.macs, other.macs),
            joined(self.flops_elementwise, other.flops_elementwise),
            joined(self.transcendentals, other.transcendentals),
            joined(self.bytes, other.bytes),
        )

    def cost(self, **letters: int) -> Cost:
        """With these numbers for its letters."""
        return Cost(
            evaluate(self.macs, letters),
            evaluate(self.flops_elementwise, letters),
            evaluate(self.transcendentals, letters),
            evaluate(self.bytes, letters),
            self,
            letters,
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """Multiply-adds of products, FLOPs outside products, transcendentals, bytes of compulsory traffic.

    formula, letters: what it was counted by; None of a sum of operations, whose letters have several values.
    """

    macs: int = 0
    flops_elementwise: int = 0
    transcendentals: int = 0
    bytes: int = 0
    formula: Formula | None = field(default=None, compare=False, repr=False)
    letters: Mapping[str, int] | None = field(default=None, compare=False, repr=False)

    @property
    def flops_matmul(self) -> int:
        return 2 * self.macs

    @property
    def flops(self) -> int:
        """All FLOPs; transcendentals are not among them."""
        return self.flops_matmul + self.flops_elementwise

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.macs + other.macs,
            self.flops_elementwise + other.flops_elementwise,
            self.transcendentals + other.transcendentals,
            self.bytes + other.bytes,
        )

    def __mul__(self, times: int) -> Cost:
        return Cost(
            self.macs * times,
            self.flops_elementwise * times,
            self.transcendentals * times,
            self.bytes * times,
        )


def whole_sizes(minimum: int = 0, **sizes: int) -> list[int]:
    """The sizes as Python integers, which do not overflow."""
    for name, size in sizes.items():
        if not isinstance(size, Integral):
            raise TypeError(f"expected {name} to be an integer; got {size!r}")
        if size < minimum:
            raise ValueError(f"expected {name} to be at least {minimum}; got {size}")
    return [int(size) for size in sizes.values()]


def look_up(kind: str, table: Mapping[str, Entry], name: str) -> Entry:
    """ValueError: no entry has the name."""
    if name not in table:
        raise ValueError(f"unknown {kind}: expected one of {', '.join(table)}; got {name!r}")
    return table[name]


PRODUCT = Formula(macs="M·N·K", bytes="s·M·K + s·K·N + s·M·N")


def product(m: int, n: int, k: int, itemsize: int = 4) -> Cost:
    """(m, k) by (k, n), in any of the three transposed forms."""
    m, n, k, itemsize = whole_sizes(m=m, n=n, k=k, itemsize=itemsize)
    return PRODUCT.cost(M=m, N=n, K=k, s=itemsize)
