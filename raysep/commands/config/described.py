"""Every setting in words: what it means, what it may be, and what each preset makes of it."""

from __future__ import annotations

import dataclasses
import textwrap
from dataclasses import dataclass
from typing import Any

import yaml

from raysep import config
from raysep.errors import BadInput
from raysep.overrides import unknown
from raysep.ranges import fields_of

COMMENT = 110  # longest line of a comment, characters


@dataclass(frozen=True)
class Setting:
    section: str  # "" for those of no section
    name: str  # in full: training.steps
    about: str
    allowed: str  # in words
    default: Any
    presets: dict[str, Any]  # preset → its value

    @property
    def key(self) -> str:
        return self.name.rpartition(".")[2]


def every_setting() -> list[Setting]:
    """All settings, in the order of ``Config``: those of no section come first."""
    presets = {name: config.preset(name) for name in config.PRESETS}
    found = _of("", config.Config(), presets)
    for section in sections():
        here = {name: getattr(made, section) for name, made in presets.items()}
        found += _of(section, getattr(config.Config(), section), here)
    return found


def _of(section: str, default: Any, presets: dict[str, Any]) -> list[Setting]:
    return [
        Setting(
            section,
            f"{section}.{field.name}" if section else field.name,
            field.about,
            field.allowed,
            getattr(default, field.name),
            {name: getattr(made, field.name) for name, made in presets.items()},
        )
        for field in fields_of(default.__class__)
        if not dataclasses.is_dataclass(field.kind)
    ]


def sections() -> dict[str, str]:
    """Section → what it is about."""
    return {
        field.name: str(field.kind.__doc__)
        for field in fields_of(config.Config)
        if dataclasses.is_dataclass(field.kind)
    }


def named(name: str) -> list[Setting]:
    """The setting of a name, or all of a section. Raises ``BadInput`` for a name that is neither."""
    every = every_setting()
    if found := [setting for setting in every if name in (setting.name, setting.section)]:
        return found
    section, _, key = name.partition(".")
    if known := [setting.key for setting in every if section and setting.section == section]:
        raise BadInput(f"{name}: {unknown(key, f'{section}.', known, config.Config)}")
    known = [field.name for field in fields_of(config.Config)]
    asked = name if section in known else section
    raise BadInput(f"{asked}: {unknown(asked, '', known, config.Config)}")


def value_text(value: Any) -> str:
    """A value as YAML has it on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    return str(yaml.safe_dump([plain], default_flow_style=True, width=float("inf"))).strip()[1:-1]


def as_yaml(chosen: config.Config) -> str:
    """Every setting with its meaning and its range above it; reads back to the same settings."""
    blocks = [_commented(_of("", chosen, {}))]
    for section, about in sections().items():
        lines = _commented(_of(section, getattr(chosen, section), {}))
        blocks.append(f"# {about}\n{section}:\n{textwrap.indent(lines, '  ')}")
    return "\n\n".join(blocks) + "\n"


def _commented(settings: list[Setting]) -> str:
    lines = []
    for setting in settings:
        words = textwrap.wrap(f"{setting.about}; must be {setting.allowed}", COMMENT, break_on_hyphens=False)
        lines += [*(f"# {line}" for line in words), f"{setting.key}: {value_text(setting.default)}"]
    return "\n".join(lines)


def explained(setting: Setting) -> str:
    """A setting by itself: meaning, range, default, and its value in each preset."""
    rows = {"range": setting.allowed, "default": value_text(setting.default)}
    rows |= {f"--preset {name}": value_text(value) for name, value in setting.presets.items()}
    width = max(map(len, rows))
    return "\n".join(
        [setting.name, f"  {setting.about}", *(f"  {name:{width}}  {text}" for name, text in rows.items())]
    )
