"""The demo: songs made on the spot, half of their stems spoilt, then the whole method and its proof."""

from __future__ import annotations

import json
import time
from typing import Any

from raysep import pipeline
from raysep.config import merge
from raysep.corpus import storage
from raysep.errors import BadInput, RunConflict
from raysep.rundir import Run

# Every way of removing the same number of stems, between the two trainings that bound them.
ARMS = ("contaminated", "cleaned", "fad-z", "unlearning", "random", "oracle", "reference", "clean")
OVERRIDES: dict[str, Any] = {"proof": {"arms": ARMS}}


def demo(
    out: str, seed: int = 1, overrides: dict[str, Any] | None = None, address: str | None = None, quiet: bool = False
) -> Run:
    """``out`` becomes a finished run folder; its songs are in ``out/corpus``. Continues a killed demo."""
    from raysep.corpus.benchmark import make_corpus, note_of
    from raysep.screen import Progress

    if storage.is_remote(out):
        raise BadInput(f"--out {out}: the demo writes its songs to a local folder; give a local path")
    root = storage.absolute(out)
    songs = storage.join(root, "corpus")
    made = storage.join(songs, "made.json")
    if not storage.exists(made):
        begin = time.perf_counter()
        with Progress(quiet).bar("songs") as advance:
            make_corpus(songs, "tiny", seed=seed, progress=advance)
        note = {"size": "tiny", "seed": seed, "seconds": round(time.perf_counter() - begin, 2)}
        storage.write_bytes(made, json.dumps(note).encode())
    note = json.loads(storage.read_bytes(made))
    if note["seed"] != seed:
        raise RunConflict(f"--out {out}: holds a demo of seed {note['seed']}, not {seed}; choose another --out")
    request = pipeline.Request(
        corpus=storage.join(songs, "train"),
        reference=storage.join(songs, "reference"),
        test=storage.join(songs, "test"),
        out=root,
        preset="tiny",
        overrides=merge(OVERRIDES, overrides or {}),
        search=True,
        address=address,
        quiet=quiet,
        before={"songs": note["seconds"]},
    )
    benchmark = pipeline.Benchmark(
        truth=storage.join(songs, "truth.parquet"),
        clean_corpus=storage.join(songs, "clean"),
        condition=note_of(songs).get("condition"),
    )
    return pipeline.clean(request, benchmark)
