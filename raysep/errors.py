"""Errors meant for a person: each message names the file or option, its value, and the way out."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RaysepError(Exception):
    """Something the user can put right. The command line prints the message without a traceback."""

    exit_code = 1


class BadInput(RaysepError):
    """The corpus, the reference or an option cannot be used as given."""

    exit_code = 2


class AudioError(BadInput):
    """A file that should hold audio does not, or holds less than its header says, or more."""


class OutputError(RaysepError):
    """A place to write to cannot be written: the message names the output, and never an input."""


class RunConflict(RaysepError):
    """The output folder belongs to another configuration."""

    exit_code = 4


class FinishedWithFailures(RaysepError):
    """The run is complete, but some rows failed; they are listed in ``failed.parquet``."""

    exit_code = 3


@contextmanager
def writing(output: str) -> Iterator[None]:
    """What the system says against writing within becomes an ``OutputError`` that names ``output``."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or (str(error).splitlines() or [type(error).__name__])[0]
        way_out = "make room there" if error.errno in FULL else "check that it exists and may be written to"
        raise OutputError(f"{output}: cannot be written ({reason}); {way_out}, or choose another place") from error
