"""How long `import fastnn` takes beside `import numba`, which it needs.

    python benchmarks/importing.py [--runs 15] [--json FILE] [--package FOLDER]

Whole processes in turn, the least of all runs of each; compiled Python files are kept in a folder of their own and are
there before the first run that counts. --package names another checkout of fastnn: compare two in one sitting.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

BASE = "import numba"
# The last two also bring in what most programs ask for.
SOURCES = (BASE, "import fastnn", "import fastnn; fastnn.Network", "from fastnn import *")


def environment(package: Path, folder: Path) -> dict[str, str]:
    """Python's compiled files, and fastnn's, are of this run alone."""
    own = {"PYTHONPATH": str(package), "PYTHONPYCACHEPREFIX": str(folder), "FASTNN_CACHE_DIR": str(folder / "kernels")}
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | own


def seconds(source: str, environment: dict[str, str], folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", source], env=environment, cwd=folder, check=True)
    return time.perf_counter() - started


def least(runs: int, package: Path) -> dict[str, float]:
    """Seconds by source."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = environment(package.resolve(), folder)
        for source in SOURCES:
            seconds(source, chosen, folder)
        rounds = [[seconds(source, chosen, folder) for source in SOURCES] for _ in range(runs)]
    return dict(zip(SOURCES, map(min, zip(*rounds, strict=True)), strict=True))


@click.command()
@click.option("--runs", type=click.IntRange(min=1), default=15, show_default=True, help="Of each, in turn.")
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures.")
@click.option(
    "--package",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(__file__).parent.parent,
    help="The checkout that is measured.  [default: this one]",
)
def main(runs: int, file: Path | None, package: Path) -> None:
    from fastnn.simd import machine

    found = least(runs, package)
    for source, took in found.items():
        click.echo(f"{1e3 * took:6.1f} ms, {took / found[BASE]:.3f} of numba's: {source}")
    if file:
        document = {"context": machine.description(), "runs": runs, "seconds": found}
        file.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
