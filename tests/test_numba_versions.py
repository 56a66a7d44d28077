"""Which versions of Numba fastnn is for: pip is told, and whoever imports it beside another is warned."""

from __future__ import annotations

import textwrap
import tomllib

import pytest
from processes import ROOT, run_python

from fastnn.compiler import warn_of_another_version


@pytest.mark.parametrize("version", ["0.67.0", "0.70.0", "0.70.0rc1", "0.71.0dev0+12.g123", "1.0"])
def test_another_version_of_numba_is_warned_of(version: str) -> None:
    with pytest.warns(RuntimeWarning, match=rf"expects numba>=0\.68,<0\.70 and found numba {version[:4]}.*pip install"):
        warn_of_another_version(version)


def test_a_version_whose_private_interface_is_known_is_not() -> None:
    for version in ("0.68.0", "0.68.1", "0.69.2", "0.69.0rc1"):
        warn_of_another_version(version)


@pytest.mark.parametrize("moved", ["", "numba.core.callconv"])
def test_the_warning_comes_with_the_import_whether_that_fails_or_not_and_where_pip_would_refuse(moved: str) -> None:
    source = f"""
    import json, sys, warnings
    from contextlib import suppress
    import numba
    numba.__version__ = "0.70.0"
    if {moved!r}:
        sys.modules[{moved!r}] = None
    with warnings.catch_warnings(record=True) as seen, suppress(ImportError):
        warnings.simplefilter("always")
        import fastnn
    print(json.dumps(["fastnn" in sys.modules, *(str(warning.message) for warning in seen)]))
    """
    imported, message = run_python(textwrap.dedent(source), FASTNN_CACHE_DIR="")
    assert imported == (not moved)
    assert "found numba 0.70.0" in message
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = (each for each in project["dependencies"] if each.startswith("numba"))
    assert wanted in message
