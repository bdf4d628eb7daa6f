"""Find, decide, look back: the commands around a cleaning run."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import (
    Address,
    AllowTwins,
    ConfigFile,
    Layout,
    Preset,
    Quiet,
    Seed,
    Settings,
    Workers,
    app,
    command,
    overrides_of,
)


@command(app, "demo", "raysep demo --out runs/demo")
def demo(
    out: Annotated[str, typer.Option(help="Run folder; the songs go to its corpus/ folder.")] = "runs/demo",
    seed: Seed = 1,
    condition: Annotated[str, typer.Option(help="How stems are spoilt: label-noise, bleeding, mixed or ten-kinds.")] = (
        "label-noise"
    ),
    settings: Settings = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Make songs, spoil a part of their stems, clean them, retrain, and print what it brought: minutes on two cores."""
    from raysep.commands.clean import demo as demonstration

    demonstration.demo(out, seed, overrides_of(None, settings), address, quiet, condition)


@command(app, "clean", "raysep clean s3://music/corpus --reference s3://music/trusted --out s3://music/runs/first")
def clean(
    corpus: Annotated[
        str, typer.Argument(help="MUSDB18-HQ folders (track/vocals.wav …), local or s3://, or a manifest.")
    ],
    reference: Annotated[str, typer.Option(help="Trusted clean tracks, likewise; none of them in the corpus.")],
    out: Annotated[str, typer.Option(help="Run folder, local or s3://. The same command continues a killed run.")],
    test: Annotated[str | None, typer.Option(help="Clean tracks to evaluate on (default: the reference).")] = None,
    layout: Layout = None,
    preset: Preset = "auto",
    config: ConfigFile = None,
    settings: Settings = None,
    search: Annotated[bool, typer.Option("--search", help="Also search the ratio by retraining (Ray Tune).")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Score again what failed before.")] = False,
    allow_twins: AllowTwins = False,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Find the wrong stems of a corpus, write a cleaned manifest, retrain, and compare before with after.

    Writes decision.parquet (a row per stem), cleaned.parquet (the stems kept), results.parquet, summary.json and
    report.html into the run folder. Exit code 3: all done, but some stems could not be read (failed.parquet).
    """
    from raysep import pipeline

    request = pipeline.Request(
        corpus=corpus,
        reference=reference,
        out=out,
        test=test,
        preset=preset,
        overrides=overrides_of(config, settings),
        search=search,
        workers=workers,
        retry_failed=retry_failed,
        address=address,
        quiet=quiet,
        layout=layout,
        allow_twins=allow_twins,
    )
    pipeline.clean(request)


@command(app, "decide", "raysep decide runs/first --rule ratio --ratio 0.3 --probe fad --out ratio30.parquet")
def decide(
    run: Annotated[str, typer.Argument(help="A run that has been scored.")],
    out: Annotated[str, typer.Option(help="The decision table to write (Parquet).")],
    rule: Annotated[
        str | None, typer.Option(help="threshold, fdr or ratio (default, here and below: the run's own).")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Remove when P(corrupt) is above.")] = None,
    fdr: Annotated[float | None, typer.Option(help="Share of clean stems accepted among the removed.")] = None,
    ratio: Annotated[float | None, typer.Option(help="Share of each label's stems to remove.")] = None,
    probe: Annotated[str | None, typer.Option(help="What a ratio ranks by: fused, or any probe.")] = None,
) -> None:
    """Decide again from stored scores: another rule, ratio or probe, and no audio is touched."""
    from raysep.decision.verdicts import notes
    from raysep.rundir import existing
    from raysep.stages import decide as stage

    given = {"rule": rule, "threshold": threshold, "fdr": fdr, "ratio": ratio, "probe": probe}
    settings = {name: value for name, value in given.items() if value is not None}
    found = stage.decide_again(existing(run, "stems.parquet"), settings, out)
    other = found["counts"]["other_label"]
    moved = f", {other} of them like another label, first {found['first_other_label']}" if other else ""
    print(f"{found['counts']['removed']} of {found['counts']['stems']} stems removed{moved}: {out}")
    for note in notes(found):
        print(f"note: {note}")


@command(app, "status", "raysep status runs/first")
def status(run: Annotated[str, typer.Argument(help="Run folder, local or s3://.")]) -> None:
    """What a run has done so far, read from its folder alone: works while it runs and after the cluster is gone."""
    from raysep.commands.clean import status
    from raysep.rundir import existing

    status.print_status(existing(run))


@command(app, "report", "raysep report runs/first")
def report(run: Annotated[str, typer.Argument(help="A finished run's folder.")]) -> None:
    """Print a finished run's table and write its report.html again."""
    from raysep.rundir import existing
    from raysep.stages import report as stage

    stage.again(existing(run, "summary.json", "results.parquet"))
