"""`import fastnn` brings in numba and next to nothing else: what is needed now and then is imported then."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from processes import run_python

SOURCE = """
import json, sys
import numba
before = set(sys.modules)
import fastnn
USE
print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))
"""


def packages(names: list[str]) -> set[str]:
    """Packages beside the standard library."""
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)


def added_packages(imported: Any) -> set[str]:
    """Those that numba has not already brought in, as it does SciPy where that is installed, beside platformdirs, which
    is asked where caches are unless the environment says."""
    before, added = imported
    return packages(added) - packages(before) - {"platformdirs"}


@pytest.fixture(scope="module")
def imported() -> Any:
    return run_python(SOURCE.replace("USE", ""))


def test_importing_adds_fastnn_to_numba(imported: Any) -> None:
    assert added_packages(imported) == {"fastnn"}


@pytest.mark.parametrize(
    "package",
    [
        "sklearn",
        "scipy",
        "pandas",
        "torch",
        "jax",
        "rich",
        "click",
        "psutil",
        "safetensors",
        "mlxtend",
        "matplotlib",
        "onnx",
        "polars",
    ],
)
def test_importing_leaves_out(package: str, imported: Any) -> None:
    assert package not in added_packages(imported)


def test_importing_leaves_out_what_few_need_of_fastnn_itself(imported: Any) -> None:
    added = set(imported[1])
    assert "fastnn.kernels.loss" in added
    unwanted = {"fastnn.cli", "fastnn.bench", "fastnn.machine", "fastnn.data", "fastnn.reference", "fastnn.interchange"}
    assert not added & unwanted


def test_importing_loads_no_compiled_kernel_and_starts_no_thread() -> None:
    source = """
import json, threading
import numba
from fastnn import _jit
from fastnn._jit import compile_clock
with compile_clock() as clock:
    import fastnn
loaded = sum(len(dispatcher.overloads) for dispatcher in _jit.DISPATCHERS)
print(json.dumps([clock.count, loaded, threading.active_count(), len(_jit.DISPATCHERS)]))
"""
    compilations, loaded, threads, kernels = run_python(source)
    assert (compilations, loaded, threads) == (0, 0, 1)
    assert kernels > 20


def test_training_and_predicting_import_no_other_package() -> None:
    use = """
net = fastnn.mlp(3, 4, 2, seed=0)
net.fit([[1, 2, 3], [4, 5, 6]], [0, 1], epochs=1)
net.predict([[1, 2, 3]])
"""
    assert added_packages(run_python(SOURCE.replace("USE", use))) == {"fastnn"}


def test_all_names_are_there() -> None:
    import fastnn

    assert len(fastnn.__all__) == len(set(fastnn.__all__))
    for name in fastnn.__all__:
        assert getattr(fastnn, name).__doc__, name


@pytest.mark.parametrize(
    ("given", "told"), [({}, "30000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
def test_openmp_is_told_to_wait_briefly_unless_the_user_has_said_how(
    given: dict[str, str], told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    source = """
import json, os
import fastnn
from fastnn._jit import environment_as_found
print(json.dumps([os.environ.get("GOMP_SPINCOUNT"), environment_as_found().get("GOMP_SPINCOUNT")]))
"""
    assert run_python(source) == [told, given.get("GOMP_SPINCOUNT")]
