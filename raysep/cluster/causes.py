"""What an error of Ray's stands for: it comes from another process, in a wrapping that differs with who ran the code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from raysep import errors
from raysep.errors import StorageError

NAMED = re.compile(r"\braysep\.errors\.(Storage\w+): ([^\n]+)")


def storage_error(error: BaseException | None) -> StorageError | None:
    """The storage's error that was raised over there, to be raised here; None when it is another one.

    Ray Tune and Ray Train hand on no more than the text of some errors, which ends in the class and the message.
    """
    for each in _chain(error):
        if type(each).__module__ == errors.__name__ and isinstance(each, StorageError):
            return each
    if found := NAMED.findall(str(error)):
        name, message = found[-1]
        kind = getattr(errors, name, StorageError)
        return kind(message.strip())
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it wraps."""
    while isinstance(error, BaseException):
        yield error
        error = getattr(error, "cause", None) or error.__cause__
