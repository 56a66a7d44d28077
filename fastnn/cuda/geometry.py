"""How threads share work: sizes of blocks and of what each thread keeps in registers, on a GPU and simulated."""

from __future__ import annotations

from dataclasses import dataclass

from fastnn.cuda.target import SIMULATED


@dataclass(frozen=True, slots=True)
class TensorGeometry:
    """lanes: of a warp. fragments: rows and columns of them that a warp has. warps: of a block, down and across. words:
    of each row that are staged together, `side` of which neighbours bring where terms lie side by side."""

    lanes: int
    fragments: tuple[int, int]
    warps: tuple[int, int]
    words: int
    side: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """A block has `across` threads side by side, which make a warp.

    vector: neighbouring numbers that a thread reads of shared memory at once. fused_rows: of a batch that a block of
    the fused kernel may take, `vector` a thread, most first. fused_columns: of a product that each of its threads may
    keep, fewest first, and fused_terms of its sums that are staged together. A block of the other kernels is `down`
    deep. tile: rows and columns of a product that each thread of the tiled ones keeps, tile_across threads side by
    side, and tile_terms. update_threads: of a block of the update. shared_bytes: of a block.
    """

    across: int
    down: int
    vector: int
    fused_rows: tuple[int, ...]
    fused_columns: tuple[int, int, int]
    fused_terms: tuple[int, int, int]
    tile: tuple[int, int]
    tile_across: int
    tile_terms: int
    update_threads: int
    shared_bytes: int
    tensor: TensorGeometry

    @property
    def threads(self) -> int:
        return self.across * self.down

    @property
    def tile_down(self) -> int:
        return self.threads // self.tile_across

    @property
    def tile_rows(self) -> int:
        return self.tile_down * self.tile[0]

    @property
    def tile_columns(self) -> int:
        return self.tile_across * self.tile[1]


# 48 kB is what a block has without asking the driver for more. 256 threads of 8 x 8 sums make tiles of 128 x 128, each
# element of which is read 128 times from shared memory for once from the device's.
GPU = Geometry(32, 8, 4, (32, 16, 8), (1, 2, 4), (16, 16, 8), (8, 8), 16, 8, 256, 48 * 1024,
               TensorGeometry(32, (4, 4), (2, 4), 16, 4))  # fmt: skip
# Simulated threads are Python's: few, and the same code.
SIMULATOR = Geometry(2, 2, 2, (8, 4), (1, 2, 4), (4, 2, 2), (4, 2), 2, 2, 4, 48 * 1024,
                     TensorGeometry(4, (1, 1), (1, 1), 2, 2))  # fmt: skip

GEOMETRY = SIMULATOR if SIMULATED else GPU
