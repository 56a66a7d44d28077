"""What the compiler made of the register tiles: accumulators in registers, whole vectors, fused multiply-adds."""

from __future__ import annotations

import re
from functools import lru_cache

import needs
import pytest

from fastnn.simd import linkage
from fastnn.simd.host import PANEL_ROWS, UNIT
from fastnn.simd.tile import keeps_panels

pytestmark = [
    needs.compiled_kernels,
    pytest.mark.skipif(UNIT.name not in ("avx512", "avx2"), reason="needs AVX2 or AVX-512"),
]

REGISTER = {"avx512": "zmm", "avx2": "ymm"}[UNIT.name] if UNIT.name in ("avx512", "avx2") else ""


@lru_cache(maxsize=2)
def assembly(itemsize: int) -> str:
    return str(linkage.build_library(itemsize).get_asm_str())  # numba shows no assembly of what comes from the disk


def code_of(function: str) -> str:
    """The assembly of one function of the library."""
    itemsize = int(function.rpartition("_")[2]) // 8
    match = re.search(rf"^{function}:\n(.*?)^\.Lfunc_end", assembly(itemsize), re.M | re.S)
    assert match, f"no {function} in the assembly"
    return match[1]


def loops(function: str) -> list[str]:
    """The innermost loops of a function that multiply and add vectors."""
    code = code_of(function)
    labels = {match[1]: match.end() for match in re.finditer(r"^(\.L\w+):", code, re.M)}
    backward = (m for m in re.finditer(r"^\s+j\w+\s+(\.L\w+)", code, re.M) if labels.get(m[1], m.end()) < m.start())
    bodies = [code[labels[jump[1]] : jump.start()] for jump in backward]
    innermost = [body for body in bodies if not re.search(r"^\.L\w+:", body, re.M)]
    return [body for body in innermost if re.search(rf"vfn?m\w+p[sd].*{REGISTER}", body)]


def products_of(body: str) -> int:
    return len(re.findall(rf"\bvfmadd\w+p[sd]\b.*%{REGISTER}", body))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("vectors", UNIT.tiles)
def test_each_tile_keeps_its_sums_in_registers(vectors: int, bits: int) -> None:
    found = loops(f"fastnn_stripe_{vectors}_{bits}")
    counts = {products_of(body) for body in found}
    for sums in (vectors * height for height in UNIT.tiles[vectors]):
        # The compiler may unroll a loop over k.
        assert counts & {sums, 2 * sums, 4 * sums, 8 * sums}, f"no loop of {sums} sums among {sorted(counts)}"
    for body in found:
        stored = vector_stores(body)
        copied = [each for each in stored if "%rsp" not in each]
        # A first tile, no higher than rows that lie together, copies w to its panel: each vector that it multiplies.
        height = next(rows for rows in UNIT.tiles[vectors] if rows <= PANEL_ROWS)
        assert copied == stored, f"a loop of {products_of(body)} multiply-adds spills: {stored}"
        assert len(copied) in (0, keeps_panels(vectors) * products_of(body) // height)
        assert not re.search(r"\bcall", body)


def vector_stores(body: str) -> list[str]:
    return re.findall(rf"^\s+vmov\w+\s+%{REGISTER}\d+, .*\(.*\)", body, re.M)


def test_the_search_for_spills_finds_one() -> None:
    spilled = f"\tvmovups\t%{REGISTER}3, 64(%rsp)\n"
    assert vector_stores(spilled) == [spilled.rstrip()]
