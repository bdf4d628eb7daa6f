"""Find, decide, look back: the commands around a cleaning run."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import (
    Address,
    AllowTwins,
    ConfigFile,
    Json,
    Labels,
    Layout,
    Limit,
    Overwrite,
    Preset,
    Quiet,
    Seed,
    Settings,
    Workers,
    app,
    command,
    names_of,
    overrides_of,
)

Corpus = Annotated[str, typer.Argument(help="MUSDB18-HQ folders (track/vocals.wav …), local or s3://, or a manifest.")]
Reference = Annotated[str, typer.Option(help="Trusted clean tracks, likewise; none of them in the corpus.")]
RunFolder = Annotated[str, typer.Option(help="Run folder, local or s3://. The same command continues a killed run.")]
Test = Annotated[str | None, typer.Option(help="Clean tracks to evaluate on (default: the reference).")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Score again what failed before.")]
After = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="A run that has decided: judge only tracks that it has not; joined.parquet has what both keep.",
    ),
]
Verdicts = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Your own, above the rule: a CSV of stem_id, verdict (keep, remove or a label), note."
    ),
]
Refit = Annotated[
    bool | None,
    typer.Option(
        "--refit/--no-refit", help="Learn from --verdicts about the other stems, too (default: only obey them)."
    ),
]
Rounds = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=5,
        help="Judge so many times, each time by networks trained on what was kept the time before; "
        "each costs as much as the first (default: the settings', 1).",
    ),
]
Until = Annotated[
    str | None, typer.Option(metavar="decide", help="End at the decision: nothing is retrained to prove it.")
]


def _can_end(until: str | None) -> None:
    """Raises ``BadInput`` for a stage at which no command ends."""
    from raysep import pipeline
    from raysep.errors import BadInput

    if until not in (None, pipeline.DECIDE):
        raise BadInput(f"--until {until}: the only place to end at is {pipeline.DECIDE}; `raysep score` ends before it")


@command(app, "demo", "raysep demo --out runs/demo")
def demo(
    out: Annotated[str, typer.Option(help="Run folder; the songs go to its corpus/ folder.")] = "runs/demo",
    seed: Seed = 1,
    condition: Annotated[str, typer.Option(help="How stems are spoilt: label-noise, bleeding, mixed or ten-kinds.")] = (
        "label-noise"
    ),
    until: Until = None,
    settings: Settings = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Make songs, spoil a part of their stems, clean them, retrain, and print what it brought: minutes on two cores."""
    from raysep.commands.clean import demo as demonstration

    _can_end(until)
    demonstration.demo(out, seed, overrides_of(None, settings), address, quiet, condition, until)


@command(app, "clean", "raysep clean s3://music/corpus --reference s3://music/trusted --out s3://music/runs/first")
def clean(
    corpus: Corpus,
    reference: Reference,
    out: RunFolder,
    test: Test = None,
    layout: Layout = None,
    labels: Labels = None,
    limit: Limit = None,
    after: After = None,
    verdicts: Verdicts = None,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Learn from --verdicts about the other stems, too; else they are only obeyed."),
    ] = False,
    preset: Preset = "auto",
    config: ConfigFile = None,
    settings: Settings = None,
    search: Annotated[bool, typer.Option("--search", help="Also search the ratio by retraining (Ray Tune).")] = False,
    until: Until = None,
    rounds: Rounds = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what it would read, compute and write, after half a minute of measuring; do nothing."
        ),
    ] = False,
    retry_failed: RetryFailed = False,
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

    _can_end(until)
    request = pipeline.Request(
        corpus=corpus,
        reference=reference,
        out=out,
        test=test,
        preset=preset,
        overrides=overrides_of(config, settings, rounds=rounds),
        search=search,
        workers=workers,
        retry_failed=retry_failed,
        address=address,
        quiet=quiet,
        layout=layout,
        labels=names_of(labels),
        limit=limit,
        after=after,
        verdicts=verdicts,
        refit=refit,
        until=until,
        allow_twins=allow_twins,
    )
    if dry_run:
        from raysep.commands.clean import dry_run as dry

        dry.dry_run(request)
    else:
        pipeline.clean(request)


@command(app, "score", "raysep score CORPUS --reference REF --out runs/first")
def score(
    corpus: Corpus,
    reference: Reference,
    out: RunFolder,
    test: Test = None,
    layout: Layout = None,
    labels: Labels = None,
    limit: Limit = None,
    after: After = None,
    preset: Preset = "auto",
    config: ConfigFile = None,
    settings: Settings = None,
    rounds: Rounds = None,
    retry_failed: RetryFailed = False,
    allow_twins: AllowTwins = False,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Score every stem by every probe and end there: `raysep decide` decides by the scores, `raysep clean` goes on."""
    from raysep import pipeline

    request = pipeline.Request(
        corpus=corpus,
        reference=reference,
        out=out,
        test=test,
        preset=preset,
        overrides=overrides_of(config, settings, rounds=rounds),
        workers=workers,
        retry_failed=retry_failed,
        address=address,
        quiet=quiet,
        layout=layout,
        labels=names_of(labels),
        limit=limit,
        after=after,
        allow_twins=allow_twins,
    )
    run = pipeline.score(request)
    print(f"scored: {run.path('stems.parquet')}")


@command(app, "prove", "raysep prove runs/first --arms contaminated,cleaned,random --seeds 3")
def prove(
    run: Annotated[str, typer.Argument(help="A run that has decided, proven or not.")],
    arms: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,…", help="Trainings to compare, as in proof.arms (default: those). Repeatable."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=0, help="Trainings that each arm has in the end (0: as many as the settings say).")
    ] = 0,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Add arms and seeds to a run that has decided: trains and judges what is not there yet, and prints all; resumable."""
    from raysep import pipeline

    names = [name for text in arms or [] for name in text.split(",")]
    pipeline.prove(run, names, seeds, workers=workers, address=address, quiet=quiet)


@command(app, "decide", "raysep decide runs/first --rule ratio --ratio 0.3 --probe fad --out ratio30.parquet")
def decide(
    run: Annotated[str, typer.Argument(help="A run that has been scored.")],
    out: Annotated[str, typer.Option(help="The decision table to write: .parquet, or .csv.")],
    manifest: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The manifest of what is used, to write too (default: OUT-cleaned.parquet)."),
    ] = None,
    verdicts: Verdicts = None,
    refit: Refit = None,
    rule: Annotated[
        str | None, typer.Option(help="threshold, fdr or ratio (default, here and below: the run's own).")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Remove when P(corrupt) is above.")] = None,
    fdr: Annotated[float | None, typer.Option(help="Share of clean stems accepted among the removed.")] = None,
    ratio: Annotated[float | None, typer.Option(help="Share of each label's stems to remove.")] = None,
    probe: Annotated[str | None, typer.Option(help="What a ratio ranks by: fused, or any probe.")] = None,
    handling: Annotated[
        str | None, typer.Option(help="How it is acted on, as in decision.handling; descend after `raysep descend`.")
    ] = None,
    with_worth: Annotated[
        bool, typer.Option("--with-worth", help="Fuse what `raysep worth RUN --evidence` found with the other probes.")
    ] = False,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Decide again from stored scores, by another rule, ratio or probe, or by your own word; no audio is touched.

    Writes the decision, and beside it the manifest of the stems that are used, as the run's decision.handling says.
    """
    from raysep.again import beside, decide_again
    from raysep.commands.clean import told
    from raysep.rundir import existing

    given = {"rule": rule, "threshold": threshold, "fdr": fdr, "ratio": ratio, "probe": probe, "handling": handling}
    settings = {name: value for name, value in given.items() if value is not None}
    again = decide_again(
        existing(run, "stems.parquet", "manifest.parquet"),
        settings,
        out,
        verdicts=verdicts,
        refit=refit,
        to_manifest=manifest,
        overwrite=overwrite,
        worth=with_worth,
    )
    told.decided(again, out, beside(out, manifest), json)


@command(app, "status", "raysep status runs/first --watch")
def status(
    run: Annotated[str, typer.Argument(help="Run folder, local or s3://: of clean, train, evaluate, check, fad.")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every few seconds, until nobody works on it.")
    ] = False,
    json: Json = False,
) -> None:
    """What a run has done so far and does now, and what may be said of it when it has decided; from its folder alone.

    Works while it runs and after the cluster is gone. Also how fast it goes and when the stage will be done, what failed, and
    whether its driver is alive.
    """
    from raysep.commands.clean import status
    from raysep.errors import BadInput
    from raysep.rundir import existing

    if watch and json:
        raise BadInput("--watch with --json: give one of them; --json is one look")
    found = existing(run)
    if watch:
        status.watch(found)
    else:
        status.print_status(found, json)


@command(app, "report", "raysep report runs/first")
def report(
    run: Annotated[str, typer.Argument(help="Folder of a finished run: of clean, train --test or evaluate.")],
    json: Json = False,
) -> None:
    """Print what a finished run found, and write its report.html again where it has one."""
    from raysep.commands.clean import told
    from raysep.rundir import existing

    told.report(existing(run), json)
