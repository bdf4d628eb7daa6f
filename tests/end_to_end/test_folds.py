"""`raysep clean` where folds rotate: from stems to a decision, killed in between, and decided again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import raysep
from raysep import pipeline
from raysep.corpus import manifest
from raysep.rundir import Run

ROTATE = {
    "planting": {"folds": 2, "copies": 1},
    "scoring": {"unlearning": "noisy", "first_segments": 1, "budget": 0.5},
    "decision": {"handling": "relabel"},
    "proof": {"arms": ["contaminated", "cleaned", "reference-loss"]},
}


@pytest.mark.slow
@pytest.mark.long
def test_a_run_whose_folds_rotate_is_decided_and_goes_on_after_a_kill(request_for, ray_runtime, tmp_path):
    request = request_for(tmp_path / "run", overrides=ROTATE, search=True)
    run = pipeline.clean(request)
    stems = run.read_table("stems.parquet").to_pylist()
    reference = manifest.read(run.path("reference.parquet"))
    assert {r["stem_id"] for r in stems if r["role"] == "calibration"} == {s.stem_id for s in reference}
    assert {r["group"] for r in stems if r["role"] == "planted"} == {s.track for s in reference}
    songs = {(r["group"], r["fold"]) for r in stems}
    assert len(songs) == len({group for group, _ in songs})  # of a song and its copy, one fold
    corpus = [r["fold"] for r in stems if r["role"] == "corpus"]
    assert corpus.count(0) == corpus.count(1)
    for name in ("loss", "reference-loss", "fad-z", "unlearning"):
        assert all(np.isfinite(r[name]) for r in stems if r["outcome"] == "scored"), name
    kits = [Path(run.path("kit", f"fold-{k}", "networks", "reference.safetensors")).read_bytes() for k in (0, 1)]
    assert kits[0] != kits[1]
    assert run.read_json("summary.json")["evidence"]["calibration"] == sum(
        r["role"] == "calibration" and r["outcome"] == "scored" for r in stems
    )
    assert all(np.isfinite(r["sdr"]) for r in run.read_table("results.parquet").to_pylist())

    # Killed while the second fold was scored: its last shard is done again, and all ends as it did.
    decided = run.read_table("decision.parquet")
    for stage in ("score", "decide", "search", "retrain", "evaluate"):
        Path(run.path("done", f"{stage}.json")).unlink()
    lost = sorted(Path(run.path("done", "score")).glob("*.json"))[-1]
    lost.unlink()
    pipeline.score(replace(request, workers=1))
    assert run.read_json("done", "score.json")["shards_scored_now"] == 1
    assert Run(run.root).read_table("stems.parquet").to_pylist() == stems
    again = raysep.decide(run.root, out=str(tmp_path / "again.parquet"))
    assert again["keep"].to_pylist() == decided["keep"].to_pylist()
