"""What others' formats need is named where it is missing, and imported when it is asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from processes import run_python

import fastnn
from fastnn import from_onnx, from_torch, mlp, to_onnx, to_torch


@pytest.mark.parametrize(
    ("package", "use"),
    [
        ("torch", lambda path: from_torch(None)),
        ("torch", lambda path: to_torch(mlp(3, 2))),
        ("onnx", lambda path: to_onnx(mlp(3, 2), path)),
        ("onnx", lambda path: from_onnx(path)),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    package: str, use: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=rf"{package} must be installed.* pip install 'fastnn\[{package}\]'"):
        use(tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_state_dicts_need_no_torch() -> None:
    assert run_python(
        """
import json, sys
sys.modules["torch"] = sys.modules["onnx"] = None
import fastnn
net = fastnn.mlp(3, 4, 2, seed=0)
again = fastnn.from_state_dict(fastnn.state_dict(net))
print(json.dumps(again.parameters.tobytes() == net.parameters.tobytes()))
"""
    )


def test_fastnn_lists_the_formats_and_nothing_that_is_not_there() -> None:
    assert {"from_onnx", "from_torch", "state_dict", "mlp", "__version__"} <= set(dir(fastnn))
    with pytest.raises(AttributeError, match="module 'fastnn' has no attribute 'from_keras'"):
        fastnn.from_keras  # noqa: B018
