"""Errors meant for a person: each message names the file or option, its value, and the way out."""


class RaysepError(Exception):
    """Something the user can put right. The command line prints the message without a traceback."""

    exit_code = 1


class BadInput(RaysepError):
    """The corpus, the reference or an option cannot be used as given."""

    exit_code = 2


class AudioError(BadInput):
    """A file that should hold audio does not, or holds less than its header says, or more."""


class RunConflict(RaysepError):
    """The output folder belongs to another configuration."""

    exit_code = 4


class FinishedWithFailures(RaysepError):
    """The run is complete, but some rows failed; they are listed in ``failed.parquet``."""

    exit_code = 3
