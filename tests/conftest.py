"""The CUDA target runs in numba's simulator, which numba chooses when it is imported. On a machine with a GPU:

NUMBA_ENABLE_CUDASIM=0 pytest tests/test_cuda*.py -m "gpu or not gpu"
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import tiers

os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")

pytest_plugins = ["looking_away", "expected_skips", "chromium", "playing"]
MOST_WORKERS = 4


@pytest.hookimpl(tryfirst=True)  # before -m looks at marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: an address is another in each process of `-n`; give ids")
        if tier := tiers.tier(item.path.stem.removeprefix("test_"), [mark.name for mark in item.iter_markers()]):
            item.add_marker(tier)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Each has its own compiler, and takes up to 1.5 GB."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else MOST_WORKERS
    return min(psutil.cpu_count(logical=False) or 1, cores, MOST_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n` the tests of a file stay in one process, which compiles their kernels once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.fixture(autouse=True)
def _threads_are_all_of_them() -> Iterator[None]:
    """At the end of each test: commands choose them for their process, which is that of the tests after it."""
    yield
    import numba

    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)


@pytest.fixture
def quick_turns() -> Iterator[None]:
    """Simulated threads wait for one another all the time, each wait as long as a turn of Python's."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(params=("fused", "tiled"))
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each path on the device, whatever the sizes would choose; and parts of the gradient for a few rows each."""
    from fastnn.cuda import memory, tiled_run

    if request.param == "tiled":
        monkeypatch.setattr(memory, "room_for", lambda *_: None)
        monkeypatch.setattr(tiled_run, "PART_ROWS", 3)
    return str(request.param)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where kernels would be kept, and beside them what is measured of a machine."""
    from fastnn.bench.calibration import kept

    monkeypatch.setattr(kept, "CACHE_DIRECTORY", str(tmp_path / "kernels-0123"))
    return tmp_path
