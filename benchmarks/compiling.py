"""What compiling costs: of all kernels, of one small network, and of a user's own function around a training step.

    python benchmarks/compiling.py [--json FILE] [--package FOLDER]

Each part runs in processes of its own, on one thread, with a cache of its own. Told are the processor's seconds without
those of importing, and the kernels compiled. --package names another checkout of fastnn: compare two in one sitting.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

MEASURED = """
import json, time
import numba
import numpy as np
import fastnn
import fastnn.bench.warmup
from fastnn import tape
from fastnn.compiler.jit import compile_clock
from fastnn.learning.training import train_step

x, y = np.ones((32, 3), np.float32), np.zeros(32, np.int64)
started = time.process_time()
with compile_clock() as clock:
    PART
print(json.dumps({"cpu_s": time.process_time() - started, "compiled": clock.count}))
"""
STEP = "fastnn.mlp(3, 4, 2, seed=0).trainer('sgd', 32).step(x, y)"
OWN = """
    @numba.njit
    def simulate(tape_, params, grads, state, control, workspace):
        tape.forward(tape_, params, x, workspace)
        return train_step(tape_, params, grads, state, control, x, y, workspace)
    simulate(*fastnn.mlp(3, 4, 2, seed=0).trainer('sgd', 32).arrays)
"""
# By name: what is run, and the times it is, each in a new process; the last is measured.
PARTS = {
    "all kernels": ("fastnn.bench.warmup.run_warmup()", 1),
    "a step of 3-4-2": (STEP, 1),
    "a step of 3-4-2, kernels kept": (STEP, 2),
    "one's own function, kernels kept": (OWN, 2),
}


def measured(part: str, cache: Path, package: Path) -> dict[str, float]:
    """CPU seconds and compilations of one part."""
    environment = {"PYTHONPATH": str(package), "FASTNN_CACHE_DIR": str(cache), "NUMBA_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", MEASURED.replace("PART", part)],
        env=os.environ | environment, cwd=package, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        raise click.ClickException(f"a part ended with {run.returncode}: {run.stderr[-600:]}")
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


@click.command()
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures.")
@click.option(
    "--package",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(__file__).parent.parent,
    help="The checkout that is measured.  [default: this one]",
)
@click.option("--only", multiple=True, type=click.Choice([*PARTS]), help="These parts.  [default: all]")
def main(file: Path | None, package: Path, only: tuple[str, ...]) -> None:
    from fastnn.simd import machine

    found = {}
    for name in only or PARTS:
        source, times = PARTS[name]
        with tempfile.TemporaryDirectory() as cache:
            found[name] = [measured(source, Path(cache), package) for _ in range(times)][-1]
        click.echo(f"{found[name]['cpu_s']:7.2f} s, {found[name]['compiled']:4} kernels: {name}")
    if file:
        file.write_text(json.dumps({"context": machine.description(), "parts": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
