"""Print the most suspect stems of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Overwrite, app, command


@command(app, "suspects", "raysep suspects runs/first --label vocals --csv suspects.csv")
def suspects(
    run: Annotated[str, typer.Argument(help="A run that has decided, local or s3://.")],
    label: Annotated[list[str] | None, typer.Option(help="Only stems of this label. Repeatable.")] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="So many at most (default: 20 in the terminal, all in --csv and --json).")
    ] = None,
    csv: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the list too, with empty columns for your verdicts.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """The most suspect stems of a run, with what speaks against each and where it lies; no audio is read.

    The CSV may be listened through and filled in: `raysep review RUN FILE` obeys it, and so does `raysep decide RUN --verdicts FILE`.
    """
    from raysep.commands.suspects import suspects as stage
    from raysep.corpus import outputs, storage
    from raysep.corpus.tables import CSV, csv_bytes
    from raysep.rundir import existing

    found = existing(run, "decision.parquet", "stems.parquet", "manifest.parquet")
    place = outputs.try_file(csv, "--csv", (CSV,), overwrite=overwrite) if csv else None
    everything = stage.suspects(found, label)
    table = everything.slice(0, top)
    if place:
        storage.write_bytes(place, csv_bytes(stage.to_fill_in(table)))
    if json:
        print(stage.as_json(table))
        return
    shown = table.slice(0, top or stage.SHOWN)
    for line in (*stage.lines(shown), *stage.told(found, len(everything), len(shown))):
        print(line)
    if csv:
        print(f"{len(table)} stems: {csv}")
