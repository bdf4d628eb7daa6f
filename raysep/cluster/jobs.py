"""Send a command line to a running cluster through Ray Jobs, and follow it to its end."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from raysep.cluster import session
from raysep.cluster.upload import upload_of
from raysep.errors import BadInput, RaysepError

# What workers need to reach the storage; the values travel in the job's environment, never in a file.
PASSED_ON = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "RAYSEP_SHARED_FOLDERS",
    "RAYSEP_STORAGE_PATIENCE",
)
STARTING_SECONDS = 60.0  # how long a head may take to accept its first job


def checkout() -> Path | None:
    """The project's folder, when this code runs from one."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() else None


def client(address: str) -> JobSubmissionClient:
    try:
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        raise BadInput(
            f"--address {address}: the cluster asks for a token ({str(error).splitlines()[0]}); "
            "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH (or RAY_AUTH_TOKEN) to the cluster's own"
        ) from None
    except (ConnectionError, RuntimeError) as error:
        raise BadInput(
            f"--address {address}: no Ray dashboard answers ({str(error).splitlines()[0]}); "
            "start a head with `ray start --head`, or give http://HOST:8265"
        ) from None


def submit(address: str, arguments: list[str], submission_id: str | None = None, pass_credentials: bool = True) -> str:
    """Submit ``python -m …`` in an uploaded copy of this checkout; returns the submission's id.

    A raysep that was installed as a package uploads nothing: the job runs the one that is installed on the cluster.
    An id is unique for the cluster's life, so giving one guards against submitting twice.
    """
    root = checkout()
    code = {"working_dir": str(root), "excludes": upload_of(root).excludes} if root else {}
    passed = {name: os.environ[name] for name in PASSED_ON if pass_credentials and name in os.environ}
    jobs, begin = client(address), time.monotonic()
    while True:
        try:
            return jobs.submit_job(
                entrypoint=shlex.join(["python", "-m", *arguments]),
                submission_id=submission_id,
                runtime_env={**code, "env_vars": session.ALLOCATOR | passed},
                metadata={"project": "raysep"},
            )
        except RuntimeError as error:
            # The dashboard of a head that has just started answers before the agent that starts jobs does.
            if "No available agent" in str(error) and time.monotonic() - begin < STARTING_SECONDS:
                time.sleep(1)
                continue
            raise RaysepError(f"{address}: the job was refused ({str(error).strip().splitlines()[-1]})") from error


def follow(address: str, submission_id: str, write: Callable[[str], None], every: float = 1.0) -> JobDetails:
    """Print a job's log as it grows; returns its details when it has ended."""
    jobs, shown = client(address), 0
    while True:
        ended = jobs.get_job_status(submission_id) in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED)
        text = jobs.get_job_logs(submission_id)
        write(text[shown:])
        shown = len(text)
        if ended:
            return jobs.get_job_info(submission_id)
        time.sleep(every)
