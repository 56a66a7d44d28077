"""The command line: options in, calls of the library, tables and files out. Nothing imports this module.

Machine-readable output goes to stdout, everything for people to stderr, except that a table goes to stdout where
nothing else does. Exit codes: 0 ok, 1 a failed check, 2 bad usage, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

import fastnn
from fastnn.cli.models import COMMANDS
from fastnn.cli.program import Program
from fastnn.edge.options import FileOr, Output


class ListCommand(click.Command):
    """A command whose repeatable options also take several values at once: --sizes 3-4-2 64-16-10."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = {name for option in self.params if getattr(option, "multiple", False) for name in option.opts}
        return super().parse_args(ctx, _repeat_names(args, names))


def _repeat_names(args: Sequence[str], names: set[str]) -> list[str]:
    """--batch 1 32 becomes --batch 1 --batch 32."""
    result: list[str] = []
    current, values = "", 0
    for arg in args:
        if arg.startswith("-") and arg != "-":
            current, values = (arg if arg in names else ""), 0
        elif current:
            values += 1
            if values > 1:
                result.append(current)
        result.append(arg)
    return result


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fastnn.__version__, prog_name="fastnn", message="%(prog)s %(version)s")
def main() -> None:
    """fastnn measures how the cost of a neural network grows, with hand-written Numba kernels."""


@main.command(cls=ListCommand)
@click.option("--sizes", multiple=True, metavar="A-B-C", help="Layer sizes, such as 3-4-2 or 784-1024x3-10.")
@click.option("--models", type=click.Choice(["mlp", "gpt", "images", "sequences"]), default="mlp",
              show_default=True, help="The ladder: perceptrons; GPTs of microgpt's size to GPT-2's; convolutional "
              "networks, from LeNets on; recurrent ones.")  # fmt: skip
@click.option("--max-params", type=float, help="Largest network to run.  [default: 1.1e7, without --sizes]")
@click.option("--batch", "batches", multiple=True, type=click.IntRange(min=1), help="Rows of a batch.  [default: 32]")
@click.option("--threads", multiple=True, type=click.IntRange(min=1), help="Threads.  [default: 1 and all]")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--optimizer", type=click.Choice(["sgd", "momentum", "adam", "adamw"]), default="sgd", show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where to run.")
@click.option("--fast", "effort", flag_value="fast", help="About 0.2 s a row.")
@click.option("--rigorous", "effort", flag_value="rigorous", help="Up to 10 s a row, until the spread is below 1 %.")
@click.option(
    "--peers", default="", metavar="NAMES",
    help="Compare with these in turn: numpy, torch, torch-compile, jax, sklearn, onnxruntime (forward only).",
)  # fmt: skip
@click.option("--json", "json_file", type=Output(), metavar="FILE|-", help="Write all results as JSON; - is stdout.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write a new result file in this folder.")
@click.option("--plot", is_flag=True, help="Draw cost against parameters in the terminal.")
def bench(plot: bool, **options: Any) -> None:
    """Climb the ladder: check each network against the reference, train it on real data, time it."""
    from fastnn.bench.command import run_bench
    from fastnn.report.command import draw

    sys.exit(run_bench(draw=draw if plot else None, **options))


@main.command()
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--fast", is_flag=True, help="Measure for 25 s instead of 45.")
@click.option("--anew", is_flag=True, help="Measure again, although a measurement is kept.")
@click.option("--json", "json_file", type=Output(), metavar="FILE|-", help="Write as JSON; - is stdout.")
def machine(dtype: str, fast: bool, anew: bool, json_file: str | None) -> None:
    """Measure this machine: multiply-adds, bandwidths, clock, calls, and what networks of all shapes take.

    The result is kept, and shown until machine or kernels change.
    """
    from fastnn.bench.calibration.command import run_machine

    run_machine(dtype, fast, anew, json_file)


@main.command(cls=ListCommand)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--threshold", "thresholds", multiple=True, metavar="[NETWORK=]5%", help="Smallest change that counts.")
@click.option("--fail-on", multiple=True, metavar="slower:10%", help="Exit with 1 where a row is slower by that much.")
@click.option("--json", "json_file", type=Output(), metavar="FILE|-", help="Write as JSON; - is stdout.")
def compare(
    before: Path, after: Path, thresholds: Sequence[str], fail_on: Sequence[str], json_file: str | None
) -> None:
    """Compare two result files of `fastnn bench --json`: FASTER, SLOWER, SAME or UNDECIDED, row by row."""
    from fastnn.bench.compare import run_compare

    sys.exit(run_compare(before, after, thresholds, fail_on, json_file))


def _published() -> Iterable[str]:
    from fastnn.paper.models import model_names

    return model_names()


def _hardware() -> Iterable[str]:
    from fastnn.paper.models import hardware_names

    return [*hardware_names(), "this"]


@main.command(cls=ListCommand)
@click.argument("models", nargs=-1, type=FileOr(_published))
@click.option("--sizes", multiple=True, metavar="A-B-C", help="Networks of one's own, on this machine or another.")
@click.option(
    "--batch", "batches", multiple=True, type=click.IntRange(min=1), help="With --sizes: rows.  [default: 32]"
)
@click.option("--threads", multiple=True, type=click.IntRange(min=1), help="With --sizes.  [default: 1 and all]")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="With --sizes.  [default: float32]")
@click.option("--machine", "machine_file", type=click.Path(dir_okay=False, path_type=Path),
              help="With --sizes: what `fastnn machine --json FILE` wrote.  [default: this machine]")  # fmt: skip
@click.option(
    "--rows", type=click.IntRange(min=1), help="Tokens of a sequence, or images.  [default: a full context, 1]"
)
@click.option(
    "--hardware",
    type=FileOr(_hardware),
    metavar="NAME|FILE",
    help="Where it would run: h100, a100, v100, tpu-v4, this machine (this), or a TOML file.",
)
@click.option("--devices", type=click.IntRange(min=1), help="How many.  [default: as many as hold the weights]")
@click.option("--utilisation", type=click.FloatRange(0, 1, min_open=True), default=0.4, show_default=True,
              help="Share of the peak that the work reaches.")  # fmt: skip
@click.option("--json", "json_file", type=Output(), metavar="FILE|-", help="Write as JSON; - is stdout.")
def predict(
    models: tuple[str, ...], sizes: tuple[str, ...], batches: tuple[int, ...], threads: tuple[int, ...],
    dtype: str | None, machine_file: Path | None, rows: int | None, hardware: str | None, devices: int | None,
    utilisation: float, json_file: str | None,
) -> None:  # fmt: skip
    """Count models that never ran: parameters, FLOPs, memory, and time.

    MODELS are published ones, from gpt2 to gpt4, or TOML files that describe a model; all that are known, without any.
    With --sizes, networks of one's own, timed by the model of a measured machine.
    """
    if sizes and (models or rows or hardware or devices):
        raise click.UsageError(
            "--sizes are networks of your own; MODELS, --rows, --hardware and --devices are for published ones"
        )
    if sizes:
        from fastnn.bench.calibration.prediction import run_predict_sizes

        run_predict_sizes(sizes, batches, threads, dtype, machine_file, json_file)
        return
    if batches or threads or dtype or machine_file:
        raise click.UsageError("--batch, --threads, --dtype and --machine are for --sizes")
    from fastnn.bench.calibration.predict import run_predict

    run_predict(models, rows, hardware, devices, utilisation, json_file)


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default="report.html", show_default=True)
@click.option("--figures", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write each picture as PNG and SVG too.")  # fmt: skip
def report(files: tuple[Path, ...], output: Path, folder: Path | None) -> None:
    """Make one HTML file of results: pictures, formulas, all rows, the machine. It opens without a network.

    FILES are of `fastnn bench --json` or `pytest benchmarks --benchmark-json`; the newest in bench_results without.
    """
    from fastnn.report.command import run_report

    run_report(files, output, folder)


def _lessons(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    from fastnn.play.lessons.catalogue import TITLES

    return [name for name in TITLES if name.startswith(begun)]


class LazyDemos(click.Group):
    """fastnn.demo.command, imported when a demonstration is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from fastnn.demo.catalogue import SUMMARIES

        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        from fastnn.demo.command import command

        return command(name)


@main.group(cls=LazyDemos, invoke_without_command=True)
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Show how neural networks work, from one neuron to a GPT, by running them."""
    if ctx.invoked_subcommand is None:
        from fastnn.demo.command import run_list

        run_list()


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--html", "html_file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write it as an HTML page.")  # fmt: skip
@click.option("--json", "json_file", type=Output(), metavar="FILE|-", help="Write what was found as JSON; - is stdout.")
def timeline(names: tuple[str, ...], html_file: Path | None, json_file: str | None) -> None:
    """Repeat what papers from 1958 to today claim, and put each number of ours beside theirs.

    NAME is a year or an experiment, as they are listed without any; all of them where only a file is named.
    """
    from fastnn.timeline.command import run_timeline

    run_timeline(names, json_file, html_file)


@main.command()
@click.argument("lesson", default="spam", shell_complete=_lessons)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 is any that is free.")
@click.option("--no-browser", is_flag=True, help="Tell the address, and open nothing.")
@click.option("--export", "export_file", metavar="FILE",
              help="Write the page with a recorded training as one HTML file, and serve nothing.")  # fmt: skip
def play(lesson: str, port: int, no_browser: bool, export_file: str | None) -> None:
    """Play with networks on a page of this machine, trained while you look.

    LESSON is the page to begin with.  [default: spam]
    """
    if export_file is not None:
        if port or no_browser:
            raise click.UsageError("--export serves nothing; leave --port and --no-browser out")
        from fastnn.play.export.command import run_export

        run_export(lesson, export_file)
        return
    from fastnn.play.command import run_play

    run_play(lesson, port, not no_browser)


@main.command()
def warmup() -> None:
    """Compile all kernels now, so that nothing compiles later."""
    from fastnn.bench.warmup import run_warmup

    run_warmup()


for each in COMMANDS:
    main.add_command(each)

if __name__ == "__main__":
    main(prog_name="fastnn")
