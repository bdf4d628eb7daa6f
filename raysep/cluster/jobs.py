"""Send a command line to a running cluster through Ray Jobs, once."""

from __future__ import annotations

import itertools
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from raysep.cluster import session
from raysep.cluster.upload import Upload, upload_of, upload_of_package
from raysep.corpus import storage
from raysep.corpus.hashing import fingerprint
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
OF_A_RUN = (
    "decide",
    "prove",
    "tune",
    "worth",
    "descend",
    "restore",
)  # commands that write into the run that they are given
SUCCEEDED = JobStatus.SUCCEEDED
ENDED_BADLY = (JobStatus.FAILED, JobStatus.STOPPED)


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


def upload() -> Upload:
    """What a job takes along: this checkout, or the package alone when raysep was installed as one."""
    root = checkout()
    return upload_of(root) if root else upload_of_package(Path(__file__).resolve().parents[1])


def identity_of(arguments: Sequence[str]) -> str:
    """The name that a command goes by on every cluster: of its words, and of what the files hold that they name here.

    ``raysep-clean-0123456789ab``. A file that is not here is named by its path alone.
    """
    places = (word.rpartition("=")[2] for word in arguments)  # of --config=FILE, too
    files = {place: storage.digest(Path(place).read_bytes()) for place in places if os.path.isfile(place)}
    return f"{arguments[0]}-{arguments[1]}-{fingerprint(list(arguments), files)}"


def results_of(job: str, arguments: Sequence[str]) -> str | None:
    """Where a job leaves what it makes: what its ``--out`` or ``--to`` says, or the run that is its first argument."""
    for word, following in itertools.zip_longest(arguments, arguments[1:]):
        for option in ("--out", "--to"):
            if word == option:
                return following
            if word.startswith(f"{option}="):
                return word.partition("=")[2]
    return arguments[0] if job in OF_A_RUN and arguments and not arguments[0].startswith("-") else None


def find_or_name(jobs: Any, identity: str, exactly: bool = False) -> tuple[str, JobStatus | None]:
    """(id, how the job of that id is) of the job that does this already, or the first free id and ``None``.

    What failed or was stopped is done again, as ``identity-2``; with ``exactly`` that is refused, by ``RaysepError``.
    """
    for number in itertools.count(1):
        name = identity if number == 1 else f"{identity}-{number}"
        status = status_of(jobs, name)
        if status not in ENDED_BADLY:
            return name, status
        if exactly:
            raise RaysepError(
                f"--submission-id {name}: a job of that name has {status.value.lower()}, and a cluster takes a name once; "
                "give another, or leave the option out"
            )
    raise AssertionError("there is always a further number")


def is_unknown(error: Exception) -> bool:
    """Whether it is a cluster's answer that it has no job of that id."""
    return "status code 404" in str(error)


def status_of(jobs: Any, identity: str) -> JobStatus | None:
    """How a job is, or ``None`` when the cluster knows none of that id."""
    try:
        return jobs.get_job_status(identity)
    except RuntimeError as error:
        if is_unknown(error):
            return None
        raise


def submit(
    jobs: Any,
    address: str,
    arguments: list[str],
    identity: str,
    code: Upload | None,
    pass_credentials: bool = True,
) -> None:
    """Submit ``python -m …`` with the code that goes along; without any the job runs the raysep that is installed there."""
    passed = {name: os.environ[name] for name in PASSED_ON if pass_credentials and name in os.environ}
    begin = time.monotonic()
    while True:
        try:
            jobs.submit_job(
                entrypoint=shlex.join(["python", "-m", *arguments]),
                submission_id=identity,
                runtime_env={**(code.environment() if code else {}), "env_vars": session.ALLOCATOR | passed},
                metadata={"project": "raysep"},
            )
            return
        except RuntimeError as error:
            # The dashboard of a head that has just started answers before the agent that starts jobs does.
            if "No available agent" in str(error) and time.monotonic() - begin < STARTING_SECONDS:
                time.sleep(1)
                continue
            raise RaysepError(f"{address}: the job was refused ({_words_of(error)})") from error


def _words_of(error: Exception) -> str:
    """The last line of an answer that says something: Ray ends some with a full stop on a line of its own."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if any(map(str.isalnum, line))), type(error).__name__)
