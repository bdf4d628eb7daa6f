"""Listen to a run in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import app, command


@command(app, "listen", "raysep listen runs/first")
def listen(
    run: Annotated[str, typer.Argument(help="A run that has decided, local or s3://.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of this machine; 0 = any that is free.")] = 8642,
) -> None:
    """Serve a run's page on this machine alone, with every stem to listen to and to judge; Ctrl-C ends it.

    Audio is read from the corpus when it is asked for. What you say is downloaded by the page as verdicts.csv, which
    `raysep review RUN verdicts.csv` obeys, and shows what it changes.
    """
    from raysep.commands.listen import server
    from raysep.rundir import existing

    found = existing(run, "decision.parquet", "stems.parquet", "manifest.parquet", "summary.json")
    with server.listening(found, port) as (address, serve):
        print(f"listen at {address} (only from this machine; Ctrl-C ends it)", flush=True)
        serve()
