"""Make the benchmark's corpora and judge a run against known truth."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Address, Quiet, Seed, Settings, Workers, benchmark_app, command


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
    workers: Workers = None,
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
        benchmark.make_corpus(out, size, seed, workers, advance, condition=condition, songs=songs, reference=reference)
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
    subsets: Annotated[int, typer.Option(min=4, help="Halves of the training tracks that are trained on.")] = 60,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each half.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Of each training.")] = 300,
    hidden: Annotated[int, typer.Option(min=1, help="Width of each separator.")] = 48,
    seed: Seed = 1,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """How well attribution foretells what training on a part of the corpus gives: LDS with its noise ceiling, agreement
    of two seeds, and what random weights leave of it; resumable."""
    from raysep.commands.benchmark import attribution as stage

    stage.quality(
        stage.QualityRequest(
            bench=bench,
            out=out,
            subsets=subsets,
            seeds=seeds,
            steps=steps,
            hidden=hidden,
            seed=seed,
            workers=workers,
            address=address,
            quiet=quiet,
        )
    )
