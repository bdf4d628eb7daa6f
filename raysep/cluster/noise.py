"""What Ray says about itself goes into Ray's own log folder, and not among what a command prints.

Three ways lead from Ray to this process's terminal: the output of workers, which ``ray.init(log_to_driver=False)`` keeps away;
messages of the cluster (``(raylet) …``), which a thread of Ray's prints and the node's ``raylet.out`` has as well; and the
loggers of Ray in this process. ``raysep --debug`` lets all three through.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

# Ray's own setting, read once, when ray is imported: lines like this are not printed. It is all of them.
LINES, EVERY = "RAY_DEDUP_LOGS_SKIP_REGEX", "^"
FORMAT = "%(asctime)s\t%(levelname)s %(filename)s:%(lineno)s -- %(message)s"


def asked() -> bool:
    """Whether the user wants to see it."""
    return bool(os.environ.get("RAYSEP_DEBUG"))


def hide_messages() -> None:
    """Those of the cluster, unless the environment says which; without effect where ray is imported already."""
    if not asked():
        os.environ.setdefault(LINES, EVERY)


def into_file(session: str | None) -> None:
    """What Ray's loggers say in this process goes to a file of the session's folder from now on."""
    if asked():
        return
    logger = logging.getLogger("ray")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        if isinstance(handler, logging.FileHandler):  # of a session before this one
            handler.close()
    logger.addHandler(_file(session))
    logger.setLevel(logging.WARNING)


def off_terminal(name: str) -> None:
    """The same for a logger that has a file of its own."""
    if asked():
        return
    logger = logging.getLogger(name)
    for handler in list(logger.handlers):
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            logger.removeHandler(handler)


def _file(session: str | None) -> logging.Handler:
    """Of a session whose folder cannot be written to, as another user's, nothing is kept."""
    with suppress(OSError):
        if session:
            handler = logging.FileHandler(Path(session) / "logs" / f"raysep-{os.getpid()}.log")
            handler.setFormatter(logging.Formatter(FORMAT))
            return handler
    return logging.NullHandler()
