"""docs/settings.md is what the settings say."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

from raysep import config
from raysep.commands.config.described import every_setting
from raysep.commands.config.page import page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run `make docs`"


def test_it_has_a_row_for_each_setting_with_what_the_presets_set():
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [row[0].strip("`") for row in rows] == [setting.name for setting in every_setting()]
    steps = next(row for row in rows if row[0] == "`training.steps`")
    assert steps[1] == f"`{config.Config().training.steps}`"
    assert dict(re.findall(r"(\w+) `(\d+)`", steps[4])) == {
        name: str(config.preset(name).training.steps) for name in config.PRESETS if name != "full"
    }


def test_the_module_writes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["page", str(tmp_path / "settings.md")])
    monkeypatch.delitem(sys.modules, "raysep.commands.config.page")
    runpy.run_module("raysep.commands.config.page", run_name="__main__")
    assert (tmp_path / "settings.md").read_text() == page()
