"""What a kernel is made of: what changes its digest, and what does not."""

from __future__ import annotations

import sys
from types import ModuleType

import needs
import pytest

from fastnn.compiler.jit import DEBUG
from fastnn.compiler.reach import digest

OTHER = "BORDER = 3\n\ndef twice(x):\n    return 2 * x\n"
KERNEL = '''
from fastnn.compiler.jit import kernel
from other_of_these_tests import BORDER, twice

@kernel
def inner(x):
    """What it says."""
    return twice(x) + BORDER

@kernel(OPTIONS)
def outer(x):
    return inner(x) if x > 1 else x
'''


def outer(monkeypatch: pytest.MonkeyPatch, kernel: str = KERNEL, other: str = OTHER, options: str = "") -> str:
    """The digest of `outer`, of modules made anew."""
    for name, source in (("other_of_these_tests", other), ("kernel_of_these_tests", kernel)):
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(source.replace("OPTIONS", options), module.__dict__)
    return digest(sys.modules["kernel_of_these_tests"].outer)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""What it says."""', '"""It says something else."""'),
        ("@kernel\n", "# A comment, and lines that move.\n\n@kernel\n"),
        ("return twice(x) + BORDER", "return twice(x) + BORDER  # why"),
    ],
)
def test_comments_docstrings_and_places_change_nothing(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    assert before in KERNEL
    assert outer(monkeypatch, KERNEL.replace(before, after)) == outer(monkeypatch)


def test_a_constant_a_function_and_code_of_other_modules_change_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [
        outer(monkeypatch),
        outer(monkeypatch, other=OTHER.replace("BORDER = 3", "BORDER = 4")),
        outer(monkeypatch, other=OTHER.replace("2 * x", "3 * x")),
        outer(monkeypatch, KERNEL.replace("x > 1", "x >= 1")),
        outer(monkeypatch, KERNEL.replace("else x", "else -x")),
    ]
    assert len(set(digests)) == len(digests)


@needs.jit
@pytest.mark.parametrize("options", ["reassociate=True", "apart=True"])
def test_the_options_of_compiling_change_the_digest(options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert DEBUG or outer(monkeypatch, options=options) != outer(monkeypatch)


@needs.compiled_kernels
def test_of_what_is_called_late_its_arguments_alone_count(monkeypatch: pytest.MonkeyPatch) -> None:
    late = KERNEL.replace("@kernel\n", "@kernel(late=True)\n")
    assert outer(monkeypatch, late) != outer(monkeypatch)
    assert outer(monkeypatch, late, OTHER.replace("2 * x", "3 * x")) == outer(monkeypatch, late)
    renamed = late.replace("def inner(x)", "def inner(y)").replace("twice(x)", "twice(y)")
    assert outer(monkeypatch, renamed) != outer(monkeypatch, late)


def test_a_cycle_has_a_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    cycle = "def twice(x):\n    return again(x)\n\ndef again(x):\n    return twice(x) if x else 1\n\nBORDER = 3\n"
    assert outer(monkeypatch, other=cycle) == outer(monkeypatch, other=cycle) != outer(monkeypatch)
