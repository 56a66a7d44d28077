"""Benchmarks are named by what they run, grouped by operation, and carry what a rate is made of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fastnn

# The case table of the tests.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

Describe = Callable[..., None]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """What several threads do is the ladder's to show; on a busy machine they measure their neighbours."""
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(1)
    yield
    fastnn.set_num_threads(before)


@pytest.fixture
def describe(benchmark: Any) -> Describe:
    """describe(group, flops=..., params=..., residual=...): what stands beside the times."""

    def set_info(group: str, **info: Any) -> None:
        benchmark.group = group
        benchmark.extra_info.update(info)

    return set_info
