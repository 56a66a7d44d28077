"""The constants that are tuned: where each lives, its neighbours, and the workloads that it decides.

A threshold is judged by workloads on both sides of it, and a neighbour by those alone that it makes in another way.
What the family of this machine has no use for is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from case import Case
from layer_cases import Product

from fastnn.simd import config
from fastnn.simd.config.family import Family
from fastnn.simd.host import UNIT
from tuned.variant import Change
from tuned.workloads import Descent

MATMUL, DENSE = "fastnn.products.matmul", "fastnn.kernels.dense"
FEW_ROWS, DOTS = "fastnn.simd.few_rows", "fastnn.simd.dots"
# One row times a matrix transposed.
WIDE = (1, 512, 784), (1, 1000, 1000)


@dataclass(frozen=True)
class Constant:
    """name: in the module `home`, or of a field of what stands there as `owner`.

    takes: which way a case goes by a value of the constant, where that is known; else every value goes its own.
    """

    name: str
    home: str
    neighbours: tuple[Any, ...]
    cases: tuple[Case, ...]
    takes: Callable[[Any, Any], object] | None = None
    threads: int = 1
    owner: str | None = None

    @cached_property
    def in_force(self) -> Any:
        module = import_module(self.home)
        return getattr(getattr(module, self.owner) if self.owner else module, self.name)

    @property
    def others(self) -> list[Any]:
        return [value for value in self.neighbours if value != self.in_force]

    def decides(self, value: Any, case: Case) -> bool:
        """Whether the case goes another way with this value than with the one in force."""
        return self.takes is None or self.takes(value, case) != self.takes(self.in_force, case)

    def change(self, value: Any) -> Change:
        return Change(self.home, self.owner, self.name, value) if self.owner else Change(
            self.home, self.name, None, value
        )  # fmt: skip


def products(form: str, *sizes: tuple[int, int, int]) -> tuple[Case, ...]:
    """Of M, N, K."""
    return tuple(Product(form=form, m=m, n=n, k=k) for m, n, k in sizes)


def descents(*sizes: tuple[int, int, int]) -> tuple[Case, ...]:
    """Of batch, inputs, outputs."""
    return tuple(Descent(b=b, i=i, o=o) for b, i, o in sizes)


def macs(case: Any) -> int:
    return int(case.m * case.n * case.k)


def around(size: int, *shares: float) -> list[int]:
    """Sizes on both sides of a threshold, whole fours."""
    return [math.ceil(size * share / 4) * 4 for share in shares]


def of_kernels() -> Iterator[Constant]:
    """Module constants. Rows and terms that are few, sides of a matrix, multiply-adds, blocks of a row."""
    rows = (2, 3, 4, 5)
    yield Constant("FEW_ROWS_NN", MATMUL, (1, 2, 5), products("NN", *((m, 256, 256) for m in rows)),
                   lambda value, case: case.m <= value)  # fmt: skip
    yield Constant("FEW_TERMS", MATMUL, (2, 5), products("TN", *((512, 512, k) for k in rows)),
                   lambda value, case: case.k <= value)  # fmt: skip
    tiny = (3, 4, 5), (4, 4, 5), (5, 5, 5), (1, 16, 10), (4, 10, 4)
    yield Constant("TINY_MACS", MATMUL, (50, 200), products("NN", *tiny), lambda value, case: macs(case) <= value)
    shared = (32, 96, 96), (64, 64, 64), (64, 80, 80), (64, 96, 96)
    yield Constant("PARALLEL_MACS", MATMUL, (200_000, 800_000), products("NN", *shared),
                   lambda value, case: macs(case) >= value, threads=2)  # fmt: skip
    yield Constant("TOGETHER", FEW_ROWS, (4, 16), products("NN", (1, 512, 512), (1, 1024, 1024), (3, 512, 512)))
    yield Constant("GROUPS", DOTS, (1, 4), products("NT", *WIDE))
    if not UNIT.dots_by_lines:
        yield Constant("AHEAD", DOTS, (2, 8), products("NT", *WIDE))
    yield Constant("NEAR_ELEMENTS", DENSE, (2048, 8192), descents((2, 512, 512), (3, 784, 1024)))


def place_of(unit: Family) -> tuple[str, str]:
    """The module of a family, and its name there."""
    for file in Path(config.__path__[0]).glob("*.py"):
        home, owner = f"fastnn.simd.config.{file.stem}", file.stem.upper()
        if getattr(import_module(home), owner, None) is unit:
            return home, owner
    raise LookupError(unit.name)


def of_family(unit: Family = UNIT) -> Iterator[Constant]:
    """Fields of the family of this machine."""
    home, owner = place_of(unit)
    field = partial(Constant, home=home, owner=owner)
    squares = products("NN", (256, 256, 256), (512, 512, 512))
    if unit.panel_terms:
        scaled = unit.panel_terms // 2, 2 * unit.panel_terms
        yield field("panel_terms", neighbours=scaled, cases=products("NN", (256, 512, 1024), (64, 1024, 1024)))
    else:
        batches = *products("NN", (64, 512, 784)), *products("NT", (64, 512, 512))
        yield field("panel_share", neighbours=(0.5, 1.0), cases=(*squares, *batches))
    if unit.rows_share:
        tall = products("TN", (784, 512, 256))
        yield field("rows_share", neighbours=(0.125, 0.5), cases=(*squares, *tall))
        yield from of_packing(unit, field)
    yield field("few_rows_nt", neighbours=(1, 4) if unit.few_rows_nt == 2 else (2, 3),
                cases=products("NT", *((m, 512, 512) for m in (2, 3, 4))),
                takes=lambda value, case: case.m <= value)  # fmt: skip
    row, few = unit.few_sides
    sides = (*((1, n, n) for n in around(row, 0.75, 1, 1.5)), *((3, n, n) for n in around(few, 0.75, 1)))
    yield field("few_sides", neighbours=((row // 2, few // 2), (2 * row, 2 * few)), cases=products("NN", *sides),
                takes=lambda value, case: case.n >= value[case.m > 1])  # fmt: skip
    if unit.far_rows:
        far = products("NN", *((m, 1500, 1024) for m in (6, 10, 12, 14)))
        yield field("far_rows", neighbours=(8, 16), cases=far, takes=lambda value, case: case.m <= value)
        sides = products("NN", (8, 256, 400), (8, 512, 400), (8, 1024, 400))
        yield field("far_share", neighbours=(0.5, 2.0), cases=sides)
    few, rows = unit.panel_rows
    panels = ((m, n, 200) for m in around(few, 2 / 3, 1, 4 / 3) for n in (500, 512))
    yield field("panel_rows", neighbours=((few // 2, rows // 2), (2 * few, 2 * rows)), cases=products("NN", *panels),
                takes=lambda value, case: case.m >= value[case.n % 16 == 0])  # fmt: skip
    yield field("group_rows", neighbours=(0, 16, 32) if unit.group_rows in (0, 16) else (unit.group_rows // 2, 0),
                cases=(*products("NN", (256, 512, 64)), *products("TN", (784, 512, 64))))  # fmt: skip
    yield field("unrolled", neighbours=(1, 2, 8) if unit.unrolled == 4 else (1, 4),
                cases=products("NN", (32, 512, 512), (128, 128, 128)))  # fmt: skip
    yield field("dots_by_lines", neighbours=(True, False), cases=products("NT", *WIDE))
    side = unit.swapped_side
    swapped = products("NT", *((16, n, n) for n in around(side, 1 / 2, 3 / 4, 1, 3 / 2)))
    yield field("swapped_side", neighbours=(side // 2, 2 * side), cases=swapped,
                takes=lambda value, case: case.n >= value)  # fmt: skip
    yield from of_chunks(unit, field)


def of_packing(unit: Family, field: Callable[..., Constant]) -> Iterator[Constant]:
    """The least product whose x is packed."""
    rows, columns, terms = unit.packed_rows, unit.packed_columns, unit.packed_terms
    near = 0.5, 0.75, 1.0, 1.5
    yield field("packed_rows", neighbours=(rows // 2, 2 * rows),
                cases=products("NN", *((m, 512, 512) for m in around(rows, *near))),
                takes=lambda value, case: case.m >= value)  # fmt: skip
    yield field("packed_columns", neighbours=(columns // 2, 2 * columns),
                cases=products("NN", *((256, n, 512) for n in around(columns, *near))),
                takes=lambda value, case: case.n >= value)  # fmt: skip
    yield field("packed_terms", neighbours=(terms // 2, 2 * terms),
                cases=products("NN", *((256, 512, k) for k in around(terms, *near))),
                takes=lambda value, case: case.k >= value)  # fmt: skip


def of_chunks(unit: Family, field: Callable[..., Constant]) -> Iterator[Constant]:
    """Gradients that wait for their update."""
    height, width = unit.chunk
    yield field("chunk", neighbours=((2 * height, width), (height, 2 * width)), cases=descents((8, 512, 1024)))
    if unit.tall_batch < 2**62:
        height, width = unit.tall_chunk
        yield field("tall_chunk", neighbours=((height // 2, width), (2 * height, width), (height, width // 2)),
                    cases=descents((32, 784, 512), (64, 1024, 1024)))  # fmt: skip
        yield field("tall_batch", neighbours=(unit.tall_batch // 2, 2 * unit.tall_batch),
                    cases=descents(*((b, 512, 512) for b in around(unit.tall_batch, 0.5, 0.75, 1.0, 1.5))),
                    takes=lambda value, case: case.b >= value)  # fmt: skip


CONSTANTS = {constant.name: constant for constant in (*of_kernels(), *of_family())}
