"""The `raysep` command. Heavy imports happen inside the commands, so that `--help` answers at once."""

from __future__ import annotations

import os
import sys

import raysep.commands.benchmark.command
import raysep.commands.clean.command
import raysep.commands.config.command
import raysep.commands.convert.command
import raysep.commands.corpus.command
import raysep.commands.evaluate.command
import raysep.commands.fad.command
import raysep.commands.separate.command
import raysep.commands.submit.command
import raysep.commands.train.command  # noqa: F401 - each registers its commands
from raysep.commands.app import app


def main() -> None:
    """Entry point: a ``RaysepError`` becomes one line and its exit code, and so does what the system refuses."""
    from raysep.errors import RaysepError

    try:
        app(standalone_mode=True)
    except RaysepError as error:
        if os.environ.get("RAYSEP_DEBUG"):
            raise
        print(f"raysep: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a file that is gone: nobody here is helped by where it was met
        if os.environ.get("RAYSEP_DEBUG"):
            raise
        print(f"raysep: {error} (--debug shows where)", file=sys.stderr)
        sys.exit(2 if isinstance(error, FileNotFoundError | PermissionError) else 1)
    except SystemExit as end:
        if end.code == 130:  # how typer ends on Ctrl-C
            print("raysep: stopped; the same command goes on where this one ended", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
