"""Judge separators."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Address, Json, Layout, Quiet, Workers, app, command, names_of


@command(app, "evaluate", "raysep evaluate runs/first MUSDB18-HQ --out runs/first-evaluation --against contaminated")
def evaluate(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL…", help="Checkpoints, or run folders: all their arms and seeds.")
    ],
    corpus: Annotated[str, typer.Argument(help="Tracks with their stems: folders as for clean, or a manifest.")],
    out: Annotated[
        str, typer.Option(help="Evaluation folder, local or s3://. The same command continues a killed one.")
    ],
    against: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Compare all others with it: a name of the table, a checkpoint or a run."),
    ] = None,
    baseline: Annotated[bool, typer.Option("--baseline", help="Add the mixture itself as every stem.")] = False,
    metrics: Annotated[
        str, typer.Option(metavar="NAMES", help="Some of these, or challenge_sdr, with commas between.")
    ] = "sdr,framewise_sdr,si_sdr,bleedless,fullness,residue",
    bss_eval: Annotated[bool, typer.Option("--bss-eval", help="ISR, SIR and SAR of BSS Eval v4 too.")] = False,
    backend: Annotated[str, typer.Option(help="own, or museval (slow) for what museval itself computes.")] = "own",
    frames: Annotated[bool, typer.Option("--frames", help="Write frames.parquet: every second by itself.")] = False,
    filter: Annotated[str, typer.Option(help="ratio, phase or wiener: how magnitudes become audio.")] = "ratio",
    split: Annotated[str | None, typer.Option(help="Which of the corpus's split folders (default: test).")] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="The corpus's stems, with commas between; guitar+piano=other sums two into one."
        ),
    ] = None,
    layout: Layout = None,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Measure separators on tracks with known stems, and say which is better, with intervals; resumable."""
    from raysep.commands.evaluate import evaluate as stage

    stage.evaluate(
        stage.EvaluationRequest(
            models=tuple(models),
            corpus=corpus,
            out=out,
            measures=tuple(metrics.split(",")),
            bss_eval=bss_eval,
            backend=backend,
            against=against,
            baseline=baseline,
            frames=frames,
            split=split,
            labels=names_of(labels),
            separation={"filter": filter},
            workers=workers,
            address=address,
            quiet=quiet,
            json=json,
            layout=layout,
        )
    )
