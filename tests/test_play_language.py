"""The page of a language model: its stages are the network's own numbers, and its training that of LanguageTraining."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sessions import Heard

from fastnn.functional import softmax
from fastnn.language.corpus import read
from fastnn.language.model import LanguageModel
from fastnn.language.settings import LanguageSettings
from fastnn.language.training import LanguageTraining
from fastnn.play.lessons.catalogue import lesson
from fastnn.play.session.fields import defaults
from fastnn.play.session.measured import Measured

SMALL = {"blocks": "1", "width": "32"}
PROMPT = "def "


def trained(steps: int, **settings: Any) -> LanguageModel:
    """By the page's settings, without it."""
    own = LanguageSettings(
        length=32, blocks=1, width=32, heads=4, batch=16, steps=2000, **{"learning_rate": 3e-3, "seed": 0, **settings}
    )
    training = LanguageTraining(read("topics"), own)
    for _ in range(steps):
        training.step()
    return training.model


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard("language", settings={**SMALL, "prompt": PROMPT})
    yield made
    made.session.take(None)


def begun() -> Measured:
    page = lesson("language")
    assert page.begin is not None
    return page.begin(defaults(page.fields) | SMALL)


def saved(model: LanguageModel, folder: Path) -> bytes:
    model.save(folder / "model.safetensors")
    return (folder / "model.safetensors").read_bytes()


def test_its_steps_are_those_of_a_language_training_to_the_byte(tmp_path: Path) -> None:
    made = Heard("language", settings={**SMALL, "seed": 3, "rate": 0.01})
    made.do("train", until=40)
    for _ in range(3):
        made.do("frame")
        made.do("set", settings={"prompt": "for x in", "temperature": 1.5})
    made.word("paused")
    kept = made.file("safetensors")
    assert kept == saved(trained(40, seed=3, learning_rate=0.01), tmp_path)
    (tmp_path / "kept.safetensors").write_bytes(kept)
    assert LanguageModel.load(tmp_path / "kept.safetensors").generate("def ", 20, seed=1)
    made.session.take(None)


def test_every_stage_has_the_numbers_of_the_network(heard: Heard) -> None:
    heard.do("train", until=30)
    heard.word("paused")
    heard.do("set", settings={"temperature": 0.5, "draw": 4})
    frame, model = heard.frame(), trained(30)
    ids = model.vocabulary.encode(PROMPT)
    assert frame["ids"][: int(frame["count"][0])].tolist() == ids.tolist()
    assert frame["numbers"][-1] == 30
    x = np.zeros((1, 32), np.int64)
    x[0, : len(ids)] = ids
    logits = model.network(x)[0, len(ids) - 1].astype(np.float64)
    likely = frame["likely"].reshape(-1, 4)
    order = np.argsort(-logits, kind="stable")[: len(likely)]
    assert likely[:, 0].tolist() == order.tolist()
    for column, expected in enumerate((logits, softmax(logits[None])[0], softmax(2 * logits[None])[0]), 1):
        np.testing.assert_allclose(likely[:, column], expected[order], rtol=1e-5)
    looks = frame["looks"].reshape(4, 32, 32)[:, : len(ids), : len(ids)]
    np.testing.assert_allclose(looks.sum(axis=2), 1, rtol=1e-6)
    assert (looks[:, ~np.tri(len(ids), dtype=bool)] == 0).all()
    named = model.network.named_parameters
    vectors = named["0.weight"][ids] + named["1.weight"][: len(ids)]
    np.testing.assert_allclose(frame["vectors"].reshape(32, 16)[: len(ids)], vectors[:, :16], rtol=1e-6)
    # The last guess is that of the whole network.
    assert frame["guesses"].reshape(2, 2)[-1].tolist() == pytest.approx([order[0], softmax(logits[None])[0].max()])
    written = "".join(model.vocabulary.decode([int(each)]) for each in frame["written"])
    assert written == model.generate(PROMPT, 160, temperature=0.5, seed=4)


def test_what_it_shows_changes_as_it_learns_and_no_step_does(heard: Heard) -> None:
    before = heard.frame()
    heard.do("train", until=300)
    heard.word("paused")
    after = heard.frame()
    assert after["numbers"][0] > before["numbers"][0]
    assert after["likely"].tolist() != before["likely"].tolist()
    assert after["written"].tolist() != before["written"].tolist()
    points = after["curve"][~np.isnan(after["curve"])]
    assert points[-1] < 0.7 * points[0]


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("", "prompt has 0 characters; expected 1 to 32"), ("x" * 33, "prompt has 33 characters"), (7, "prompt is int"),
        ("na\u00efve \u2603", "character 2 of the text"),
    ],
)  # fmt: skip
def test_a_prompt_that_the_text_has_not_is_refused_and_the_last_one_stays(prompt: Any, told: str, heard: Heard) -> None:
    heard.do("set", settings={"prompt": prompt})
    refused = heard.word("refused")
    assert refused["field"] == "prompt"
    assert told in refused["told"]
    assert heard.frame()["count"].tolist() == [len(PROMPT)]
    other = Heard("language", settings={**SMALL, "prompt": prompt})
    assert other.word("refused")["link"]
    assert other.frame()["count"].tolist() == [len("The value of the ")]
    other.session.take(None)


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    made = begun()
    made.run.advance(seconds=60, until=2)
    made.network.parameters[:] = np.nan
    made.run.advance(until=9)
    assert made.run.is_over
    assert made.run.stopped_at == made.run.steps == 2


def test_after_its_schedule_it_asks_for_a_reset() -> None:
    assert begun().last == 2000
