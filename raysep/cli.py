"""The `raysep` command. Heavy imports happen inside the commands, so that `--help` answers at once."""

from __future__ import annotations

import os
import sys

# Each registers its commands.
from raysep.commands import benchmark, cleaning, cluster, corpus, distance, evaluation, separation, separator  # noqa: F401
from raysep.commands.app import app


def main() -> None:
    """Entry point: a ``RaysepError`` becomes one line and its exit code."""
    from raysep.errors import RaysepError

    try:
        app(standalone_mode=True)
    except RaysepError as error:
        if os.environ.get("RAYSEP_DEBUG"):
            raise
        print(f"raysep: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == 130:  # how typer ends on Ctrl-C
            print("raysep: stopped; the same command goes on where this one ended", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
