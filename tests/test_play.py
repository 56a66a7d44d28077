"""The playground without a browser: what may be set, and what its pages answer."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import needs
import numpy as np
import pytest
from sessions import Heard

import fastnn
from fastnn.demo.activations import SHOWN, steepest, value_and_slope
from fastnn.demo.learning_rate import steps_of
from fastnn.play.lessons.catalogue import TITLES, lesson
from fastnn.play.lessons.training import EPOCHS
from fastnn.play.session.fields import Field, File, Number, Refused, Sizes, Text, Whole, defaults, read
from fastnn.play.session.lesson import Lesson
from fastnn.play.session.messages import parse, weights_of

needs.package("starlette")
needs.package("uvicorn")
needs.package("websockets")


# Settings and messages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TITLES)
def test_defaults_of_every_page_are_what_it_takes(name: str) -> None:
    fields = lesson(name).fields
    sent = json.loads(json.dumps(defaults(fields)))
    assert read(fields, sent) == defaults(fields)


@pytest.mark.parametrize(
    ("page", "given", "told"),
    [
        ("spam", {"layers": 2000}, "layers is no setting"), ("spam", {"rate": "0.1"}, "rate is str"),
        ("spam", {"rate": True}, "rate is bool"), ("spam", {"rate": 11}, "rate is 11; expected 1e-05 to 10"),
        ("spam", {"money": float("nan")}, "money is nan"), ("spam", {"activation": "step"}, "activation is 'step'"),
        ("spam", {"seed": 0.5}, "seed is 0.5; expected a whole number"), ("spam", [], "settings is list"),
        ("builder", {"sizes": [2] * 2000}, "sizes has 2000 entries; expected 2 to 12"),
        ("builder", {"sizes": [3, 0, 2]}, "sizes[1] is 0"), ("builder", {"sizes": [3, 1e9, 2]}, "sizes[1] is"),
    ],
)  # fmt: skip
def test_what_no_page_says_is_refused_by_the_name_of_its_field(page: str, given: Any, told: str) -> None:
    with pytest.raises(Refused) as error:
        read(lesson(page).fields, given)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "message is no JSON"), ("[]", "message is list"), ('{"do": "exec"}', "do is 'exec'"), ("{}", "do is None"),
        ('{"do": "set"}', "settings is missing"), ('{"do": "pause", "file": "/x"}', "file is no part of pause"),
        ('{"do": "save", "form": "../x"}', "form is '../x'"), ('{"do": "train", "until": 1e99}', "until is 1e+99"),
        ('{"do": "put", "index": 0, "value": NaN}', "message is no JSON"), ("[" * 100_000, "message is no JSON"),
    ],
)  # fmt: skip
def test_messages_are_these_alone(text: str, told: str) -> None:
    with pytest.raises(Refused) as error:
        parse(text)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [("AAAA", "holds 3 bytes"), ("@@@", "no base64url"), (7, "is int"), ("AADAfw" + "A" * 133, "not finite")],
)
def test_weights_of_a_link_are_all_there_and_finite(text: Any, told: str) -> None:
    with pytest.raises(Refused, match=told):
        weights_of(text, 26)


def test_random_messages_are_taken_or_refused_by_name() -> None:
    """And the session goes on."""
    rng, heard = random.Random(0), Heard()
    texts = ['{"do": "set", "settings": {"rate": 0.5}}', '{"do": "put", "index": 3, "value": 1.5}', '{"do": "step"}']
    taken = 0
    for _ in range(2_000):
        letters = [*rng.choice(texts)]
        for _ in range(rng.randrange(4)):
            letters[rng.randrange(len(letters))] = rng.choice('{}[]":,0123456789eE-.abcdonx\\\x00')
        try:
            message = parse("".join(letters))
        except Refused:
            continue
        heard.do(message.do, **message.parts)
        taken += 1
    assert taken > 100
    assert len(heard.file("safetensors")) > 26 * 4
    heard.session.take(None)


# Answers --------------------------------------------------------------------------------------------------------------


def extremes(field: Field) -> list[Any]:
    """Of what can be set: the least, the most, every option."""
    if isinstance(field, (Number, Whole)):
        return [field.low, field.high]
    if isinstance(field, Sizes):
        return [[1] * field.fewest, [1] * field.most, [3, 1], [field.widest, 1]]
    if isinstance(field, Text):
        return ["x", "x" * field.most]
    if isinstance(field, File):
        return [None]
    return [*getattr(field, "options")]  # noqa: B009


def test_a_link_without_an_answer_is_told_and_the_page_shows_its_own() -> None:
    heard = Heard("builder", settings={"sizes": [4096, 4096], "batch": "1"})
    refused = heard.word("refused")
    assert (refused["field"], refused["link"], refused["settings"]["sizes"]) == ("sizes", True, [3, 4, 4, 2])
    assert heard.word("answer")["parameters"] == 46
    heard.delivered.clear()
    heard.do("set", settings={"sizes": [3, 4, 2]})
    heard.word("answer")
    heard.delivered.clear()
    heard.do("set", settings={"sizes": [4096, 4096]})
    refused = heard.word("refused")
    assert (refused["link"], refused["settings"]["sizes"]) == (False, [3, 4, 2])
    heard.session.take(None)


# The options of the timeline are experiments, which test_timeline_experiments.py runs.
@pytest.mark.parametrize("name", [name for name in TITLES if lesson(name).answer is not None and name != "timeline"])
def test_a_page_answers_the_least_the_most_and_every_option(name: str) -> None:
    page = lesson(name)
    assert page.answer is not None
    for field, each in page.fields.items():
        for value in extremes(each):
            settings = defaults(page.fields) | read(page.fields, {field: value})
            json.dumps(page.answer(settings), allow_nan=False)


@pytest.mark.parametrize("name", [name for name in TITLES if lesson(name).begin is not None])
def test_a_page_trains_at_the_least_the_most_and_every_option(name: str) -> None:
    page = lesson(name)
    assert page.begin is not None
    for field, each in page.fields.items():
        for value in extremes(each):
            made = page.begin(defaults(page.fields) | read(page.fields, {field: value}))
            made.run.advance(until=1)
            assert made.run.steps == 1


def test_no_slope_is_above_the_steepest() -> None:
    for name in SHOWN:
        assert value_and_slope(name, np.linspace(-60, 60, 100_001))[1].max() <= steepest(name) * (1 + 1e-12)
    assert [steepest(name) for name in ("step", "sigmoid", "tanh", "softplus")] == [0, 0.25, 1, 1]
    # gelu is steepest at the root of 2.
    assert steepest("gelu") == pytest.approx(0.5 * (1 + math.erf(1)) + math.exp(-1) / math.sqrt(math.pi), rel=1e-12)


def test_the_best_matrix_is_judged_and_a_network_of_zeros_is_told() -> None:
    page = lesson("linear")
    assert page.answer is not None
    for depth, activation, low, high in (
        (100, "off", 0, 1e-4),
        (1, "tanh", 0, 1e-4),
        (2, "relu", 0.1, 1),
        (100, "tanh", 0.1, 1),
    ):
        found = page.answer(defaults(page.fields) | {"depth": depth, "activation": activation})
        assert low <= found["residual"] <= high
    assert page.answer(defaults(page.fields) | {"activation": "relu"})["residual"] is None


def test_what_is_refused_is_told_in_part() -> None:
    for page, given in (
        ("spam", {"rate": 10**4000}),
        ("spam", {"activation": "x" * 4000}),
        ("builder", {"sizes": [3, 10**4000]}),
    ):
        with pytest.raises(Refused) as error:
            read(lesson(page).fields, given)
        assert len(str(error.value)) < 200


def test_a_schedule_that_has_ended_is_not_trained_beyond() -> None:
    heard = Heard("training")
    last = steps_of(EPOCHS)
    heard.do("train")
    assert heard.word("paused") == last
    heard.do("train")
    assert f"the schedule ended with step {last}" in heard.word("refused")["told"]
    heard.do("reset")
    heard.do("set", settings={"schedule": "constant"})
    heard.do("train", until=last + 1)
    heard.wait(lambda found: isinstance(found, dict) and found.get("paused") == last + 1)
    heard.session.take(None)


def test_what_no_network_can_be_is_refused_and_the_session_goes_on() -> None:
    def impossible(settings: Any) -> Any:
        if settings["size"] == 2:
            fastnn.mlp(1, -1)
        return {"size": settings["size"]}

    fields = {"size": Whole(label="", default=1, low=1, high=3)}
    heard = Heard.of(Lesson(fields=fields, texts=dict, answer=impossible))
    heard.do("set", settings={"size": 2})
    assert "make no network" in heard.word("refused")["told"]
    heard.do("set", settings={"size": 3})
    heard.wait(lambda found: found == {"answer": {"size": 3}})
    heard.session.take(None)
