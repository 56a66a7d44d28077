"""benchmarks/sequence_tasks.py: what it asks has the answers that it says, and a short form is learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from processes import ROOT


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import sequence_tasks

    return sequence_tasks


def test_the_sum_is_of_two_marked_numbers_one_in_each_half(tasks: Any) -> None:
    x, y = tasks.adding(np.random.default_rng(0), 500)
    assert x.shape == (500, 100, 2)
    assert np.isin(x[:, :, 1], [0, 1]).all()
    assert (x[:, :50, 1].sum(1) == 1).all()
    assert (x[:, 50:, 1].sum(1) == 1).all()
    np.testing.assert_allclose(y[:, 0], [row[row[:, 1] == 1, 0].sum() for row in x], rtol=1e-6)
    assert np.var(y) == pytest.approx(1 / 6, rel=0.15)


def test_the_symbols_come_again_after_twenty_steps_and_a_cue(tasks: Any) -> None:
    x, y = tasks.copying(np.random.default_rng(0), 50)
    assert x.shape == y.shape == (50, 40)
    assert (x[:, 10:29] == tasks.NOTHING).all()
    assert (x[:, 29] == tasks.CUE).all()
    assert (x[:, 30:] == tasks.NOTHING).all()
    assert (y[:, :30] == -100).all()
    assert (y[:, 30:] == x[:, :10]).all()
    assert set(np.unique(x[:, :10])) == set(range(1, 9))


def test_short_forms_are_learned_and_the_command_tells_so(tasks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"POSITIONS": 6, "SYMBOLS": 1, "GAP": 2, "EPOCHS": 30, "JUDGED": 200}.items():
        monkeypatch.setattr(tasks, name, value)
    result = CliRunner().invoke(tasks.main, ["--cell", "gru", "--seeds", "1"])
    assert result.exit_code == 0, result.output
    assert "adding gru: 1 of 1 solved" in result.stdout
    assert "copy gru: 1 of 1 solved" in result.stdout


def test_who_does_not_learn_makes_the_command_fail(tasks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "learn", lambda *_: (0.5, 1))
    result = CliRunner().invoke(tasks.main, ["--task", "copy", "--cell", "lstm", "--seeds", "2"])
    assert result.exit_code == 1
    assert "copy lstm: 0 of 2 solved" in result.stdout
