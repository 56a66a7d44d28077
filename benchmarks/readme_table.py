"""The table of the README from a result file: python benchmarks/readme_table.py bench_results/FILE.json"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fastnn.bench.table import si

HEADINGS = (
    "network", "parameters", "FLOPs a step", "step, 1 thread", "of peak", "in an epoch", "NumPy", "PyTorch", "JAX",
    "step, 2 threads", "NumPy", "PyTorch", "JAX",
)  # fmt: skip
PEERS = ("numpy", "torch", "jax")


def _ratios(row: dict[str, Any]) -> list[str]:
    """How many times as long each peer's step takes."""
    return [f"{row['ratio_to'][peer]['median']:.3g}x" for peer in PEERS]


def table(document: dict[str, Any]) -> str:
    """A Markdown table, a line a network: our step and the peers', at one thread and at two."""
    ours = [row for row in document["benchmarks"] if "peer" not in row]
    found = {(row["name"], row["threads"], row["phase"]): row for row in ours}
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    for name in dict.fromkeys(row["name"] for row in ours):
        one, two, epoch = found[name, 1, "step"], found[name, 2, "step"], found[name, 1, "epoch"]
        cells = [
            name, f"{one['params']:,}", si(one["flops"], ""), si(one["median_s"], "s"), f"{one['peak_fraction']:.0%}",
            si(epoch["median_s"], "s"), *_ratios(one), si(two["median_s"], "s"), *_ratios(two),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
