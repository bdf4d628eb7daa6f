"""docs/commands.md and docs/api.md are what the parser and the public face say."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest
import typer

import raysep
from raysep import cli
from raysep.commands.pages import of_commands, of_functions
from raysep.commands.pages.__main__ import PAGES

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name):
    assert (DOCS / name).read_text() == PAGES[name](), "run `make docs`"


def test_every_option_of_every_command_is_on_its_page():
    sections = dict(re.findall(r"^## raysep ([a-z ]+)\n(.*?)(?=^## |\Z)", of_commands.page(), re.MULTILINE | re.DOTALL))
    found = dict(of_commands.every(typer.main.get_command(cli.app)))
    assert list(sections) == list(found)
    for name, command in found.items():
        options = [
            option for p in command.params for option in p.opts if option.startswith("--") and option != "--help"
        ]
        assert options or command.params, name
        for option in options:
            assert f"`{option}`" in sections[name], (name, option)
    assert "| `--reference` |" in sections["clean"]
    assert "must be given" in sections["clean"]
    assert "Example" not in of_commands.page()


def test_every_name_that_is_offered_is_on_the_page_of_the_functions():
    page = of_functions.page()
    headings = re.findall(r"^### raysep\.(\w+)$", page, re.MULTILINE)
    assert sorted(headings) == sorted(name for name in raysep.__all__ if not name.startswith("__"))
    assert "| `.decision` | A row per stem:" in page
    assert "    corpus: Place,\n    reference: Place,\n" in page


def test_the_module_writes_them(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pages", str(tmp_path)])
    monkeypatch.delitem(sys.modules, "raysep.commands.pages.__main__")
    runpy.run_module("raysep.commands.pages", run_name="__main__")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(PAGES)
    assert all((tmp_path / name).read_text() == page() for name, page in PAGES.items())
