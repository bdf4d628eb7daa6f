"""Take a person's verdicts into a run's decision, and show what they change."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Json, Overwrite, app, command


@command(app, "review", "raysep review runs/first verdicts.csv")
def review(
    run: Annotated[str, typer.Argument(help="A run that has decided, local or s3://.")],
    verdicts: Annotated[
        str | None,
        typer.Argument(
            metavar="VERDICTS.csv",
            help="Yours, as the page downloads them: stem_id, verdict (keep, remove or a label), note. "
            "Without: how to begin.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The decision table to write: .parquet, or .csv; OUT-cleaned.parquet and OUT.html come beside it "
            "(default: reviewed.parquet in the run).",
        ),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option("--refit/--no-refit", help="Learn from them about the other stems, too; else only obey them."),
    ] = True,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Decide again with your own verdicts in it, and show what they change; the run's own decision stays as it is.

    Listen first: `raysep listen RUN`, or the run's report.html. The page downloads verdicts.csv. This command reads it, obeys it
    above the rule, judges the other stems again with what it teaches, and says which of them are judged otherwise. It writes
    the decision, the manifest of what is used, and a page of both to listen to, from which a next review goes on.
    """
    from raysep.commands.review import review as stage
    from raysep.rundir import existing

    found = existing(run, *stage.NEEDS)
    if verdicts is None:
        stage.refuse_without_verdicts(run, out=out, json=json, overwrite=overwrite)
        for line in stage.how_to_begin(found, run):
            print(line)
        return
    reviewed, again, page = stage.review(found, verdicts, out, refit=refit, overwrite=overwrite)
    if json:
        from raysep.commands.app import print_json

        print_json(stage.as_json(reviewed, again, page))
        return
    for line in stage.lines(reviewed, again, page):
        print(line)
