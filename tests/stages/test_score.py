from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from raysep import failures, rundir
from raysep.corpus import manifest
from raysep.corpus.dealing import MINUTE, split
from raysep.corpus.inputs import Inputs
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput, RaysepError, StorageUnreachable
from raysep.probes import scoring
from raysep.probes.catalogue import PROBES
from raysep.probes.seconds import BY_SECOND
from raysep.rundir import Run
from raysep.stages import kit, score
from raysep.stages.plant import Planting

NOTHING = Planting([], [], [], {})


def scored_row(stem, segment: int = 0, outcome: str = "scored", **probes) -> dict:
    about = {"track": stem.track, "stem": stem.stem, "stem_id": stem.stem_id}
    return {**about, "segment": segment, "start": float(segment), "seconds": 1.0, "outcome": outcome, **probes}


@pytest.fixture
def tracks(tmp_path, write_tracks):
    return stems_of(write_tracks(tmp_path / "corpus", ["A", "B"])).stems


@pytest.fixture
def worker(make_context):
    context = make_context()
    return score.Scorer.of(context)


@pytest.fixture
def seen(monkeypatch):
    """The tracks that the scoring function is handed, label by label; it gives one row for each."""
    calls = []

    def score_track(kit, audio, track):
        calls.append((track, sorted(audio)))
        if kit == "broken":
            raise ValueError("an odd track")
        about = {"track": track, "outcome": "scored"}
        return [{**about, "stem": label, "stem_id": f"{track}/{label}"} for label in audio]

    monkeypatch.setattr(scoring, "score_track", score_track)
    return calls


# A track


def test_a_stem_that_cannot_be_read_is_a_row_and_the_others_are_scored(worker, tracks, seen):
    stems = manifest.tracks_of(tracks)["A"]
    Path(stems["bass"].uri).write_bytes(Path(stems["bass"].uri).read_bytes()[:500])
    rows = {row["stem"]: row for row in worker._track("kit", "A", stems)}
    assert seen == [("A", ["drums", "other", "vocals"])]
    assert {label: row["outcome"] for label, row in rows.items()} == {
        "bass": "failed",
        "drums": "scored",
        "other": "scored",
        "vocals": "scored",
    }
    assert rows["bass"]["error"] == "AudioError"
    assert "bass.wav: truncated" in rows["bass"]["message"]


def test_a_track_without_a_readable_stem_is_not_scored(worker, make_stems, seen):
    rows = worker._track("kit", "A", manifest.tracks_of(make_stems(["A"]))["A"])
    assert seen == []
    assert [row["outcome"] for row in rows] == ["failed"] * 4


def test_a_track_that_breaks_the_scoring_does_not_end_the_pass(worker, tracks, seen):
    rows = worker._track("broken", "A", manifest.tracks_of(tracks)["A"])
    assert [(row["outcome"], row["error"], row["message"]) for row in rows] == [
        ("failed", "ValueError", "an odd track")
    ] * 4


# A shard


def test_a_shards_part_has_a_column_per_probe_and_a_count_per_outcome(worker, make_stems):
    run = worker.folder
    vocals, drums, bass, other = make_stems(["A"])
    rows = [
        scored_row(vocals, 0, loss=-1.5),
        scored_row(vocals, 1, outcome="silent"),  # one audible segment is enough
        scored_row(drums, 0, outcome="silent"),
        score._failed_row(bass, "AudioError", "truncated"),
        scored_row(other, 0, loss=float("nan")),
    ]
    counts = worker.leave(3, rows, ("loss", "fad-z"))
    assert counts == {"stems": 4, "scored": 2, "silent": 1, "failed": 1}
    table = run.read_table("scores", "part-00003.parquet")
    assert table.column_names == [name for name, _ in score.COLUMNS] + ["loss", "fad-z", *BY_SECOND]
    assert table["loss"].to_pylist()[:2] == [-1.5, None]
    assert table["segment"].to_pylist() == [0, 1, 0, -1, 0]
    about = json.loads(table.schema.metadata[b"raysep"])
    assert about["fingerprint"] == "abc"
    assert about["probes"]["loss"]["oriented"] == PROBES["loss"].oriented
    assert run.shards_done("score", "abc")[3]["counts"] == counts


# The stage


@pytest.fixture
def scored(here, monkeypatch):
    """The stage with a scoring that reads nothing: ``verdicts`` maps stem_id to an outcome, or to an exception."""
    verdicts: dict = {}

    class Scorer(score.Scorer):
        def start(self):
            return self.run

        def run(self, shard, payload):
            rows = []
            for stem in payload:
                verdict = verdicts.get(stem.stem_id, "scored")
                if isinstance(verdict, Exception):
                    raise verdict
                failed = score._failed_row(stem, "AudioError", "truncated")
                rows.append(failed if verdict == "failed" else scored_row(stem, outcome=verdict, loss=0.0))
            return self.leave(shard, rows, ("loss",))

    monkeypatch.setattr(score, "Scorer", Scorer)
    monkeypatch.setattr(kit, "make_kit", lambda context, planting: None)
    return verdicts


@pytest.fixture
def given(make_context, make_stems):
    """(context, inputs, planting) whose manifests are written as the pipeline does."""

    def make(**options):
        context = make_context(scoring={"shards": 5}, **options)
        corpus, reference, planted = make_stems(["A", "B", "C"]), make_stems(["R"]), make_stems(["planted-0-S"])
        for name, stems in (("manifest", corpus), ("reference", reference), ("planted", planted)):
            manifest.write(context.run.path(f"{name}.parquet"), stems)
        return context, Inputs(corpus, reference, []), Planting([], reference, planted, {})

    return make


def test_every_stem_of_corpus_calibration_and_planted_tracks_comes_out(given, scored, here):
    context, inputs, planting = given()
    scored |= {"A/bass": "silent", "B/drums": "failed"}
    score.score(context, inputs, planting)
    everything = [*inputs.corpus, *planting.calibration, *planting.planted]
    table = rundir.read_scores(context.run)
    assert sorted(table["stem_id"].to_pylist()) == sorted(s.stem_id for s in everything)
    record = context.run.read_json("done", "score.json")
    assert {k: record[k] for k in ("stems", "scored", "silent", "failed")} == {
        "stems": 20,
        "scored": 18,
        "silent": 1,
        "failed": 1,
    }
    failed = context.run.read_table("failed.parquet").to_pylist()
    assert [(row["stem_id"], row["uri"], row["message"]) for row in failed] == [
        ("B/drums", "/no/B/drums.wav", "truncated")
    ]
    assert record["shards"] == record["shards_scored_now"] == len(here[0])


def test_what_an_earlier_stage_could_not_read_is_a_failure_too_until_it_is_scored_again(given, scored, here):
    context, inputs, planting = given()
    scored["B/drums"] = "failed"
    with context.run.stage("train") as record:
        record.update(failures.noted({"B/drums": "gone", "C/bass": "gone"}))
    score.score(context, inputs, planting)
    failed = {row["stem_id"]: row["message"] for row in context.run.read_table("failed.parquet").to_pylist()}
    assert failed == {"B/drums": "truncated", "C/bass": "gone; left out of train"}
    score.score(replace(context, retry_failed=True), inputs, planting)  # C/bass is scored, B/drums still is not
    failed = [row["stem_id"] for row in context.run.read_table("failed.parquet").to_pylist()]
    assert failed == ["B/drums"]


def test_an_outage_of_the_storage_ends_the_pass_and_fails_no_stem(given, scored, here):
    context, inputs, planting = given()
    scored["B/drums"] = StorageUnreachable("s3://b/k: away")
    with pytest.raises(StorageUnreachable, match="s3://b/k: away"):
        score.score(context, inputs, planting)
    assert not context.run.has("failed.parquet")
    assert not context.run.is_done("score")
    scored.clear()
    score.score(context, inputs, planting)
    assert len(context.run.read_table("failed.parquet")) == 0


def test_an_outage_while_a_track_is_read_or_scored_is_no_failed_row(worker, tracks, seen, monkeypatch):
    from raysep.corpus import reading

    def away(*_):
        raise StorageUnreachable("s3://b/k: away")

    stems = manifest.tracks_of(tracks)["A"]
    for place, name in ((scoring, "score_track"), (reading.storage, "read_bytes")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, away)
            with pytest.raises(StorageUnreachable):
                worker._track("kit", "A", stems)


def test_a_shard_that_is_given_up_fails_its_stems_and_not_the_pass(given, scored):
    context, inputs, planting = given()
    scored["B/drums"] = RuntimeError("killed")
    score.score(context, inputs, planting)
    failed = context.run.read_table("failed.parquet").to_pylist()
    assert {"B/vocals", "B/drums", "B/bass", "B/other"} <= {row["stem_id"] for row in failed}
    assert {row["error"] for row in failed} == {"WorkerDied"}
    assert all("killed" in row["message"] for row in failed)
    record = context.run.read_json("done", "score.json")
    assert record["scored"] + record["failed"] == 20
    assert len(rundir.read_scores(context.run)) == 20


def test_a_finished_pass_is_not_done_again_and_a_killed_one_only_where_it_must(given, scored, here):
    context, inputs, planting = given()
    score.score(context, inputs, planting)
    shards = here[0]
    score.score(context, inputs, planting)
    assert len(here) == 1
    Path(context.run.path("done", "score.json")).unlink()
    Path(context.run.path("done", "score", f"{shards[-1]:05d}.json")).unlink()
    score.score(context, inputs, planting)
    assert here[1] == shards[-1:]
    assert context.run.read_json("done", "score.json")["shards_scored_now"] == 1


def test_shards_of_another_configuration_do_not_count(given, scored, here):
    context, inputs, planting = given()
    score.score(context, inputs, planting)
    Path(context.run.path("done", "score.json")).unlink()
    score.score(replace(context, fingerprint="def"), inputs, planting)
    assert here[1] == here[0]


def test_failures_are_scored_again_when_asked_and_later_stages_with_them(given, scored, here):
    context, inputs, planting = given()
    scored["B/drums"] = "failed"
    score.score(context, inputs, planting)
    for stage in (*score.LATER, "train"):
        context.run.write_json({}, "done", f"{stage}.json")
    score.score(context, inputs, planting)  # not asked
    assert len(here) == 1
    assert context.run.is_done("decide")
    scored.clear()  # the file was put right
    score.score(replace(context, retry_failed=True), inputs, planting)
    assert len(here[1]) == 1
    assert len(context.run.read_table("failed.parquet")) == 0
    assert len(rundir.read_scores(context.run)) == 20
    assert not any(context.run.is_done(stage) for stage in score.LATER)
    assert context.run.is_done("train")
    context.run.write_json({}, "done", "decide.json")
    score.score(replace(context, retry_failed=True), inputs, planting)  # nothing left to retry
    assert len(here) == 2
    assert context.run.is_done("decide")


def test_a_lost_stem_is_an_error_never_a_smaller_table(given, scored):
    context, inputs, planting = given()
    score.score(context, inputs, planting)
    counts = score._count(context, 20, 5, 0)
    assert counts["stems"] == 20
    for stems_in in (19, 21):
        with pytest.raises(RaysepError, match=f"{stems_in} stems went into the pass"):
            score._count(context, stems_in, 5, 0)
    marker = next(Path(context.run.path("done", "score")).glob("*.json"))
    marker.unlink()
    with pytest.raises(RaysepError, match="20 stems went into the pass"):
        score._count(context, 20, 5, 0)


def test_no_scores_yet_is_said_with_the_way_out(make_context):
    with pytest.raises(BadInput, match="holds no scores yet"):
        rundir.read_scores(make_context().run)


def test_parts_with_and_without_probes_make_one_table(worker, make_stems):
    run = worker.folder
    worker.leave(1, [scored_row(s, loss=1.0) for s in make_stems(["A"])], ("loss",))
    worker.leave(0, [score._failed_row(s, "WorkerDied", "x") for s in make_stems(["B"])], ())
    table = rundir.read_scores(run)
    assert table["track"].to_pylist() == ["B"] * 4 + ["A"] * 4
    assert table["loss"].to_pylist() == [None] * 4 + [1.0] * 4
    assert pa.types.is_float32(table.schema.field("loss").type)


# The number of shards


def test_the_number_of_shards_follows_the_corpus_and_is_kept_in_the_run(make_context, make_stems):
    context = make_context(scoring={"shards": 5, "most_segments": 8, "segment_seconds": 1.0})
    tracks = manifest.tracks_of(make_stems([f"t{k}" for k in range(300)], frames=9 * 8000))
    assert score.count_shards(context, tracks) == 300 * 4 * 8 / MINUTE == 16
    assert context.run.read_json("run.json")["shards"] == {"score": 16}
    few = dict([*tracks.items()][:30])  # whatever has come of the corpus since
    assert score.count_shards(context, few) == 16


def test_a_run_that_was_begun_before_that_goes_on_with_the_shards_it_had(make_context, make_stems):
    for stage in ("score", "first-look"):
        context = replace(make_context(scoring={"shards": 5}), run=Run(make_context().run.path(stage)))
        context.run.finish_shard(stage, 3, "abc", b"", "scores/x", {})
        tracks = manifest.tracks_of(make_stems([f"t{k}" for k in range(300)], frames=900 * 8000))
        assert score.count_shards(context, tracks) == 5


# Folds that rotate


@drawn(tracks=st.dictionaries(st.text("abcde", min_size=1), st.integers(0, 2)), count=st.integers(1, 9))
def test_a_shard_is_of_one_fold_and_a_track_of_one_shard(tracks, count):
    planting = Planting([], [], [], {}, frozenset(), tracks)
    plan = score.deal_shards(tracks, planting, count)
    numbers = [number for shards in plan.values() for number in shards]
    assert len(set(numbers)) == len(numbers)
    dealt = {t: place for place, shards in plan.items() for part in shards.values() for t in part}
    assert dealt == {track: f"kit/fold-{fold}" for track, fold in tracks.items()} or not tracks
    assert len(numbers) <= max(count, len(plan))
    assert score.deal_shards([*tracks][::-1], planting, count) == plan


def test_without_folds_shards_are_dealt_as_ever():
    tracks = [f"t{k}" for k in range(20)]
    assert score.deal_shards(tracks, NOTHING, 7) == {"kit": split(tracks, 7)}


def test_every_track_is_scored_by_the_kit_of_its_fold(given, scored, here, monkeypatch):
    context, inputs, planting = given()
    folds = {"A": 0, "B": 1, "C": 0, "R": 1, "planted-0-S": 0}
    seen = {}

    class Scorer(score.Scorer):
        def run(self, shard, payload):
            seen.update({stem.track: self.kit for stem in payload})
            return super().run(shard, payload)

    monkeypatch.setattr(score, "Scorer", Scorer)
    score.score(context, inputs, replace(planting, fold_of=folds))
    assert seen == {track: f"kit/fold-{fold}" for track, fold in folds.items()}
    record = context.run.read_json("done", "score.json")
    assert (record["stems"], record["shards"]) == (20, sum(map(len, here)))
    # A killed pass goes on where it stopped, in the one fold and in the other.
    Path(context.run.path("done", "score.json")).unlink()
    lost = [calls[-1] for calls in here]
    for number in lost:
        Path(context.run.path("done", "score", f"{number:05d}.json")).unlink()
    before = len(here)
    score.score(context, inputs, replace(planting, fold_of=folds))
    assert here[before:] == [[number] for number in lost]
