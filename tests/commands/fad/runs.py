"""Runs of `raysep fad` on small files: what is asked, and what is left."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from raysep.commands.fad.fad import MOST_SHARDS, FadRequest, fad
from raysep.corpus.hashing import stable_hash
from raysep.rundir import Run

RATE = 8000
LABELS = ("bass", "drums")
CLEAN = ("R1", "R2", "R3", "R4", "R5")
NAMES = ("A", "B", "C")


def rows_of(request: FadRequest) -> dict[tuple[str, str], dict]:
    return {(r["track"], r["stem"]): r for r in Run(request.out).read_table("fad.parquet").to_pylist()}


def shards_of(*tracks: str) -> list[int]:
    return sorted(stable_hash(track) % MOST_SHARDS for track in tracks)


def move(folder: str, target: Path) -> str:
    shutil.move(folder, target)
    return str(target)


def left_by(request: FadRequest) -> dict[str, bytes]:
    """The result, without the addresses in it."""
    files = {name: Path(request.out, name).read_bytes() for name in ("fad.csv", "reference.fadref")}
    return files | {"fad.csv": files["fad.csv"].replace(request.corpus.encode(), b"")}


def fresh(request: FadRequest) -> dict[str, bytes]:
    """What the same request leaves in a folder of its own."""
    again = replace(request, out=f"{request.out}-fresh")
    fad(again)
    return left_by(again)
