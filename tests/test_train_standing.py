"""Where a run stands: checkpoints, histories, and going on to the same bits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_tables import QUICK, ROWS, bits, table_of, train

import fastnn
from fastnn import FileError
from fastnn.train import Checkpoint, Training, run
from fastnn.train.records import HistoryFile, Record

# Standing and going on ------------------------------------------------------------------------------------------------


def stop_after(epochs: int) -> Any:
    return lambda record: record.epoch == epochs


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(
    "more",
    [{}, {"schedule": "cosine", "warmup": 2.0}, {"optimizer": "nesterov", "patience": 3, "learning_rate": 0.02},
     {"split": (0.9, 0.0, 0.1), "dropout": 0.3}],
)  # fmt: skip
def test_a_run_that_stopped_goes_on_to_the_same_bits(more: dict[str, Any], classes: int, tmp_path: Path) -> None:
    settings = replace(QUICK, epochs=12, **more)
    whole = train(table_of(classes), settings)
    for epochs in (1, 4, 5):
        kept = {"checkpoint": tmp_path / f"{epochs}.c", "history": tmp_path / f"{epochs}.h"}
        part = train(table_of(classes), settings, **kept, after=stop_after(epochs))
        assert len(part.records) == epochs
        again = train(table_of(classes), settings, **kept, resume=True)
        assert bits(again, tmp_path) == bits(whole, tmp_path)
        assert (again.best_epoch, again.stopped, again.scores) == (whole.best_epoch, whole.stopped, whole.scores)
        for ours, right in zip(again.records, whole.records, strict=True):
            np.testing.assert_array_equal(ours[:5], right[:5])
        lines = [json.loads(line) for line in kept["history"].read_text().splitlines()]
        assert lines == [record.as_dict() for record in again.records]


def test_a_run_that_is_over_is_over_again(tmp_path: Path) -> None:
    first = train(table_of(), QUICK, checkpoint=tmp_path / "c", history=tmp_path / "h")
    again = train(table_of(), QUICK, checkpoint=tmp_path / "c", history=tmp_path / "h", resume=True)
    assert bits(first, tmp_path) == bits(again, tmp_path)
    assert again.records == first.records


def test_more_epochs_may_follow_where_no_schedule_looks_ahead(tmp_path: Path) -> None:
    train(table_of(), QUICK, checkpoint=tmp_path / "c")
    longer = replace(QUICK, epochs=9)
    more = train(table_of(), longer, checkpoint=tmp_path / "c", resume=True)
    assert bits(more, tmp_path) == bits(train(table_of(), longer), tmp_path)
    with pytest.raises(ValueError, match="epochs is 5, and 9 in the checkpoint"):
        train(table_of(), replace(QUICK, epochs=5), checkpoint=tmp_path / "c", resume=True)
    ahead = replace(QUICK, schedule="cosine")
    train(table_of(), ahead, checkpoint=tmp_path / "d")
    with pytest.raises(ValueError, match="epochs is 9, and 6 in the checkpoint"):
        train(table_of(), replace(ahead, epochs=9), checkpoint=tmp_path / "d", resume=True)


@pytest.mark.parametrize(
    ("more", "seed", "rows", "told"),
    [
        ({"batch": 8}, 0, ROWS, "batch is 8, and 16 in the checkpoint"),
        (
            {"layers": (9,), "learning_rate": 0.1},
            0,
            ROWS,
            r"layers is \[9\], and \[8\] in the checkpoint; learning_rate",
        ),
        ({}, 1, ROWS, "fingerprint is .*, and .* in the checkpoint"),
        ({}, 0, ROWS - 1, "rows is 119, and 120 in the checkpoint"),
    ],
)
def test_other_settings_or_data_are_refused(
    more: dict[str, Any], seed: int, rows: int, told: str, tmp_path: Path
) -> None:
    train(table_of(), QUICK, checkpoint=tmp_path / "c", after=stop_after(2))
    before = (tmp_path / "c").read_bytes()
    with pytest.raises(ValueError, match=f"cannot go on: .*{told}"):
        train(table_of(rows=rows, seed=seed), replace(QUICK, **more), checkpoint=tmp_path / "c", resume=True)
    assert (tmp_path / "c").read_bytes() == before


def test_files_of_another_run_are_left_alone(tmp_path: Path) -> None:
    kept = {"checkpoint": tmp_path / "c", "history": tmp_path / "h"}
    train(table_of(), QUICK, **kept)
    before = [file.read_bytes() for file in kept.values()]
    with pytest.raises(FileExistsError, match="resume it"):
        train(table_of(), QUICK, **kept)
    with pytest.raises(FileExistsError, match="holds something else"):
        train(table_of(), QUICK, history=tmp_path / "h")
    with pytest.raises(FileExistsError, match="holds something else"):
        train(table_of(), QUICK, checkpoint=tmp_path / "c", history=tmp_path / "c", resume=True)
    with pytest.raises(FileExistsError, match="holds something else"):
        train(table_of(), QUICK, checkpoint=tmp_path / "mistyped", history=tmp_path / "h", resume=True)
    assert not (tmp_path / "mistyped").exists()
    assert [file.read_bytes() for file in kept.values()] == before
    train(table_of(), replace(QUICK, seed=4), **kept, overwrite=True)
    assert (tmp_path / "c").read_bytes() != before[0]


RECORDS = [Record(i + 1, 0.5, float("nan"), 0.25, float("inf"), 0.1, 10.0, 1.0) for i in range(3)]


def test_a_history_is_cut_where_the_checkpoint_stands(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / "h", [])
    with file:
        for record in RECORDS:
            file.append(record)
    lines = (tmp_path / "h").read_text().splitlines(keepends=True)
    assert json.loads(lines[1]) == {
        "epoch": 2, "loss": 0.5, "val_loss": 0.25, "val_accuracy": None, "seconds": 0.1, "samples_per_s": 10.0,
        "gflops": 1.0,
    }  # fmt: skip
    with (tmp_path / "h").open("a") as torn:
        torn.write('{"epoch": 4, "lo')
    for count in (2, 0):
        with HistoryFile(tmp_path / "h", RECORDS[:count], resume=True):
            pass
        assert (tmp_path / "h").read_text() == "".join(lines[:count])
    (tmp_path / "h").write_text("".join(lines[:1]))
    with pytest.raises(FileExistsError, match="holds something else"):
        HistoryFile(tmp_path / "h", RECORDS[:2], resume=True)


def test_what_a_killed_writer_left_is_swept_away(tmp_path: Path) -> None:
    left = tmp_path / ".c.0123.tmp"
    for file in (left, tmp_path / ".d.0123.tmp"):
        file.touch()
    train(table_of(), QUICK, checkpoint=tmp_path / "c", resume=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".d.0123.tmp", "c"]


def test_a_checkpoint_is_written_when_it_is_due(tmp_path: Path) -> None:
    seen = []

    def look(record: Record) -> bool:
        seen.append(len(Checkpoint.read(tmp_path / "c").records))
        return record.epoch == 3

    run(Training(table_of(), QUICK), checkpoint=tmp_path / "c", after=look, checkpoint_seconds=1000)
    assert seen == [0, 0, 0]
    assert len(Checkpoint.read(tmp_path / "c").records) == 3


def test_files_that_are_no_checkpoint_are_refused(tmp_path: Path) -> None:
    fastnn.mlp(2, 2).save(tmp_path / "net")
    with pytest.raises(FileError, match="expected 'fastnn-checkpoint/1'"):
        train(table_of(), QUICK, checkpoint=tmp_path / "net", resume=True)
    fastnn.networks.io.write(
        tmp_path / "half", {"state": np.ones(2)}, {"format": "fastnn-checkpoint/1", "settings": "{}"}
    )
    with pytest.raises(FileError, match="half"):
        Checkpoint.read(tmp_path / "half")
    training = Training(table_of(), QUICK)
    found = training.checkpoint()
    with pytest.raises(ValueError, match="of another network"):
        training.resume(replace(found, parameters=found.parameters[:4]))
