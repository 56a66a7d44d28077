"""Where the numbers of a run come from: the machine, its measured ceilings, the versions, and the command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastnn.bench.table import si
from fastnn.report.query import values
from fastnn.report.sources import Run

CORES = ("physical", "logical")


@dataclass(frozen=True)
class Origin:
    """summary: in a line; facts: name and value; ceilings: a row of cells each, headings first."""

    label: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    ceilings: tuple[tuple[str, ...], ...]
    command: str


def of_run(run: Run) -> Origin:
    return Origin(run.label, _summary(run), tuple(_facts(run)), tuple(_ceilings(run)), command(run))


def _summary(run: Run) -> str:
    context = run.context
    gpu = context.get("gpu") if run.device != "cpu" else None
    where = (gpu or {}).get("name") or context["cpu"] or "an unknown processor"
    cores = f", {context['cores_physical']} cores" if run.device == "cpu" and context["cores_physical"] else ""
    unit = f", {context['vector_unit']}" if run.device == "cpu" and context.get("vector_unit") else ""
    return f"{where}{cores}{unit}, {context['dtype']}, {str(context['date'])[:10]}"


def _facts(run: Run) -> list[tuple[str, str]]:
    context = run.context
    gpu = context.get("gpu") or {}
    caches = ", ".join(f"{level} {_binary(size)}" for level, size in context["caches"].items() if size)
    versions = ", ".join(f"{name} {version}" for name, version in context["versions"].items())
    revision = context["git_revision"]
    refused = sum(row["verdict"] == "refused" for row in run.document["benchmarks"])
    noisy = sum(row["verdict"] in ("noisy", "very noisy") for row in run.rows)
    found = [
        ("device", run.device),
        ("GPU", str(gpu.get("name", "")) if isinstance(gpu, dict) else str(gpu)),
        ("processor", str(context["cpu"] or "unknown")),
        ("vector unit", str(context.get("vector_unit") or "")),
        ("cores", ", ".join(f"{context[f'cores_{kind}']} {kind}" for kind in CORES if context[f"cores_{kind}"])),
        ("caches", caches),
        ("memory", _binary(context["memory"]) if context.get("memory") else ""),
        ("system", str(context.get("os") or "")),
        ("threading", str(context["threading_layer"] or "")),
        ("versions", versions),
        ("peers", ", ".join(f"{name} {version}" for name, version in context.get("peer_versions", {}).items())),
        ("revision", "" if revision is None else f"{revision[:12]}{', with changes' * bool(context['git_dirty'])}"),
        ("measured", str(context["date"]).replace("T", " ").replace("+00:00", " UTC")),
        ("rows", f"{len(run.rows):,} timed, {refused} refused, {noisy} noisy"),
    ]
    return [(name, value) for name, value in found if value]


def _binary(size: int) -> str:
    """Bytes in units of 1024."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} B"


def _ceilings(run: Run) -> list[tuple[str, ...]]:
    """Rates that kernels reach on this machine, a column a number of threads."""
    found: Sequence[dict[str, Any]] = run.context["ceilings"]
    if not found:
        return []
    rows = [("", *(f"{each['dtype']}, {each['threads']} thr" for each in found))]
    rows.append(("multiply-adds", *(si(each["flops_per_s"], "FLOP/s") for each in found)))
    if any(each.get("handover_s") for each in found):
        there_and_back = (each.get("handover_s") for each in found)
        rows.append(("between cores", *(si(seconds, "s") if seconds else "" for seconds in there_and_back)))
    for level in found[0]["bandwidth"]:
        rows.append((f"best stream, {level}", *(si(bandwidth(each, level), "B/s") for each in found)))
    return rows


def bandwidth(ceilings: Mapping[str, Any], level: str) -> float:
    """Of the fastest stream in that level, bytes a second."""
    return float(max(rate for name, rate in ceilings["bandwidth"][level].items() if name != "bytes"))


def command(run: Run) -> str:
    """What measures the same networks, batches, threads and peers again."""
    rows = run.document["benchmarks"]
    if not rows:
        return "fastnn bench"
    sizes = {row["name"]: None for row in rows}
    peers = {row["peer"]: None for row in rows if row.get("peer")}
    parts = ["fastnn", "bench", "--sizes", *sizes, "--batch", *map(str, values(rows, "batch"))]
    if run.device == "cpu":
        parts += ["--threads", *map(str, values(rows, "threads"))]
    else:
        parts += ["--device", run.device]
    parts += ["--dtype", rows[0]["dtype"], "--optimizer", rows[0]["optimizer"]]
    parts += ["--peers", ",".join(peers)] if peers else []
    parts += [f"--{effort}"] if (effort := run.context.get("effort", "normal")) != "normal" else []
    return shlex.join([*parts, "--json", f"{run.label}.json"])
