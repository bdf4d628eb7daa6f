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


# Handlers that may catch anything: within them nothing is read from a storage, or an outage is as good as any other end.
CATCH_ALL = {
    "raysep.cli": "tells it in one line",
    "raysep.cluster.stream": "hands it on as a row, which the reader raises",
    "raysep.cluster.board": "the watcher of a bar",
    "raysep.cluster.side_by_side": "hands it to the thread that waits for it, which raises it",
    "raysep.cluster.search": "raises the error of the storage that it stands for",
    "raysep.corpus.retry": "it is what tells outages apart",
    "raysep.corpus.stores.s3": "cleans up after an error that is raised",
    "raysep.audio.remembering": "keeps what is raised in a callback, to raise it",
    "raysep.imports": "what a module of the user's own raises",
    "raysep.probes.embedders.clap": "files of this machine",
    "raysep.probes.embedders.pretrained": "files of this machine",
    "raysep.probes.embedders.weight_files": "files of this machine, and the hub",
    "raysep.probes.scoring": "hands on every RaysepError",
    "raysep.stopping": "a signal ends the command, whatever has become of the interrupt",
    "raysep.separators.pickled": "bytes that have been read",
}
WIDE = {"Exception", "BaseException", "RaysepError", "StorageError"}


def swallowed(source: str) -> list[int]:
    """Lines of the handlers that would catch a ``StorageError`` and do not raise just it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for handler in node.handlers if isinstance(node, ast.Try) else ():
            names = {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)} if handler.type else WIDE
            if names & WIDE:
                last = handler.body[-1]
                if not (isinstance(last, ast.Raise) and last.exc is None):
                    found.append(handler.lineno)
                break  # those after it are not reached with one
    return found


def test_an_outage_of_the_storage_is_never_taken_for_something_else():
    """It may not become a failed row, a skipped track or another error: ``except StorageError: raise`` comes first."""
    assert swallowed("try: x\nexcept StorageError: raise\nexcept Exception: pass") == []
    assert swallowed("try: x\nexcept (OSError, RaysepError): pass") == [2]
    sources = {name_of(file): file.read_text() for file in sorted((ROOT / "raysep").rglob("*.py"))}
    found = {name: lines for name, source in sources.items() if (lines := swallowed(source))}
    assert found.keys() <= CATCH_ALL.keys(), {name: found[name] for name in found.keys() - CATCH_ALL.keys()}
    assert CATCH_ALL.keys() <= found.keys()  # the list does not outlive its reasons


def test_the_stages_stay_a_thin_layer():
    files = list((ROOT / "raysep" / "stages").rglob("*.py"))
    assert 10 < len(files) <= 18
    assert sum(map(lines, files)) < 3000


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_longer_than_can_be_read_at_once(folder):
    counted = {str(file.relative_to(ROOT)): lines(file) for file in (ROOT / folder).rglob("*.py")}
    assert counted
    assert {name: count for name, count in counted.items() if count > 400} == {}
