"""The files a report is made of: runs of `fastnn bench`, and runs of the benchmarks under pytest."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastnn.bench import results

Row = Mapping[str, Any]

# Where `fastnn report` looks without files.
FOLDER = Path("bench_results")
# What of a file of pytest-benchmark is read, in seconds.
TIMES = ("median", "iqr", "min")


@dataclass(frozen=True)
class Run:
    """One document of fastnn-bench/1. rows: those that have a time; ours: those that are no peer's."""

    label: str
    document: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def ours(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.get("peer"))

    @property
    def refused(self) -> int:
        return len(self.document["benchmarks"]) - len(self.rows)

    @property
    def context(self) -> Mapping[str, Any]:
        return self.document["context"]  # type: ignore[no-any-return]

    @property
    def device(self) -> str:
        return str(self.context.get("device") or "cpu")


@dataclass(frozen=True)
class Suite:
    """One file of pytest-benchmark. rows: group, name, seconds of one call, and what stood beside."""

    label: str
    machine: Mapping[str, Any]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Sources:
    runs: tuple[Run, ...]
    suites: tuple[Suite, ...] = field(default=())


def read(files: Sequence[Path]) -> Sources:
    """Both kinds, labelled by their files' names. ValueError: a file that cannot be read or is of another kind."""
    labels = _labels(files)
    found = [_source(label, _document(file), file) for label, file in zip(labels, files, strict=True)]
    return Sources(
        tuple(each for each in found if isinstance(each, Run)),
        tuple(each for each in found if isinstance(each, Suite)),
    )


def newest(folder: Path = FOLDER) -> Path:
    """The result file in the folder that was measured last. ValueError: there is none."""
    dates = {}
    for file in sorted(folder.glob("*.json")):
        try:
            run = run_of(file.stem, _document(file))
        except ValueError:
            continue
        dates[file] = str(run.context["date"])
    if not dates:
        raise ValueError(f"there is no result file in {folder}; name one, or make one: fastnn bench --json FILE")
    return max(dates, key=lambda file: dates[file])


def run_of(label: str, document: Mapping[str, Any]) -> Run:
    """ValueError: the document breaks the contract."""
    results.validate(document)
    return Run(label, document, tuple(row for row in document["benchmarks"] if row["median_s"] is not None))


def _labels(files: Sequence[Path]) -> list[str]:
    """Stems, with a number where two are the same."""
    stems = [file.stem for file in files]
    return [
        stem if stems.count(stem) == 1 else f"{stem} ({stems[: index + 1].count(stem)})"
        for index, stem in enumerate(stems)
    ]


def _document(file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{file} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{file} holds no results: it is a {type(document).__name__}")
    return {name: _finite(value) for name, value in document.items()}


def _finite(value: Any) -> Any:
    """The same, with null for NaN and infinity, which Python writes into JSON."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _source(label: str, document: Mapping[str, Any], file: Path) -> Run | Suite:
    try:
        return suite_of(label, document) if "machine_info" in document else run_of(label, document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is no result file of fastnn: {error!r} where a row was expected") from error
    except ValueError as error:
        raise ValueError(f"{file} is no result file of `fastnn bench --json`: {error}") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def suite_of(label: str, document: Mapping[str, Any]) -> Suite:
    """Entries of a pytest-benchmark file, with the seconds of one call. ValueError: no number where one is needed."""
    rows = []
    for entry in document["benchmarks"]:
        stats, extra = entry["stats"], dict(entry.get("extra_info") or {})
        calls = extra.pop("calls", 1)
        numbers = {"calls": calls, **{name: stats[name] for name in TIMES}}
        for name, value in numbers.items():
            if not _is_number(value) or value < (name == "calls"):
                raise ValueError(f"{entry['name']}: {name} is {value!r}; expected a number")
        if not _is_number(extra.get("flops")):
            extra.pop("flops", None)
        times = {f"{name}_s": stats[name] / calls for name in TIMES}
        rows.append({"group": str(entry.get("group") or ""), "name": str(entry["name"]), **times, **extra})
    return Suite(label, document["machine_info"], tuple(rows))
