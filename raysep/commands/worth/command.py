"""What the stems of a run are worth to training, and weights that follow from it."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Address, Quiet, Settings, Workers, app, command, overrides_of

Decided = Annotated[str, typer.Argument(help="A run that has decided, local or s3://.")]
Memory = Annotated[
    float, typer.Option(metavar="GIB", help="States kept by each training at once; with fewer, steps are done twice.")
]


@command(app, "worth", "raysep worth runs/first --seeds 4")
def worth(
    run: Decided,
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings, each traced back: about four times the cost of one each.")
    ] = 4,
    by_label: Annotated[
        bool, typer.Option("--by-label", help="Also on each label of the reference: 2.5 trainings more for each.")
    ] = False,
    evidence: Annotated[
        bool,
        typer.Option(
            "--evidence", help="Train on calibration and planted stems too: a probe for `raysep decide --with-worth`."
        ),
    ] = False,
    memory: Memory = 4.0,
    settings: Settings = None,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """What each stem is worth: dB of loss on the reference that its presence saves, and its spread over seeds.

    Writes worth.parquet and worth.json into the run's folder, where `raysep suspects` reads them, and changes no decision.
    The same command goes on with a killed one, and with more --seeds adds to it.
    """
    from raysep.commands.worth import worth as stage

    stage.check_memory(memory)
    stage.check_questions(by_label, evidence)
    overrides = overrides_of(None, settings)
    stage.worth(stage.WorthRequest(run, seeds, by_label, evidence, memory, overrides, workers, address, quiet))


@command(app, "descend", "raysep descend runs/first")
def descend(
    run: Decided,
    rounds: Annotated[
        int, typer.Option(min=1, max=10, help="Steps down; each costs about five trainings for each of its seeds.")
    ] = 2,
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings that each round goes by, and as many that judge it.")
    ] = 1,
    by: Annotated[
        str, typer.Option(help="stems: a weight for each; probes: weights that follow from the probes' scores.")
    ] = "stems",
    memory: Memory = 4.0,
    settings: Settings = None,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Find how often each stem is to be drawn, by descent on the loss of the reference through the whole training.

    One half of the reference is descended on, the other judges and chooses the round. Writes descent.parquet and
    descent.json into the run's folder, by which `raysep decide RUN --handling descend` decides. The same command goes on with
    a killed one.
    """
    from raysep.commands.worth import descend as stage
    from raysep.commands.worth.worth import check_memory

    check_memory(memory)
    overrides = overrides_of(None, settings)
    stage.descended(stage.DescendRequest(run, rounds, seeds, by, memory, overrides, workers, address, quiet))
