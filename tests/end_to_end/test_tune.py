"""`raysep tune` on a finished run of real songs, at the smallest size: real trainings, and nothing trained twice."""

from __future__ import annotations

import json
import shutil

import pytest

import raysep
from raysep.corpus import storage
from raysep.rundir import Run

ASKED = {"trials": 4, "full": 2, "probes": ["fused", "fad"], "quiet": True}


@pytest.mark.slow
@pytest.mark.long
def test_a_run_is_searched_and_a_second_search_trains_only_what_is_new(finished, ray_runtime, tmp_path):
    run = copied(finished, str(tmp_path / "run"))
    before = run.read_bytes("decision.parquet"), run.read_json("run.json")["stages"]
    found = raysep.tune(run.root, **ASKED)
    assert (run.read_bytes("decision.parquet"), run.read_json("run.json")["stages"]) == before

    rows = found.trials.to_pylist()
    warm, full = ([row for row in rows if row["fidelity"] == name] for name in ("warm start", "full"))
    assert len(warm) == 4
    assert all(row["error"] == "" and row["probe"] in ("fused", "fad") for row in warm)
    names = [row["trial"] for row in full]
    assert names[:3] == ["automatic", "nothing removed", "random removal"]
    assert len(names) == 5
    assert set(names[3:]) < {row["trial"] for row in warm}
    assert [row["chosen"] for row in full].count(True) == 1
    assert all(row["steps"] == 12 and row["seconds"] > 0 and row["standard_error"] > 0 for row in full)
    summary = found.summary
    # Of nine reference tracks three are the unlearned ones; the others were in no training that is judged here.
    assert len(summary["tracks"]) == 6
    assert summary["costs"]["search"]["trainings"] <= 5
    assert summary["costs"]["automatic"]["steps"] == run.read_json("done", "train.json")["steps"]
    assert '<section id="search"' in run.read_bytes("report.html").decode()
    assert run.read_bytes("tune.svg").startswith(b"<svg")

    written = modified(run)
    again = raysep.tune(run.root, **ASKED)
    assert again.trials.to_pylist() == rows
    assert modified(run) == written  # no network was trained again
    more = raysep.tune(run.root, **ASKED | {"full": 3}).trials.to_pylist()
    kept = {row["trial"]: row["sdr"] for row in full}
    assert {row["trial"]: row["sdr"] for row in more if row["trial"] in kept and row["fidelity"] == "full"} == kept
    assert {name: time for name, time in modified(run).items() if name in written} == written


@pytest.mark.slow
@pytest.mark.long
def test_what_the_proof_trained_is_taken_over(finished, ray_runtime):
    """In the run's own folder: a plan is known by where its checkpoint is, too."""
    try:
        raysep.tune(finished.root, trials=1, full=1, probes=["fused"], quiet=True)
        files = storage.list_files(finished.path("tune", "checkpoints"))
        notes = [json.loads(storage.read_bytes(info.path)) for info in files if info.path.endswith(".json")]
        plans = {note["metadata"]["plan"] for note in notes}
        assert plans & {"contaminated-seed0", "cleaned-seed0"}  # what it says of itself: where it was trained
    finally:
        shutil.rmtree(finished.path("tune"), ignore_errors=True)
        for name in ("tune.parquet", "tune.json", "tune.svg"):
            storage.delete(finished.path(name))


def modified(run: Run) -> dict[str, object]:
    files = storage.list_files(run.path("tune", "checkpoints"))
    return {info.base_name: info.modified for info in files}


def copied(run: Run, target: str) -> Run:
    for info in storage.list_files(run.root):
        name = info.path[len(run.root) + 1 :]
        if not name.startswith(("training/", "search/")):
            storage.write_bytes(storage.join(target, name), storage.read_bytes(info.path))
    return Run(target)
