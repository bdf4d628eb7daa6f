"""Draws of `raysep benchmark run` that nobody computed: corpora of noise, and runs with figures that are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from raysep import config as settings
from raysep import pipeline
from raysep.corpus import benchmark, hashing, truth
from raysep.corpus.layouts import stems_of
from raysep.errors import FinishedWithFailures
from raysep.rundir import Run
from raysep.stages.prove import RESULTS

# dB of each arm, whatever the seed and the song.
LEVELS = {"clean": 5.0, "oracle": 4.8, "cleaned": 4.5, "contaminated": 3.0, "random": 2.9}
SUSPICION = {"swap": 0.9, "noise": 0.4, "clean": 0.5}  # noise is ranked below clean


def write_truth(uri: str, corpus: str) -> None:
    """Vocals and drums of the first two tracks of four are swapped; noise in the bass of every other track."""
    rows = []
    for stem in stems_of(corpus).stems:
        number = int(stem.track[-1])
        kind = "swap" if stem.stem in ("vocals", "drums") and number < 2 else "clean"
        if stem.stem == "bass" and number % 2:
            kind = "noise"
        severity = "strong" if kind != "clean" else ""
        about = {"stem_id": stem.stem_id, "track": stem.track, "stem": stem.stem}
        rows.append({**about, "kind": kind, "severity": severity, "parameters": "{}"})
    truth.write(uri, rows)


def write_run(request: pipeline.Request, known: pipeline.Benchmark, failed: int = 0) -> None:
    """The folder of a run that is finished, as far as the benchmark looks at it."""
    found, config = pipeline.prepare(request)
    run = Run(request.out)
    plain = settings.to_dict(config)
    run.open(hashing.fingerprint(config, found.digest()), {"config": plain, "truth": known.truth})
    run.update({"finished": True, "stages": {"train": {"seconds": 60.0}, "retrain": {"seconds": 60.0}}})
    tracks = sorted({stem.track for stem in found.test})
    write_results(run, config, tracks, [(arm, seed) for arm in config.proof.arms for seed in config.proof.seeds], ())
    judged, decided = [], []
    for row in truth.read(known.truth):
        about = {name: row[name] for name in ("stem_id", "track", "stem")}
        wrong = row["kind"] == "swap"
        judged.append({**about, "outcome": "scored", "loss": -float(row["kind"] == "noise"), "fad": -float(wrong)})
        decision = {"outcome": "scored", "suspicion": SUSPICION[row["kind"]], "keep": not wrong}
        decided.append({**about, **decision, "p_corrupt": 0.5, "weight": 1.0})
    run.write_table(pa.Table.from_pylist(judged), "stems.parquet")
    run.write_table(pa.Table.from_pylist(decided), "decision.parquet")
    run.write_json({"estimated_share": 0.5, "estimated_share_interval": [0.4, 0.6]}, "summary.json")
    lost = [{"stem_id": decided[k]["stem_id"], "message": "gone"} for k in range(failed)]
    empty = pa.schema([("stem_id", pa.string()), ("message", pa.string())])
    run.write_table(pa.Table.from_pylist(lost, schema=empty), "failed.parquet")
    if failed:
        raise FinishedWithFailures(f"{failed} stems failed")


def write_results(
    run: Run, config: settings.Config, tracks: list[str], networks: list[tuple[str, int]], before: tuple[pa.Table, ...]
) -> None:
    """The results of these networks, by arm and seed, after those of ``before``."""
    rng = np.random.default_rng(config.seed)
    of_song = dict(zip(tracks, rng.normal(0, 1, len(tracks)), strict=True))
    rows = [
        (arm, seed, track, stem, LEVELS[arm] + of_song[track] + 0.01 * rng.normal(), 0.0, None, 10)
        for arm, seed in networks
        for track in tracks
        for stem in config.labels
    ]
    table = pa.table([list(c) for c in zip(*rows, strict=True)], schema=RESULTS)
    run.write_table(pa.concat_tables([*before, table]), "results.parquet")


class Done(list):
    """What was done, in its order."""

    failing: tuple[str, ...] = ()  # draws in which two stems cannot be scored


@pytest.fixture
def instant(monkeypatch, write_tracks):
    """Corpora of noise and finished runs at once; gives a list of what was done. ``instant.failing`` draws fail."""
    done = Done()

    def make_corpus(out, size, seed, workers=None, progress=None, *, condition, songs=None, reference=None):
        done.append(f"corpus {seed}")
        places = benchmark.places_in(out)
        for name in ("clean", "train", "reference", "test"):
            names = [f"{name[:2]}-{seed}-{k}" for k in range(4)] if name in ("reference", "test") else None
            write_tracks(Path(out) / name, names or [f"song-{k}" for k in range(4)], seconds=0.2, seed=seed)
        write_truth(places.truth, places.train)
        Path(out, benchmark.NOTE).write_text(json.dumps({"condition": condition, "seed": seed}))

    def clean(request, known):
        done.append(f"clean {request.out.rsplit('/', 2)[-2]}")
        write_run(request, known, failed=2 if request.out.rsplit("/", 2)[-2] in done.failing else 0)

    monkeypatch.setattr(benchmark, "make_corpus", make_corpus)

    def prove(root, arms, seeds, *, workers=None, address=None, quiet=False):
        run = Run(root)
        before = run.read_table("results.parquet")
        there = before.to_pylist()
        missing = {(arm, seed) for arm in arms for seed in range(seeds)} - {(row["arm"], row["seed"]) for row in there}
        done.append(f"prove {root.rsplit('/', 2)[-2]}: {len(missing)} more")
        config = settings.from_dict(run.read_json("run.json")["config"])
        write_results(run, config, sorted({row["track"] for row in there}), sorted(missing), (before,))

    monkeypatch.setattr(pipeline, "clean", clean)
    monkeypatch.setattr(pipeline, "prove", prove)
    return done
