"""Train separators."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import (
    Address,
    AllowTwins,
    ConfigFile,
    Labels,
    Layout,
    Preset,
    Quiet,
    Settings,
    app,
    command,
    names_of,
    overrides_of,
)
from raysep.decision.handling import described


@command(app, "train", "raysep train runs/first/cleaned.parquet --out runs/separator --test MUSDB18-HQ")
def train(
    corpus: Annotated[str, typer.Argument(help="Folders as for clean, or a manifest such as a run's cleaned.parquet.")],
    out: Annotated[str, typer.Option(help="Run folder, local or s3://. The same command continues a killed run.")],
    test: Annotated[str | None, typer.Option(help="Tracks to evaluate on, when training is over.")] = None,
    validation: Annotated[
        str | None, typer.Option(help="Other tracks: the best checkpoint on them is kept, and training may end early.")
    ] = None,
    decision: Annotated[
        str | None,
        typer.Option(help="A decision.parquet: its weights become sampling weights, its spans are left out."),
    ] = None,
    handling: Annotated[
        str | None,
        typer.Option(
            help=f"How the decision is acted on, table unless given. {described()}. Or package.module:NAME, your own."
        ),
    ] = None,
    layout: Layout = None,
    labels: Labels = None,
    allow_twins: AllowTwins = False,
    preset: Preset = "auto",
    config: ConfigFile = None,
    settings: Settings = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Train one separator by Ray Train, resumable; the checkpoint is checkpoints/separator-seed0.safetensors.

    For another seed, or several: --set proof.seeds=[1,2].
    """
    from raysep import pipeline

    overrides = overrides_of(config, settings)
    request = pipeline.Request(
        corpus=corpus,
        reference=None,
        out=out,
        test=test,
        validation=validation,
        preset=preset,
        overrides=overrides,
        address=address,
        quiet=quiet,
        layout=layout,
        labels=names_of(labels),
        allow_twins=allow_twins,
    )
    run = pipeline.train(request, decision, handling)
    print(f"trained: {run.path('checkpoints')}")
