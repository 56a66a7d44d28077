"""The sources of a package as they stand on the disk: its modules, their syntax trees, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def nodes(tree: ast.AST, *, deferred: bool) -> Iterator[ast.AST]:
    """All nodes; without deferred those that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if not deferred and (is_type_checking(node) or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            continue
        yield node
        yield from nodes(node, deferred=deferred)


@dataclass(frozen=True)
class Sources:
    """The modules of a package by full name. Nothing of it is imported, so it may be of another checkout."""

    package: str
    paths: dict[str, Path]
    trees: dict[str, ast.Module]
    read_imports: dict[tuple[str, bool], set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Sources:
        """Of a package's folder, which names it."""
        paths = {
            ".".join([folder.name, *path.relative_to(folder).with_suffix("").parts]).removesuffix(".__init__"): path
            for path in sorted(folder.rglob("*.py"))
        }
        trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in paths.items()}
        return cls(folder.name, paths, trees)

    def room(self, name: str) -> str:
        """The folder that a module stands in, as a package's name; a package stands in its own."""
        return name if self.paths[name].name == "__init__.py" else name.rpartition(".")[0]

    def lines(self, name: str) -> int:
        return len(self.paths[name].read_text(encoding="utf-8").splitlines())

    def imports(self, name: str, *, deferred: bool = True) -> set[str]:
        """Modules that a module imports, by full name; `from package import module` counts as that module."""
        if (name, deferred) not in self.read_imports:
            self.read_imports[name, deferred] = self._read_imports(name, deferred)
        return set(self.read_imports[name, deferred])

    def _read_imports(self, name: str, deferred: bool) -> set[str]:
        package = self.room(name)
        found = set()
        for node in nodes(self.trees[name], deferred=deferred):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*parents, *([node.module] if node.module else [])])
                modules = {f"{base}.{alias.name}" for alias in node.names} & set(self.paths)
                # `from fastnn import tape, Network` is of the module tape, and of the package for the rest.
                found |= modules if len(modules) == len(node.names) else modules | {base}
        return found

    def ours(self, names: set[str]) -> set[str]:
        return {name for name in names if name.partition(".")[0] == self.package}

    def modules_under(self, *packages: str) -> list[str]:
        starts = tuple(f"{self.package}.{package}" for package in packages)
        return [name for name in self.paths if name.startswith(starts)]
