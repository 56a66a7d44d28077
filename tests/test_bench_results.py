"""Result files: what they hold, and that a crash never leaves half of one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bench_rows import CONTEXT, private_words, row

from fastnn.bench import results
from fastnn.compiler.jit import threading_layer

UNTIMED: dict[str, Any] = {"times_s": [], "verdict": "refused"} | dict.fromkeys(results.TIMED_FIELDS)


def document(*rows: dict[str, Any]) -> dict[str, Any]:
    return results.document(CONTEXT, rows)


def test_a_document_with_good_rows_is_valid() -> None:
    results.validate(document())
    results.validate(document(row(), row(phase="epoch"), row(**UNTIMED)))
    results.validate(json.loads(results.dumps(document(row()))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phase": "backward"}, "phase is 'backward'"),
        ({"verdict": "fine"}, "verdict is 'fine'"),
        ({"params": 26.0}, "params is 26.0"),
        ({"median_s": float("nan")}, "median_s is nan"),
        ({"gflops": True}, "gflops is True"),
        ({"verdict": "refused"}, "in a row with verdict 'refused'"),
        ({"times_s": []}, "holds 0 times"),
        ({"floor_s": None}, "floor_s is None"),
    ],
)
def test_a_row_that_breaks_the_contract_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        results.validate(document(row(), row(**change)))
    with pytest.raises(ValueError, match=r"benchmarks\[1\]"):
        results.validate(document(row(), row(**change)))


@pytest.mark.parametrize("name", results.ROW_FIELDS)
def test_every_field_of_a_row_is_required(name: str) -> None:
    incomplete = row()
    del incomplete[name]
    with pytest.raises(ValueError, match=f"lacks '{name}'"):
        results.validate(document(incomplete))


def test_every_field_of_the_context_is_required() -> None:
    for name in results.CONTEXT_FIELDS:
        rest = {key: value for key, value in CONTEXT.items() if key != name}
        with pytest.raises(ValueError, match=f"context lacks '{name}'"):
            results.validate(results.document(rest, []))
    with pytest.raises(ValueError, match="lacks numba"):
        results.validate(
            results.document(CONTEXT | {"versions": {"python": "3", "numpy": "2", "llvmlite": "0", "fastnn": "0"}}, [])
        )


def test_another_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="fastnn-bench/1"):
        results.validate({"schema": "fastnn-bench/2"})
    with pytest.raises(ValueError, match="benchmarks is NoneType"):
        results.validate({"schema": results.SCHEMA, "context": CONTEXT})


def test_numbers_that_are_not_finite_are_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        results.dumps(document(row(median_s=float("inf"))))


def test_a_file_is_written_whole_into_a_new_folder_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    results.write(path, document(row()))
    results.write(path, document(row(), row()))
    assert json.loads(path.read_text()) == document(row(), row())
    assert os.listdir(path.parent) == ["results.json"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    path = tmp_path / "results.json"
    results.write(path, document(row()))

    def fail(*arguments: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="no space"):
        results.write(path, document(row(), row()))
    assert json.loads(path.read_text()) == document(row())
    assert os.listdir(tmp_path) == ["results.json"]


def test_the_context_is_complete_and_names_no_user_and_no_host() -> None:
    context = results.context([1], "float32") | {"ceilings": [], "threading_layer": threading_layer()}
    results.validate(results.document(context, []))
    text = json.dumps(context)
    assert private_words(text) == []


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_revision_and_changes_of_a_checkout_are_known(tmp_path: Path) -> None:
    assert results.git_state(tmp_path) == (None, None)
    git(tmp_path, "init")
    assert results.git_state(tmp_path) == (None, None)  # no commit yet
    source = tmp_path / "fastnn" / "a.py"
    source.parent.mkdir()
    source.write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    revision, dirty = results.git_state(tmp_path)
    assert revision is not None
    assert len(revision) == 40
    assert dirty is False
    source.write_text("2")
    assert results.git_state(tmp_path) == (revision, True)


def test_without_git_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert results.git_state(tmp_path) == (None, None)
