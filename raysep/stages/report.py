"""What a person sees of a run at its end: the table in the terminal, and ``report.html``."""

from __future__ import annotations

from typing import Any

from raysep import failures
from raysep.report.gains import verdict_of
from raysep.report.page import write
from raysep.report.results import print_arms, print_result
from raysep.report.verdict import plain
from raysep.rundir import Run
from raysep.screen import terminal
from raysep.stages.context import Context


def report(context: Context, benchmark: Any = None) -> None:
    """Write ``report.html``; with a benchmark's truth, its detection curves too."""
    truth = benchmark.truth if benchmark else None
    if truth:
        named = {"condition": benchmark.condition, "clean_corpus": benchmark.clean_corpus}
        context.run.update({"truth": truth, **{name: value for name, value in named.items() if value}})
    write(context.run, truth)


def finish(context: Context) -> None:
    """Print the result; raise when some stems failed, so that the exit code says so."""
    run = context.run
    run.update({"finished": True})
    print_result(run)
    print(f"report: {run.path('report.html')}")
    failures.refuse(run)


def trained(run: Run) -> None:
    """Print what a training's separator is worth on the test tracks."""
    print_arms(run, terminal())


def decided(context: Context) -> None:
    """Write the page of a run that ends at its decision, and print what was decided; raise when some stems failed."""
    run = context.run
    write(run, None)
    for line in verdict_of(run).sentences:
        print(plain(line))
    print(f"decision: {run.path('decision.parquet')}\ncleaned manifest: {run.path('cleaned.parquet')}")
    print(f"look and listen: {run.path('report.html')}")
    print("not retrained: the same command without --until goes on, `raysep prove` trains the arms that you name")
    failures.refuse(run)
