"""How threads share work: sizes of blocks and of what each thread keeps in registers, on a GPU and simulated."""

from __future__ import annotations

from dataclasses import dataclass

from fastnn.cuda.target import SIMULATED


@dataclass(frozen=True, slots=True)
class Tile:
    """across, down: threads of a block. kept: rows and columns of a product that each has, and terms of its sums that
    are staged together. fragments: rows and columns of them that a warp has on tensor cores, and warps of a block, down
    and across."""

    across: int
    down: int
    kept: tuple[int, int]
    terms: int
    fragments: tuple[int, int]
    warps: tuple[int, int]

    @property
    def threads(self) -> int:
        return self.across * self.down


@dataclass(frozen=True, slots=True)
class Geometry:
    """A block has `across` threads side by side, which make a warp, and is `down` deep but in the kernels below.

    vector: neighbouring numbers that a thread reads of shared memory at once. fused_rows: of a batch that a block of
    the fused kernel may take, `vector` a thread, most first. fused_columns: of a product that each of its threads may
    keep, fewest first, and fused_terms of its sums that are staged together. tiles: of the tiled products, a large one
    and one for products that have few of those. lanes: of a warp on tensor cores. words: of each row that are staged
    together for them, `side` of which neighbours bring where terms lie side by side. update_threads: of a block of the
    update. shared_bytes: of a block.
    """

    across: int
    down: int
    vector: int
    fused_rows: tuple[int, ...]
    fused_columns: tuple[int, int, int]
    fused_terms: tuple[int, int, int]
    tiles: tuple[Tile, Tile]
    lanes: int
    words: int
    side: int
    update_threads: int
    shared_bytes: int

    @property
    def threads(self) -> int:
        return self.across * self.down


# 48 kB is what a block has without asking the driver for more. 256 threads of 8 x 8 sums make tiles of 128 x 128, each
# element of which is read 128 times from shared memory for once from the device's.
GPU = Geometry(
    across=32, down=8, vector=4, fused_rows=(32, 16, 8), fused_columns=(1, 2, 4), fused_terms=(16, 16, 8),
    tiles=(Tile(16, 16, (8, 8), 8, (4, 4), (2, 4)), Tile(8, 8, (4, 4), 16, (2, 2), (1, 2))), lanes=32, words=16, side=4,
    update_threads=256, shared_bytes=48 * 1024,
)  # fmt: skip
# Simulated threads are Python's: few, and the same code.
SIMULATOR = Geometry(
    across=2, down=2, vector=2, fused_rows=(8, 4), fused_columns=(1, 2, 4), fused_terms=(4, 2, 2),
    tiles=(Tile(2, 2, (4, 2), 2, (1, 1), (1, 1)), Tile(2, 2, (2, 2), 2, (1, 1), (1, 1))), lanes=4, words=2, side=2,
    update_threads=4, shared_bytes=48 * 1024,
)  # fmt: skip

GEOMETRY = SIMULATOR if SIMULATED else GPU
