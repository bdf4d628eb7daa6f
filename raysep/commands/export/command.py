"""Write the cleaned corpus out."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Overwrite, Quiet, app, command


@command(app, "export", "raysep export runs/first --to cleaned --form copies")
def export(
    source: Annotated[
        str, typer.Argument(metavar="RUN|MANIFEST", help="A run that has decided, or a manifest (.parquet).")
    ],
    to: Annotated[
        str,
        typer.Option(
            help="Where to, local or s3://: a file for manifest and csv, else a folder. The same command goes on."
        ),
    ],
    form: Annotated[
        str,
        typer.Option(
            help="manifest, list, csv, msst, musdb, moisesdb, slakh, links or copies: what they are is in docs/export.md."
        ),
    ],
    decision: Annotated[
        str | None, typer.Option(metavar="FILE", help="Another decision of the stems (default: the run's own).")
    ] = None,
    handling: Annotated[
        str | None, typer.Option(help="How it is acted on (default: as in the run; table for a manifest).")
    ] = None,
    missing: Annotated[
        str, typer.Option(help="With musdb, a track that lacks a label: leave-out, or silence in its place.")
    ] = "leave-out",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Write the stems that are used in another form: lists, or the audio with masked spans and new labels applied.

    The source is never written. Within one store copies do not pass through this machine. Counted and sized at the end.
    Exit code 3: some stems could not be read; the same command tries them again.
    """
    from raysep.commands.export import export as stage

    request = stage.Request(source, to, form, decision, handling, missing, overwrite=overwrite, quiet=quiet)
    done = stage.export(request)
    size = f"{done.bytes / 2**30:.2f} GiB" if done.bytes >= 2**27 else f"{done.bytes / 2**20:.2f} MiB"
    files = "1 file" if done.files == 1 else f"{done.files} files"
    print(f"{done.stems} of {done.of} stems: {files}, {size}, counted and sized: {to}")
    for note in done.notes:
        print(f"note: {note}")
