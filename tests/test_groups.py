"""How the tests are dealt to processes, and what is made once for all of those."""

from __future__ import annotations

import multiprocessing
import os
from types import SimpleNamespace

import pytest

from tests import groups
from tests.made_once import made_once_in


def item(path, group: str = "", *marks: str) -> SimpleNamespace:
    """As much of a test as is looked at."""
    have = {name: pytest.mark.xdist_group(group) if name == "xdist_group" else True for name in (*marks, "xdist_group")}
    return SimpleNamespace(path=path, nodeid=f"{path}::test", fixturenames=(), get_closest_marker=have.get)


def test_the_longest_groups_begin_and_the_others_keep_their_order():
    items = [item("a", name) for name in ("b.py", "cluster", "a.py", "finished", "b.py")]
    groups.give(items)
    assert [i.get_closest_marker("xdist_group").args[0] for i in items] == [
        "finished",
        "cluster",
        "b.py",
        "a.py",
        "b.py",
    ]


@pytest.mark.parametrize(
    "text", ["pytestmark = pytest.mark.cluster", "def test_it(ray_runtime):", "def f(tmp_path, finished, x):"]
)
def test_a_file_that_says_that_its_tests_are_slow_is_seen(tmp_path, text):
    file = tmp_path / "test_it.py"
    file.write_text(text)
    groups.check([item(file, "", "slow")])


def test_a_slow_test_in_a_file_that_would_be_passed_over_ends_the_collection(tmp_path):
    file = tmp_path / "test_it.py"
    file.write_text("from elsewhere import marked\n")
    groups.check([item(file)])
    with pytest.raises(pytest.UsageError, match="TELLS"):
        groups.check([item(file), item(file, "", "slow")])


def _make(folder) -> None:
    (folder / str(os.getpid())).touch()


def _ask(root) -> None:
    made_once_in(root, "thing", _make)


def test_of_several_processes_one_makes_it(tmp_path):
    processes = [multiprocessing.get_context("fork").Process(target=_ask, args=(tmp_path,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(list((tmp_path / "thing").iterdir())) == 1


def test_what_failed_half_way_is_made_anew(tmp_path):
    def fail(folder) -> None:
        (folder / "half").touch()
        raise OSError("no more room")

    with pytest.raises(OSError, match="no more room"):
        made_once_in(tmp_path, "thing", fail)
    assert [file.name for file in made_once_in(tmp_path, "thing", _make).iterdir()] == [str(os.getpid())]
