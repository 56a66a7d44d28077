"""The demonstration of attention: what it says is what its networks do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from demos import numbers, run

from fastnn.demo import attention
from fastnn.reference.softmax import softmax

SETTINGS: dict[str, Any] = {"lengths": (3, 12), "steps": 500}


def test_one_vector_is_too_little_for_a_long_sequence_and_attention_is_not() -> None:
    found = {(each["length"], each["way"]): each for each in numbers("attention", **SETTINGS)["networks"]}
    assert found[3, "one vector"]["right"] > 0.95
    assert found[12, "one vector"]["right"] < 0.6
    assert found[12, "attention"]["right"] > 0.95
    assert found[12, "attention"]["parameters"] == found[12, "one vector"]["parameters"]


def test_it_looks_where_the_next_digit_stands() -> None:
    looks = np.array(numbers("attention", **SETTINGS)["looks"])
    np.testing.assert_allclose(looks.sum(axis=1), 1, rtol=1e-12)
    assert (np.abs(looks.argmax(axis=1) - np.arange(12)[::-1]) <= 1).mean() > 0.8


def test_shares_are_those_of_the_layer() -> None:
    """Of one query: what it gets is the mean of the values by these shares."""
    net, length = attention.network(5, False, 3), 5
    net.parameters[:] += np.random.default_rng(0).normal(0, 0.2, net.parameters.size)
    shares = attention.looks(net, length, 0)
    assert shares.shape == (5, 5)
    plain = attention.network(5, True, 3)
    np.testing.assert_array_equal(attention.looks(plain, length, 0), np.ones((5, 1)))
    assert not np.allclose(shares, softmax(np.zeros((5, 5))))


def test_what_is_written_follows_from_what_it_wrote_itself() -> None:
    net = attention.network(4, False, 0)
    x, y = attention.sequences(np.random.default_rng(0), 3, 4)
    assert (y == x[:, 3::-1]).all()
    written = attention.written_by(net, x, 4)
    told = np.hstack([x[:, :5], written[:, :-1]])
    assert (net.predict(told) == written).all()


@pytest.mark.parametrize("lengths", ["1", "3.5", "65"])
def test_lengths_that_cannot_be_are_refused(lengths: str) -> None:
    result = run("attention", "--lengths", lengths)
    assert result.exit_code == 2
    assert "expected whole numbers from 2 to 64" in result.output
