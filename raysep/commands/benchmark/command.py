"""Make the benchmark's corpora and judge a run against known truth."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import (
    Address,
    ConfigFile,
    Layout,
    Overwrite,
    Processes,
    Quiet,
    Seed,
    Settings,
    Workers,
    benchmark_app,
    command,
)


@command(benchmark_app, "corpus", "raysep benchmark corpus bench --size tiny")
def benchmark_corpus(
    out: Annotated[str, typer.Argument(help="Folder to write: clean/, train/, reference/, test/ and truth.parquet.")],
    size: Annotated[str, typer.Option(help="tiny or small.")] = "tiny",
    condition: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Faults by name: label-noise, bleeding (as the SDX'23 data sets), mixed (as the paper), or ten-kinds.",
        ),
    ] = "ten-kinds",
    songs: Annotated[
        int | None, typer.Option(min=1, help="Training songs, the first of the same draw (default: the size's).")
    ] = None,
    reference: Annotated[
        int | None, typer.Option(min=1, help="Reference songs (default: the size's with ten-kinds, 10 else).")
    ] = None,
    seed: Seed = 1,
    workers: Processes = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Render and contaminate the benchmark's corpora."""
    from raysep.corpus import benchmark, conditions
    from raysep.errors import BadInput
    from raysep.screen import Progress

    if size not in benchmark.BENCHMARKS:
        raise BadInput(f"--size {size}: there is no such size; choose one of {', '.join(benchmark.BENCHMARKS)}")
    conditions.condition(condition)
    with Progress(quiet).bar("corpus") as advance:
        benchmark.make_corpus(
            out,
            size,
            seed,
            workers,
            advance,
            condition=condition,
            songs=songs,
            reference=reference,
            overwrite=overwrite,
        )
    print(f"{size} corpus, {condition}: {out}")


@command(benchmark_app, "detection", "raysep benchmark detection runs/first spoilt-truth.parquet")
def benchmark_detection(
    run: Annotated[str, typer.Argument(help="A finished run's folder.")],
    truth: Annotated[str, typer.Argument(help="The truth table that `raysep contaminate` wrote.")],
) -> None:
    """How well the suspicion of a run finds the stems that are known to be wrong: AUROC by kind, label and probe."""
    from raysep.commands.benchmark import detection
    from raysep.rundir import existing

    detection.print_detection(existing(run, "decision.parquet", "stems.parquet"), truth)


@command(
    benchmark_app,
    "run",
    "raysep benchmark run --size tiny --condition label-noise --draws 2 --seeds 3 --out runs/bench",
)
def benchmark_run(
    out: Annotated[str, typer.Option(help="Folder to write. The same command continues a killed one.")],
    size: Annotated[str, typer.Option(help="Of the songs that are made: tiny or small.")] = "tiny",
    condition: Annotated[
        str, typer.Option(metavar="NAME", help="Their faults: label-noise, bleeding, mixed, or ten-kinds.")
    ] = "mixed",
    songs: Annotated[int | None, typer.Option(min=1, help="Training songs (default: the size's).")] = None,
    reference_songs: Annotated[
        int | None, typer.Option(min=1, help="Reference songs (default: the size's with ten-kinds, 10 else).")
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Corpora, each of other songs (default: 2). More of these, of seeds and of arms can be added to a folder.",
        ),
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="A corpus of your own instead, as in `raysep clean`.")] = None,
    clean: Annotated[str | None, typer.Option(help="The same corpus without faults, if there is one.")] = None,
    reference: Annotated[str | None, typer.Option(help="Its trusted tracks.")] = None,
    test: Annotated[str | None, typer.Option(help="Its clean test tracks.")] = None,
    truth: Annotated[str | None, typer.Option(help="Its truth table, as `raysep contaminate` writes one.")] = None,
    layout: Layout = None,
    arms: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,…", help="Trainings that are compared, as in proof.arms (default: a dozen). Repeatable."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each arm on each corpus.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of the first corpus; each further one has the next.")] = 1,
    preset: Annotated[
        str | None, typer.Option(help="smallest, tiny, small or full (default: the size's; auto for your own).")
    ] = None,
    config: ConfigFile = None,
    settings: Settings = None,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Does cleaning pay? Every arm with the same steps, seeds and songs, on one corpus after another: what each gains, how
    much of the gap to clean training it closes, what is found and lost, with intervals and verdicts; resumable."""
    from raysep.commands.app import overrides_of
    from raysep.commands.benchmark import run as stage
    from raysep.commands.benchmark.sources import arms_for, source_of

    made = {"--songs": songs, "--reference-songs": reference_songs}
    own = {"--clean": clean, "--reference": reference, "--test": test, "--truth": truth, "--layout": layout}
    source = source_of(corpus, own, size, condition, made)
    named = [name.strip() for text in arms or () for name in text.split(",") if name.strip()]
    stage.run(
        stage.RunRequest(
            source=source,
            out=out,
            draws=draws or (1 if corpus else 2),
            seeds=seeds,
            seed=seed,
            arms=tuple(dict.fromkeys(named)) or arms_for(source),
            preset=preset,
            workers=workers,
            address=address,
            quiet=quiet,
            overrides=overrides_of(config, settings),
        )
    )


@command(benchmark_app, "harm", "raysep benchmark harm bench --out runs/harm --kind swap --kind bleed-one")
def benchmark_harm(
    bench: Annotated[str, typer.Argument(help="The folder that `raysep benchmark corpus` wrote.")],
    out: Annotated[str, typer.Option(help="Folder to write. The same command continues a killed one.")],
    kind: Annotated[
        list[str] | None, typer.Option("--kind", "--kinds", help="Only this kind of fault (default: all). Repeatable.")
    ] = None,
    severity: Annotated[
        list[str] | None,
        typer.Option("--severity", "--severities", help="Only mild, medium or strong (default: all). Repeatable."),
    ] = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the stems that gets the fault.")] = 0.4,
    steps: Annotated[int, typer.Option(min=1, help="Of each training.")] = 2000,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings on each corpus, and on the clean one.")] = 2,
    seed: Seed = 1,
    settings: Settings = None,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """How much each kind and severity of fault harms by itself: dB below training on the clean songs, on the test songs,
    paired over seeds and songs; resumable, kinds and seeds can be added later."""
    from raysep.commands.app import overrides_of
    from raysep.commands.benchmark import harm as stage

    stage.harm(
        stage.HarmRequest(
            bench=bench,
            out=out,
            kinds=tuple(kind or ()),
            severities=tuple(severity or ()),
            share=share,
            steps=steps,
            seeds=seeds,
            seed=seed,
            workers=workers,
            address=address,
            quiet=quiet,
            overrides=overrides_of(None, settings),
        )
    )


@command(benchmark_app, "attribution", "raysep benchmark attribution bench --out runs/attribution")
def benchmark_attribution(
    bench: Annotated[str, typer.Argument(help="The folder that `raysep benchmark corpus` wrote.")],
    out: Annotated[str, typer.Option(help="Folder to write. The same command continues a killed one.")],
    subsets: Annotated[
        int, typer.Option(min=4, help="Sets of training tracks that are trained on, of each size.")
    ] = 30,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each set.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Of each training.")] = 300,
    hidden: Annotated[int, typer.Option(min=1, help="Width of each separator.")] = 48,
    bases: Annotated[int, typer.Option(min=1, help="Separators of all tracks, whose attributions are judged.")] = 2,
    drop: Annotated[
        list[float] | None,
        typer.Option(
            "--drop", help="Share of the tracks that a set lacks (default: 0.01, 0.05, 0.1, 0.5). Repeatable."
        ),
    ] = None,
    eps_root: Annotated[
        float,
        typer.Option(min=0.0, help="training.eps_root of all trainings; 0 leaves out the metagradient and its rivals."),
    ] = 1e-4,
    seed: Seed = 1,
    settings: Settings = None,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """How well attribution foretells what training on a part of the corpus gives: LDS with its noise ceiling, of the
    metagradient, its rivals and controls; what removing the worst stems brings; agreement of two seeds; resumable."""
    from raysep.commands.app import overrides_of
    from raysep.commands.benchmark import attribution as stage

    stage.quality(
        stage.QualityRequest(
            bench=bench,
            out=out,
            subsets=subsets,
            seeds=seeds,
            steps=steps,
            hidden=hidden,
            bases=bases,
            drops=tuple(drop) if drop else stage.QualityRequest.drops,
            eps_root=eps_root,
            seed=seed,
            workers=workers,
            address=address,
            quiet=quiet,
            overrides=overrides_of(None, settings),
        )
    )
