"""What an error of Ray's stands for: it comes from another process, in a wrapping that differs with who ran the code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from raysep import errors
from raysep.errors import StorageError

LOW = re.compile(
    r"\bOOM kill reason\b|\brunning low on memory\b|\bOutOfMemoryError\b"
)  # as Ray says that it ended a worker for it
SHORT = "a worker was ended as its machine ran out of memory: take fewer (--workers, training.workers), or a smaller training.memory_gib"
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


def last_line(error: BaseException) -> str:
    """What an error says in the end, "" where it says nothing; of a worker that memory ran out for, what can be done.

    Ray's own words for that name settings of its own, in a text that lists all processes of the machine.
    """
    failures = getattr(error, "worker_failures", None) or {}
    if any(LOW.search(f"{type(each).__name__} {each}") for one in (error, *failures.values()) for each in _chain(one)):
        return SHORT
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it wraps."""
    while isinstance(error, BaseException):
        yield error
        error = getattr(error, "cause", None) or error.__cause__
