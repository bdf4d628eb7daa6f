"""Hand a job to a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import app, command
from raysep.version import __version__

JOBS = (
    "clean",
    "score",
    "decide",
    "prove",
    "train",
    "evaluate",
    "fad",
    "tune",
    "worth",
    "descend",
    "restore",
    "export",
    "check",
    "benchmark",
)  # commands that work on a cluster
CHOICES = f"{', '.join(JOBS[:-1])} or {JOBS[-1]}"


@command(
    app,
    "submit",
    "raysep submit --address http://127.0.0.1:8265 clean CORPUS --reference REF --out RUN",
    allow_interspersed_args=False,  # what follows the job's name belongs to the job
)
def submit(
    job: Annotated[str, typer.Argument(help=f"Which command: {CHOICES}.")],
    arguments: Annotated[list[str], typer.Argument(help="Its own arguments, as on the command line.")],
    address: Annotated[
        str, typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="The cluster's dashboard.")
    ] = "http://127.0.0.1:8265",
    submission_id: Annotated[
        str | None,
        typer.Option(
            help="A name of your own for the job (default: made of the command, so that the same is submitted once)."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", "--wait/--no-wait", help="Show its log until it ends.")
    ] = True,
    upload: Annotated[
        bool, typer.Option(help="Take this raysep's code along; without, the job runs the one that is installed there.")
    ] = True,
) -> None:
    """Run a job on a Ray cluster by Ray Jobs; storage credentials travel from this shell's environment. The same command given twice is one job: the second follows the first."""
    import sys

    from raysep.cluster import following, jobs
    from raysep.errors import BadInput, RaysepError

    if arguments and arguments[0] == "--":  # as Ray's own command line writes it
        arguments = arguments[1:]
    if job not in JOBS:
        raise BadInput(f"{job}: there is no such job; choose {CHOICES}")
    words = ["raysep", job, *arguments]
    code = jobs.upload() if upload else None
    if code:
        code.check()
    cluster = jobs.client(address)
    identity, status = jobs.find_or_name(
        cluster, submission_id or jobs.identity_of(words), exactly=submission_id is not None
    )
    if status:
        print(f"already submitted to {address} as {identity}, {status.value.lower()}")
    else:
        told = (
            code.told()
            if code
            else f"uploads nothing: it runs the raysep that is installed there; here it is {__version__}"
        )
        print(told, file=sys.stderr)
        jobs.submit(cluster, address, words, identity, code)
        print(f"submitted {identity} to {address}")
    if not follow:
        return
    if status != jobs.SUCCEEDED:
        details = following.follow(
            cluster,
            identity,
            write=lambda text: print(text, end="", flush=True),
            say=lambda text: print(f"note: {text}", file=sys.stderr),
        )
        print(f"{identity}: {details.status.value}")
        if details.status != jobs.SUCCEEDED:
            raise RaysepError(f"{identity}: ended as {details.status.value} ({details.message})")
    if place := jobs.results_of(job, arguments):
        print(f"results: {place}")
