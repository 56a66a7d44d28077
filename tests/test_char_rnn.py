"""Recurrent language models: what they count, that they go on beyond their length to the bit, and `fastnn train`."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from click.testing import CliRunner, Result

import fastnn
from fastnn import (
    GPT,
    LSTM,
    CharRNN,
    Decoder,
    Dense,
    Embedding,
    Network,
    PositionEmbedding,
    SinusoidalPositions,
    TransformerBlock,
)
from fastnn.cli import main
from fastnn.language.corpus import read
from fastnn.language.model import LanguageModel
from fastnn.language.settings import LanguageSettings, describe, settings_of
from fastnn.language.training import LanguageTraining
from fastnn.train.checkpoint import Checkpoint

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
V, T = 11, 5
TEXT = "the cat sat on the mat, and the dog sat on the log.\n" * 60
SMALL: dict[str, Any] = {"length": 16, "blocks": 2, "width": 16, "steps": 12, "batch": 4}
OPTIONS = ["--text", *[part for name, value in SMALL.items() for part in (f"--{name}", str(value))], "--threads", "1"]


def drawn(network: Network) -> Network:
    """With weights that are not small, so that tokens differ."""
    rng = np.random.default_rng(1)
    for values in network.named_parameters.values():
        values[...] = rng.normal(0, 0.5, values.shape)
    return network


def pair(build: Any, length: int) -> tuple[Network, Network]:
    """Networks of T positions and of more, with the same parameters."""
    short, long = drawn(build(T)), build(length)
    long.parameters = short.parameters
    return short, long


# What it is made of -------------------------------------------------------------------------------------------------


def test_it_has_the_parameters_of_char_rnn_and_an_embedding() -> None:
    """Karpathy's, of 65 characters: 2 layers of 128 LSTM units, of both biases, and a head, 240,321. Its first layer
    takes 65 numbers of a token, one of which is 1, where this one takes 128 of an embedding."""
    by_hand = 4 * 128 * (65 + 128 + 2) + 4 * 128 * (128 + 128 + 2) + 65 * (128 + 1)
    assert by_hand == 240_321
    assert CharRNN(65, 50).parameter_count == by_hand + 65 * 128 + 4 * 128 * (128 - 65) == 280_897


@pytest.mark.parametrize("cell", GATES)
def test_multiply_adds_are_counted_by_hand(cell: str) -> None:
    """The first state is zeros: of T - 1 positions it is multiplied, and its gradient; that of the weight is of all."""
    rows, length, width, gates = 3, 7, 12, GATES[cell]
    step = CharRNN(V, length, 2, width, cell=cell).cost(rows)
    square, head = 2 * gates * width**2, width * V
    assert step.forward.macs == rows * (length * square + (length - 1) * square + length * head)
    assert step.backward.macs == rows * (2 * length * square + (2 * length - 1) * square + 2 * length * head)


@pytest.mark.parametrize("cell", GATES)
def test_it_begins_about_as_uncertain_as_it_can_be(cell: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 65, (2, 40, 8))
    assert CharRNN(65, 8, cell=cell, seed=0).loss(x, y) == pytest.approx(math.log(65), abs=0.2)


def test_it_comes_back_from_a_file(tmp_path: Path) -> None:
    network, x = CharRNN(V, T, 2, 12, cell="gru", dropout=0.1, seed=0), np.arange(T)[None]
    network.save(tmp_path / "net.safetensors")
    again = fastnn.load(tmp_path / "net.safetensors")
    assert again.layers == network.layers
    assert again(x).tobytes() == network(x).tobytes()


@needs.two_cores
@pytest.mark.parametrize("cell", GATES)
def test_threads_change_no_bit(cell: str) -> None:
    x, y = np.random.default_rng(0).integers(0, 65, (2, 24, 20))
    before, found = fastnn.get_num_threads(), set()
    try:
        for threads in (1, 2):
            fastnn.set_num_threads(threads)
            network = CharRNN(65, 20, 2, 48, cell=cell, dropout=0.2, seed=0)
            trainer = network.trainer("adam", 24)
            for _ in range(2):
                trainer.step(x, y)
            found.add(network.parameters.tobytes() + network(x).tobytes())
    finally:
        fastnn.set_num_threads(before)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: CharRNN(V, T, cell="GRU"), "cell is 'GRU'; expected one of lstm, gru, rnn"),
        (lambda: CharRNN(V, T, 1, dropout=0.5), "dropout is 0.5, between layers, and there is one"),
        (lambda: CharRNN(V, T, 0), "layers is 0"),
        (lambda: CharRNN(V, T, 2, 0), "width is 0"),
        (lambda: CharRNN(0, T), "vocabulary is 0"),
        (lambda: CharRNN(V, 0), "length is 0"),
        (lambda: CharRNN(V, T, dropout=1.0), "dropout is 1.0; expected less than 1"),
    ],
)
def test_sizes_that_cannot_be_are_refused(call: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()


# Beyond its length --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", GATES)
def test_steps_have_the_bits_of_a_longer_network_without_an_end(cell: str, dtype: str) -> None:
    """Within its length, too; and from the beginning again."""
    short, long = pair(lambda length: CharRNN(V, length, 2, 20, cell=cell, dtype=dtype), 4 * T)
    x = np.random.default_rng(2).integers(0, V, (3, 4 * T))
    whole, decoder = long(x), Decoder(short, 3)
    assert decoder.capacity is None
    assert short(x[:, :T]).tobytes() == np.ascontiguousarray(whole[:, :T]).tobytes()
    for _ in range(2):
        for t in range(4 * T):
            assert decoder.step(x[:, t]).tobytes() == whole[:, t].tobytes(), t
        decoder.reset()


@pytest.mark.parametrize("cell", GATES)
def test_tokens_beyond_the_length_are_those_of_a_longer_network(cell: str) -> None:
    short, long = pair(lambda length: CharRNN(V, length, 2, 20, cell=cell), 60)
    prompt = np.random.default_rng(0).integers(0, V, (2, 3 * T))  # seen from its beginning
    tokens = short.generate(prompt, 40, seed=3)
    np.testing.assert_array_equal(tokens, long.generate(prompt, 40, seed=3))
    assert (tokens[:, 3 * T :] != short.generate(prompt[:, -T:], 40, seed=3)[:, T:]).any()
    cold = short.generate(prompt[0], 40, temperature=0)
    padded = np.zeros((1, 60), int)
    padded[0, : len(cold)] = cold
    np.testing.assert_array_equal(cold[3 * T :], long(padded)[0, 3 * T - 1 : len(cold) - 1].argmax(axis=1))


def test_positions_that_are_computed_have_no_end_either() -> None:
    def build(length: int) -> Network:
        return Network(length, [Embedding(V, 8), SinusoidalPositions(), LSTM(8), Dense(V)])

    short, long = pair(build, 3 * T)
    x = np.random.default_rng(0).integers(0, V, (2, 3 * T))
    whole, decoder = long(x), Decoder(short, 2)
    for t in range(3 * T):
        assert decoder.step(x[:, t]).tobytes() == whole[:, t].tobytes(), t


@pytest.mark.parametrize(
    "layers", [[PositionEmbedding(T), LSTM(8)], [LSTM(8), TransformerBlock(2)]], ids=["learned positions", "attention"]
)
def test_one_layer_that_ends_is_the_end(layers: Any) -> None:
    network = drawn(Network(T, [Embedding(V, 8), *layers, Dense(V)]))
    decoder = Decoder(network)
    assert decoder.capacity == T
    for _ in range(T):
        decoder.step([1])
    with pytest.raises(ValueError, match="5 positions were run, all that the network has"):
        decoder.step([1])
    assert len(network.generate([1], 3 * T)) == 3 * T + 1


# Training -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "mat.txt"
    file.write_text(TEXT)
    return file


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def training(text: Path, **settings: Any) -> LanguageTraining:
    return LanguageTraining(read(str(text)), LanguageSettings(**(SMALL | settings)))


@pytest.mark.parametrize("model", GATES)
def test_it_learns_more_than_pairs_of_characters_say(model: str, text: Path) -> None:
    ids = read(str(text)).ids
    pairs = np.zeros((int(ids.max()) + 1,) * 2)
    np.add.at(pairs, (ids[:-1], ids[1:]), 1)
    given = pairs / np.maximum(pairs.sum(1, keepdims=True), 1)
    entropy = -(pairs * np.log(np.where(given > 0, given, 1))).sum() / pairs.sum()
    run = training(text, model=model, steps=250, learning_rate=1e-2, batch=8)
    for _ in run:
        pass
    assert run.model.score(run.held).nats < entropy / 2
    # Five times as far as it was trained, with the state that it then has.
    assert run.model.generate("the cat sat on the ", 80, temperature=0).count("sat on the ") >= 2


@pytest.mark.parametrize("model", GATES)
def test_a_run_that_goes_on_ends_in_the_same_bits(model: str, text: Path, tmp_path: Path) -> None:
    whole, first, second = (training(text, model=model, dropout=0.1) for _ in range(3))
    for _ in whole:
        pass
    for _ in first:
        if first.steps == 5:
            break
    first.checkpoint().write(tmp_path / "c")
    second.resume(Checkpoint.read(tmp_path / "c"))
    for _ in second:
        pass
    assert second.network.parameters.tobytes() == whole.network.parameters.tobytes()
    with pytest.raises(ValueError, match=f"it cannot go on: model is gpt, and {model} in the checkpoint"):
        training(text, dropout=0.1).resume(Checkpoint.read(tmp_path / "c"))


def test_a_checkpoint_from_before_there_were_other_models_is_of_a_gpt(text: Path) -> None:
    first = training(text)
    first.step()
    kept = first.checkpoint()
    old = replace(kept, settings={name: value for name, value in kept.settings.items() if name != "model"})
    second = training(text)
    second.resume(old)
    assert second.steps == 1
    with pytest.raises(ValueError, match="model is lstm, and gpt in the checkpoint"):
        training(text, model="lstm").resume(old)


def test_each_model_has_its_own_settings_where_nobody_says_them() -> None:
    of_gpt, of_lstm = LanguageSettings(), settings_of({"model": "lstm", "heads": None})
    assert (of_gpt.blocks, of_gpt.heads, of_gpt.learning_rate) == (4, 4, 1e-3)
    assert (of_lstm.blocks, of_lstm.heads, of_lstm.learning_rate) == (2, None, 3e-3)
    assert describe(replace(of_lstm, blocks=3))["blocks"] == 3
    with pytest.raises(ValueError, match="blocks is 0"):
        LanguageSettings(model="gru", blocks=0)


# The command line ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", GATES)
def test_a_text_is_trained_on_scored_and_continued(model: str, text: Path, tmp_path: Path) -> None:
    file, found = tmp_path / "m.safetensors", tmp_path / "j.json"
    result = invoke("train", text, *OPTIONS, "--model", model, "-o", file, "--json", found)
    assert result.exit_code == 0, result.output
    assert "tokens/s" in result.stderr
    document = json.loads(found.read_text())
    assert document["settings"]["model"] == LanguageModel.load(file).kind == model
    assert document["network"]["parameters"] == CharRNN(16, 16, 2, 16, cell=model).parameter_count
    result = invoke("evaluate", file, text)
    assert result.exit_code == 0, result.output
    assert f"{len(TEXT) - 1:,} tokens" in result.stdout
    written = [invoke("generate", file, "--prompt", "the cat", "--tokens", 40, "--seed", 3).stdout for _ in range(2)]
    assert written[0] == written[1]
    ids = LanguageModel.load(file).vocabulary.encode("the cat")
    tokens = fastnn.load(file).generate(ids, 40, seed=3)
    assert written[0] == LanguageModel.load(file).vocabulary.decode(tokens) + "\n"


def test_a_model_goes_on_as_what_it_is(text: Path, tmp_path: Path) -> None:
    first, second, found = tmp_path / "1", tmp_path / "2", tmp_path / "j.json"
    assert invoke("train", text, *OPTIONS, "--model", "gru", "-o", first).exit_code == 0
    result = invoke("train", text, "--text", "--from", first, "--steps", 3, "--freeze", "1.*", "-o", second,
                    "--json", found)  # fmt: skip
    assert result.exit_code == 0, result.output
    settings = json.loads(found.read_text())["settings"]
    assert (settings["model"], settings["learning_rate"]) == ("gru", pytest.approx(3e-4))
    before, after = (fastnn.load(file).named_parameters for file in (first, second))
    same = {name: before[name].tobytes() == after[name].tobytes() for name in before}
    assert all(value == name.startswith("1.") for name, value in same.items()), same
    result = invoke("train", text, "--text", "--from", first, "--model", "gru", "-o", tmp_path / "3")
    assert "--model is the model's own where --from is given" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--text", "--model", "lstm", "--heads", 4], "heads are of a gpt's attention, and lstm has none"),
        (["--text", "--model", "lenet5"], "model is 'lenet5'; expected one of gpt, lstm, gru, rnn"),
        (["--text", "--model", "rnn", "--blocks", 1, "--dropout", 0.2], "dropout is 0.2, between layers"),
        (["--model", "gpt"], "--model gpt is for texts; give --text too"),
        (["--text", "--model", "lstm", "--activation", "relu"], "--activation is for tables"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(arguments: list[Any], told: str, text: Path, tmp_path: Path) -> None:
    result = invoke("train", text, *arguments, "-o", tmp_path / "m")
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "m").exists()


def test_a_file_may_say_the_model(text: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('model = "rnn"\nlength = 8\nblocks = 1\nwidth = 8\nsteps = 2\nbatch = 2\n')
    result = invoke("train", text, "--text", "--config", config, "-o", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert fastnn.load(tmp_path / "m").layers == CharRNN(16, 8, 1, 8, cell="rnn").layers
    config.write_text("model = 5\n")
    result = invoke("train", text, "--text", "--config", config, "-o", tmp_path / "n")
    assert "model is 5; expected one of gpt, lstm, gru, rnn" in result.stderr


def test_a_gpt_is_what_it_was(text: Path) -> None:
    """The same first weights, and its name in no checkpoint needed."""
    run = training(text, heads=2)
    told = GPT(run.model.vocabulary.size, 16, 2, 16, 2, bias=False, seed=0)
    assert run.network.layers == told.layers
    assert run.network.parameters.tobytes() == told.parameters.tobytes()
    assert run.model.kind == "gpt"
