"""What makes raysep a project others can join: its metadata, hooks, templates, and that they agree with one another."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from raysep.version import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
)
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_whoever_finds_the_package_learns_what_it_is():
    about = PROJECT["project"]
    assert about["authors"]
    assert about["keywords"]
    assert all(address.startswith("https://") for address in about["urls"].values())
    assert "Typing :: Typed" in about["classifiers"]
    newest = about["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {newest}" in about["classifiers"]
    # A licence is said by its expression; a classifier beside it is refused by the package index.
    assert not [line for line in about["classifiers"] if line.startswith("License ::")]


def test_the_citation_names_this_version_and_its_paper():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == __version__
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(cited)
    assert cited["references"][0]["url"] == next(iter(PROJECT["project"]["urls"].values()))


def test_the_extra_of_the_songs_is_what_make_installs():
    wanted = [line for line in (ROOT / "requirements-songs.txt").read_text().splitlines() if line and line[0] != "#"]
    assert sorted(PROJECT["project"]["optional-dependencies"]["songs"]) == sorted(wanted)
    told = (ROOT / "raysep" / "corpus" / "songs" / "renderer.py").read_text()
    assert all(line in told for line in wanted)


def test_what_the_development_extras_ask_for_is_pinned():
    extras = PROJECT["project"]["optional-dependencies"]
    names = {re.match(r"[\w.-]+", line).group().lower() for line in extras["dev"] + extras["docs"]}
    assert names - {name.lower() for name in PINS} == {"raysep"}
    for line in extras["docs"]:
        assert PINS[line.partition("==")[0]] == line.partition("==")[2]


def test_the_hooks_check_what_make_lint_checks():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    hooked = {hook["entry"].partition("/bin/")[2].replace(" --fix", "") for hook in repository["hooks"]}
    recipe = re.search(r"^lint: install\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1)
    linted = set(re.findall(r"\$\(BIN\)/(.+)", recipe))
    assert hooked == {line.replace(" --check", "").removesuffix(" .") for line in linted}


@pytest.mark.parametrize("template", TEMPLATES, ids=[t.stem for t in TEMPLATES])
def test_an_issue_template_has_what_its_form_needs(template):
    form = yaml.safe_load(template.read_text())
    if template.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "body"} <= set(form)
    names = [field["id"] for field in form["body"]]
    assert len(set(names)) == len(names)
    assert {field["type"] for field in form["body"]} <= {"textarea", "input", "dropdown", "markdown", "checkboxes"}
    assert all(field["attributes"]["label"] for field in form["body"])


def test_the_targets_that_make_help_names_are_there():
    made = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z-]+):", made))
    assert {"demo", "test", "docs", "site", "coverage"} <= named
    for name in named:
        assert re.search(rf"^{name}:", made, re.MULTILINE), name
