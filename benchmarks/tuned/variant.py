"""One constant replaced where it is born, as its module is imported: before others copy it and kernels are compiled.

No import of fastnn: that would already be the constant in force.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NamedTuple


class Change(NamedTuple):
    """What stands in a module under that name; field: of it, where it is a NamedTuple."""

    module: str
    name: str
    field: str | None
    value: Any

    def as_text(self) -> str:
        return json.dumps(self)

    @classmethod
    def of_text(cls, text: str) -> Change | None:
        """None, for `null`: the constant in force."""
        parts = json.loads(text)
        if parts is None:
            return None
        *place, value = parts
        return cls(*place, tuple(value) if isinstance(value, list) else value)

    def make(self, module: ModuleType) -> None:
        value = self.value
        if self.field is not None:
            value = getattr(module, self.name)._replace(**{self.field: value})
        elif not hasattr(module, self.name):
            raise AttributeError(f"{self.module} has no {self.name}")
        setattr(module, self.name, value)


class _Finder(MetaPathFinder):
    """Finds one module, whose constant is another as soon as its source has run."""

    def __init__(self, change: Change) -> None:
        self._change = change

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == self._change.module else None
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_change(module: ModuleType) -> None:
            run(module)
            self._change.make(module)

        spec.loader.exec_module = run_and_change  # type: ignore[method-assign]
        return spec


def make_at_import(change: Change | None) -> None:
    """For the rest of the process. ImportError where it would come too late."""
    if change is None:
        return
    if change.module in sys.modules:
        raise ImportError(f"{change.module} is there already")
    sys.meta_path.insert(0, _Finder(change))
