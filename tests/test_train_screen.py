"""What people see of a training: lines in a pipe, a bar on a terminal, a table at the end."""

from __future__ import annotations

import numpy as np
import pytest

from fastnn.train.command import screen
from fastnn.train.records import Record


def record(epoch: int) -> Record:
    return Record(epoch, 0.5, 0.75, 0.25, 0.5, 0.1, 2e6, 12.5)


def test_a_pipe_gets_twenty_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.epochs_shown(0, 200) as show:
        for epoch in range(1, 201):
            show(record(epoch))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == (
        "epoch 200/200: loss 0.5 (val 0.25), accuracy 75.0% (val 50.0%), 2.00 Msamples/s, 12.5 GFLOP/s"
    )


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "140")
    with screen.epochs_shown(0, 3) as show:
        show(record(3))
    told = capsys.readouterr()
    assert told.out == ""
    assert "3/3" in told.err
    assert "12.5 GFLOP/s" in told.err


def test_what_is_not_known_is_a_dash() -> None:
    table = screen.scores_table({"test": {"rows": 2, "loss": 0.123456, "r2": None}})
    assert [[str(cell) for cell in column.cells] for column in table.columns] == [["test"], ["2"], ["0.12346"], ["-"]]
    table = screen.classes_table(np.array([[2, 0], [0, 0]]), ("a", "b"))
    assert [list(column.cells) for column in table.columns][2:] == [["100.0%", "-"], ["100.0%", "-"]]
