"""The tables of the README from the files that benchmarks/compare_kernels.py writes:

python benchmarks/readme_table.py bench_results/FILE.json bench_results/FILE-steps.json ...

Kernels first; steps may lie in several files, as of one thread and of two.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from fastnn.bench.table import si

Document = dict[str, Any]
Row = dict[str, Any]
# Of the kernels, those that stand in the README: by name, as the comparison names them.
PRODUCTS = tuple(f"{form} {n}x{n}x{n}" for form, sizes in (
    ("NN", (32, 64, 65, 128, 129, 256, 512, 1024, 2048)), ("NT", (64, 512, 1024)), ("TN", (64, 512, 1024)),
) for n in sizes)  # fmt: skip
OTHERS = (
    "exp 4,096", "tanh 4,096", "erf 4,096", "gelu 4,096", "exp 10,000,000", "tanh 10,000,000", "gelu 10,000,000",
    "softmax 10000x10", "softmax 1000x1000", "softmax 10x100000", "sgd 1,000,000", "adam 1,000,000", "adam 10,000,000",
)  # fmt: skip


def _lines(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = "|---|" + "---:|" * (len(headings) - 1)
    return "\n".join(["| " + " | ".join(headings) + " |", rule, *("| " + " | ".join(row) + " |" for row in rows)])


def _nearest(ratios: dict[str, float]) -> str:
    """How many times as long the fastest peer takes, and who it is."""
    peer = min(ratios, key=lambda name: ratios[name])
    return f"{ratios[peer]:.3g}x {peer}"


def steps_table(documents: Sequence[Document]) -> str:
    """A line a network: our step and how many times as long the fastest peer takes, at each batch and thread count."""
    rows = [row for document in documents for row in document["benchmarks"]]
    steps = [row for row in rows if row["phase"] == "step" and "ratio_to" in row]
    found = {(row["name"], row["threads"], row["batch"]): row for row in steps}
    cells = sorted({(row["threads"], row["batch"]) for row in steps})
    ratios = {key: {peer: r["median"] for peer, r in row["ratio_to"].items()} for key, row in found.items()}

    def cell(key: tuple[Any, ...]) -> str:
        return f"{si(found[key]['median_s'], 's')}, {_nearest(ratios[key])}" if key in found else "-"

    headings = ["network", "parameters", *(f"batch {batch}, {threads} thr" for threads, batch in cells)]
    networks = {key[0]: row["params"] for key, row in found.items()}
    rows = [[name, f"{count:,}", *(cell((name, *at)) for at in cells)] for name, count in networks.items()]
    means = [f"{geometric_mean(min(r.values()) for key, r in ratios.items() if key[1:] == at):.3g}x" for at in cells]
    return _lines(headings, [*rows, ["geometric mean", "", *means]])


def kernels_table(document: Document, names: Sequence[str], rate: bool) -> str:
    """A line a kernel, on one thread: how long our call from Python takes, and how many times as long the peers' do."""
    found = {row["name"]: row for row in document["rows"] if (row["dtype"], row["threads"]) == ("float32", 1)}
    peers = [name for name in document["context"]["peers"] if any(name in found[row]["peers"] for row in names)]
    lines = []
    for name in names:
        row = found[name]
        inside = row["ours"]["nopython"]
        ratios = {peer: f"{about['ratio']['python']['median']:.3g}x" for peer, about in row["peers"].items()}
        line = [name, si(row["ours"]["python"]["median_s"], "s")]
        line += [f"{inside['gflops']:.3g}", f"{inside['peak_fraction']:.0%}"] if rate else []
        lines.append([*line, *(ratios.get(peer, "-") for peer in peers)])
    return _lines(["kernel", "time", *(["GFLOP/s", "of peak"] if rate else []), *peers], lines)


def tables(kernels: Document, *steps: Document) -> list[str]:
    """All that the README shows, in its order; kernels as far as they were timed."""
    timed = {row["name"] for row in kernels["rows"]}
    shown = [names for names in (PRODUCTS, OTHERS) if timed.issuperset(names)]
    return [steps_table(steps), *(kernels_table(kernels, names, names is PRODUCTS) for names in shown)]


if __name__ == "__main__":
    print("\n\n".join(tables(*(json.loads(Path(file).read_text(encoding="utf-8")) for file in sys.argv[1:]))))
