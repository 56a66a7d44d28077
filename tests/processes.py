"""Python code in a process of its own, for what is settled once a process: threads, threading layers, imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def uncovered() -> dict[str, str]:
    """The environment for a process that compiles much, in which coverage would take half of the time: what it runs
    in Python other tests run."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}


def run_python(source: str, covered: bool = True, **environment: str) -> Any:
    """What the code prints, read as JSON. It finds the fastnn under test, its compiled kernels, and no warning."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        env={
            **(os.environ if covered else uncovered()),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            **environment,
        },
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, f"exit status {finished.returncode}\n{finished.stdout}\n{finished.stderr}"
    return json.loads(finished.stdout)
