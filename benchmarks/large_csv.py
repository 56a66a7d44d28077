"""What a large csv file costs `fastnn train` and `fastnn predict-on`: seconds, and the most memory at once.

python benchmarks/large_csv.py writes a file of 1 GB in a temporary folder, trains on it for an epoch, and removes it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

COLUMNS, CHUNK_ROWS = 50, 20_000
# The first argument of the process that is measured.
RUN = "run"
# One step in 256 rows: reading is what is measured.
TRAIN = ("--epochs", "1", "--batch", "256", "--layers", "64-32", "--threads", "1")


@click.command()
@click.option("--gigabytes", type=click.FloatRange(0.0001), default=1.0, show_default=True)
def main(gigabytes: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        small, file = Path(folder, "small.csv"), Path(folder, "large.csv")
        write(small, 1)
        for arguments in commands(small).values():
            measured(arguments)  # compiles what the cache has not
        rows = write(file, int(gigabytes * 1e9))
        size, array = file.stat().st_size, rows * COLUMNS * np.dtype(np.float32).itemsize
        click.echo(f"{size / 1e6:,.0f} MB, {rows:,} rows of {COLUMNS} numbers: {array / 1e6:,.0f} MB of float32")
        for name, arguments in commands(file).items():
            seconds, peak = measured(arguments)
            click.echo(f"{name}: {seconds:.1f} s, {peak / 1e6:,.0f} MB at most")


def commands(file: Path) -> dict[str, tuple[str, ...]]:
    """By name; what they write lies beside the file."""
    model, predicted = file.with_suffix(".safetensors"), file.with_suffix(".predicted")
    return {
        "train": ("train", str(file), "-o", str(model), *TRAIN),
        "predict-on": ("predict-on", str(model), str(file), "-o", str(predicted)),
    }


def write(file: Path, size: int) -> int:
    """A csv file of at least that many bytes: numbers of four digits, and a class that two of them tell. Its rows."""
    import pyarrow
    from pyarrow import csv

    rng, rows = np.random.default_rng(0), 0
    names = [f"x{column}" for column in range(COLUMNS)]
    with file.open("wb") as out:
        while out.tell() < size:
            x = rng.integers(0, 10_000_000, (CHUNK_ROWS, COLUMNS)) / 1e6
            label = np.where(x[:, 0] > x[:, 1], "more", "less")
            table = pyarrow.table([*x.T, label], names=[*names, "label"])
            csv.write_csv(table, out, csv.WriteOptions(include_header=rows == 0))
            rows += CHUNK_ROWS
    return rows


def measured(arguments: tuple[str, ...]) -> tuple[float, int]:
    """Seconds, and bytes of memory at most, of the command in a process of its own."""
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, __file__, RUN, *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if process.returncode:
        raise click.ClickException(f"fastnn {arguments[0]} ended with {process.returncode}")
    return seconds, int(process.stdout.splitlines()[-1])


def run(arguments: list[str]) -> None:
    """The command in this process, and the most memory that it took, on the last line."""
    from fastnn.cli import main as fastnn

    try:
        fastnn(arguments)
    finally:
        print(f"\n{most_memory()}")


def most_memory() -> int:
    """Bytes. What Linux calls ru_maxrss may be that of the process that started this one: it outlives exec."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    if sys.argv[1:2] == [RUN]:
        run(sys.argv[2:])
    else:
        main()
