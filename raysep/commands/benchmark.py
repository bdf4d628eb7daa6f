"""Make the benchmark's corpora and judge a run against known truth."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Quiet, Seed, Workers, benchmark_app, command


@command(benchmark_app, "corpus", "raysep benchmark corpus bench --size tiny")
def benchmark_corpus(
    out: Annotated[str, typer.Argument(help="Folder to write: clean/, train/, reference/, test/ and truth.parquet.")],
    size: Annotated[str, typer.Option(help="tiny or small.")] = "tiny",
    seed: Seed = 1,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Render and contaminate the benchmark's corpora."""
    from raysep.corpus import sizes
    from raysep.errors import BadInput
    from raysep.stages.context import Progress

    if size not in sizes.BENCHMARKS:
        raise BadInput(f"--size {size}: there is no such size; choose one of {', '.join(sizes.BENCHMARKS)}")
    with Progress(quiet).bar("corpus") as advance:
        sizes.make_corpus(out, size, seed=seed, workers=workers, progress=advance)
    print(f"{size} corpus: {out}")


@command(benchmark_app, "detection", "raysep benchmark detection runs/first spoilt-truth.parquet")
def benchmark_detection(
    run: Annotated[str, typer.Argument(help="A finished run's folder.")],
    truth: Annotated[str, typer.Argument(help="The truth table that `raysep contaminate` wrote.")],
) -> None:
    """How well the suspicion of a run finds the stems that are known to be wrong: AUROC by kind, label and probe."""
    from raysep.rundir import existing
    from raysep.stages import judge

    judge.print_detection(existing(run, "decision.parquet", "stems.parquet"), truth)
