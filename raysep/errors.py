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


class StorageError(RaysepError):
    """Where a file lies cannot be used: never a property of the file, so no row fails for it. The run ends, and can go on.

    It is no ``OSError`` and no ``BadInput``: who catches those to report a file does not catch this.
    """


class StorageUnreachable(StorageError):
    """The storage did not answer for as long as it was tried."""


class StorageRefused(StorageError):
    """The storage answered, and does not let us: access rights, credentials, a bucket's name."""

    exit_code = 2


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
