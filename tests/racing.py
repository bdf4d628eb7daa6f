"""Many who want the lease of a run at the same moment."""

from __future__ import annotations

import threading

from raysep.errors import RunConflict
from raysep.lease import held
from raysep.rundir import Run

MANY = 8


def how_many_get_in(run: Run, patience: float) -> int:
    """Of ``MANY`` threads that come at once; whoever got in stays until all have tried, for ``patience`` seconds at most."""
    together, got_in = threading.Barrier(MANY, timeout=patience), []

    def enter() -> None:
        together.wait()
        try:
            with held(run):
                got_in.append(True)
                together.wait()
        except RunConflict:
            together.wait()

    threads = [threading.Thread(target=enter) for _ in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(got_in)
