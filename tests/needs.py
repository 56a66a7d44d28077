"""What tests need beyond what fastnn depends on: a skip names the extra or the part that is missing.

expected_skips.txt lists those that are skipped in .ci/run.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numba
import pytest

from fastnn.bench.peers import registry
from fastnn.compiler.jit import DEBUG, DISABLED

# The extra that brings a package.
EXTRAS = {"jax": "peers", "mlxtend": "data", "onnx": "onnx", "onnxruntime": "peers", "PIL": "images", "torch": "torch"}
CHROMIUM = os.environ.get("FASTNN_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# Of Linux: it takes nothing.
FULL = Path("/dev/full")
# PyTorch compiles by it.
COMPILER = shutil.which(os.environ.get("CXX", "g++"))


def reason(name: str) -> str:
    return f"needs the extra {EXTRAS[name]}" if name in EXTRAS else f"needs {name}"


def package(name: str) -> Any:
    """The package, imported, or a skip."""
    return pytest.importorskip(name, reason=reason(name.partition(".")[0]))


def peer(name: str) -> None:
    """A skip where something is missing that the peer runs on."""
    for absent in registry.missing(name):
        pytest.skip(reason(absent))
    if name == "torch-compile" and COMPILER is None:
        pytest.skip("needs a C++ compiler")


def chromium() -> str:
    """Where it is, or a skip of the file that asks."""
    return CHROMIUM or pytest.skip("needs Chromium, on PATH or named by FASTNN_CHROMIUM", allow_module_level=True)


def playground() -> None:
    """What a page of it takes in a browser, or a skip of the file that asks."""
    chromium()
    for name in ("playwright.sync_api", "starlette", "uvicorn", "websockets"):
        package(name)


jit = pytest.mark.skipif(DISABLED, reason="needs numba's JIT")
compiled_kernels = pytest.mark.skipif(DEBUG or DISABLED, reason="needs neither FASTNN_DEBUG nor NUMBA_DISABLE_JIT")
two_cores = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two cores")
full_disk = pytest.mark.skipif(not FULL.exists(), reason=f"needs {FULL}")
