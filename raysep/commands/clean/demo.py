"""The demo: songs made on the spot, part of their stems spoilt, then the whole method and its proof."""

from __future__ import annotations

import json
import time
from typing import Any

from raysep import pipeline
from raysep.config import merge
from raysep.corpus import storage
from raysep.errors import BadInput, RunConflict
from raysep.rundir import Run

CONDITION = "label-noise"  # of ``corpus.conditions``: what harms a separator most, and what published data sets have
# What cleaning brings, with the reference and without, between what one has and what one would like to have.
# Few, so that it does not take long: `raysep prove` adds others to a demo that is done.
ARMS = ("contaminated", "cleaned", "random", "reference", "oracle", "clean")
# More steps than ``tiny`` has: the longer a separator trains, the more wrong labels cost it.
OVERRIDES: dict[str, Any] = {"proof": {"arms": ARMS}, "training": {"steps": 800, "save_every": 800}}


def demo(
    out: str,
    seed: int = 1,
    overrides: dict[str, Any] | None = None,
    address: str | None = None,
    quiet: bool = False,
    condition: str = CONDITION,
    until: str | None = None,
) -> Run:
    """``out`` becomes a finished run folder, or with ``until`` one that has decided; its songs are in ``out/corpus``.

    Continues a killed demo, and one that ended at its decision.

    Raises ``BadInput`` for a condition that is not known, ``RunConflict`` when ``out`` holds a demo of other songs.
    """
    from raysep.corpus import conditions
    from raysep.corpus.benchmark import make_corpus, note_of
    from raysep.screen import Progress

    if storage.is_remote(out):
        raise BadInput(f"--out {out}: the demo writes its songs to a local folder; give a local path")
    conditions.condition(condition)
    root = storage.absolute(out)
    songs = storage.join(root, "corpus")
    made = storage.join(songs, "made.json")
    if not storage.exists(made):
        begin = time.perf_counter()
        with Progress(quiet).bar("songs") as advance:
            make_corpus(songs, "tiny", seed=seed, progress=advance, condition=condition)
        note = {"size": "tiny", "condition": condition, "seed": seed, "seconds": round(time.perf_counter() - begin, 2)}
        storage.write_bytes(made, json.dumps(note).encode())
    note = json.loads(storage.read_bytes(made))
    there = (note["seed"], note.get("condition", conditions.TEN_KINDS))
    if there != (seed, condition):
        raise RunConflict(
            f"--out {out}: holds a demo of seed {there[0]} and condition {there[1]}, not {seed} and {condition}; "
            "choose another --out"
        )
    request = pipeline.Request(
        corpus=storage.join(songs, "train"),
        reference=storage.join(songs, "reference"),
        test=storage.join(songs, "test"),
        out=root,
        preset="tiny",
        overrides=merge(OVERRIDES, overrides or {}),
        address=address,
        quiet=quiet,
        before={"songs": note["seconds"]},
        until=until,
    )
    benchmark = pipeline.Benchmark(
        truth=storage.join(songs, "truth.parquet"),
        clean_corpus=storage.join(songs, "clean"),
        condition=note_of(songs).get("condition"),
    )
    return pipeline.clean(request, benchmark)
