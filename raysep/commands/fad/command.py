"""How far audio is from clean audio."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Address, Layout, Quiet, Seed, Workers, app, command, names_of


@command(app, "fad", "raysep fad CORPUS --reference REF --out distances")
def fad(
    corpus: Annotated[
        str,
        typer.Argument(help="Tracks with their stems: folders as for clean, a manifest, or a folder of plain songs."),
    ],
    reference: Annotated[
        str, typer.Option(help="Clean audio of the same kinds, or the reference.fadref that an earlier fad left.")
    ],
    out: Annotated[str, typer.Option(help="Folder, local or s3://. The same command continues a killed one.")],
    embedder: Annotated[
        str | None, typer.Option(help="Which embedding (default: the .fadref's own, else aisfx).")
    ] = None,
    embedder_weights: Annotated[
        str, typer.Option(metavar="WHERE", help="Its weights, where it ships none: a path or a URI.")
    ] = "",
    measures: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Per-stem distances, with commas between: fad, fad-window, fad-window-mean, kad, kad-window, "
            "kad-window-mean, mahalanobis, mahalanobis-high, neighbours, neighbours-high (default: the .fadref's own, "
            "else fad,fad-window,mahalanobis).",
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which of the corpus's split folders (default: train).")] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Only these stems, with commas between; one names a folder of plain songs."),
    ] = None,
    layout: Layout = None,
    seed: Seed = 0,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Fréchet and other distances of audio to clean audio: fad.csv by stem, fad.json by label, with FAD-∞; resumable.

    A stem's z compares it with clean excerpts of the same length. Stems that are in the reference are scored with
    themselves left out: give the same folder twice to look at a reference, and to make its reference.fadref. Exit code
    3: all done, but some stems could not be read; the same command tries them again, as they are or mended.
    """
    from raysep.commands.fad import fad as stage

    stage.fad(
        stage.FadRequest(
            corpus=corpus,
            reference=reference,
            out=out,
            embedder=embedder,
            weights=embedder_weights,
            measures=names_of(measures),
            split=split,
            labels=names_of(labels),
            seed=seed,
            workers=workers,
            address=address,
            quiet=quiet,
            layout=layout,
        )
    )
