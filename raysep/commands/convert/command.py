"""Bring models in and out."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import app, command


@command(app, "convert", "raysep convert umxhq/ umxhq.safetensors")
def convert(
    source: Annotated[
        str,
        typer.Argument(
            help="A model folder of the openunmix package (separator.json, one .pth per target) or of MSST (the .yaml and "
            "the .ckpt of a BS-RoFormer, Mel-Band RoFormer, SCNet or Hybrid Demucs), or a checkpoint."
        ),
    ],
    out: Annotated[str, typer.Argument(help="The checkpoint (.safetensors) or the folder to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Turn a published model of Open-Unmix or MSST into a checkpoint, or a checkpoint of such a network into a model."""
    from raysep.commands.convert import convert as stage

    for uri in stage.convert(source, out, overwrite):
        print(uri)
