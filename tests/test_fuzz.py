"""A thousand mutations of valid files and command lines; see fuzz.py, which tries as many as one likes."""

from __future__ import annotations

import needs
from processes import run_python


@needs.compiled_kernels
def test_what_users_give_is_read_or_refused_in_one_exception() -> None:
    """In a process of its own, since files are read where the process stands."""
    found = run_python("import json, fuzz; print(json.dumps(fuzz.run(1000, 0)))")
    assert {name: each["wrong"] for name, each in found.items() if each["wrong"]} == {}
    tried = sum(each["tried"] for each in found.values())
    assert tried == 1000
    assert sum(each["tried"] * each["passed"] for each in found.values()) >= 0.2 * tried
