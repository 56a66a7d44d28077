"""fastnn train, evaluate and predict-on: what goes in, where things go, exit codes."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from processes import ROOT

import fastnn
from fastnn.cli import main
from fastnn.train.command import interruption, screen, training, using
from fastnn.train.records import Record

MAILS = ["spam", "ham"]


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _all_threads_again() -> Iterator[None]:
    before = fastnn.get_num_threads()
    yield
    fastnn.set_num_threads(before)


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """Behind nohup or an ampersand it is ignored, and this process has inherited that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    """200 mails: two numbers, a name, and what they are."""
    rng = np.random.default_rng(0)
    file = tmp_path / "mails.csv"
    rows = [
        (f"{money:.3f}", f"{links:.3f}", "friend" if known else "stranger", MAILS[int(money + links < 0.5 + known)])
        for money, links, known in zip(rng.random(200), rng.random(200), rng.random(200) < 0.5, strict=True)
    ]
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([("money", "links", "sender", "label"), *rows])
    return file


QUICK = ("--threads", 1, "--epochs", 30, "--learning-rate", 0.03)


@pytest.fixture
def model(mails: Path) -> Path:
    file = mails.with_name("model.safetensors")
    result = invoke("train", mails, *QUICK, "-o", file)
    assert result.exit_code == 0, result.output
    return file


def test_train_prints_scores_and_writes_a_model(mails: Path, model: Path) -> None:
    result = invoke("train", mails, *QUICK, "-o", mails.with_name("twin.safetensors"))
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["part", "rows", "loss", "accuracy"]
    assert [line.split()[:2] for line in lines[1:]] == [["train", "140"], ["validation", "30"], ["test", "30"]]
    told = result.stderr
    assert "mails.csv: 200 rows, 3 columns to predict label, 2 classes; network 4-64-2, 450 parameters" in told
    assert "epoch 30/30: loss" in told
    assert "GFLOP/s" in told
    assert "written: " in told
    assert mails.with_name("twin.safetensors").read_bytes() == model.read_bytes()
    assert fastnn.load(model).inputs == 4


def test_a_model_is_named_after_its_data(mails: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for data, name in ((mails, "mails.safetensors"), ("spam", "spam.safetensors")):
        result = invoke("train", data, "--epochs", 1, "--threads", 1)
        assert result.exit_code == 0, result.output
        assert f"written: {name}" in result.stderr
        assert fastnn.load(folder / name).outputs == 2
    again = invoke("train", mails, "--epochs", 1, "--threads", 1)
    assert again.exit_code == 2
    assert "mails.safetensors is there already; --overwrite replaces it" in again.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["mails.safetensors", "spam.safetensors"]


def test_json_goes_to_stdout_alone(tmp_path: Path) -> None:
    history = tmp_path / "h.jsonl"
    result = invoke(
        "train", "spam", "--layers", 4, "--epochs", 3, "--patience", 2, "--threads", 1, "--json", "-",
        "-o", tmp_path / "m", "--history", history,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["schema"] == "fastnn-train/1"
    assert document["data"]["parts"] == {"train": 2868, "validation": 613, "test": 615}
    assert document["network"]["parameters"] == 26
    assert document["settings"]["layers"] == [4]
    assert document["epochs"] == [json.loads(line) for line in history.read_text().splitlines()]
    assert [record["epoch"] for record in document["epochs"]] == [1, 2, 3]
    assert document["scores"]["test"]["rows"] == 615
    cost, last = fastnn.mlp(3, 4, 2).cost(32, "adam").total.flops, fastnn.mlp(3, 4, 2).cost(20, "adam").total.flops
    assert document["flops_per_epoch"] == 89 * cost + last
    assert "validation" in result.stderr


def test_a_toml_file_says_what_options_say_and_options_win(mails: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        'target = "label"\ndrop = ["links"]\nlayers = "5-3"\nlearning-rate = 0.5\nepochs = 2\nsplit = [0.5, 0.5]\n'
        "standardise = false\nthreads = 1\nheader = true\n"
    )
    result = invoke("train", mails, "--config", config, "--epochs", 1, "-o", tmp_path / "m", "--json", "-")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    settings = document["settings"]
    assert (settings["layers"], settings["learning_rate"], settings["epochs"]) == ([5, 3], 0.5, 1)
    assert (settings["split"], settings["standardise"]) == ([0.5, 0.5, 0.0], False)
    assert document["data"]["columns"] == ["money", "sender: friend, stranger"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epochs = ", "cannot be read"), ("speed = 3\n", "speed is no option; expected some of target"),
        ('drop = "a"\n', "drop is 'a'; expected a list"), ("batch = 1.5\n", "batch is 1.5; expected a whole number"),
        ('threads = "2"\n', "threads is '2'; expected a whole number"), ("threads = 0\n", "expected 1 or more"),
        ("header = 1\n", "header is 1; expected true or false"), ("delimiter = 1\n", "delimiter is 1; expected one"),
    ],
)  # fmt: skip
def test_a_toml_file_that_says_anything_else_is_refused(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(text)
    result = invoke("train", "spam", "--config", tmp_path / "run.toml", "-o", tmp_path / "m")
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.csv"], "there is no file nowhere.csv; built-in sets are"),
        (["spam", "--target", "z"], "no column z"),
        (["spam", "--batch", "0"], "batch is 0"),
        (["spam", "--layers", "a"], "expected hidden units such as 64-32"),
        (["spam", "--loss", "mse"], "loss is mse"),
        (["spam", "--threads", "4096"], "--threads is 4096; this machine has"),
        (["spam", "--resume"], "--resume needs to know from where"),
        (["spam", "--resume", "--overwrite", "--checkpoint", "c"], "choose one"),
        (["spam", "--header"], "header is for csv files"),
        (["spam", "--checkpoint-seconds", "nan"], "nan is no number of seconds"),
    ],
)
def test_bad_usage_is_refused_before_anything_is_written(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("train", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_bad_row_is_named_by_line_and_column(mails: Path, model: Path) -> None:
    before = model.read_bytes()
    with mails.open("a") as file:
        file.write("0.5,much,friend,ham\n")
    for arguments in (("train", mails, "-o", model, "--overwrite"), ("evaluate", model, mails)):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert "mails.csv, line 202, column 'links': 'much' is no number" in result.stderr
    assert model.read_bytes() == before


@pytest.mark.parametrize("option", ["-o", "--checkpoint", "--history"])
def test_files_are_replaced_only_where_that_is_asked_for(option: str, tmp_path: Path) -> None:
    file = tmp_path / "there"
    file.write_bytes(b"precious")
    more = ["-o", tmp_path / "m"] if option != "-o" else []
    arguments = ["train", "spam", "--epochs", 1, "--threads", 1, *more, option, file]
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "there is there already; --overwrite replaces it" in result.stderr
    assert file.read_bytes() == b"precious"
    assert invoke(*arguments, "--overwrite").exit_code == 0
    assert file.read_bytes() != b"precious"


def test_a_loss_that_is_not_finite_is_a_failure_with_advice(tmp_path: Path) -> None:
    result = invoke(
        "train", "spam", "--optimizer", "sgd", "--learning-rate", 1e20, "--layers", "8-8", "--threads", 1,
        "-o", tmp_path / "m",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "Try a smaller learning rate" in result.stderr
    assert "nothing was kept (--checkpoint FILE keeps what is done)" in result.stderr
    assert not (tmp_path / "m").exists()


def test_ctrl_c_while_reading_ends_with_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "read_data", interrupt)
    result = invoke("train", "spam", "-o", tmp_path / "m", "--checkpoint", tmp_path / "c")
    assert result.exit_code == 130
    assert "interrupted; nothing was kept" in result.stderr
    (tmp_path / "c").touch()
    result = invoke("train", "spam", "-o", tmp_path / "m", "--checkpoint", tmp_path / "c", "--resume")
    assert "--resume goes on" in result.stderr


def test_the_second_ctrl_c_is_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruption.interruptible("epoch") as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert "stopping after this epoch" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruption.interruptible("epoch") as asked:
            signal.raise_signal(signal.SIGINT)
            assert not asked.is_set()
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupted_run_keeps_what_it_has_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = "-o", tmp_path / "m", "--checkpoint", tmp_path / "c"
    arguments = ["train", "spam", "--layers", 4, "--epochs", 6, "--threads", 1, *files]
    shown = screen._line

    def line(record: Record, every: int, epochs: int) -> None:
        shown(record, every, epochs)
        if record.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(screen, "_line", line)
    result = invoke(*arguments)
    assert result.exit_code == 130
    assert "epoch 3 of 3 is kept, interrupted" in result.stderr
    assert fastnn.load(tmp_path / "m").inputs == 3
    monkeypatch.undo()
    assert invoke(*arguments, "--resume").exit_code == 0
    again = (tmp_path / "m").read_bytes()
    assert invoke(*arguments, "--overwrite").exit_code == 0
    assert (tmp_path / "m").read_bytes() == again


# Using a model --------------------------------------------------------------------------------------------------------


def test_evaluate_scores_and_tells_classes_apart(mails: Path, model: Path) -> None:
    result = invoke("evaluate", model, mails, "--json", "-", "--threads", 1)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    table = np.array(document["confusion"])
    assert document["classes"] == ["ham", "spam"]
    assert table.sum() == document["scores"]["rows"] == 200
    assert np.trace(table) / 200 == document["scores"]["accuracy"] > 0.9
    shown = invoke("evaluate", model, mails)
    assert shown.stdout.splitlines()[0].split() == ["part", "rows", "loss", "accuracy"]
    ham = next(line.split() for line in shown.stdout.splitlines() if line.startswith("ham"))
    assert ham[1:3] == [str(table[0].sum()), f"{table[0, 0] / table[0].sum():.1%}"]


def test_predict_on_names_classes_and_finds_columns_by_name(mails: Path, model: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(mails.read_text().splitlines()))
    shuffled = tmp_path / "new.csv"
    with shuffled.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["sender", "extra", "links", "money"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row | {"extra": "x"} for row in rows)
    result = invoke("predict-on", model, shuffled, "--probabilities", "--threads", 1)
    assert result.exit_code == 0, result.output
    found = list(csv.DictReader(result.stdout.splitlines()))
    assert list(found[0]) == ["prediction", "probability of ham", "probability of spam"]
    assert np.mean([ours["prediction"] == row["label"] for ours, row in zip(found, rows, strict=True)]) > 0.9
    for row in found:
        assert float(row["probability of ham"]) + float(row["probability of spam"]) == pytest.approx(1, abs=1e-6)
        assert (float(row["probability of spam"]) > 0.5) is (row["prediction"] == "spam")
    lines = invoke("predict-on", model, shuffled, "--json-lines").stdout.splitlines()
    assert [json.loads(line)["prediction"] for line in lines] == [row["prediction"] for row in found]


def test_predict_on_writes_a_file_whole_or_not_at_all(mails: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert "200 rows predicted" in invoke("predict-on", model, mails, "-o", out).stderr
    before = out.read_text()
    assert len(before.splitlines()) == 201
    with mails.open("a") as file:
        file.write("0.5,0.5,enemy,ham\n")
    result = invoke("predict-on", model, mails, "-o", out)
    assert result.exit_code == 2
    assert "line 202, column 'sender': 'enemy' is none of the names" in result.stderr
    assert out.read_text() == before


def test_numbers_are_predicted_with_as_many_digits_as_they_have(tmp_path: Path) -> None:
    file, out = tmp_path / "t.csv", tmp_path / "m"
    file.write_text("x,y\n" + "".join(f"{x / 10},{100 + x * 0.37}\n" for x in range(100)))
    assert invoke("train", file, *QUICK, "--optimizer", "adam", "-o", out).exit_code == 0
    result = invoke("predict-on", out, file)
    values = [float(line) for line in result.stdout.splitlines()[1:]]
    np.testing.assert_allclose(values, 100 + 0.37 * np.arange(100), rtol=0.05)
    shown = invoke("evaluate", out, file)
    assert shown.stdout.splitlines()[0].split() == ["part", "rows", "loss", "rmse", "r2"]
    refused = invoke("predict-on", out, file, "--probabilities")
    assert refused.exit_code == 2
    assert "the model gives numbers" in refused.stderr
    file.write_text("x,y\n" + "".join(f"{x},{x > 0}\n" for x in range(-9, 9)))
    assert invoke("train", file, "--loss", "hinge", "--epochs", 1, "-o", out, "--overwrite").exit_code == 0
    refused = invoke("predict-on", out, file, "--probabilities")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "trained on hinge gives no probabilities" in refused.stderr


def test_a_reader_that_leaves_ends_it_quietly(mails: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*arguments: Any) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(using, "_write_predictions", leave)
    result = invoke("predict-on", model, mails)
    assert "Usage" not in result.stderr
    assert "Broken" not in result.stderr


@pytest.mark.parametrize("command", ["evaluate", "predict-on"])
def test_what_is_no_model_is_refused(command: str, mails: Path, model: Path, tmp_path: Path) -> None:
    fastnn.mlp(2, 2).save(tmp_path / "net")
    for file, told in (("net", "not what its inputs are"), ("absent", "absent")):
        result = invoke(command, tmp_path / file, mails)
        assert result.exit_code == 2
        assert told in result.stderr
    result = invoke(command, model, "spam")
    assert result.exit_code == 2
    assert "spam has no column money" in result.stderr


def test_the_commands_run_as_programs(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "fastnn", "train", "spam", "--epochs", "1", "-o", tmp_path / "m"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("part")


@pytest.mark.parametrize("option", ["-o", "--history", "--checkpoint", "--json"])
def test_training_never_writes_over_its_data(option: str, mails: Path) -> None:
    before = mails.read_bytes()
    result = invoke("train", mails, "--epochs", 1, "--overwrite", option, mails)
    assert result.exit_code == 2
    assert "named twice" in result.stderr
    assert mails.read_bytes() == before


def test_two_outputs_have_two_places(mails: Path, tmp_path: Path) -> None:
    result = invoke("train", mails, "--epochs", 1, "-o", tmp_path / "m", "--history", tmp_path / "sub" / ".." / "m")
    assert "named twice" in result.stderr
    assert not (tmp_path / "m").exists()


def test_using_a_model_never_writes_over_it_or_the_data(mails: Path, tmp_path: Path) -> None:
    model = tmp_path / "m"
    assert invoke("train", mails, "--epochs", 1, "--threads", 1, "-o", model).exit_code == 0
    before = model.read_bytes(), mails.read_bytes()
    for place in (model, mails):
        assert invoke("evaluate", model, mails, "--json", place).exit_code == 2
        assert invoke("predict-on", model, mails, "-o", place).exit_code == 2
    assert (model.read_bytes(), mails.read_bytes()) == before


def test_classes_may_have_brackets_in_their_names(tmp_path: Path) -> None:
    file = tmp_path / "[x].csv"
    file.write_text("a,label\n" + "".join(f"{i},{'[/b]' if i % 2 else '[red]'}\n" for i in range(40)))
    assert invoke("train", file, "--epochs", 1, "--threads", 1, "-o", tmp_path / "m").exit_code == 0
    result = invoke("evaluate", tmp_path / "m", file)
    assert result.exit_code == 0, result.output
    for name in ("[/b]", "[red]", "[x].csv"):
        assert name in result.stdout
