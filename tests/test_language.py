"""Texts: vocabularies, what is read, trained, kept and written, from Python and from the command line."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import fastnn
from fastnn.cli import main
from fastnn.language import corpus
from fastnn.language.corpus import read
from fastnn.language.model import LanguageModel, Score
from fastnn.language.settings import LanguageSettings
from fastnn.language.training import LanguageTraining
from fastnn.language.vocabulary import Bytes, Characters, Tokenizer, vocabulary_of
from fastnn.networks.io import FileError
from fastnn.train.checkpoint import Checkpoint

TEXT = "the cat sat on the mat, and the dog sat on the log.\n" * 60
SMALL: dict[str, Any] = {"length": 16, "blocks": 1, "width": 16, "heads": 2, "steps": 12, "batch": 4}
OPTIONS = ["--text", *[part for name, value in SMALL.items() for part in (f"--{name}", str(value))], "--threads", "1"]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "mat.txt"
    file.write_text(TEXT)
    return file


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# Vocabularies -------------------------------------------------------------------------------------------------------


def tokenizer() -> Tokenizer:
    tokenizers: Any = pytest.importorskip("tokenizers", reason="needs tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator([TEXT], trainer)
    return Tokenizer(made.to_str())


@pytest.mark.parametrize("make", [lambda: Characters.of([TEXT, ":äß€😀\r\n"]), Bytes, tokenizer], ids=["c", "b", "t"])
def test_a_vocabulary_gives_the_text_back_and_is_kept_as_json(make: Any) -> None:
    vocabulary, told = make(), "the dog: äß€😀\r\n"
    ids = vocabulary.encode(told)
    assert ids.dtype == np.int64
    assert ids.max() < vocabulary.size
    again = vocabulary_of(json.loads(json.dumps(vocabulary.describe())))
    assert again.decode(ids) == vocabulary.decode(ids) == told
    assert again.size == vocabulary.size


def test_a_character_that_is_unknown_is_named() -> None:
    with pytest.raises(ValueError, match=r"character 2 of the text, 'x', is none of the model's 3: 'abc'"):
        Characters("abc").encode("abx")
    with pytest.raises(ValueError, match="'😀'"):
        Characters("abc").encode("😀")


@pytest.mark.parametrize("told", [{"kind": "words"}, {"kind": "characters", "characters": "aa"}])
def test_what_is_no_vocabulary_is_refused(told: Any) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        vocabulary_of(told)


def test_bytes_that_are_no_text_are_shown() -> None:
    assert Bytes().decode([0x61, 0xFF, 0x62]) == "a\ufffdb"


# Texts --------------------------------------------------------------------------------------------------------------


def test_a_text_is_its_tokens_wherever_they_are_kept(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(str(text))
    assert whole.vocabulary.decode(whole.ids) == TEXT
    assert whole.ids.dtype == np.uint8
    monkeypatch.setattr(corpus, "PIECE", 100)
    monkeypatch.setattr(corpus, "LEAST", 64)
    monkeypatch.setattr(corpus, "LARGE", 1000)
    mapped = read(str(text))
    assert isinstance(mapped.ids, np.memmap)
    np.testing.assert_array_equal(mapped.ids, whole.ids)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_marks_go_and_line_ends_stay(ends: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(("\ufeffone" + ends + "two").encode())
    found = read(str(tmp_path / "t"))
    assert found.vocabulary.decode(found.ids) == f"one{ends}two"


def test_bytes_take_any_file(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(bytes(range(256)) * 3)
    np.testing.assert_array_equal(read(str(tmp_path / "t"), "bytes").ids, np.tile(np.arange(256), 3))
    with pytest.raises(ValueError, match=r"t is no UTF-8 text .*expected one; a vocabulary of 'bytes'"):
        read(str(tmp_path / "t"))


def test_every_python_has_a_text() -> None:
    found = read("topics")
    assert len(found) > 100_000


def test_an_unknown_character_is_named_by_its_place_in_the_whole_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "PIECE", 10)
    file = tmp_path / "long.txt"
    file.write_text("ab\n" * 20 + "z")
    with pytest.raises(ValueError, match="character 60 of the text, 'z'"):
        read(str(file), Characters("ab\n"))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file; expected a text, or topics"):
        read("nowhere")
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="is empty; expected a text"):
        read(str(tmp_path / "empty"))
    (tmp_path / "short").write_text("abcdefgh")
    with pytest.raises(ValueError, match="has 8 tokens, 7 of them to train on and 1 to validate"):
        read(str(tmp_path / "short")).split(0.9, 4)


# Training -----------------------------------------------------------------------------------------------------------


def training(text: Path, **settings: Any) -> LanguageTraining:
    return LanguageTraining(read(str(text)), LanguageSettings(**(SMALL | settings)))


def test_it_learns_more_than_pairs_of_characters_say(text: Path) -> None:
    ids = read(str(text)).ids
    pairs = np.zeros((int(ids.max()) + 1,) * 2)
    np.add.at(pairs, (ids[:-1], ids[1:]), 1)
    given = pairs / np.maximum(pairs.sum(1, keepdims=True), 1)
    entropy = -(pairs * np.log(np.where(given > 0, given, 1))).sum() / pairs.sum()
    run = training(text, steps=250, learning_rate=1e-2, batch=8)
    assert [record.step for record in run if record is not None][-1] == 250
    assert run.model.score(run.held).nats < entropy / 2
    assert run.model.generate("the cat sat on the ", 4, temperature=0) in ("mat,", "log.")


def test_a_score_is_the_mean_loss_of_a_token(text: Path) -> None:
    run = training(text)
    ids = run.held[:20]
    padded = np.zeros((2, 16), int)
    padded.reshape(-1)[:19] = ids[:-1]
    p = run.network.predict_proba(padded).reshape(32, -1)[np.arange(19), ids[1:]]
    score = run.model.score(ids)
    assert score.nats == pytest.approx(-np.log(p).mean(), rel=1e-5)
    assert (score.tokens, score.bits) == (19, pytest.approx(score.nats / math.log(2)))
    assert score.perplexity == pytest.approx(math.exp(score.nats))
    with pytest.raises(ValueError, match="expected two or more"):
        run.model.score(ids[:1])


def test_a_run_that_goes_on_ends_in_the_same_bits(text: Path, tmp_path: Path) -> None:
    whole = training(text, dropout=0.1)
    for _ in whole:
        pass
    first = training(text, dropout=0.1)
    for _ in first:
        if first.steps == 5:
            break
    first.checkpoint().write(tmp_path / "c")
    second = training(text, dropout=0.1)
    second.resume(Checkpoint.read(tmp_path / "c"))
    assert second.steps == 5
    for _ in second:
        pass
    assert second.network.parameters.tobytes() == whole.network.parameters.tobytes()
    with pytest.raises(ValueError, match="it cannot go on: batch is 8, and 4 in the checkpoint"):
        training(text, batch=8, dropout=0.1).resume(Checkpoint.read(tmp_path / "c"))


def test_a_model_comes_back_with_its_vocabulary(text: Path, tmp_path: Path) -> None:
    model = training(text).model
    model.save(tmp_path / "m")
    again = LanguageModel.load(tmp_path / "m")
    assert again.vocabulary == model.vocabulary
    assert again.generate("the", 30, seed=4) == model.generate("the", 30, seed=4)
    assert fastnn.load(tmp_path / "m").parameter_count == model.network.parameter_count
    model.network.save(tmp_path / "bare")
    with pytest.raises(FileError, match="without a vocabulary; expected a file of `fastnn train --text`"):
        LanguageModel.load(tmp_path / "bare")


def test_text_streams_in_whole_characters() -> None:
    """A network whose next byte is one more than the last one, of 'ä' and '€' in turn."""
    known = "ä€".encode()
    network = fastnn.GPT(256, 8, 1, 256, 1, tied=False, seed=0)
    for values in network.named_parameters.values():
        values[...] = 0
    named = network.named_parameters
    named["0.weight"][...] = np.eye(256)
    named["3.weight"][...], named["4.weight"][...] = 1, 0
    for one, following in zip(known, known[1:] + known[:1], strict=True):
        named["4.weight"][one, following] = 9
    pieces = list(LanguageModel(network, Bytes()).stream("ä", 8, temperature=0))
    assert "".join(pieces) == "€ä€"
    assert all("\ufffd" not in piece for piece in pieces)


def test_text_goes_on_with_the_space_of_its_first_word() -> None:
    """Of a tokenizer that leaves out the space before the first word of what it decodes."""
    from tokenizers import Tokenizer as Made
    from tokenizers import decoders, models, pre_tokenizers

    words = {"<unk>": 0, "\u2581the": 1, "\u2581cat": 2, "s": 3}
    made = Made(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    known = Tokenizer(made.to_str())
    network = fastnn.GPT(4, 8, 1, 8, 1, seed=0)
    for seed in range(8):
        ids = network.generate(known.encode("the cat"), 7, seed=seed)
        text = LanguageModel(network, known).generate("the cat", 7, seed=seed)
        assert "the cat" + text == known.decode(ids.tolist())


def test_the_time_of_a_text_grows_with_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that are decoded for each that is written: a few, however many there are."""
    decoded, decode = list[int](), Bytes.decode
    monkeypatch.setattr(Bytes, "decode", lambda self, ids: decoded.append(len(ids)) or decode(self, ids))  # type: ignore[func-returns-value]
    network = fastnn.GPT(256, 8, 1, 8, 1, seed=0)
    LanguageModel(network, Bytes()).generate("abc", 400, top_k=1, seed=0)
    assert max(decoded) < 100


def test_a_perplexity_without_bounds() -> None:
    assert Score(800.0, 3).perplexity == math.inf
    assert Score(800.0, 3).as_dict()["perplexity"] is None
    assert Score(2.0, 3).as_dict() == {"nats": 2.0, "tokens": 3, "bits": 2 / math.log(2), "perplexity": math.exp(2)}


# The command line ---------------------------------------------------------------------------------------------------


def test_a_text_is_trained_on_scored_and_continued(text: Path, tmp_path: Path) -> None:
    model, found = tmp_path / "m.safetensors", tmp_path / "j.json"
    result = invoke("train", text, *OPTIONS, "-o", model, "--json", found)
    assert result.exit_code == 0, result.output
    assert "tokens/s" in result.stderr
    assert "% of peak" in result.stderr
    document = json.loads(found.read_text())
    assert document["settings"]["steps"] == 12
    assert document["records"][-1]["step"] == 12
    result = invoke("evaluate", model, text)
    assert result.exit_code == 0, result.output
    assert f"{len(TEXT) - 1:,} tokens" in result.stdout
    assert "perplexity" in result.stdout
    first = invoke("generate", model, "--prompt", "the cat", "--tokens", 40, "--seed", 3)
    assert first.stdout.startswith("the cat")
    assert len(first.stdout) == len("the cat") + 40 + 1
    assert first.stdout == invoke("generate", model, "--prompt", "the cat", "--tokens", 40, "--seed", 3).stdout
    cold = invoke("generate", model, "--temperature", 0, "--tokens", 9, "--top-k", 3, "--top-p", 0.5)
    assert cold.exit_code == 0, cold.output


def test_training_goes_on_from_a_model_with_what_is_frozen_as_it_was(text: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    assert invoke("train", text, *OPTIONS, "-o", first).exit_code == 0
    more = tmp_path / "more.txt"
    more.write_text("the log sat on the dog.\n" * 100)
    result = invoke("train", more, "--text", "--from", first, "--steps", 5, "--freeze", "2.*", "-o", second)
    assert result.exit_code == 0, result.output
    before, after = (fastnn.load(file).named_parameters for file in (first, second))
    same = {name: before[name].tobytes() == after[name].tobytes() for name in before}
    assert all(value == name.startswith("2.") for name, value in same.items()), same
    result = invoke("train", more, "--text", "--from", first, "--width", 8, "-o", tmp_path / "3")
    assert "--width is the model's own where --from is given" in result.stderr
    more.write_text("zebra")
    result = invoke("train", more, "--text", "--from", first, "-o", tmp_path / "3")
    assert "character 0 of the text, 'z', is none of the model's" in result.stderr


def test_an_interrupted_run_keeps_whole_steps_and_goes_on(text: Path, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    whole, parted, kept = tmp_path / "whole", tmp_path / "parted", tmp_path / "c"
    assert invoke("train", text, *OPTIONS, "-o", whole).exit_code == 0
    step = LanguageTraining.step

    def interrupted(self: LanguageTraining) -> float:
        loss = step(self)
        if self.steps == 5:
            signal.raise_signal(signal.SIGINT)
        return loss

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(LanguageTraining, "step", interrupted)
            result = invoke("train", text, *OPTIONS, "-o", parted, "--checkpoint", kept)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.exit_code == 130, result.output
    assert int(Checkpoint.read(kept).control[fastnn.training.STEP]) == 5
    result = invoke("train", text, *OPTIONS, "-o", parted, "--checkpoint", kept, "--resume")
    assert result.exit_code == 0, result.output
    assert "from step 5" in result.stderr
    assert parted.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "TEXT", "--text", "--epochs", 3], "--epochs is for tables"),
        (["train", "TEXT", "--text", "--history", "h"], "--history is for tables"),
        (["train", "TEXT", "--steps", 3], "--steps is for texts; give --text too"),
        (["train", "spam", "--from", "m"], "--from is for texts"),
        (["train", "TEXT", "--text", "--heads", 3], "width is 128 and heads 3"),
        (["train", "TEXT", "--text", "--vocabulary", "words"], "words"),
        (["train", "TEXT", "--text", "--length", 5000], "expected more than 5000 each"),
        (["train", "nowhere", "--text"], "no such file"),
        (["generate", "TEXT"], "not a readable safetensors file"),
        (["generate", "nowhere"], "No such file"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(arguments: list[Any], told: str, text: Path) -> None:
    result = invoke(*[text if argument == "TEXT" else argument for argument in arguments])
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (Path.cwd() / "mat.safetensors").exists()


def test_a_file_may_say_the_options(text: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("length = 8\nblocks = 1\nwidth = 8\nheads = 1\nsteps = 2\nbatch = 2\nlearning-rate = 0.01\n")
    result = invoke("train", text, "--text", "--config", config, "--steps", 3, "-o", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert "step 3/3" in result.stderr
    for said, told in (
        ("epochs = 3", "epochs is no option; expected some of from"),
        ("vocabulary = 5", "vocabulary is 5"),
        ("from = 5", "from is 5"),
        ("freeze = 5", "freeze is 5"),
        ('threads = "x"', "threads is 'x'"),
        ("split = 2", "split"),
        ('split = "0.8/0.1/0.1"', "a text has two parts"),
    ):
        config.write_text(f"{said}\n")
        result = invoke("train", text, "--text", "--config", config, "-o", tmp_path / "other")
        assert result.exit_code == 2
        assert told in result.stderr
    config.write_text(f'from = "{tmp_path / "m"}"\nfreeze = "0.*"\nsteps = 2\nsplit = "0.8"\n')
    result = invoke("train", text, "--text", "--config", config, "-o", tmp_path / "n")
    assert result.exit_code == 0, result.output
    kept, gone_on = (fastnn.load(tmp_path / name).named_parameters for name in "mn")
    assert kept["0.weight"].tobytes() == gone_on["0.weight"].tobytes()
    assert kept["1.weight"].tobytes() != gone_on["1.weight"].tobytes()


def test_a_training_whose_loss_is_not_finite_ends_with_a_status(text: Path, tmp_path: Path) -> None:
    result = invoke("train", text, *OPTIONS, "--learning-rate", 1e30, "--clip-norm", 1e30, "-o", tmp_path / "m")
    assert result.exit_code == 1
    assert "the loss became" in result.stderr
    assert "epoch" not in result.stderr
    assert not (tmp_path / "m").exists()


def test_a_bpe_tokenizer_is_kept_in_the_model(text: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(tokenizer().content)
    model = tmp_path / "m"
    result = invoke("train", text, *OPTIONS, "--length", 8, "--vocabulary", file, "-o", model)
    assert result.exit_code == 0, result.output
    file.unlink()
    result = invoke("generate", model, "--prompt", "the cat", "--tokens", 5)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("the cat")
