"""Inputs that are allowed but leave raysep less to say, or more to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from raysep import pipeline
from raysep.corpus import storage
from raysep.errors import FinishedWithFailures
from raysep.rundir import Run

pytestmark = pytest.mark.train


@pytest.mark.long
def test_a_reference_too_small_to_calibrate_gives_a_ranking_and_no_ratio(request_for, corpora, ray_runtime, tmp_path):
    few = tmp_path / "few"
    for track in sorted(Path(corpora.reference).glob("[!.]*"))[:3]:
        shutil.copytree(track, few / track.name)
    run = pipeline.clean(request_for(tmp_path / "run", reference=str(few)))
    summary = run.read_json("summary.json")
    assert summary["estimated_share"] is None
    assert "give more reference tracks" in summary["warning"]
    rows = run.read_table("decision.parquet").to_pylist()
    assert all(row["keep"] for row in rows if row["outcome"] == "scored")
    assert len({row["suspicion"] for row in rows if row["outcome"] == "scored"}) > len(rows) / 2
    assert all(row["p_corrupt"] is None for row in rows if row["outcome"] == "scored")
    assert run.has("report.html")


@pytest.mark.long
def test_a_stem_that_cannot_be_read_is_reported_and_scored_when_it_is_put_right(
    request_for, corpora, ray_runtime, tmp_path
):
    corpus = tmp_path / "corpus"
    shutil.copytree(corpora.corpus, corpus)
    victim = sorted(corpus.glob("*/vocals.wav"))[2]
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2])
    request = request_for(tmp_path / "run", corpus=str(corpus))
    with pytest.raises(FinishedWithFailures, match=r"1 stems failed.*vocals\.wav"):
        pipeline.clean(request)
    run = Run(request.out)
    stem_id = f"{victim.parent.name}/vocals"
    row = decision_of(stem_id, run)
    assert (row["keep"], row["weight"], row["outcome"]) == (False, 0.0, "failed")
    assert [row["stem_id"] for row in run.read_table("failed.parquet").to_pylist()] == [stem_id]
    assert run.has("report.html")
    fingerprint = run.read_json("run.json")["fingerprint"]
    before = run.shards_done("score", fingerprint)

    victim.write_bytes(whole)
    pipeline.clean(request_for(tmp_path / "run", corpus=str(corpus), retry_failed=True))
    after = run.shards_done("score", fingerprint)
    again = {shard for shard, marker in after.items() if before[shard] != marker}
    assert again == {shard for shard, marker in before.items() if marker["counts"]["failed"]}
    assert decision_of(stem_id, run)["outcome"] in ("scored", "silent")
    assert len(run.read_table("failed.parquet")) == 0
    pipeline.clean(request_for(tmp_path / "run", corpus=str(corpus)))  # and without the option it is the same run
    assert json.loads(storage.read_bytes(run.path("run.json")))["fingerprint"] == fingerprint


@pytest.mark.long
def test_a_training_without_stems_that_cannot_be_read_says_which(corpora, ray_runtime, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(corpora.clean, corpus)
    cut, none = (sorted(corpus.glob(f"*/{label}.wav"))[1] for label in ("vocals", "drums"))
    cut.write_bytes(cut.read_bytes()[:20000])
    none.write_bytes(b"no audio")
    request = pipeline.Request(str(corpus), None, str(tmp_path / "run"), preset="smallest", quiet=True)
    for _ in range(2):  # again, too
        with pytest.raises(FinishedWithFailures, match=r"2 stems failed.*train into another --out"):
            pipeline.train(request)
        rows = Run(request.out).read_table("failed.parquet").to_pylist()
        assert {row["uri"]: row["error"] for row in rows} == {str(cut): "AudioError", str(none): "AudioError"}
        told = {row["uri"]: row["message"] for row in rows}
        assert "truncated" in told[str(cut)]
        assert "left out of retrain" in told[str(cut)]
        assert "could not be read as audio when it was scanned" in told[str(none)]
    assert storage.exists(f"{request.out}/checkpoints/separator-seed0.safetensors")


def decision_of(stem_id: str, run: Run) -> dict:
    return next(row for row in run.read_table("decision.parquet").to_pylist() if row["stem_id"] == stem_id)
