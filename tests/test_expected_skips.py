"""Skips: each says what it needs, and a run fails where they are not those of the list."""

from __future__ import annotations

import ast
from pathlib import Path

import expected_skips
import pytest

pytest_plugins = ["pytester"]

TESTS = Path(__file__).parent
LIST = (TESTS / "expected_skips.txt").read_text(encoding="utf-8").splitlines()
SUITE = """
import pytest

@pytest.mark.parametrize("n", [1, 2])
def test_on_a_gpu(n):
    pytest.skip("needs a GPU")

@pytest.mark.skipif(True, reason="needs: a colon")
def test_marked():
    pass

@pytest.mark.xfail
def test_that_fails():
    raise AssertionError

def test_that_runs():
    pass
"""
WHOLE = "import pytest; pytest.skip('needs torch', allow_module_level=True)"
SKIPS = ("pytest.skip", "pytest.mark.skipif", "pytest.importorskip")
RIGHT = """
# A remark.
test_whole.py: needs torch
test_suite.py::test_on_a_gpu: needs a GPU
test_suite.py::test_marked: needs: a colon
"""


def run(pytester: pytest.Pytester, listed: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_suite=SUITE, test_whole=WHOLE)
    file = pytester.makefile(".txt", listed)
    return pytester.runpytest("-p", "expected_skips", "--expected-skips", file, *arguments)


def test_skips_that_are_listed_pass(pytester: pytest.Pytester) -> None:
    result = run(pytester, RIGHT)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*skips differ*")


def test_skips_that_are_not_listed_fail_and_are_named(pytester: pytest.Pytester) -> None:
    result = run(pytester, "test_suite.py::test_on_a_gpu: needs two GPUs")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([
        "*skips differ from *.txt*",
        "skipped, but not expected to be: test_suite.py::test_marked: needs: a colon",
        "skipped, but not expected to be: test_suite.py::test_on_a_gpu: needs a GPU",
        "skipped, but not expected to be: test_whole.py: needs torch",
        "expected to be skipped, but not: test_suite.py::test_on_a_gpu: needs two GPUs",
    ])  # fmt: skip


def test_a_listed_skip_that_is_none_any_more_fails_and_is_named(pytester: pytest.Pytester) -> None:
    result = run(pytester, f"{RIGHT}test_suite.py::test_that_runs: needs luck\ntest_suite.py: needs luck")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["expected to be skipped, but not: test_suite.py: needs luck"])
    result.stdout.fnmatch_lines(["expected to be skipped, but not: test_suite.py::test_that_runs: needs luck"])
    result.stdout.no_fnmatch_line("*not expected to be*")


def test_what_a_run_does_not_select_is_not_missed(pytester: pytest.Pytester) -> None:
    assert run(pytester, RIGHT, "-k", "test_that_runs").ret == 0


def test_what_several_processes_skip_is_compared_once(pytester: pytest.Pytester) -> None:
    result = run(pytester, RIGHT, "-n", "2")
    assert result.ret == 0
    result.assert_outcomes(passed=1, skipped=4, xfailed=1)
    result = run(pytester, f"{RIGHT}test_suite.py::test_that_runs: needs luck", "-n", "2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["expected to be skipped, but not: test_suite.py::test_that_runs: needs luck"])


def test_without_the_option_nothing_is_compared(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    assert pytester.runpytest("-p", "expected_skips").ret == 0


def test_a_section_holds_where_its_condition_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected_skips, "CONDITIONS", {"as root": lambda: True, "without PyTorch": lambda: False})
    lines = ["a: x", "[without PyTorch]", "b: x", "[as root]", "", "# why", "c: x"]
    assert list(expected_skips.expected(lines)) == ["a: x", "c: x"]
    with pytest.raises(KeyError, match="on Sundays"):
        list(expected_skips.expected(["[on Sundays]"]))


# The suite itself -----------------------------------------------------------------------------------------------------


def test_the_list_names_tests_that_there_are() -> None:
    lines = [line for line in LIST if line and not line.startswith(("#", "["))]
    assert lines
    for line in lines:
        file, _, function = line.partition(": ")[0].partition("::")
        assert not function or f"def {function}(" in (TESTS.parent / file).read_text(encoding="utf-8")


def reasons(source: str) -> list[str]:
    """The reason of each skip, as it is written."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    skips = [
        call for call in calls if ast.unparse(call.func) in ("pytest.skip", "pytest.mark.skipif", "pytest.importorskip")
    ]
    given = [[word.value for word in call.keywords if word.arg == "reason"] or call.args[:1] for call in skips]
    return [ast.unparse(reason) for (reason,) in given]


@pytest.mark.parametrize("file", [path.name for path in TESTS.rglob("*.py")])
def test_every_skip_says_what_it_needs(file: str) -> None:
    (path,) = TESTS.rglob(file)
    for reason in reasons(path.read_text(encoding="utf-8")):
        assert reason.lstrip("f").startswith(("'needs ", '"needs ', "reason("))
