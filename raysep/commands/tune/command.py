"""Search what to leave out by retraining, and compare it with what was decided without."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Address, Quiet, Workers, app, command


@command(app, "tune", "raysep tune runs/first --trials 16 --full 3")
def tune(
    run: Annotated[str, typer.Argument(help="A run that has been scored: nothing is scored again.")],
    trials: Annotated[int, typer.Option(min=1, help="Short trainings from the network that scored.")] = 16,
    full: Annotated[int, typer.Option(min=1, help="How many of them are trained in full, from the start.")] = 3,
    probes: Annotated[
        list[str] | None,
        typer.Option(
            "--probe",
            metavar="NAME",
            help="What stems may be ranked by; repeatable (default: fused, and the three that best tell planted faults).",
        ),
    ] = None,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Search the ratio, the probe and the handling by retraining, beside the automatic decision and its cost.

    Always trained in full, too: the automatic decision, nothing removed, and as many stems removed at random. Judged on
    reference tracks; the simplest within one standard error of the best is chosen. Writes tune.parquet, tune.json and
    tune.svg into the run's folder and changes no decision. The same command continues a killed search.
    """
    from raysep.commands.tune import tune as search

    search.tune(search.TuneRequest(run, trials, full, tuple(probes or ()), workers, address, quiet))
