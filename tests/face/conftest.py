"""The command line beside the face: both must ask for the same, by the same names."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import typer


@pytest.fixture
def options():
    """options("clean"): what the command accepts, name → default."""
    from raysep import cli

    def of(name: str) -> dict[str, object]:
        return {p.name: p.default for p in typer.main.get_command(cli.app).commands[name].params}

    return of


@pytest.fixture
def arguments():
    """arguments(function): what a function accepts, name → default (None where it has none, as a command's)."""

    def of(function: Callable) -> dict[str, object]:
        found = inspect.signature(function).parameters.values()
        return {p.name: None if p.default is inspect.Parameter.empty else p.default for p in found}

    return of
