"""Separate audio files."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import Quiet, app, command


@command(app, "separate", "raysep separate runs/first song.flac albums/ --out separated --format flac")
def separate(
    model: Annotated[str, typer.Argument(help="A checkpoint (.safetensors), or the folder of a run that trained one.")],
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Audio files, folders or patterns, local or s3://.")
    ],
    out: Annotated[str, typer.Option(help="Folder for NAME/STEM.wav. The same command continues a killed one.")],
    format: Annotated[str, typer.Option(help="wav or flac.")] = "wav",
    bits: Annotated[int, typer.Option(help="16, 24, or 32: floating point, wav only.")] = 16,
    clip: Annotated[
        str, typer.Option(help="Beyond full scale: clip cuts, rescale makes all stems of a file quieter instead.")
    ] = "clip",
    stems: Annotated[str | None, typer.Option(metavar="NAMES", help="Only these, with commas between.")] = None,
    two_stems: Annotated[
        str | None, typer.Option(metavar="NAME", help="This one, and all the rest as no_NAME.")
    ] = None,
    residual: Annotated[
        bool, typer.Option("--residual", help="Write what the stems leave of the mixture too.")
    ] = False,
    filter: Annotated[str, typer.Option(help="ratio, phase or wiener: how magnitudes become audio.")] = "ratio",
    chunk_seconds: Annotated[
        float, typer.Option(help="Seconds that go through the network at once; memory grows with them.")
    ] = 10.0,
    overlap: Annotated[float, typer.Option(help="Share of a chunk that it has in common with the next.")] = 0.25,
    shifts: Annotated[
        int, typer.Option(min=0, help="Average over so many delayed copies: slower, a little better.")
    ] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Chunks at once; memory grows with it.")] = 4,
    precision: Annotated[str, typer.Option(help="float32, or bfloat16 inside the network.")] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace stems of another model or input.")] = False,
    quiet: Quiet = False,
) -> None:
    """Separate files of any length in bounded memory: a folder of stems for each, at its own rate and channels."""
    from raysep.commands.separate import separate as stage

    done = stage.separate_files(
        model,
        files,
        out,
        batch=batch,
        device=device,
        overwrite=overwrite,
        quiet=quiet,
        format=format,
        bits=bits,
        clip=clip,
        stems=tuple(name.strip() for name in stems.split(",")) if stems else None,
        two_stems=two_stems,
        residual=residual,
        filter=filter,
        chunk_seconds=chunk_seconds,
        overlap=overlap,
        shifts=shifts,
        precision=precision,
    )
    for uri in done:
        print(uri)
