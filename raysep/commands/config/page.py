"""The page of the settings, docs/settings.md, made from the settings themselves: ``make docs`` writes it."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from raysep.commands.config.described import Setting, every_setting, sections, value_text

HEAD = """\
# What can be set?

Every setting of a run, made from the types in `raysep/sections.py` and `raysep/config.py` by `make docs`.

```bash
raysep config training.steps
raysep config --preset tiny > my.yaml
raysep clean CORPUS --reference REF --out runs/first --config my.yaml --set training.steps=800
```

The first line explains one setting, or a section; the second prints all of them, as a file to be edited. What stands on
the command line wins over the file, and the file over the preset. All settings but those of `resources` and
`training.side_by_side` are part of what a run is: another value needs another run folder. The last column says what a preset sets otherwise than the default; `full` sets nothing."""


def page() -> str:
    about = sections()
    parts = [HEAD]
    for section, settings in groupby(every_setting(), lambda setting: setting.section):
        title = f"## `{section}`\n\n{about[section]}" if section else "## Of the whole run"
        rows = [" | ".join(("", *_cells(setting), "")).strip() for setting in settings]
        parts.append(
            "\n".join((title, "", "| setting | default | range | meaning | presets |", "|---|---|---|---|---|", *rows))
        )
    return "\n\n".join(parts) + "\n"


def _cells(setting: Setting) -> tuple[str, ...]:
    changed = {name: value for name, value in setting.presets.items() if value != setting.default}
    presets = ", ".join(f"{name} `{value_text(value)}`" for name, value in changed.items())
    return f"`{setting.name}`", f"`{value_text(setting.default)}`", setting.allowed, setting.about, presets


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
