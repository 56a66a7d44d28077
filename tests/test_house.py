"""The architecture: who may import whom, and which files alone may speak to the compilers. Read from the sources."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from house import circles, module_arrows, room_arrows, room_files
from sources import Sources, nodes

import fastnn
from fastnn.operations import table

SOURCES = Sources.read(Path(fastnn.__file__).parent)
imports, ours, modules_under = SOURCES.imports, SOURCES.ours, SOURCES.modules_under


def test_the_sources_are_read() -> None:
    """What the checks below see: relative imports, deferred ones, and modules of a package."""
    assert "fastnn.reference.dense" in imports("fastnn.reference.network")
    assert "psutil" in imports("fastnn.edge.checks") - imports("fastnn.edge.checks", deferred=False)
    assert "fastnn.tape" in imports("fastnn.networks.network", deferred=False)
    assert "llvmlite" in imports(DOOR)


# Compilers ------------------------------------------------------------------------------------------------------------

COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "stencil", "jitclass", "generated_jit", "overload"}


@pytest.mark.parametrize("name", [name for name in SOURCES.paths if name != "fastnn.compiler.jit"])
def test_only_jit_calls_numbas_compilers(name: str) -> None:
    numba_names, called = set(), set()
    for node in nodes(SOURCES.trees[name], deferred=True):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "numba":
            numba_names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith(("numba.", "nb.")):
            called.add(node.attr)
    assert not (numba_names | called) & COMPILERS


DOOR = "fastnn.compiler.numba_private"
# The CUDA target has a door of its own.
DOORS = (DOOR, "fastnn.cuda.target")
# What Numba documents for its users; its CUDA target has a rule of its own, below.
PUBLIC = {"numba", "numba.types", "numba.extending", "numba.cuda"}


@pytest.mark.parametrize("name", [name for name in SOURCES.paths if name != DOOR])
def test_one_file_imports_what_numba_and_llvmlite_keep_to_themselves(name: str) -> None:
    private = {
        module
        for module in imports(name)
        if module.partition(".")[0] == "llvmlite" or (module.partition(".")[0] == "numba" and module not in PUBLIC)
    }
    assert not {module for module in private if name not in DOORS or not module.startswith("numba.cuda.")}


def names_of_ours() -> set[str]:
    """All that a source defines, as a function, a class, an attribute or a name, or imports from another."""
    found = set()
    for tree in SOURCES.trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.alias):
                found.add(node.name.rpartition(".")[2])
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
                found.add(node.attr)
    return found


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


OURS = names_of_ours() | {"_replace", "_asdict", "_fields", "_getframe"}  # of a NamedTuple, and of sys


def private_names(name: str) -> set[str]:
    """Attributes and named arguments that begin with one underscore and that no source of ours defines."""
    found = set()
    for node in ast.walk(SOURCES.trees[name]):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
    return {each for each in found if each.startswith("_") and not each.endswith("_")} - OURS


# Where other libraries are adapted.
OTHERS = ("fastnn.bench.peers", "fastnn.interchange")


@pytest.mark.parametrize("name", [name for name in SOURCES.paths if name not in DOORS and not name.startswith(OTHERS)])
def test_one_file_touches_what_numba_begins_with_an_underscore(name: str) -> None:
    assert not private_names(name)


def test_private_names_are_seen() -> None:
    assert {"_reload_init", "_rebuild", "_get_arg_packer"} <= private_names(DOOR)
    assert "_kernel_context" in private_names("fastnn.cuda.target")


@pytest.mark.parametrize("name", [name for name in SOURCES.paths if name != "fastnn.cuda.target"])
def test_only_one_file_names_numbas_cuda_target(name: str) -> None:
    from_numba = {
        alias.name
        for node in nodes(SOURCES.trees[name], deferred=True)
        if isinstance(node, ast.ImportFrom) and node.module == "numba"
        for alias in node.names
    }
    assert "cuda" not in from_numba
    assert not any(module.startswith("numba.cuda") for module in imports(name))


@pytest.mark.parametrize("name", [name for name in SOURCES.paths if not name.startswith("fastnn.cuda")])
def test_the_cuda_target_is_imported_when_it_is_asked_for(name: str) -> None:
    assert not any(module.startswith("fastnn.cuda") for module in imports(name, deferred=False))


# Rooms and modules whose functions are compiled, and the one that hands the decorator to users.
COMPILED = (
    "fastnn.kernels", "fastnn.products", "fastnn.simd", "fastnn.tape", "fastnn.operations", "fastnn.learning.training",
)  # fmt: skip
MAKERS = (*COMPILED, "fastnn.compiler.jit", "fastnn.extending")


@pytest.mark.parametrize("name", [name for name in SOURCES.paths if not name.startswith(MAKERS)])
def test_kernels_are_made_in_the_rooms_of_kernels_alone(name: str) -> None:
    from_jit = {
        alias.name
        for node in nodes(SOURCES.trees[name], deferred=True)
        if isinstance(node, ast.ImportFrom) and node.module == "fastnn.compiler.jit"
        for alias in node.names
    }
    assert not from_jit & {"kernel", "lowered", "by_type", "by_dtype"}


# Layers ---------------------------------------------------------------------------------------------------------------

# Each may import those before it, and its own kind.
BASE = [
    tuple(modules_under("compiler", "edge")),
    tuple(modules_under("simd")),
    tuple(modules_under("products")),
    tuple(modules_under("kernels")),
]


@pytest.mark.parametrize("name", modules_under("kernels", "products", "simd") + [*BASE[0]])
def test_jit_simd_and_kernels_import_only_downwards(name: str) -> None:
    level = next(i for i, names in enumerate(BASE) if name in names)
    allowed = {below for names in BASE[: level + 1] for below in names}
    assert ours(imports(name)) <= allowed


@pytest.mark.parametrize("name", modules_under("reference"))
def test_the_reference_imports_nothing_of_ours_and_no_compiler(name: str) -> None:
    assert ours(imports(name)) <= set(modules_under("reference"))
    assert not {module.partition(".")[0] for module in imports(name)} & {"numba", "llvmlite", "scipy"}


def test_the_tape_and_training_know_kernels_and_no_network() -> None:
    below = {name for names in BASE for name in names}
    tape = set(modules_under("tape"))
    for name in tape:
        assert ours(imports(name)) <= below | tape
    assert ours(imports("fastnn.learning.training")) <= below | tape
    operations = set(modules_under("operations"))
    for name in operations:
        assert ours(imports(name)) <= below | tape | operations


PROGRAM = (
    "fastnn.bench",
    "fastnn.report",
    "fastnn.demo",
    "fastnn.timeline",
    "fastnn.play",
    "fastnn.language.command",
    "fastnn.train.command",
    "fastnn.cli",
    "fastnn.__main__",
)
CORE = [name for name in SOURCES.paths if not name.startswith(PROGRAM)]


@pytest.mark.parametrize("name", CORE)
def test_the_library_knows_nothing_of_its_program(name: str) -> None:
    assert not [module for module in ours(imports(name)) if module.startswith(PROGRAM)]


@pytest.mark.parametrize("name", SOURCES.paths)
def test_what_draws_is_imported_when_a_picture_is_asked_for(name: str) -> None:
    """So that they may be missing, and that nothing else waits for them."""
    drawers = {"plotly", "matplotlib", "plotext", "jinja2"}
    assert not {module.partition(".")[0] for module in imports(name, deferred=False)} & drawers


@pytest.mark.parametrize("name", [name for name in SOURCES.paths if not name.startswith("fastnn.bench.peers")])
def test_other_libraries_are_imported_when_a_format_of_theirs_is_asked_for(name: str) -> None:
    others = {"torch", "onnx", "onnxruntime", "jax", "pandas", "polars", "pyarrow", "PIL"}
    assert not {module.partition(".")[0] for module in imports(name, deferred=False)} & others


@pytest.mark.parametrize("name", [name for name in CORE if name != "fastnn"])
def test_the_formats_of_others_stand_above_the_library(name: str) -> None:
    if not name.startswith(("fastnn.interchange", "fastnn.testing")):
        assert not [module for module in ours(imports(name)) if module.startswith("fastnn.interchange")]


@pytest.mark.parametrize("name", [name for name in SOURCES.paths if not name.startswith("fastnn.sklearn")])
def test_scikit_learn_is_imported_by_its_estimators_and_its_peer_alone(name: str) -> None:
    """It takes a second; what else needs it asks for it then, and nothing asks for the estimators."""
    assert not [module for module in imports(name) if module.startswith("fastnn.sklearn")]
    if name != "fastnn.bench.peers.sklearn_peer":
        assert not [module for module in imports(name, deferred=False) if module.partition(".")[0] == "sklearn"]


@pytest.mark.parametrize("name", [name for name in SOURCES.paths if name not in ("fastnn.cli", "fastnn.__main__")])
def test_nothing_imports_the_command_line(name: str) -> None:
    assert "fastnn.cli" not in imports(name)


HOLDS_AGAINST_IT = ("fastnn.reference", "fastnn.testing")


@pytest.mark.parametrize("name", [name for name in CORE if name != "fastnn" and not name.startswith(HOLDS_AGAINST_IT)])
def test_the_library_does_not_compute_with_the_reference(name: str) -> None:
    assert not [module for module in ours(imports(name)) if module.startswith("fastnn.reference")]


def test_the_core_never_imports_the_package_that_imports_it() -> None:
    assert [name for name in CORE if name != "fastnn" and "fastnn" in imports(name)] == []


def test_there_are_no_circles() -> None:
    assert circles(module_arrows(SOURCES)) == []


# Operations -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", table.TABLE, ids=lambda row: row.module)
def test_a_row_of_the_table_of_operations_has_its_files(row: table.Row) -> None:
    wanted = {"layers": bool(row.layers), "operations": row.tape, "reference": row.cases}
    assert {room for room in wanted if f"fastnn.{room}.{row.module}" in SOURCES.paths} >= {
        room for room, needed in wanted.items() if needed
    }


# Who asks which class a layer is, beside the layers themselves; what it does of each belongs to the layer.
ASKS = {
    "fastnn.interchange.chain", "fastnn.interchange.huggingface", "fastnn.interchange.nanogpt",
    "fastnn.interchange.onnx_attention",    "fastnn.bench.perturbed", "fastnn.bench.residual", "fastnn.demo.inside_gpt",
}  # fmt: skip


def asked_of_layers(name: str) -> set[str]:
    """Classes of layers that isinstance or a case of match names in a source."""
    found = set()
    for node in ast.walk(SOURCES.trees[name]):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            found |= {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
        elif isinstance(node, ast.MatchClass):
            found.add(ast.unparse(node.cls))
    return found & set(table.LAYERS)


def test_what_is_known_of_a_layer_is_asked_of_the_layer() -> None:
    asking = {name for name in SOURCES.paths if not name.startswith(("fastnn.layers", "fastnn.reference"))}
    assert {name for name in asking if asked_of_layers(name)} == ASKS


# Rooms and files ------------------------------------------------------------------------------------------------------

FILES = room_files(SOURCES)


@pytest.mark.parametrize("room", sorted(FILES))
def test_a_room_has_at_most_25_files(room: str) -> None:
    assert FILES[room] <= 25


def test_there_are_no_circles_of_rooms() -> None:
    """Each stands above those that it imports from."""
    assert circles(room_arrows(SOURCES)) == []


@pytest.mark.parametrize("name", SOURCES.paths)
def test_a_file_has_fewer_than_400_lines_and_says_what_it_is(name: str) -> None:
    assert SOURCES.lines(name) < 400
    assert ast.get_docstring(SOURCES.trees[name])
