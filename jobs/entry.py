"""The same command line in a job as in a shell: join the cluster the job runs in, then call the command."""

import os
import sys


def run(command: str) -> None:
    from raysep import cli

    # A submitted job finds its cluster by RAY_ADDRESS; run by hand, it starts a private runtime instead.
    os.environ.setdefault("RAY_ADDRESS", "local")
    sys.argv = [f"raysep {command}", command, *sys.argv[1:]]
    cli.main()
