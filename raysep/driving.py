"""To drive a run: alone, and seen by whoever looks from outside."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from raysep import events, lease
from raysep.doing import Doing
from raysep.rundir import Run
from raysep.screen import Progress


@contextmanager
def driven(run: Run, progress: Progress) -> Iterator[None]:
    """Within, this process holds the run's lease, which carries what it does, and what happens is written into the folder.

    Raises ``RunConflict`` as ``lease.held`` does.
    """
    doing = Doing()
    with lease.held(run, doing.facts), events.listening(doing), events.written(run.root, progress.say):
        yield


def begun(run: Run) -> None:
    """Tell that the run is this process's: from here on its folder may be written to."""
    name = run.root.rstrip("/").rpartition("/")[2]
    events.tell("run-begun", run=name, host=platform.node(), pid=os.getpid(), command=sys.argv)
