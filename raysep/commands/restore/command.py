"""Stems of a run without what a separator takes for other labels."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Address, Quiet, Workers, app, command


@command(app, "restore", "raysep restore runs/first")
def restore(
    run: Annotated[str, typer.Argument(help="A run that has decided, local or s3://.")],
    decision: Annotated[
        str | None, typer.Option(metavar="FILE", help="Another decision of the stems (default: the run's own).")
    ] = None,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Take bleed out of the removed stems by the run's own separator, where trusted stems show that this beats leaving them out.

    Writes restored.parquet, restored.json and new files under restored/ into the run's folder, by which
    `raysep decide RUN --handling restore` decides; no stem of the corpus is touched. The same command goes on with a killed one.
    """
    from raysep.commands.restore import restore as stage

    stage.restore(stage.Request(run, decision, workers, address, quiet))
