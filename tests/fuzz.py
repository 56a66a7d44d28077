"""Mutations of valid files and command lines, through all that reads what users give: it succeeds, or ends in the one
exception that its docstring names; nothing hangs, and no file is lost.

python tests/fuzz.py 100000 [SEED] prints, of each reader, how many inputs it was given, how many got past it, and the
exceptions that should not be. After `coverage run --source fastnn.tables,fastnn.interchange tests/fuzz.py 20000`
`coverage report` says which lines were never run. test_fuzz.py runs a thousand.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import fastnn
from fastnn.cli import main
from fastnn.networks.io import FileError
from fastnn.paper import models
from fastnn.report import sources
from fastnn.tables import DataError, batches, open_source, read, read_as
from fastnn.train.command.configuration import SETTINGS, joined
from fastnn.train.model import Model
from fastnn.train.settings import settings_of

SECONDS = 20
GENTLE, DIGITS = 0.6, b"0123456789"
WORDS = [b",", b";", b"\t", b" ", b"\n", b"\r\n", b'"', b"'", b"NA", b"nan", b"inf", b"-", b"1e999", b"0", b"007",
         b"1,5", b"1.234,5", b"\x00", b"\xff", b"\xef\xbb\xbf", "ü".encode(), b"#", b"[", b"]", b"{", b"}", b"=", b":",
         b"true", b"null", b"9" * 30, b"-1", b"float32", b"weight", b"\xff\xff\xff\xff", b"\x00" * 8]  # fmt: skip


@dataclass
class Reader:
    """seeds: valid inputs, by suffix. run: reads a file, and gives it on. expected: what it may raise."""

    name: str
    seeds: list[tuple[str, bytes]]
    run: Callable[[Path, random.Random], object]
    expected: tuple[type[Exception], ...]
    tried: int = 0
    passed: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    examples: dict[str, bytes] = field(default_factory=dict)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One to three changes, most of them gentle: another digit of text, another byte of the second half of numbers."""
    data, binary = bytearray(content), b"\0" in content
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(data) + 1)
        if rng.random() < GENTLE:
            places = [place for place, byte in enumerate(data) if byte in DIGITS]
            if binary and len(data) > 1:
                data[rng.randrange(len(data) // 2, len(data))] = rng.randrange(256)
            elif places:
                data[rng.choice(places)] = rng.choice(DIGITS)
            continue
        kind = rng.randrange(7)
        if kind == 0 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 1:
            data[at:at] = rng.choice(WORDS)
        elif kind == 2:
            del data[at : at + rng.choice((1, 2, 8, 100))]
        elif kind == 3:
            end = min(at + rng.randrange(1, 40), len(data))
            data[at:at] = data[at:end] * rng.choice((1, 1, 3))
        elif kind == 4:
            lines = bytes(data).split(b"\n")
            rng.shuffle(lines)
            data = bytearray(b"\n".join(lines))
        elif kind == 5:
            del data[rng.randrange(len(data) + 1) :]
        else:
            end = min(at + rng.choice((1, 2, 4)), len(data))
            data[at:end] = rng.choice(WORDS)
    return bytes(data)


class TookTooLongError(Exception):
    """What nobody expects."""


@contextmanager
def _alarm() -> Iterator[None]:
    def late(number: int, frame: Any) -> None:
        raise TookTooLongError(f"it takes more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def attempt(reader: Reader, file: Path, content: bytes, rng: random.Random) -> None:
    reader.tried += 1
    file.write_bytes(content)
    try:
        with _alarm(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.run(file, rng)
        reader.passed += 1
    except reader.expected:
        pass
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__}: {str(error)[:90]} ({Path(last.filename).name}:{last.lineno})"
        reader.wrong[kind] += 1
        reader.examples.setdefault(kind, content)
    if not file.exists() or file.read_bytes() != content:
        reader.wrong["the file that was read is another"] += 1


# Readers --------------------------------------------------------------------------------------------------------------

TABLES = [  # names, and rows of which there are ten times as many
    (b"size,town,rooms,kind\n", b"50.5,Bern,2,a\n80,Oslo,3,b\n60,Bern,2,a\n71,Oslo,4,b\n"),
    (b"", b"5.1;3,5;0\n4,9;3,0;1\n6,2;2,9;0\n5,8;2,7;1\n".replace(b"5.1", b"5,1")),
    (b",a,b,y\n", b"0,1,7,0\n1,2,3,1\n2,4,5,0\n3,4,5,1\n"),
    (b"", b"  1.0   2.0  0\n  3.0   4.0  1\n  5.0   6.0  0\n  7.0   1.0  1\n"),
    (b"'a' 'b' 'y'\n", b"1 007 u\n2 008 v\n3 007 u\n4 008 v\n"),
    (b"Title\n\nt,price,y\n", b'1700000000,"1,234.50",yes\n1700000001,"2,000.00",no\n1700000002,"30.25",yes\n'),
]
WHOLE_TABLES = [names + 10 * rows for names, rows in TABLES]
WHOLE_TABLES.append(("größe\tstadt\n" + 10 * "1\tKöln\n2\tBonn\n").encode("utf-16"))


def _read_table(file: Path, rng: random.Random) -> None:
    how: dict[str, Any] = {}
    for name, values in {
        "header": (True, False), "delimiter": (",", ";", " "), "decimal": (",",), "thousands": (".",),
        "units": (("$",),), "null": (("?", "-"),), "encoding": ("latin-1", "utf-16"),
    }.items():  # fmt: skip
        if rng.random() < 0.08:
            how[name] = rng.choice(values)
    rule = rng.choice((None, None, "mean", "median", "drop"))
    table = read(open_source(file, **how), missing=rule)
    again = read_as(open_source(file, **how), table.columns, table.target, missing=rule)
    assert np.array_equal(again.x, table.x, equal_nan=True), "the same file gives other rows"
    if rule != "drop":
        assert sum(map(len, batches(open_source(file, **how), table.columns, missing=rule))) == len(table)


def _read_toml(file: Path, rng: random.Random) -> None:
    values = joined({}, file)
    settings_of({name: value for name, value in values.items() if name in SETTINGS})


def _read_model_toml(file: Path, rng: random.Random) -> None:
    assert models.model(str(file)).shape is not None


def _read_network(file: Path, rng: random.Random) -> None:
    fastnn.load(file)(np.zeros((1, 3), np.float32))


def _read_model(file: Path, rng: random.Random) -> None:
    found = Model.load(file)
    found.predict(np.zeros((2, found.network.inputs), np.float32))


def _read_state_dict(file: Path, rng: random.Random) -> None:
    fastnn.from_state_dict(file)


def _read_onnx(file: Path, rng: random.Random) -> None:
    fastnn.from_onnx(file)


def _read_results(file: Path, rng: random.Random) -> None:
    sources.read([file])


def _run_command(file: Path, rng: random.Random) -> None:
    arguments = file.read_bytes().decode(errors="replace").split("\n")
    told = io.StringIO()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(told):
            main(arguments, prog_name="fastnn")
    except SystemExit as end:
        if end.code not in (0, None):
            if "Error" not in told.getvalue() and end.code != 1:
                raise RuntimeError(f"status {end.code} without a word") from end
            raise ValueError from end


def readers(folder: Path) -> list[Reader]:
    data = [(".csv", table) for table in WHOLE_TABLES]
    np.savez(folder / "t.npz", x=np.arange(12.0).reshape(6, 2), y=np.array([0, 1] * 3))
    import pyarrow
    from pyarrow import parquet

    columns = {"a": [1.5, None, 3.0, 4.0], "b": ["u", "v", "u", "v"], "y": [0, 1, 0, 1]}
    parquet.write_table(pyarrow.table(columns), folder / "t.parquet")
    data += [(".npz", (folder / "t.npz").read_bytes()), (".parquet", (folder / "t.parquet").read_bytes())]
    network = fastnn.Network(3, [fastnn.Dense(4, "gelu"), fastnn.LayerNorm(), fastnn.Dense(2)], seed=0)
    network.save(folder / "n")
    simple = fastnn.mlp(3, 4, 2, seed=0)
    fastnn.save_state_dict(simple, folder / "s")
    fastnn.to_onnx(network, folder / "o.onnx")
    ids = [fastnn.Masking(0), fastnn.Embedding(5, 3), fastnn.LSTM(3, bidirectional=True), fastnn.Flatten()]
    fastnn.to_onnx(fastnn.Network((4,), [*ids, fastnn.Dense(2)], seed=0), folder / "r.onnx")
    (folder / "t.csv").write_bytes(WHOLE_TABLES[0])
    table, model_file, again = (str(folder / name) for name in ("t.csv", "m", "out"))
    arguments = ["train", table, "--epochs", "1", "-o", model_file, "--split", "0.5/0.5/0"]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        _quietly(arguments)
    toml = (
        b'layers = [8, 4]\nactivation = "tanh"\nepochs = 3\nsplit = [0.8, 0.2]\ntarget = "y"\ndrop = ["id"]\n'
        b"learning_rate = 0.01\nbatch = 16\nseed = 7\nlabel_smoothing = 0.1\npatience = 5\n"
    )
    model = b'kind = "transformer"\nlayers = 2\nwidth = 64\nheads = 4\nvocabulary = 100\ncontext = 32\n'
    like = b'like = "gpt2"\nlayers = 24\n'
    entry = {"name": "a", "stats": {"median": 1e-5, "iqr": 1e-6, "min": 9e-6}, "extra_info": {"flops": 10, "calls": 2}}
    suite = {"machine_info": {}, "benchmarks": [entry]}
    commands = [
        ["predict", "gpt2", "--json", "-"], ["predict", "gpt3", "--hardware", "h100", "--devices", "8"],
        ["train", table, "--epochs", "1", "--layers", "4", "--batch", "16", "--seed", "3", "-o", again, "--overwrite"],
        ["evaluate", model_file, table, "--threads", "1", "--json", "-"],
        ["predict-on", model_file, table, "--probabilities", "--threads", "1"],
        ["predict", "gpt2", "--rows", "128", "--utilisation", "0.41"], ["--help"], ["compare", table, table],
    ]  # fmt: skip
    return [
        Reader("tables", data, _read_table, (DataError,)),
        Reader("settings", [(".toml", toml)], _read_toml, (ValueError, TypeError)),
        Reader("models on paper", [(".toml", model), (".toml", like)], _read_model_toml, (ValueError,)),
        Reader("networks", [("", (folder / "n").read_bytes())], _read_network, (FileError, ValueError)),
        Reader("trained models", [("", (folder / "m").read_bytes())], _read_model, (FileError,)),
        Reader("state dicts", [("", (folder / "s").read_bytes())], _read_state_dict, (ValueError,)),
        Reader("onnx", [(".onnx", (folder / f"{name}.onnx").read_bytes()) for name in "or"], _read_onnx, (ValueError,)),
        Reader("results", [(".json", json.dumps(suite).encode())], _read_results, (ValueError,)),
        Reader("commands", [(".txt", "\n".join(each).encode()) for each in commands], _run_command, (ValueError,)),
    ]  # fmt: skip


def _quietly(arguments: list[str]) -> None:
    try:
        main(arguments, prog_name="fastnn")
    except SystemExit as end:
        if end.code:
            raise


# How many of a hundred inputs each reader gets.
SHARES = (40, 8, 6, 8, 8, 8, 10, 8, 4)


def run(count: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        before = os.getcwd()
        (folder / "work").mkdir()
        os.chdir(folder / "work")
        try:
            all_of_them = readers(folder)
            for _ in range(count):
                reader = rng.choices(all_of_them, SHARES)[0]
                suffix, content = rng.choice(reader.seeds)
                attempt(reader, folder / f"input{suffix}", mutated(content, rng), rng)
        finally:
            os.chdir(before)
    return {
        each.name: {
            "tried": each.tried, "passed": each.passed / max(each.tried, 1), "wrong": dict(each.wrong),
            "examples": {kind: repr(content[:400]) for kind, content in each.examples.items()},
        }
        for each in all_of_them
    }  # fmt: skip


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    print(json.dumps(run(numbers[0], numbers[1] if len(numbers) > 1 else 0), indent=1))
