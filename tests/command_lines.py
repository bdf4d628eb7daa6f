"""What the command line accepts, for the tests of its help and of the documents: the real parser, with no command run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import cache
from typing import Any

import typer

from raysep import cli

JOBS = ("clean", "train")


@cache
def program() -> Any:
    """All commands as click has them: to make them takes a tenth of a second, and hundreds of tests ask."""
    return typer.main.get_command(cli.app)


def commands() -> list[tuple[str, ...]]:
    """Every command by its words: ``("clean",)``, ``("benchmark", "corpus")``, …"""
    names = []
    for name, command in program().commands.items():
        names += [(name, inner) for inner in getattr(command, "commands", {})] or [(name,)]
    return names


def words_of(line: str) -> list[str]:
    """The words after ``raysep`` as a shell would split them, up to a redirection or a pipe."""
    words = shlex.split(line, comments=True)[1:]
    ends = [words.index(sign) for sign in (">", "|") if sign in words]
    return words[: min(ends, default=len(words))]


def parse(words: Sequence[str]) -> dict:
    """The parameters that a command line gives its command. Raises click's ``UsageError`` for one that is not accepted.

    What follows ``submit`` and the job's name is parsed as the job will parse it.
    """
    command, rest, name = program(), list(words), "raysep"
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            raise AssertionError(f"{name}: there is no command {rest[:1]}")
        name, command = f"{name} {rest[0]}", command.commands[rest.pop(0)]
    both = program().context_settings["help_option_names"]  # the parser keeps what it was first asked with
    with command.make_context(name, rest, help_option_names=both) as context:
        parameters = dict(context.params)
    if name == "raysep submit":
        assert parameters["job"] in JOBS
        parse([parameters["job"], *parameters["arguments"]])
    return parameters


@cache
def options() -> set[str]:
    """Every option of every command, such as ``--out``."""
    found = {"--help", "--version", "--debug", "--install-completion", "--show-completion"}
    for names in commands():
        command = program()
        for part in names:
            command = command.commands[part]
        for parameter in command.params:
            found |= {name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("-")}
    return found
