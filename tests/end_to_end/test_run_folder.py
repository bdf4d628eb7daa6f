"""docs/run-folder.md against a real run: every file and column it names is there, and nothing it does not name."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest

from raysep.corpus import storage
from raysep.decision.aggregate import WORST
from raysep.probes.catalogue import PROBES
from raysep.probes.likeness import LIKENESSES
from raysep.probes.seconds import BY_SECOND

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "run-folder.md").read_text()
OPTIONAL = re.compile(r"\((only|not when)\b")
TABLES = ("manifest", "decision", "stems", "roles", "failed", "results", "search")


def tree() -> dict[str, str]:
    """Pattern of a path below the run's folder → what the page says about it. Capitals stand for any name."""
    lines = PAGE.partition("```\n")[2].partition("```")[0].splitlines()
    folders: list[str] = []
    entries = {}
    for line in lines[1:]:
        depth = (len(line) - len(line.lstrip())) // 2 - 1
        name, _, about = line.strip().partition(" ")
        del folders[depth:]
        path = re.sub(r"[A-Z]+", "*", "".join([*folders, name]))
        if name.endswith("/"):
            folders.append(name)
        entries[path] = about.strip()
    return entries


def documented(heading: str) -> dict[str, str]:
    """Name → description, of the table under a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ?(.*)\|$", section, re.MULTILINE)
    assert rows, f"no table under {heading}"
    return dict(rows)


@pytest.fixture(scope="module")
def files(finished) -> list[str]:
    return [info.path[len(finished.root) + 1 :] for info in storage.list_files(finished.root)]


def test_every_file_of_the_tree_is_in_the_run(files):
    for pattern, about in tree().items():
        wanted = pattern + "*" if pattern.endswith("/") else pattern
        # The run has test tracks and a search, so what is there only then must be there, too.
        if "not when" not in about:
            assert fnmatch.filter(files, wanted), pattern


def test_every_file_of_the_run_is_in_the_tree(files):
    patterns = [pattern for pattern in tree() if not pattern.endswith("/")]
    for name in files:
        if not name.startswith(("training/", "search/")):
            assert any(_matches(name, pattern) for pattern in patterns), name


@pytest.mark.parametrize("name", TABLES)
def test_the_columns_of_a_table_are_the_documented_ones(finished, name):
    found = [c for c in finished.read_table(f"{name}.parquet").column_names if c.removesuffix(WORST) not in PROBES]
    assert sorted(found) == sorted(documented(f"{name}.parquet"))


@pytest.mark.parametrize("name", ["reference", "test", "planted", "cleaned"])
def test_these_have_the_columns_of_the_manifest(finished, name):
    assert finished.read_table(f"{name}.parquet").column_names == list(documented("manifest.parquet"))


def test_a_part_of_the_scores_has_the_documented_columns_and_every_probe(finished, files):
    part = next(name for name in files if name.startswith("scores/"))
    columns = finished.read_table(*part.split("/")).column_names
    described = list(documented("scores/part-NNNNN.parquet"))
    first = [name for name in described if name not in (*LIKENESSES, *BY_SECOND)]
    assert columns[: len(first)] == first
    assert set(columns[len(first) :]) <= {*PROBES, *LIKENESSES, *BY_SECOND}
    assert {*LIKENESSES, *BY_SECOND} <= {*described} & {*columns}
    assert "loss" in columns


def test_the_stems_have_every_probe_and_the_worst_of_every_oriented_one(finished):
    columns = set(finished.read_table("stems.parquet").column_names)
    scored = set(finished.read_json("kit", "made.json")["probes"])
    assert scored <= columns
    assert {name + WORST for name in scored if PROBES[name].oriented} <= columns


@pytest.mark.parametrize("name", ["summary.json", "run.json"])
def test_the_keys_of_a_record_are_the_documented_ones(finished, name):
    keys, found = documented(name), set(finished.read_json(name))
    assert found <= set(keys)
    assert {key for key, about in keys.items() if not OPTIONAL.search(about)} <= found


def test_the_parts_of_the_summary_are_the_documented_ones(finished):
    summary, keys = finished.read_json("summary.json"), documented("summary.json")
    for key in ("share", "counts", "handled", "evidence", "costs"):
        if summary[key] is not None:
            assert set(summary[key]) == set(re.findall(r"`([^`]+)`", keys[key])), key


def _matches(name: str, pattern: str) -> bool:
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
