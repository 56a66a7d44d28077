"""Other processors: products made for them, here, have the bits of those made for this one."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from itertools import product

import needs
import numpy as np
import pytest
from case import DTYPES
from processes import ROOT, run_python
from test_matmul import FORMS, operands
from test_pack import assert_packed

from fastnn.products import matmul as products
from fastnn.simd.host import UNIT


def bits_of_products() -> dict[str, str]:
    """Hexadecimal bytes of products that meet tiles, edges, panels and packed rows."""
    bits = {}
    shapes = ((1, 1, 1), (9, 50, 33), (17, 70, 129), (33, 65, 17), (35, 211, 33))
    for form, dtype, (m, n, k) in product(FORMS, DTYPES, shapes):
        x, w = operands(form, m, n, k, dtype)
        y = np.full((m, n), np.nan, dtype)
        scratch = np.full(products.scratch_size(FORMS[form], m, n, k, y.itemsize, 1), np.nan, dtype)
        start = np.linspace(-1, 1, n).astype(dtype) if form != "NT" else np.empty(0, dtype)
        arguments = (y.reshape(-1), n, x.reshape(-1), x.shape[1], w.reshape(-1), w.shape[1], start, scratch)
        products.matmul(*arguments, FORMS[form], m, n, k)
        bits[f"{form} {dtype} {m}x{n}x{k}"] = y.tobytes().hex()
    return bits


def in_another_processor() -> None:
    assert_packed()
    print(json.dumps({"unit": UNIT.name, "bits": bits_of_products()}))


HASWELL = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+lzcnt,+movbe"


@needs.compiled_kernels
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs x86-64")
@pytest.mark.parametrize(
    ("unit", "cpu", "features"), [("avx2", "haswell", HASWELL), ("baseline", "x86-64", "+sse,+sse2")]
)
def test_products_have_the_same_bits_for_another_processor(unit: str, cpu: str, features: str) -> None:
    import llvmlite.binding as llvm

    here = llvm.get_host_cpu_features()
    if not all(here.get(feature[1:], False) for feature in features.split(",")):
        pytest.skip(f"needs a processor that runs code for {cpu}")
    source = "import test_processors; test_processors.in_another_processor()"
    report = run_python(source, NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES=features)
    assert report["unit"] == unit
    assert report["bits"] == bits_of_products()


@needs.compiled_kernels
@pytest.mark.skipif(UNIT.name != "avx512", reason="needs AVX-512")
@pytest.mark.parametrize(("cpu", "features"), [("haswell", HASWELL), ("x86-64", "+sse,+sse2")])
def test_windows_are_their_loops_on_another_processor(cpu: str, features: str) -> None:
    for_another = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features, "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "tests/test_windows.py")]
    run = subprocess.run(command, env=os.environ | for_another, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout


@needs.compiled_kernels
@pytest.mark.skipif(UNIT.name != "avx512", reason="needs AVX-512")
@pytest.mark.parametrize("cpu", ["haswell", "znver3"])
def test_tiles_keep_their_sums_in_registers_where_a_mask_takes_one(cpu: str) -> None:
    for_another = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": HASWELL, "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "tests/test_assembly.py")]
    run = subprocess.run(command, env=os.environ | for_another, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout
    assert f"{len(UNIT.tiles) * 2 + 1} passed" in run.stdout


@pytest.mark.parametrize(
    ("cpu", "module"), [("znver5", "avx512"), ("sapphirerapids", "avx512_intel"), ("icelake-server", "avx512_intel")]
)
def test_the_family_of_avx_512_is_that_of_who_made_it(cpu: str, module: str) -> None:
    source = f"""
import json
from fastnn.simd import host
from fastnn.simd.config import {module}
print(json.dumps(host.UNIT == {module}.{module.upper()}))
"""
    assert run_python(source, NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES="+avx512f,+avx2,+fma", NUMBA_DISABLE_JIT="1")
