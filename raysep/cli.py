"""The `raysep` command. Heavy imports happen inside the commands, so that `--help` answers at once."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

import raysep.commands.benchmark.command
import raysep.commands.check.command
import raysep.commands.clean.command
import raysep.commands.config.command
import raysep.commands.convert.command
import raysep.commands.corpus.command
import raysep.commands.evaluate.command
import raysep.commands.export.command
import raysep.commands.fad.command
import raysep.commands.listen.command
import raysep.commands.restore.command
import raysep.commands.review.command
import raysep.commands.separate.command
import raysep.commands.submit.command
import raysep.commands.suspects.command
import raysep.commands.train.command
import raysep.commands.tune.command
import raysep.commands.worth.command  # noqa: F401 - each registers its commands
from raysep import stopping
from raysep.commands.app import app
from raysep.screen import visible

# What the parser raises for a wrong command line; its module is not the same in every typer.
ParserError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def main() -> None:
    """Entry point: a ``RaysepError`` becomes one line and its exit code, and so do what the system refuses and a signal."""
    from raysep.errors import RaysepError

    try:
        with stopping.handled():
            try:
                with _outputs_named():
                    code = app(standalone_mode=False)
            finally:
                _flush()
            if code == 130:  # how typer ends on Ctrl-C
                raise KeyboardInterrupt
    except ParserError as error:
        print(_usage(error), file=sys.stderr)
        sys.exit(error.exit_code)
    except RaysepError as error:
        if os.environ.get("RAYSEP_DEBUG"):
            raise
        print(f"raysep: {visible(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a file that is gone: nobody here is helped by where it was met
        if os.environ.get("RAYSEP_DEBUG"):
            raise
        print(f"raysep: {visible(str(error))} (--debug shows where)", file=sys.stderr)
        sys.exit(2 if isinstance(error, FileNotFoundError | PermissionError) else 1)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: Any) -> str:
    """A wrong command line in one line, with where help is; the help itself where no command was given."""
    message, context = " ".join(error.format_message().split()), getattr(error, "ctx", None)
    if context is None:
        return f"raysep: {message}"
    if type(error).__name__ == "NoArgsIsHelpError":
        return str(context.get_help())
    message = message.removesuffix(".") + _place_for_extra(message, context)
    return f"raysep: {message}; `{context.command_path} {context.help_option_names[0]}` shows what there is"


def _place_for_extra(message: str, context: Any) -> str:
    """What an argument too many was probably meant as, where the command writes to an ``--out`` that was not given."""
    out = next((option for option in context.command.params if "--out" in option.opts), None)
    extra = re.fullmatch(r"Got unexpected extra arguments?(?:\(s\))? \((\S+)\)", message)
    if not out or not extra or context.get_parameter_source(out.name).name == "COMMANDLINE":
        return ""
    return f": a place to write to is given as --out {extra[1]}"


@contextmanager
def _outputs_named() -> Iterator[None]:
    """A full disk that no one has put the name of an output to; without a name it is the terminal's end."""
    from raysep.errors import FULL, writing

    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        with writing(str(error.filename or "standard output")):
            raise


def _flush() -> None:
    """Standard output to its end, here and not when the interpreter is gone. A reader that has seen enough is no error."""
    from raysep.errors import writing

    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left goes nowhere: the interpreter flushes once more
        if not isinstance(error, BrokenPipeError):
            with writing("standard output"):
                raise


if __name__ == "__main__":
    main()
