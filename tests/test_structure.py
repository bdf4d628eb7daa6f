"""The shape of the code itself: no module needs itself in the end, and no file or room outgrows its reader."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("raysep", "jobs", "tests", "benchmarks")


def name_of(file: Path) -> str:
    """``raysep.probes`` of ``raysep/probes/__init__.py``."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def statements(node: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """All that runs on import, and with ``inside_functions`` on a call; what only the type checker reads does not run."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not inside_functions:
            continue
        yield child
        yield from statements(child, inside_functions)


def imported(source: str, modules: set[str], inside_functions: bool) -> set[str]:
    """Those of ``modules`` that are imported: ``from a import b`` asks for the module ``a.b`` if there is one, else for ``a``."""
    found: set[str] = set()
    for node in statements(ast.parse(source), inside_functions):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written in full"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else str(node.module) for name in full}
    return found & modules


def lines(file: Path) -> int:
    return len(file.read_text().splitlines())


def test_what_counts_as_an_import():
    source = """
from a import b, text
from a.c import d
if TYPE_CHECKING:
    import e
try:
    import f.g
except ImportError:
    pass
class C:
    def m(self):
        import h
"""
    modules = {"a", "a.b", "a.c", "e", "f", "f.g", "h"}
    assert imported(source, modules, inside_functions=False) == {"a", "a.b", "a.c", "f.g"}
    assert imported(source, modules, inside_functions=True) == {"a", "a.b", "a.c", "f.g", "h"}
    assert imported("from a import b", modules, inside_functions=False) == {"a.b"}


@pytest.mark.parametrize("inside_functions", [False, True], ids=["on import", "in the end"])
def test_there_is_no_circle_among_the_modules(inside_functions):
    sources = {name_of(file): file.read_text() for file in sorted((ROOT / "raysep").rglob("*.py"))}
    graph = {name: imported(source, set(sources), inside_functions) - {name} for name, source in sources.items()}
    assert sum(map(len, graph.values())) > len(sources) > 200
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_stages_stay_a_thin_layer():
    files = list((ROOT / "raysep" / "stages").rglob("*.py"))
    assert 10 < len(files) <= 20
    assert sum(map(lines, files)) < 3700


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_longer_than_can_be_read_at_once(folder):
    counted = {str(file.relative_to(ROOT)): lines(file) for file in (ROOT / folder).rglob("*.py")}
    assert counted
    assert {name: count for name, count in counted.items() if count > 400} == {}
