"""`fastnn predict --sizes`: costs and times of networks that never ran, by the document of a machine."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from machine_documents import machine_document

import fastnn
from fastnn import cli, cost
from fastnn.bench.calibration import command, kept, prediction
from fastnn.bench.calibration.networks import MOST_BATCH, MOST_PARAMETERS
from fastnn.bench.ladder import parse
from fastnn.simd.host import FAMILIES, UNIT
from fastnn.study.machine_model import DRIFT

ALL = fastnn.get_num_threads()
MACHINE_THREADS = sorted({1, ALL})


def predict(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.main, ["predict", *map(str, arguments)])


def machine_file(folder: Path, document: Any = None) -> Path:
    file = folder / "machine.json"
    file.write_text(json.dumps(machine_document() if document is None else document))
    return file


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """This machine has been measured, as the made-up one; the dtype of each look."""
    asked: list[str] = []

    def measured(dtype: str, effort: str) -> dict[str, Any]:
        asked.append(dtype)
        return machine_document(dtype, tuple(MACHINE_THREADS))

    monkeypatch.setattr(prediction, "measured", measured)
    return asked


def test_json_holds_costs_and_times_with_intervals(tmp_path: Path) -> None:
    options = "--batch", "1", "100", "--threads", "1", "--machine", machine_file(tmp_path)
    result = predict("--sizes", "784-333-10", *options, "--json", "-")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert document["schema"] == "fastnn-predict/1"
    assert document["machine"] == {"cpu": "Made-up CPU", "date": "2026-01-01T00:00:00+00:00", "dtype": "float32"}
    one, hundred = document["networks"]
    assert (one["name"], one["sizes"], one["batch"], one["threads"]) == ("784-333-10", [784, 333, 10], 1, 1)
    assert (one["dtype"], hundred["batch"]) == ("float32", 100)
    params = 784 * 333 + 333 + 333 * 10 + 10
    for each in (one, hundred):
        batch = each["batch"]
        assert each["params"] == params
        assert each["macs"] == batch * (784 * 333 + 333 * 10)
        assert each["step_macs"] == batch * (2 * 784 * 333 + 3 * 333 * 10)
        step = cost.multilayer_perceptron((784, 333, 10), batch)
        assert (each["flops"], each["bytes"]) == (step.forward.flops, step.forward.bytes)
        assert (each["step_flops"], each["step_bytes"]) == (step.total.flops, step.total.bytes)
        assert each["memory"] == 2 * 4 * (params + batch * (784 + 333 + 10))
        assert not each["beyond"]
        # 1 us and 0.5 a layer; 2 us and 1.5 a layer.
        for name, seconds in (("forward_s", 2e-6), ("step_s", 5e-6)):
            assert each[name] == pytest.approx(
                {
                    "median": seconds,
                    "low": seconds * math.exp(-math.hypot(0.1, DRIFT)),
                    "high": seconds * math.exp(math.hypot(0.2, DRIFT)),
                }
            )


def test_float64_takes_twice_the_bytes(tmp_path: Path) -> None:
    networks = {}
    for dtype in ("float32", "float64"):
        file = machine_file(tmp_path, machine_document(dtype))
        networks[dtype] = json.loads(predict("--sizes", "9-5-3", "--machine", file, "--json", "-").stdout)["networks"]
    for single, double in zip(networks["float32"], networks["float64"], strict=True):
        assert double["dtype"] == "float64"
        assert double["bytes"] == 2 * single["bytes"]
        assert double["memory"] == 2 * single["memory"]


def test_a_table_for_people_says_what_it_rests_on(tmp_path: Path) -> None:
    result = predict("--sizes", "784-333-10", "3-4-2", "--machine", machine_file(tmp_path))
    assert result.exit_code == 0, result.output
    heading, *lines = result.stdout.splitlines()
    assert heading.split()[:5] == ["network", "params", "batch", "thr", "memory"]
    rows = [line.split("  ") for line in lines[:4]]
    assert [row[0] for row in rows] == ["784-333-10", "784-333-10", "3-4-2", "3-4-2"]
    assert "265 k" in lines[0]
    assert "2.00 µs [1.77 µs, 2.47 µs]" in lines[0]
    assert "5.00 µs [4.43 µs, 6.18 µs]" in lines[0]
    assert "on Made-up CPU at 2026-01-01T00:00:00+00:00 (float32, sgd, relu)" in result.stdout
    assert "nine in ten" in result.stdout
    assert "larger than" not in result.stdout


def test_a_restless_machine_is_called_one(tmp_path: Path) -> None:
    for nine_in_ten, called in ((0.2, False), (0.4, True)):
        document = machine_document() | {"restless": {"median": 0.1, "nine_in_ten": nine_in_ten}}
        shown = predict("--sizes", "3-4-2", "--machine", machine_file(tmp_path, document)).stdout.replace("\n", " ")
        assert ("the same call timed again, within minutes, was 40% or more off one time in ten" in shown) == called


@pytest.mark.parametrize("said", [[1], "yes", 3, None, {}, {"median": 0.1}, {"median": 0.1, "nine_in_ten": "x"}])
def test_a_document_that_says_something_else_of_it_is_refused(tmp_path: Path, said: Any) -> None:
    result = predict("--sizes", "3-4-2", "--machine", machine_file(tmp_path, machine_document() | {"restless": said}))
    assert result.exit_code == 2
    assert "expected numbers for median and nine_in_ten" in result.output.replace("\n", " ")


def test_a_file_gets_the_document_and_people_the_table(tmp_path: Path) -> None:
    out = tmp_path / "new" / "predicted.json"
    result = predict("--sizes", "3-4-2", "--machine", machine_file(tmp_path), "--json", out)
    assert result.exit_code == 0
    assert f"written: {out}" in result.stdout.replace("\n", "")
    assert json.loads(out.read_text())["networks"][0]["params"] == 26


def test_networks_beyond_those_that_were_measured_are_marked(tmp_path: Path) -> None:
    side = round(MOST_PARAMETERS**0.5)
    cases = {f"{side + 1}-{side}": 1, f"{side - 1}-{side}": 1, "3-4-2": MOST_BATCH + 1}
    file = machine_file(tmp_path)
    for (sizes, batch), beyond in zip(cases.items(), (True, False, True), strict=True):
        options = "--sizes", sizes, "--batch", str(batch), "--threads", "1", "--machine", file
        assert json.loads(predict(*options, "--json", "-").stdout)["networks"][0]["beyond"] == beyond
        table = predict(*options).stdout
        assert (f"{sizes} *" in table, "the interval may not hold" in table) == (beyond, beyond)


def test_networks_that_no_machine_holds_are_counted(tmp_path: Path) -> None:
    """1e23 multiply-adds, on as many threads as were measured."""
    result = predict(
        "--sizes", "10000000000-10000000000", "--batch", "1000", "--machine", machine_file(tmp_path), "--json", "-"
    )
    assert result.exit_code == 0, result.output
    assert [each["macs"] for each in json.loads(result.stdout)["networks"]] == [10**23] * 2


def test_without_a_file_it_is_this_machine_with_one_thread_and_all(here: list[str]) -> None:
    result = predict("--sizes", "3-4-2", "--json", "-")
    assert [each["threads"] for each in json.loads(result.stdout)["networks"]] == MACHINE_THREADS
    double = json.loads(predict("--sizes", "3-4-2", "--dtype", "float64", "--json", "-").stdout)
    assert double["machine"]["dtype"] == "float64"
    assert here == ["float32", "float64"]


def test_this_machine_is_measured_where_it_was_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fast, and kept for the next time."""
    efforts: list[str] = []

    def measure(dtype: str, effort: str) -> dict[str, Any]:
        efforts.append(effort)
        return machine_document(dtype, tuple(MACHINE_THREADS))

    monkeypatch.setattr(kept, "CACHE_DIRECTORY", str(tmp_path / "kernels"))
    monkeypatch.setattr(command, "_measure", measure)
    for _ in range(2):
        assert predict("--sizes", "3-4-2").exit_code == 0
    assert efforts == ["fast"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt2", "--sizes", "3-4-2"], "--sizes are networks of your own"),
        (["--sizes", "3-4-2", "--rows", "3"], "--sizes are networks of your own"),
        (["--sizes", "3-4-2", "--hardware", "h100"], "--sizes are networks of your own"),
        (["--sizes", "3-4-2", "--devices", "2"], "--sizes are networks of your own"),
        (["gpt2", "--batch", "3"], "--batch, --threads, --dtype and --machine are for --sizes"),
        (["--threads", "1"], "--batch, --threads, --dtype and --machine are for --sizes"),
        (["--dtype", "float64"], "--batch, --threads, --dtype and --machine are for --sizes"),
        (["--machine", "x.json"], "--batch, --threads, --dtype and --machine are for --sizes"),
        (["--sizes", "3-x-2"], "such as 3-4-2"),
        (["--sizes", "3"], "at least two whole numbers"),
        (["--sizes", "3-4-2", "--batch", "0"], "--batch"),
        (["--sizes", "3-4-2", "--dtype", "float16"], "float32"),
        (["--sizes", "3-4-2", "--json", "."], "it is a folder"),
        (["--sizes", "3-4-2", "--machine", "none.json"], "none.json cannot be read"),
        (["--sizes", "3-4-2", "--threads", str(ALL + 1)], f"--threads is {ALL + 1}; this machine is measured with 1"),
    ],
)
def test_bad_usage_exits_2_before_anything_is_measured(here: list[str], arguments: list[str], message: str) -> None:
    result = predict(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert here == []


OTHER_UNIT = next(family.name for family in FAMILIES if family.name != UNIT.name)


@pytest.mark.parametrize(
    ("document", "arguments", "message"),
    [
        ({"schema": "fastnn-bench/1"}, (), "expected fastnn-machine/1"),
        (machine_document() | {"machine": None}, (), "lacks machine"),
        (machine_document() | {"model": {}}, (), "it holds no model of a machine"),
        (machine_document(vector_unit=OTHER_UNIT), (), f"measured with {OTHER_UNIT} vectors"),
        (machine_document() | {"identity": {"counting": "0"}}, (), "another version of fastnn"),
        (machine_document(threads=(1, 64)), ("--threads", "2"), "forward with threads 2 was not measured"),
        (machine_document("float64"), ("--dtype", "float32"), "the machine was measured in float64"),
    ],
)  # fmt: skip
def test_machines_that_say_nothing_of_this_are_refused(
    tmp_path: Path, document: Any, arguments: tuple[str, ...], message: str
) -> None:
    out = tmp_path / "out.json"
    result = predict("--sizes", "3-4-2", "--machine", machine_file(tmp_path, document), *arguments, "--json", out)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert not out.exists()


def test_a_machine_file_is_for_the_threads_of_its_machine(tmp_path: Path) -> None:
    """Also for more than there are here."""
    file = machine_file(tmp_path, machine_document(threads=(1, 64)))
    result = predict("--sizes", "3-4-2", "--threads", "64", "--machine", file, "--json", "-")
    assert [each["threads"] for each in json.loads(result.stdout)["networks"]] == [64]


def test_plain_python_predicts_of_a_file_and_measures_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "DISABLED", True)
    assert predict("--sizes", "3-4-2", "--machine", machine_file(tmp_path)).exit_code == 0
    result = predict("--sizes", "3-4-2")
    assert result.exit_code == 2
    assert "NUMBA_DISABLE_JIT=1" in result.stderr


def test_cores_that_moved_apart_since_are_told() -> None:
    document = {"ceilings": [{"handover_s": None}, {"handover_s": 1e-7}]}
    assert prediction.cores_moved(document, 1.5e-7) is None
    told = prediction.cores_moved(document, 4e-7)
    assert told is not None
    assert "takes 400 ns there and back, and took 100 ns" in told
    assert prediction.cores_moved({"ceilings": []}, 1e-7) is None


@pytest.mark.parametrize(
    ("name", "optimizer", "title"),
    [
        ("gpt-2x32-4-16", "adamw", "language models"),
        ("lenet5", "sgd", "convolutional networks"),
        ("resnet10", "sgd", "convolutional networks"),
        ("lstm-64-28", "sgd", "recurrent networks"),
        ("gru-16-20-3", "sgd", "recurrent networks"),
    ],
)
def test_a_network_of_other_layers_is_predicted_by_the_model_of_its_kind(
    tmp_path: Path, name: str, optimizer: str, title: str
) -> None:
    """Its counts are those of the network that it never was."""
    told = ("--sizes", name, "--batch", "3", "--threads", "1", "--json", "-")
    answer = json.loads(predict(*told, "--machine", machine_file(tmp_path)).stdout)
    (found,) = answer["networks"]
    network = parse(name).build(dtype="float32", seed=0, device="cpu", precision=None)
    step = network.cost(3, optimizer)
    assert (found["name"], found["params"]) == (name, network.parameter_count)
    assert (found["macs"], found["step_flops"], found["step_bytes"]) == (
        step.forward.macs, step.total.flops, step.total.bytes,
    )  # fmt: skip
    assert found["forward_s"]["median"] == pytest.approx(1e-3)
    assert found["step_s"]["median"] == pytest.approx(3e-3)
    people = predict("--sizes", name, "--machine", machine_file(tmp_path)).stdout
    assert f"{title} with {optimizer}" in people
    assert "relu" not in people


def test_perceptrons_and_others_are_told_beside_each_other(tmp_path: Path) -> None:
    shown = predict("--sizes", "3-4-2", "--sizes", "lenet5", "--sizes", "resnet10", "--machine", machine_file(tmp_path))
    assert "(float32, sgd, relu and convolutional networks with sgd)" in shown.stdout.replace("\n", " ")


def test_a_machine_that_was_measured_without_a_kind_predicts_the_others(tmp_path: Path) -> None:
    """As files from before convolutional and recurrent networks were measured."""
    before = {name: part for name, part in machine_document().items() if name not in ("images", "sequences")}
    file = machine_file(tmp_path, before)
    for name in ("3-4-2", "gpt-2x32-4-16"):
        assert predict("--sizes", name, "--machine", file).exit_code == 0
    result = predict("--sizes", "lenet5", "--machine", file)
    assert result.exit_code == 2
    assert "the machine was measured without convolutional networks" in " ".join(result.stderr.split())


def test_a_kind_that_was_measured_of_too_few_networks_is_refused(tmp_path: Path) -> None:
    document = machine_document()
    for each in document["sequences"]["errors"]:
        each["errors"] = each["errors"][:5]
    result = predict("--sizes", "rnn-64-28", "--machine", machine_file(tmp_path, document))
    assert result.exit_code == 2
    assert "measured of 5 recurrent networks; an interval takes 16" in " ".join(result.stderr.split())
    broken = predict(
        "--sizes", "rnn-64-28", "--machine", machine_file(tmp_path, machine_document() | {"sequences": {}})
    )
    assert "it holds no model of recurrent networks" in " ".join(broken.stderr.split())


@pytest.mark.parametrize(
    "text", ["gpt-2x32-5-16", "gpt-2x32", "gpt-2x32-4-0", "gpt", "lenet", "lstm-64", "lstm-64-0", "gru-8-9"]
)
def test_names_of_networks_that_cannot_be_are_refused(text: str, tmp_path: Path) -> None:
    result = predict("--sizes", text, "--machine", machine_file(tmp_path))
    assert result.exit_code == 2
