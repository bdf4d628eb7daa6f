"""Which tests are one process's, which of them begin first, and which files hold slow ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST = ("finished", "here", "ray_runtime", "cluster", "tests/commands/benchmark/test_attribution.py")
SLOW = ("train", "cluster", "slow", "long")


def give(items: list[pytest.Item]) -> None:
    """With several workers (``-n``) a file is one worker's, and so are all tests of the finished run, and of a Ray runtime.

    What is made once for a module or the session is then made once, and one Ray's waiting is another's work. Tests of the
    finished run have a runtime of their own, and those of ``raysep.cluster``: all of them together would be all that one
    worker does while others idle. The longest groups begin first, so that none is what one worker still does at the end.

    Whoever needs a runtime is marked ``cluster``: the quick tests start none.
    """
    for item in items:
        group = item.nodeid.partition("::")[0]
        if "ray_runtime" in item.fixturenames:
            item.add_marker(pytest.mark.cluster)
            shared = "finished" if "finished" in item.fixturenames else "ray_runtime"
            group = "cluster" if group.startswith("tests/cluster/") else shared
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    group = item.get_closest_marker("xdist_group").args[0]
    return LONGEST.index(group) if group in LONGEST else len(LONGEST)


def check(items: list[pytest.Item]) -> None:
    """Raise ``pytest.UsageError`` for a slow test in a file that `make test-slow` would pass over, not having imported it."""
    tells = re.search(r"^TELLS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    for file in {item.path for item in items if any(item.get_closest_marker(name) for name in SLOW)}:
        if not re.search(tells, file.read_text()):
            raise pytest.UsageError(
                f"{file}: has slow tests, but nothing in its text is what TELLS in the Makefile looks for"
            )
