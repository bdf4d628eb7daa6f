"""Follow a submitted job to its end, over a dashboard that is away for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray.job_submission import JobDetails, JobStatus

from raysep.cluster.jobs import is_unknown
from raysep.errors import RaysepError

ENDED = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED)
PATIENCE = 600.0  # seconds that a dashboard may be away; the job goes on without it
LONGEST = 15.0  # seconds between two tries


def follow(
    jobs: Any,
    identity: str,
    write: Callable[[str], None],
    say: Callable[[str], None],
    every: float = 1.0,
) -> JobDetails:
    """Print a job's log as it grows; returns its details when it has ended.

    ``jobs`` is a client of the dashboard; ``say`` is told once when the dashboard goes away and once when it is back.
    Raises ``RaysepError`` when it stays away, and when the cluster no longer knows the job.
    """
    shown, away = 0, _Away(say, identity)
    while True:
        try:
            details = jobs.get_job_info(identity)
            text = jobs.get_job_logs(identity)
        except (OSError, RuntimeError) as error:  # of requests, of Ray's client; a refusal in the midst of a start
            if is_unknown(error):
                raise RaysepError(
                    f"{identity}: the cluster knows no such job any more, its head was started anew; "
                    "the same command submits it again, and what is done is not done again"
                ) from error
            time.sleep(away.noted(error))
            continue
        away.ended()
        write(text[shown:])
        shown = max(shown, len(text))
        if details.status in ENDED:
            return details
        time.sleep(every)


class _Away:
    """A dashboard that does not answer: since when, and what was said of it."""

    def __init__(self, say: Callable[[str], None], identity: str) -> None:
        self.say, self.identity = say, identity
        self.since: float | None = None
        self.wait = 0.5

    def noted(self, error: Exception) -> float:
        """Seconds until the next try. Raises ``RaysepError`` when the patience is at its end."""
        if self.since is None:
            self.since = time.monotonic()
            self.say(
                f"the dashboard does not answer ({_first_line(error)}); {self.identity} goes on without it, waiting"
            )
        if time.monotonic() - self.since > PATIENCE:
            raise RaysepError(
                f"the dashboard has not answered for {PATIENCE / 60:.0f} minutes ({_first_line(error)}); {self.identity} may "
                "still run: the same command follows it again"
            ) from error
        self.wait = min(LONGEST, 2 * self.wait)
        return self.wait

    def ended(self) -> None:
        if self.since is not None:
            self.say("the dashboard answers again")
        self.since, self.wait = None, 0.5


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
