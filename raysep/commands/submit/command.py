"""Hand a job to a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import app, command
from raysep.version import __version__

JOBS = (
    "clean",
    "score",
    "prove",
    "train",
    "evaluate",
    "fad",
    "tune",
    "worth",
    "descend",
)  # commands that work on a cluster


@command(
    app,
    "submit",
    "raysep submit --address http://127.0.0.1:8265 clean CORPUS --reference REF --out RUN",
    allow_interspersed_args=False,  # what follows the job's name belongs to the job
)
def submit(
    job: Annotated[
        str, typer.Argument(help="Which command: clean, score, prove, train, evaluate, fad, tune, worth or descend.")
    ],
    arguments: Annotated[list[str], typer.Argument(help="Its own arguments, as on the command line.")],
    address: Annotated[
        str, typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="The cluster's dashboard.")
    ] = "http://127.0.0.1:8265",
    submission_id: Annotated[
        str | None, typer.Option(help="Unique on the cluster: guards against submitting twice.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
) -> None:
    """Run a job on a Ray cluster by Ray Jobs; storage credentials travel from this shell's environment."""
    import sys

    from raysep.cluster import jobs
    from raysep.cluster.upload import upload_of
    from raysep.errors import BadInput, RaysepError

    if arguments and arguments[0] == "--":  # as Ray's own command line writes it
        arguments = arguments[1:]
    if job not in JOBS:
        raise BadInput(f"{job}: there is no such job; choose {', '.join(JOBS[:-1])} or {JOBS[-1]}")
    if (root := jobs.checkout()) is not None:
        print(upload_of(root).told(), file=sys.stderr)
    identity = jobs.submit(address, ["raysep", job, *arguments], submission_id)
    print(f"submitted {identity} to {address}")
    if root is None:
        print(
            f"it runs the raysep that is installed on the cluster; here it is {__version__}, and no checkout to upload"
        )
    if wait:
        details = jobs.follow(address, identity, lambda text: print(text, end="", flush=True))
        print(f"{identity}: {details.status.value}")
        if details.status.value != "SUCCEEDED":
            raise RaysepError(f"{identity}: ended as {details.status.value} ({details.message})")
