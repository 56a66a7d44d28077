"""The table for people."""

from __future__ import annotations

import io

import pytest
from bench_rows import row

from fastnn.bench.table import console, si, table


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.2e-6, "s", "1.20 µs"), (26, "", "26"), (10_006_538, "", "10.0 M"), (999.9, "s", "1.00 ks"),
        (0.0999, "s", "99.9 ms"), (9.996e-3, "s", "10.0 ms"), (117e9, "FLOP/s", "117 GFLOP/s"), (1000, "", "1.00 k"),
        (2.5e-10, "s", "0.25 ns"), (0, "", "0"), (0.0, "s", "0.00 ns"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits_and_a_prefix(value: float, unit: str, text: str) -> None:
    assert si(value, unit) == text


def shown(*rows: dict[str, object]) -> str:
    stream = io.StringIO()
    console(stream).print(table(rows))
    return stream.getvalue()


def test_columns_that_say_nothing_are_left_out() -> None:
    plain = shown(row(), row(phase="epoch"))
    assert "batch" not in plain
    assert "thr" not in plain
    assert "verdict" not in plain
    varied = shown(row(), row(batch=1, threads=2, verdict="very noisy"))
    assert all(word in varied for word in ("batch", "thr", "very noisy"))


def test_a_line_shows_cost_time_rate_spread_compile_and_losses() -> None:
    line = shown(row()).splitlines()[1].split()
    assert line == ["3-4-2", "26", "step", "2.00", "k", "1.50", "µs", "1.3", "1.0%", "6.7%", "0", "0.80→0.25"]


def test_a_refused_row_has_no_numbers() -> None:
    empty = dict.fromkeys(("median_s", "iqr_s", "min_s", "gflops", "peak_fraction", "loss_first", "loss_last"))
    assert shown(row(verdict="refused", compile_s=1.5, **empty)).splitlines()[1].split() == [
        "3-4-2", "26", "step", "2.00", "k", "-", "-", "-", "-", "1.50", "s", "-", "refused",
    ]  # fmt: skip


def test_a_peer_stands_below_our_row_of_its_phase_with_its_ratio() -> None:
    peer = {
        "peer": "numpy",
        "ratio": {"median": 12.0, "low": 11.5, "high": 12.34},
        "compile_s": None,
        "loss_first": None,
    }
    lines = shown(row(phase="forward"), row(), row(phase="forward", **peer), row(**peer)).splitlines()
    assert [("numpy" in line, "forward" in line) for line in lines[1:]] == [
        (False, True), (True, True), (False, False), (True, False),
    ]  # fmt: skip
    assert "12 [11.5, 12.3]" in lines[2]


def test_the_default_ladder_fits_100_columns() -> None:
    widest = row(
        name="784-512-512-10", params=669_706, threads=2, phase="forward", flops=105_000_000, times_s=[1.0],
        median_s=0.0123, iqr_s=0.0099, gflops=123.4, peak_fraction=0.999, compile_s=12.3, loss_first=2.65,
        loss_last=0.11, verdict="very noisy",
    )  # fmt: skip
    assert max(len(line.rstrip()) for line in shown(widest, row()).splitlines()) <= 100
