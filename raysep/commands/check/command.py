"""What is wrong with a corpus that can be told at once."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Address, Json, Layout, Limit, Quiet, Workers, app, command


@command(app, "check", "raysep check CORPUS --reference REF --out checked")
def check(
    corpus: Annotated[str, typer.Argument(help="Tracks with their stems: folders as for clean, or a manifest.")],
    out: Annotated[str, typer.Option(help="Folder, local or s3://. The same command looks at what has changed.")],
    reference: Annotated[str | None, typer.Option(help="Trusted tracks: is any of them in the corpus?")] = None,
    test: Annotated[str | None, typer.Option(help="Test tracks, likewise.")] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Stems, with commas between (default: vocals,drums,bass,other).")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which of the corpus's split folders (default: train).")] = None,
    layout: Layout = None,
    limit: Limit = None,
    unique: Annotated[
        bool,
        typer.Option(
            "--unique", help="Count copies of a track once, and write unique.parquet, a manifest without them."
        ),
    ] = False,
    no_sound: Annotated[
        bool, typer.Option("--no-sound", help="No ranking by what stems sound like: a fraction of the time.")
    ] = False,
    csv: Annotated[str | None, typer.Option(metavar="FILE", help="What was found as CSV, too.")] = None,
    json: Json = False,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Look a corpus over before anything is trained: broken, clipped, inverted, cut-off, doubled or leaked stems.

    Needs no reference, no network and no GPU. check.parquet has a row for each thing found, stems.parquet a row for each
    file with its measures. Exit code 3: something was found that should be looked at.
    """
    from raysep.commands.check import check as stage
    from raysep.commands.check import tables

    stage.check(
        stage.CheckRequest(
            corpus=corpus,
            out=out,
            reference=reference,
            test=test,
            labels=tuple(name.strip() for name in labels.split(",")) if labels else None,
            split=split,
            layout=layout,
            limit=limit,
            unique=unique,
            sound=not no_sound,
            csv=csv,
            json=tables.STANDARD_OUTPUT if json else None,
            workers=workers,
            address=address,
            quiet=quiet,
        )
    )
