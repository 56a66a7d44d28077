"""What the compiler made of the register tiles: accumulators in registers, whole vectors, fused multiply-adds."""

from __future__ import annotations

import re

import numba
import numpy as np
import pytest

from fastnn import _jit
from fastnn._jit import DEBUG, DISABLED
from fastnn.simd.host import UNIT
from fastnn.simd.tile import stripe

pytestmark = pytest.mark.skipif(
    DEBUG or DISABLED or UNIT.name not in ("avx512", "avx2"), reason="reads the assembly of x86 vector units"
)

REGISTER = {"avx512": "zmm", "avx2": "ymm"}[UNIT.name] if UNIT.name in ("avx512", "avx2") else ""


def loops(dtype: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The innermost loops of a stripe that multiply and add vectors."""
    monkeypatch.setattr(_jit, "CACHE_DIRECTORY", "")  # numba shows no assembly of kernels that come from the cache

    @numba.njit
    def run(y, x, w, m, n, k):  # type: ignore[no-untyped-def]
        stripe(m, n, y, 0, n, y, -1, n, x, 0, k, 1, w, 0, n, k)

    array = np.zeros(4, dtype)
    run(array, array, array, 0, 1, 0)
    (code,) = run.inspect_asm().values()
    labels = {match[1]: match.end() for match in re.finditer(r"^(\.L\w+):", code, re.M)}
    backward = (m for m in re.finditer(r"^\s+j\w+\s+(\.L\w+)", code, re.M) if labels.get(m[1], m.end()) < m.start())
    bodies = [code[labels[jump[1]] : jump.start()] for jump in backward]
    innermost = [body for body in bodies if not re.search(r"^\.L\w+:", body, re.M)]
    return [body for body in innermost if re.search(rf"vfn?m\w+p[sd].*{REGISTER}", body)]


def products_of(body: str) -> int:
    return len(re.findall(rf"\bvfmadd\w+p[sd]\b.*%{REGISTER}", body))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_tile_keeps_its_sums_in_registers(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = loops(dtype, monkeypatch)
    counts = {products_of(body) for body in found}
    for vectors, heights in UNIT.tiles.items():
        for sums in (vectors * height for height in heights):
            # The compiler may unroll a loop over k.
            assert counts & {sums, 2 * sums, 4 * sums, 8 * sums}, f"no loop of {sums} sums among {sorted(counts)}"
    for body in found:
        stored = re.findall(rf"^\s+vmov\w+\s+%{REGISTER}\d+, .*\(", body, re.M)
        assert not stored, f"a loop of {products_of(body)} multiply-adds spills: {stored}"
        assert not re.search(r"\bcall", body)


def test_the_search_for_spills_finds_one() -> None:
    spilled = f"\tvmovups\t%{REGISTER}3, 64(%rsp)\n"
    assert re.findall(rf"^\s+vmov\w+\s+%{REGISTER}\d+, .*\(", spilled, re.M)
