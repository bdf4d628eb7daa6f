"""docs/commands.md: every command with its arguments and options, from the parser itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

import raysep.cli  # noqa: F401 - registers the commands
from raysep.commands.app import EXAMPLE, app

HEAD = """\
# Which commands are there?

Made from the commands' own help by `make docs`. `raysep clean --help` and so on say the same in the terminal; what a command leaves and
how it ends is on the pages that are linked from [the start](index.md). Exit codes: [own stems](own-stems.md#exit-codes).
"""


def page() -> str:
    root = typer.main.get_command(app)
    parts = [HEAD.rstrip(), _contents(root)]
    for name, command in every(root):
        parts.append("\n\n".join((f"## raysep {name}", *_about(command), *_tables(command))))
    return "\n\n".join(parts) + "\n"


def every(command: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """(words, command) of each that can be run, in the order of the help."""
    for name, inner in command.commands.items():
        words = f"{before}{name}"
        if hasattr(inner, "commands"):
            yield from every(inner, f"{words} ")
        else:
            yield words, inner


def _contents(root: Any) -> str:
    rows = [
        f"| [`{name}`](#raysep-{name.replace(' ', '-')}) | {_first_sentence(_told(command)[0])} |"
        for name, command in every(root)
    ]
    return "\n".join(("| command | does |", "|---|---|", *rows))


def _about(command: Any) -> list[str]:
    text, example = _told(command)
    return [text, f"```bash\n{example}\n```"]


def _told(command: Any) -> tuple[str, str]:
    """(what it does, its example)"""
    text, _, example = inspect.cleandoc(command.help).partition(inspect.cleandoc(EXAMPLE).strip("\b\n "))
    return text.strip(), example.strip("\b\n ")


def _first_sentence(text: str) -> str:
    flat = " ".join(text.split())
    ends = [at for sign in (". ", ": ") if (at := flat.find(sign)) > 0]
    return flat[: min(ends, default=len(flat))].rstrip(".")


def _tables(command: Any) -> Iterator[str]:
    shown = [p for p in command.params if not p.hidden and p.name != "help"] if command.params else []
    arguments = [p for p in shown if p.param_type_name == "argument"]
    options = [p for p in shown if p.param_type_name == "option"]
    if arguments:
        rows = [f"| `{p.metavar or p.name.upper()}` | {_cell(p.help)} |" for p in arguments]
        yield "\n".join(("| argument | |", "|---|---|", *rows))
    if options:
        rows = [f"| {_names(p)} | {_cell(p.help)} | {_default(p)} |" for p in options]
        yield "\n".join(("| option | | default |", "|---|---|---|", *rows))


def _names(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    return f"{names} {_cell(option.metavar)}".rstrip()


def _default(option: Any) -> str:
    if option.required:
        return "must be given"
    value = option.default
    if option.is_flag or value is None or callable(value) or value in ("", (), []):
        return ""
    return f"`{' '.join(map(str, value)) if isinstance(value, list | tuple) else value}`"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
