"""Rows and contexts that keep the contract, for tests that need some."""

from __future__ import annotations

import getpass
import platform
import re
from pathlib import Path
from typing import Any

CONTEXT: dict[str, Any] = {
    "date": "2026-01-02T03:04:05+00:00", "cpu": "a CPU", "cores_physical": 2, "cores_logical": 2,
    "caches": {"L1d": 32768, "L2": None, "L3": None}, "threads": [1], "threading_layer": None, "dtype": "float32",
    "versions": {"python": "3", "numpy": "2", "numba": "0", "llvmlite": "0", "fastnn": "0"}, "git_revision": None,
    "git_dirty": None, "ceilings": [],
}  # fmt: skip


def row(**changes: Any) -> dict[str, Any]:
    """A good row of 3-4-2, with changes."""
    good: dict[str, Any] = {
        "name": "3-4-2", "sizes": [3, 4, 2], "params": 26, "batch": 32, "threads": 1, "dtype": "float32",
        "optimizer": "sgd", "phase": "step", "data": "spam", "macs": 896, "flops": 2000, "flops_matmul": 1792,
        "flops_elementwise": 208, "transcendentals": 96, "bytes_min": 4000, "compile_s": 0.0, "times_s": [1e-6, 2e-6],
        "median_s": 1.5e-6, "iqr_s": 1e-7, "min_s": 1e-6, "samples_per_s": 2e7, "gflops": 1.3, "peak_fraction": 0.01,
        "floor_s": 1e-8, "working_set": 500, "residual": 0.1, "loss_first": 0.8, "loss_last": 0.25, "verdict": "ok",
    }  # fmt: skip
    return good | changes


def private_words(text: str) -> list[str]:
    """Names of this user, host and home that stand in the text as whole words."""
    names = {getpass.getuser(), platform.node(), str(Path.home())} - {""}
    return [name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]
