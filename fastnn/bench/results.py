"""Result files: the JSON document "fastnn-bench/1", what it must hold, and how it reaches the disk.

{"schema": "fastnn-bench/1", "context": {...}, "benchmarks": [row, ...], "fits": [...]}
"""

from __future__ import annotations

import json
import math
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numpy as np

import fastnn
from fastnn.bench.architecture import COUNTS, STEP_PHASES
from fastnn.bench.peers.registry import GENERATE
from fastnn.edge.atomic import write_atomically
from fastnn.simd import machine

SCHEMA = "fastnn-bench/1"
# Of every network, and of all.
PHASES = ("forward", "step", "epoch")
ALL_PHASES = (*PHASES, GENERATE)
VERDICTS = ("ok", "noisy", "very noisy", "refused")

_REAL = (int, float)
_OPTIONAL_REAL = (int, float, type(None))

CONTEXT_FIELDS: dict[str, tuple[type, ...]] = {
    "date": (str,), "cpu": (str, type(None)), "cores_physical": (int, type(None)), "cores_logical": (int, type(None)),
    "caches": (dict,), "threads": (list,), "threading_layer": (str, type(None)), "dtype": (str,), "versions": (dict,),
    "git_revision": (str, type(None)), "git_dirty": (bool, type(None)), "ceilings": (list,),
}  # fmt: skip
VERSIONS = ("python", "numpy", "numba", "llvmlite", "fastnn")

ROW_FIELDS: dict[str, tuple[type, ...]] = {
    "name": (str,), "params": (int,), "batch": (int,), "threads": (int,), "dtype": (str,),
    "optimizer": (str,), "phase": (str,), "data": (str,),
    "macs": (int,), "flops": (int,), "flops_matmul": (int,), "flops_elementwise": (int,), "transcendentals": (int,),
    "bytes_min": (int,), "compile_s": _OPTIONAL_REAL, "times_s": (list,), "median_s": _OPTIONAL_REAL,
    "iqr_s": _OPTIONAL_REAL, "min_s": _OPTIONAL_REAL, "samples_per_s": _OPTIONAL_REAL, "gflops": _OPTIONAL_REAL,
    "peak_fraction": _OPTIONAL_REAL, "floor_s": _REAL, "residual": _OPTIONAL_REAL, "loss_first": _OPTIONAL_REAL,
    "loss_last": _OPTIONAL_REAL, "verdict": (str,),
}  # fmt: skip
# The network, by the first that is there: files from before `architecture` have layer sizes alone. counts: by phase of
# a step and by what is counted. tokens: of one call, of a language model.
NETWORK_FIELDS: dict[str, tuple[type, ...]] = {"architecture": (dict, type(None)), "sizes": (list,)}
MORE_FIELDS: dict[str, tuple[type, ...]] = NETWORK_FIELDS | {"counts": (dict,), "tokens": (int,)}
# What a row without times leaves empty.
TIMED_FIELDS = ("median_s", "iqr_s", "min_s", "samples_per_s", "gflops", "peak_fraction")


def context(threads: Sequence[int], dtype: str) -> dict[str, Any]:
    """When, where and with what a run is made. No names of users or hosts."""
    revision, dirty = git_state()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine.description(),
        "threads": list(threads),
        "dtype": dtype,
        "versions": {
            "python": platform.python_version(), "numpy": np.__version__, "numba": numba.__version__,
            "llvmlite": version("llvmlite"), "fastnn": fastnn.__version__,
        },
        "git_revision": revision,
        "git_dirty": dirty,
    }  # fmt: skip


def git_state(tree: Path = Path(__file__).parents[2]) -> tuple[str | None, bool | None]:
    """Revision of the source tree and whether it has changes; None where it is no checkout or git is missing."""
    if not (tree / ".git").exists():
        return None, None
    try:
        revision = _git(tree, "rev-parse", "--verify", "HEAD")
        return revision, bool(_git(tree, "status", "--porcelain", "--", "fastnn"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(tree: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(tree), *arguments], capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()


def document(
    context: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], fits: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    return {"schema": SCHEMA, "context": dict(context), "benchmarks": list(rows), "fits": list(fits)}


def dumps(document: Mapping[str, Any]) -> str:
    """Strict JSON: a number that is not finite is an error, not NaN."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Atomically, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dumps(document).encode())


def validate(document: Mapping[str, Any]) -> None:
    """ValueError, naming the place, where a document breaks the contract."""
    if document.get("schema") != SCHEMA:
        raise ValueError(f"schema is {document.get('schema')!r}; expected {SCHEMA!r}")
    for name, kind in (("context", dict), ("benchmarks", list), ("fits", list)):
        if not isinstance(document.get(name), kind):
            raise ValueError(f"{name} is {type(document.get(name)).__name__}; expected {kind.__name__}")
    _check_fields("context", document["context"], CONTEXT_FIELDS)
    missing = [name for name in VERSIONS if name not in document["context"]["versions"]]
    if missing:
        raise ValueError(f"context.versions lacks {', '.join(missing)}")
    for index, row in enumerate(document["benchmarks"]):
        _check_row(f"benchmarks[{index}]", row)


def _check_fields(place: str, values: Mapping[str, Any], fields: Mapping[str, tuple[type, ...]]) -> None:
    for name, kinds in fields.items():
        if name not in values:
            raise ValueError(f"{place} lacks {name!r}")
        value = values[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ValueError(f"{place}.{name} is {value!r}; expected {' or '.join(kind.__name__ for kind in kinds)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{place}.{name} is {value}; expected a finite number")


def _check_row(place: str, row: Mapping[str, Any]) -> None:
    _check_fields(place, row, ROW_FIELDS)
    _check_fields(place, row, {name: kinds for name, kinds in MORE_FIELDS.items() if name in row})
    if not any(name in row for name in NETWORK_FIELDS):
        raise ValueError(f"{place} lacks {' or '.join(map(repr, NETWORK_FIELDS))}")
    if "counts" in row:
        _check_fields(f"{place}.counts", row["counts"], dict.fromkeys(STEP_PHASES, (dict,)))
        for phase in STEP_PHASES:
            _check_fields(f"{place}.counts.{phase}", row["counts"][phase], dict.fromkeys(COUNTS, (int,)))
    for name, choices in (("phase", ALL_PHASES), ("verdict", VERDICTS)):
        if row[name] not in choices:
            raise ValueError(f"{place}.{name} is {row[name]!r}; expected one of {', '.join(choices)}")
    timed = row["verdict"] != "refused"
    for name in TIMED_FIELDS:
        if (row[name] is not None) != timed:
            raise ValueError(f"{place}.{name} is {row[name]!r} in a row with verdict {row['verdict']!r}")
    if bool(row["times_s"]) != timed:
        raise ValueError(f"{place}.times_s holds {len(row['times_s'])} times in a row with verdict {row['verdict']!r}")
