"""What the system says of the caches, what is made of it where it cannot be true, and the blocks that follow."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from processes import run_python

from fastnn.kernels import dense
from fastnn.kernels.activation import IDENTITY
from fastnn.kernels.optimizer import SGD
from fastnn.products import blocks, matmul
from fastnn.simd import caches, host
from fastnn.simd.caches import ASSUMED_CACHES, SANE_CACHES, sane_caches

KB, MB = 2**10, 2**20
ZEN_3 = [("1", "Data", "32K"), ("1", "Instruction", "64K"), ("2", "Unified", "512K"), ("3", "Unified", "32M")]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where Linux is made to tell of its caches."""
    monkeypatch.setattr(caches, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    return tmp_path


def tell(folder: Path, entries: list[tuple[str, str, str]]) -> None:
    for index, values in enumerate(entries):
        entry = folder / f"index{index}"
        entry.mkdir()
        for name, value in zip(("level", "type", "size"), values, strict=True):
            (entry / name).write_text(value + "\n")


def test_caches_are_read_from_the_systems_folder(folder: Path) -> None:
    tell(folder, ZEN_3)
    assert caches.caches() == sane_caches() == {"L1d": 32 * KB, "L2": 512 * KB, "L3": 32 * MB}


def test_caches_are_unknown_where_the_system_has_no_such_folder(folder: Path) -> None:
    folder.rmdir()
    assert caches.caches() == {"L1d": None, "L2": None, "L3": None}
    assert sane_caches() == ASSUMED_CACHES


def test_what_a_container_hides_is_assumed(folder: Path) -> None:
    tell(folder, ZEN_3)
    (folder / "index2" / "size").unlink()
    with pytest.raises(OSError, match="size"):
        caches.caches()
    assert sane_caches() == ASSUMED_CACHES


def test_what_is_no_number_is_assumed(folder: Path) -> None:
    tell(folder, [*ZEN_3[:3], ("3", "Unified", "unknown")])
    assert sane_caches() == ASSUMED_CACHES


@pytest.mark.parametrize("place", [0, 2, 3])
def test_a_cache_that_cannot_be_is_assumed_and_the_others_are_believed(
    place: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    level = ["L1d", "", "L2", "L3"][place]
    least, most = SANE_CACHES[level]
    for size, told in ((0, False), (least - KB, False), (least, True), (most, True), (most + KB, False)):
        here = folder / str(size)
        here.mkdir()
        monkeypatch.setattr(caches, "CACHE_FOLDER", here)
        tell(here, [(*entry[:2], f"{size // KB}K") if i == place else entry for i, entry in enumerate(ZEN_3)])
        others = {"L1d": 32 * KB, "L2": 512 * KB, "L3": 32 * MB}
        assert sane_caches() == others | {level: size if told else ASSUMED_CACHES[level]}


def test_what_is_assumed_can_be() -> None:
    assert all(least <= ASSUMED_CACHES[level] <= most for level, (least, most) in SANE_CACHES.items())


def test_macos_is_asked_by_sysctl(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"hw.l1dcachesize": "65536\n", "hw.l2cachesize": "4194304\n", "hw.l3cachesize": ""}

    def answer(command: list[str], **options: Any) -> Any:
        program, option, name = command
        assert (program, option) == ("sysctl", "-n")
        return subprocess.CompletedProcess(command, 0, told[name], "")

    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", answer)
    assert caches.caches() == {"L1d": 64 * KB, "L2": 4 * MB, "L3": None}
    assert sane_caches() == {"L1d": 64 * KB, "L2": 4 * MB, "L3": ASSUMED_CACHES["L3"]}


def test_macos_without_sysctl_has_the_assumed_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sane_caches() == ASSUMED_CACHES


# Blocks ---------------------------------------------------------------------------------------------------------------

# To be run before fastnn is imported.
OTHER_CACHES = """
import sys, types
other = sys.modules["fastnn.simd.caches"] = types.ModuleType("fastnn.simd.caches")
other.sane_caches = lambda: {caches}
for name in ("CACHE_FOLDER", "caches", "sysctl", "ASSUMED_CACHES", "SANE_CACHES"): setattr(other, name, None)
"""


def whole_numbers(*shape: int) -> Any:
    return np.random.default_rng(shape).integers(-3, 4, shape).astype("f8")


def assert_whole_product(form: int, m: int, n: int, k: int) -> None:
    x = whole_numbers(k, m) if form == blocks.TN else whole_numbers(m, k)
    w = whole_numbers(n, k) if form == blocks.NT else whole_numbers(k, n)
    y, scratch = np.full((m, n), np.nan), np.full(matmul.scratch_size(form, m, n, k, 8, 1), np.nan)
    matmul.product(y, x, w, scratch, form)
    assert np.array_equal(y, (x.T if form == blocks.TN else x) @ (w.T if form == blocks.NT else w)), (form, m, n, k)


def assert_whole_update(batch: int, inputs: int, outputs: int) -> None:
    x, w, dz = whole_numbers(batch, inputs), whole_numbers(inputs, outputs), whole_numbers(batch, outputs)
    none, params, dx = np.empty(0), w.flatten(), np.full_like(x, np.nan)
    scratch = np.full(dense.dense_scratch(batch, inputs, outputs, 8, 1), np.nan)
    rule = 0.5, 0.0, 0.0, 0.0, 0.0, 1.0
    dense.dense_backward(dx, none, none, params, none, 0, 0, dz, x, dz, dz, IDENTITY, 0.0, scratch, True, SGD, rule)
    assert np.array_equal(dx, dz @ w.T)
    assert np.array_equal(params.reshape(w.shape), w - 0.5 * x.T @ dz)


def in_other_caches(terms: int) -> None:
    """Products of several blocks, and an update by more rows than a block has, in scratch whose bounds are checked."""
    rows = blocks.rows_of_block(8)
    for form in (blocks.NN, blocks.NT, blocks.TN):
        assert_whole_product(form, max(blocks.X_ROWS, rows) + 3, max(blocks.X_COLUMNS, 2) + 1, blocks.X_TERMS + 1)
    assert_whole_product(blocks.NN, max(blocks.X_ROWS, 5), max(blocks.X_COLUMNS, 5), terms)
    assert_whole_update(16, 98, max(blocks.X_COLUMNS, 30))
    found = {"terms": host.TERMS, "rows": rows, "panel": host.TERMS * host.VECTORS * host.UNIT.bytes}
    print(json.dumps(found | {"packed": rows * host.TERMS * 8}))


@needs.compiled_kernels
@pytest.mark.parametrize(("l1d", "l2", "terms"), [(16 * KB, 128 * KB, 131), (256 * KB, 128 * KB, 5)])
def test_blocks_follow_the_caches_and_products_by_them_are_right(l1d: int, l2: int, terms: int) -> None:
    told = ASSUMED_CACHES | {"L1d": l1d, "L2": l2}
    source = OTHER_CACHES.format(caches=told) + f"import test_caches; test_caches.in_other_caches({terms})"
    found = run_python(source, NUMBA_DISABLE_JIT="1")
    unit, least = host.UNIT, host.PANEL_ROWS
    assert found["terms"] % unit.unrolled == 0
    if unit.panel_terms == 0:
        assert 0.9 * unit.panel_share < found["panel"] / l1d <= unit.panel_share
    if unit.rows_share > 0:
        assert found["packed"] <= unit.rows_share * l2 or found["rows"] == least
