"""`raysep restore` after a real cleaning of real songs, by a network of a dozen steps: it says that restoring does not pay."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from raysep.again import decide_again
from raysep.commands.restore.restore import Request, restore
from raysep.commands.restore.worker import PLANTED
from raysep.corpus import manifest, storage
from raysep.rundir import Run


@pytest.mark.slow
def test_after_a_cleaning_every_removed_stem_is_restored_or_told_why_not(finished, ray_runtime, tmp_path):
    run = Run(str(Path(shutil.copytree(finished.root, tmp_path / "run"))))
    reference = manifest.read(run.path("reference.parquet"))
    before = {stem.uri: storage.digest(Path(stem.uri).read_bytes()) for stem in reference}
    restore(Request(run.root, quiet=True))
    record, table = run.read_json("restored.json"), run.read_table("restored.parquet")
    trials = [run.read_table("restore-trials", file.name) for file in Path(run.path("restore-trials")).iterdir()]
    kinds = {kind for part in trials for kind in part["kind"].to_pylist()}
    assert kinds == {"clean", *PLANTED}
    tried = {track for part in trials for track in part["track"].to_pylist()}
    heard = {stem.track for stem in reference} - tried
    assert tried
    assert heard
    clean = np.concatenate([np.array(part.filter(part["kind"].to_numpy() == "clean")["before"]) for part in trials])
    assert (clean == 100).all()
    asked = table["stem_id"].to_pylist()
    again = decide_again(run, {"handling": "restore"})
    rows = {row["stem_id"]: row for row in again.table.to_pylist()}
    assert all(table["reason"][k].as_py() in rows[stem_id]["reason"] for k, stem_id in enumerate(asked))
    assert again.handled["restored"] == record["counts"]["restored"] == sum(table["restored"].to_pylist())
    kept = sum(row["keep"] for row in rows.values())
    assert len(again.used) == kept + again.handled["restored"]
    assert {uri: storage.digest(Path(uri).read_bytes()) for uri in before} == before
