"""`import fastnn` brings in numba, kernels and next to nothing else: what is needed now and then is imported then."""

from __future__ import annotations

import ast
import inspect
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT, run_python

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


def test_importing_brings_in_kernels_and_a_tapes_operations_of_fastnn_and_no_more(imported: Any) -> None:
    added = {name for name in imported[1] if name.startswith("fastnn.")}
    parts = {"compiler", "edge", "kernels", "operations", "products", "simd", "tape"}
    assert {name.split(".")[1] for name in added} == parts
    assert {"fastnn.operations.residual", "fastnn.operations.norm", "fastnn.kernels.loss"} <= added


def test_the_numbers_of_operations_are_those_of_every_process(imported: Any) -> None:
    """Whatever a program imports first: it may bring a tape that was kept."""
    kinds = "{number: kernel.__module__ for number, kernel in forward_operation.kernels.items()}"
    firsts = "fastnn", "fastnn.operations.norm", "fastnn.learning.training", "fastnn.layers.norm"
    source = "import json; import FIRST; from fastnn.tape.operations import forward_operation; print(json.dumps(KINDS))"
    found = [run_python(source.replace("FIRST", first).replace("KINDS", kinds)) for first in firsts]
    assert found == [found[0]] * len(firsts)
    files = (ROOT / "fastnn" / "operations").rglob("*.py")
    registering = [file for file in files if " = register(" in file.read_text(encoding="utf-8")]
    every = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in registering}
    assert set(found[0].values()) == every


def test_modules_of_public_names_are_attributes_before_anybody_imports_them() -> None:
    """What an attribute is, is compared: a function may have the name of its module."""
    source = """
import json, operator, sys
import fastnn
USE
names = sorted(name.removeprefix("fastnn.") for name in sys.modules if name.startswith("fastnn."))
print(json.dumps({name: operator.attrgetter(name)(fastnn).__name__ for name in NAMES}))
"""
    of_others = "fastnn._HOME_OF.get(name, '').startswith('fastnn.interchange')"
    own = f"[getattr(fastnn, name) for name in fastnn.__all__ if not {of_others}]"
    imported = run_python(source.replace("USE", own).replace("NAMES", "names"))
    rooms = (
        "edge.",
        "generation.",
        "learning.",
        "networks.",
    )  # which users reach by what they hold, and by the names below
    public = {name: found for name, found in imported.items() if not name.startswith(rooms)}
    assert {"kernels.loss", "layers.norm", "learning", "networks"} <= set(public)
    public |= {name: f"fastnn.{name}" for name in ("training", "losses", "optimizers", "network", "io", "functional")}
    assert run_python(source.replace("USE", "").replace("NAMES", repr([*public]))) == public


def test_importing_loads_no_compiled_kernel_and_starts_no_thread() -> None:
    source = """
import json, threading
import numba
from fastnn.compiler import jit as _jit
from fastnn.compiler.jit import compile_clock
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
        assert name in dir(fastnn)
        assert pickle.loads(pickle.dumps(getattr(fastnn, name))) is getattr(fastnn, name)
    assert {"__version__", "training", "tape"} <= set(dir(fastnn))
    assert fastnn.__version__


def imported_by(body: list[ast.stmt]) -> dict[str, set[str]]:
    """What statements import, by where it is from."""
    homes: dict[str, set[str]] = {}
    for node in (node for node in body if isinstance(node, ast.ImportFrom)):
        homes.setdefault(f"{node.module}", set()).update(alias.name for alias in node.names)
    return homes


def test_names_are_told_to_type_checkers_and_to_python_alike() -> None:
    import fastnn
    from fastnn.layers import names
    from fastnn.operations import table

    (told,) = (node for node in ast.parse(inspect.getsource(fastnn)).body if isinstance(node, ast.If))
    homes = imported_by(told.body)
    assert homes.pop("fastnn.layers.names") == {"*"}
    assert homes == {f"fastnn.{home}": set(names) for home, names in fastnn._HOMES.items()}
    layers = imported_by(ast.parse(inspect.getsource(names)).body)
    assert {(home, name) for home, found in layers.items() for name in found} == {
        (home, name) for name, home in table.LAYERS.items()
    }
    assert {*fastnn._HOME_OF, "get_num_threads", "set_num_threads"} == set(fastnn.__all__)


def test_a_star_brings_all_names_and_a_name_that_is_not_there_brings_nothing() -> None:
    source = """
import json, sys
import fastnn
before = len(sys.modules)
missing = [name for name in ("nothing", "cli", "data", "sklearn", "_private") if not hasattr(fastnn, name)]
same = len(sys.modules) == before
from fastnn import *
print(json.dumps([missing, same, [name for name in fastnn.__all__ if name not in globals()]]))
"""
    assert run_python(source) == [["nothing", "cli", "data", "sklearn", "_private"], True, []]


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
from fastnn.compiler.jit import environment_as_found
print(json.dumps([os.environ.get("GOMP_SPINCOUNT"), environment_as_found().get("GOMP_SPINCOUNT")]))
"""
    assert run_python(source) == [told, given.get("GOMP_SPINCOUNT")]


def test_the_package_works_from_a_zip_file(tmp_path: Path) -> None:
    """As Spark's --py-files brings it."""
    place = tmp_path / "fastnn.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for file in sorted((ROOT / "fastnn").rglob("*")):
            if file.suffix in (".py", ".toml"):
                archive.write(file, file.relative_to(ROOT))
    program = """
import sys
import zipfile
from pathlib import Path
sys.path.insert(0, PLACE)
import fastnn, json
from fastnn.paper.models import model_names
network = fastnn.mlp(3, 4, 2, seed=0)
print(json.dumps([fastnn.__file__.startswith(PLACE), network([[1.0, 2.0, 3.0]]).shape, "gpt2" in model_names()]))
"""
    assert run_python(program.replace("PLACE", repr(str(place)))) == [True, [1, 2], True]
