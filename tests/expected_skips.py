"""The skips of a run against those that are expected: `pytest --expected-skips tests/expected_skips.txt`.

A line of that file is `tests/test_x.py::test_y: reason`, for any parameters, or `tests/test_x.py: reason` where a file
is skipped as a whole when it is imported. Lines below a `[condition]` hold where the condition does. Only what a run
selects is compared, so that one list serves every tier.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import frozen_networks
import needs
import numba
import pytest

from fastnn.simd.host import UNIT

CONDITIONS: dict[str, Callable[[], bool]] = {
    "without PyTorch": lambda: find_spec("torch") is None,
    "with PyTorch and without a C++ compiler": lambda: find_spec("torch") is not None and needs.COMPILER is None,
    "without Chromium": lambda: needs.CHROMIUM is None,
    "without AVX-512": lambda: UNIT.name != "avx512",
    "without kept hashes": lambda: not frozen_networks.are_kept(),
    "on one core": lambda: numba.config.NUMBA_NUM_THREADS < 2,
    "as root": lambda: os.getuid() == 0,
}


def expected(lines: Iterable[str]) -> Iterator[str]:
    """The lines that hold on this machine."""
    holds = True
    for line in map(str.strip, lines):
        if line.startswith("["):
            holds = CONDITIONS[line.strip("[]")]()
        elif holds and line and not line.startswith("#"):
            yield line


def without_parameters(nodeid: str) -> str:
    return nodeid.partition("[")[0]


class Comparison:
    """What a run skips beside what it should, as lines of the list."""

    def __init__(self, list_file: Path) -> None:
        self.list_file = list_file
        self.expected = set(expected(list_file.read_text(encoding="utf-8").splitlines()))
        self.skipped: set[str] = set()
        self.selected: set[str] = set()

    def skip(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        assert isinstance(report.longrepr, tuple)
        reason = report.longrepr[2].removeprefix("Skipped: ")
        self.skipped.add(f"{without_parameters(report.nodeid)}: {reason}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.selected.add(report.nodeid)
        if report.skipped:
            self.skip(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """All that a run selects, whichever process ran it."""
        self.selected |= {without_parameters(report.nodeid), report.nodeid.partition("::")[0]}
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skip(report)

    def differences(self) -> list[str]:
        due = {line for line in self.expected if line.partition(": ")[0] in self.selected}
        unexpected = [f"skipped, but not expected to be: {line}" for line in sorted(self.skipped - due)]
        return unexpected + [f"expected to be skipped, but not: {line}" for line in sorted(due - self.skipped)]

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.OK and self.differences():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if lines := self.differences():
            terminalreporter.section(f"skips differ from {self.list_file}", red=True)
            terminalreporter.write_line("\n".join(lines))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--expected-skips", type=Path, metavar="FILE", help="fail where the skips are not those that FILE lists"
    )


def pytest_configure(config: pytest.Config) -> None:
    """A worker of `-n` tells the process that started it, which compares."""
    if hasattr(config, "workerinput"):
        return
    if list_file := config.getoption("--expected-skips"):
        config.pluginmanager.register(Comparison(list_file))
