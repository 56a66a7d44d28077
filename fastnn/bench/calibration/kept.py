"""What was measured of this machine, kept for later commands, as long as machine and kernels are the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from hashlib import sha256
from inspect import getsource
from pathlib import Path
from typing import Any

from fastnn import lowering
from fastnn.bench import results
from fastnn.bench.progress import say
from fastnn.compiler.jit import CACHE_DIRECTORY, KERNELS
from fastnn.compiler.reach import digest
from fastnn.kernels import batch_norm, dense
from fastnn.kernels.convolution import gradient, sizes
from fastnn.products import blocks, matmul
from fastnn.simd import few_rows, host, linkage, machine, tile
from fastnn.study import convolution_work, layered, layered_model, layered_work, products, recurrence_work, span, work
from fastnn.study.layered import Family
from fastnn.study.layered_model import LayeredModel, layered_model_of
from fastnn.study.machine_model import MachineModel, model_of
from fastnn.tape import columns, operations, rows, walk

# The modules whose kernels a training step consists of.
STEP = ("fastnn.kernels.", "fastnn.products.", "fastnn.tape.", "fastnn.training")
SCHEMA = "fastnn-machine/1"
# Of a machine's description, what times depend on.
IDENTITY = ("cpu", "arch", "vector_unit", "cores_physical", "cores_logical", "threads_max", "caches")
# What work is counted by: rules and sizes of tiles are the kernels' own.
COUNTED_BY = (
    layered, layered_model, layered_work, convolution_work, recurrence_work, span, work, products, lowering, columns,
    walk, operations, rows, dense, gradient, sizes, batch_norm, matmul, blocks, few_rows, host, tile,
)  # fmt: skip
# Of a document that does not say how far the same call was off when it was timed again.
CALM = {"median": 0.0, "nine_in_ten": 0.0}
FIELDS: Mapping[str, type] = {
    "date": str, "identity": dict, "machine": dict, "ceilings": list, "model": dict,
}  # fmt: skip


def identity() -> dict[str, Any]:
    about = machine.description()
    return {name: about[name] for name in IDENTITY} | {"kernels": kernels(), "counting": counting()}


def kernels() -> str:
    """A name for what the kernels of a training step are made of; comments are no part of it."""
    parts = [digest(each) for each in KERNELS if each[0].__module__.startswith(STEP) and is_named(each[0])]
    return sha256(" ".join([*sorted(parts), linkage.made_of()]).encode()).hexdigest()[:16]


def is_named(kernel: Any) -> bool:
    """Whether a kernel is one of its module's, and not made for a caller in Python."""
    return hasattr(sys.modules[kernel.__module__], kernel.__qualname__)


def counting() -> str:
    """A name for how work is counted, by its source and the family: costs of one way say nothing of another."""
    return sha256("".join([*map(getsource, COUNTED_BY), repr(host.UNIT)]).encode()).hexdigest()[:16]


def file_for(dtype: str) -> Path | None:
    """Beside the compiled kernels; None where nothing is kept."""
    return Path(CACHE_DIRECTORY).parent / f"machine-{dtype}.json" if CACHE_DIRECTORY else None


def keep(document: Mapping[str, Any], dtype: str) -> None:
    """A document of fastnn-machine/1; nothing where nothing is kept, and a word where it cannot be."""
    file = file_for(dtype)
    if file is None:
        return
    try:
        results.write(file, document)
    except OSError as error:
        say(f"what was measured is not kept: {error}")


def kept(dtype: str) -> dict[str, Any] | None:
    """What was kept of this very machine and these kernels."""
    file = file_for(dtype)
    if file is None or not file.is_file():
        return None
    try:
        document = read(file)
        model(document)
    except ValueError:
        return None
    return document if document.get("identity") == identity() else None


def read(file: Path) -> dict[str, Any]:
    """ValueError: a file that cannot be read, or of another kind."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise ValueError(
            f"{file} is {schema or 'no document of fastnn'}; expected {SCHEMA}, of `fastnn machine --json`"
        )
    missing = [name for name, kind in FIELDS.items() if not isinstance(document.get(name), kind)]
    if missing:
        raise ValueError(f"{file} lacks {', '.join(missing)}; `fastnn machine --json FILE` writes them")
    _require_restlessness(document.get("restless", CALM), file)
    return dict(document)


def _require_restlessness(again: Any, file: Path) -> None:
    """ValueError: something else stands there."""
    if not isinstance(again, dict) or not all(isinstance(again.get(name), int | float) for name in CALM):
        raise ValueError(f"{file} has restless {again!r}; expected numbers for {' and '.join(CALM)}")


def model(document: Mapping[str, Any]) -> MachineModel:
    """ValueError: it holds none."""
    return model_of(document["model"])


def layered_of(document: Mapping[str, Any], family: Family) -> LayeredModel:
    """Of networks of a family. ValueError: it holds none, as those from before machines were measured with them."""
    if family.name not in document:
        raise ValueError(
            f"the machine was measured without {family.title}, whose times are not predicted then; `fastnn machine "
            "--anew` measures it with them"
        )
    return layered_model_of(document[family.name], family)
