"""fastnn train, evaluate and predict-on with sequences, of one length and of several."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import fastnn
from fastnn.cli import main
from fastnn.layers import GRU, Dense, Masking
from fastnn.samples import Form, Samples, place_of, read, read_as, scaling_of
from fastnn.tables import DataError, Target
from fastnn.train import SampleTraining, Settings, run
from fastnn.train.networks import sample_network

POSITIONS = 9


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def sums(rows: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether what is there of the second feature sums to more than 0; the first says nothing, far from 0, and what
    is not there says the wrong thing."""
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(rows, POSITIONS, 2)), rng.integers(1, POSITIONS + 1, rows)
    x[..., 0] = 1000 + 50 * x[..., 0]
    there = np.arange(POSITIONS) < lengths[:, None]
    y = (np.where(there, x[..., 1], 0).sum(axis=1) > 0).astype(np.int64)
    x[..., 1] = np.where(there, x[..., 1], np.where(y[:, None] > 0, -5, 5))
    return x, y, lengths


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    x, y, lengths = sums()
    np.savez(tmp_path / "sums.npz", x=x, y=y, lengths=lengths)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sums.npz"


@pytest.mark.parametrize("model", ["gru", "lstm", "rnn"])
def test_sequences_of_several_lengths_are_learned(model: str, file: Path) -> None:
    found = invoke("train", file, "--model", model, "--layers", "12-8", "--epochs", 30, "--learning-rate", 0.01,
                   "--split", "0.7/0.3", "--json", "run.json")  # fmt: skip
    assert found.exit_code == 0, found.output
    told = " ".join(found.stderr.split())
    assert f"300 sequences of at most 9 positions, 2 features each, to predict y, 2 classes; network {model}," in told
    assert "x (N, T, F); values from" in told
    assert "end before the last position" in told
    assert json.loads(Path("run.json").read_text())["scores"]["validation"]["accuracy"] > 0.85
    scored = invoke("evaluate", "sums.safetensors", file, "--json", "-")
    assert json.loads(scored.stdout)["scores"]["accuracy"] > 0.85
    # What lies behind the end of a row changes nothing.
    x, y, lengths = sums()
    there = np.arange(POSITIONS) < lengths[:, None]
    np.savez("other.npz", x=np.where(there[..., None], x, np.nan), y=y, lengths=lengths)
    predicted = [invoke("predict-on", "sums.safetensors", name, "--probabilities") for name in (file, "other.npz")]
    assert predicted[0].exit_code == 0, predicted[0].output
    assert predicted[0].stdout == predicted[1].stdout
    assert len(predicted[0].stdout.splitlines()) == 301


def test_a_network_is_cells_and_a_dense_layer_and_features_are_standardised(file: Path) -> None:
    samples = read(place_of(str(file)))
    assert samples.form == Form("sequences", (POSITIONS, 2), varies=True)
    training = SampleTraining(samples, Settings(layers=(7, 5), dtype="float32"))
    assert [type(layer) for layer in training.network.layers] == [Masking, GRU, GRU, Dense]
    assert [layer.units for layer in training.network.layers[1:]] == [7, 5, 2]
    x = training.x["train"][:].reshape(-1, 2)
    there = (x != 2**20).all(axis=1)
    assert 0 < np.count_nonzero(~there) < len(x) / 2
    np.testing.assert_allclose(x[there].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(x[there].std(axis=0), 1, rtol=1e-4)


def test_rows_of_one_length_need_no_mask_and_numbers_can_be_predicted() -> None:
    x, _, _ = sums()
    y = x[..., 1].sum(axis=1) * 100
    samples = Samples(x.astype(np.float32), y, Form("sequences", x.shape[1:]), Target("sum"), "sums")
    outcome = run(SampleTraining(samples, Settings(layers=(16,), epochs=40, learning_rate=0.01)))
    assert [type(layer) for layer in outcome.model.network.layers] == [GRU, Dense]
    assert outcome.scores["test"]["r2"] > 0.9


def test_a_run_that_stops_and_goes_on_ends_in_the_same_bytes(tmp_path: Path) -> None:
    x, y, _ = sums(100)
    settings, place = Settings(model="lstm", layers=(6, 5), dropout=0.3, epochs=4, batch=8), tmp_path / "c"

    def training() -> SampleTraining:
        form, target = Form("sequences", x.shape[1:]), Target("y", ("0", "1"))
        return SampleTraining(Samples(x.astype(np.float32), y.copy(), form, target, "sums"), settings)

    run(training()).model.save(tmp_path / "whole")
    run(training(), checkpoint=place, after=lambda record: record.epoch == 2)
    run(training(), checkpoint=place, resume=True).model.save(tmp_path / "parts")
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    ("arrays", "options", "told"),
    [
        ({"lengths": np.full(300, 10)}, [], "row 1: its length is 10; expected 0 to 9"),
        ({"lengths": np.full(299, 1)}, [], r"lengths are int64 (299,); expected (300,), a whole number a row"),
        ({"lengths": np.full(300, 1.5)}, [], "lengths are float64 (300,)"),
        ({}, [], "it may hold grey images or sequences (--axes NHW or NTF), or rows of numbers (--model mlp)"),
        ({}, ["--axes", "NTF", "--flip"], "flip and shift are of images, and there are sequences of 9 positions"),
        ({}, ["--axes", "NTF", "--model", "lenet5"], "axes are NTF, of sequences, and the model takes images"),
        ({}, ["--model", "gru", "--layers", "none"], "layers is none; expected units of a recurrent layer"),
        ({}, ["--model", "gru", "--activation", "tanh"], "activation is of mlp, lenet5, simplechains; gru has its own"),
        ({"lengths": np.full(300, 3)}, ["--axes", "NHW"], "holds lengths beside images"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    arrays: dict[str, Any], options: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    x, y, _ = sums()
    np.savez("t.npz", x=x, y=y, **arrays)
    found = invoke("train", "t.npz", *options)
    assert found.exit_code == 2
    assert told in " ".join(found.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["t.npz"]


def test_a_model_of_one_length_refuses_several(file: Path) -> None:
    samples = read(place_of(str(file)))
    with pytest.raises(DataError, match="holds sequences of several lengths; the model takes sequences of 9 positions"):
        read_as(place_of(str(file)), replace(samples.form, varies=False), samples.target)


def test_what_reads_all_positions_is_refused_where_some_are_not_there() -> None:
    form, target = Form("sequences", (POSITIONS, 2), varies=True), Target("y", ("0", "1"))
    with pytest.raises(ValueError, match="model is mlp, which reads all positions, and there are sequences of"):
        sample_network(Settings(model="mlp"), form, target, np.arange(2))


def test_the_bare_network_of_a_file_is_read_too(file: Path) -> None:
    assert invoke("train", file, "--epochs", 1).exit_code == 0
    net = fastnn.load("sums.safetensors")
    assert net.input_shape == (POSITIONS, 2)
    settings = Settings()
    named = sample_network(settings, Form("sequences", (POSITIONS, 2), varies=True), Target("y", ("0", "1")), sums()[1])
    assert net.parameter_count == named.parameter_count


def test_numbers_that_float32_would_round_away_are_refused_with_their_feature(file: Path) -> None:
    x, y, _ = sums()
    x[..., 1] += 1.7e9
    np.savez("times.npz", x=x, y=y)
    found = invoke("train", "times.npz", "--model", "gru")
    assert found.exit_code == 2
    assert "feature 2 is 1.7e+09 with a deviation of" in found.stderr
    assert "subtract its mean first" in " ".join(found.stderr.split())


@pytest.mark.parametrize(
    ("model", "lengths", "told"),
    [("mlp", "kept", "holds lengths of sequences, which mlp does not know"), ("gru", "none", "all lengths are 0")],
)
def test_lengths_that_nobody_can_use_are_refused(model: str, lengths: str, told: str, file: Path) -> None:
    x, y, found = sums()
    np.savez("x.npz", x=x, y=y, lengths=found if lengths == "kept" else 0 * found)
    result = invoke("train", "x.npz", "--model", model)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_sequences_that_are_all_shorter_than_those_of_training_are_taken(file: Path) -> None:
    assert invoke("train", file, "--model", "gru", "--layers", "4", "--epochs", 1).exit_code == 0
    x, y, lengths = sums()
    short = lengths <= 5
    np.savez("short.npz", x=x[short, :5], y=y[short], lengths=lengths[short])
    np.savez("long.npz", x=x[short], y=y[short], lengths=lengths[short])
    told = [
        invoke("predict-on", "sums.safetensors", name, "--probabilities").stdout for name in ("short.npz", "long.npz")
    ]
    assert told[0] == told[1]
    assert len(told[0].splitlines()) == 1 + short.sum()


def test_a_part_without_any_position_is_scaled_as_it_is() -> None:
    scaling = scaling_of(np.full((3, 4, 2), np.nan))
    assert (scaling.means == 0).all()
    assert (scaling.scales == 1).all()
