"""`raysep clean` from stems to a proof, on real songs, at the smallest size."""

from __future__ import annotations

import math
from dataclasses import replace

import pyarrow.compute as pc
import pytest

from raysep import pipeline, rundir
from raysep.corpus import manifest, storage
from raysep.decision import handling
from raysep.decision.handling.reading import rows_of
from raysep.errors import RunConflict
from raysep.rundir import Run
from raysep.stages import score

CONTRACT = ("stem_id", "track", "stem", "suspicion", "p_corrupt", "keep", "weight", "reason")


def decisions(run: Run) -> list[dict]:
    return run.read_table("decision.parquet").to_pylist()


def test_a_finished_run_holds_what_others_rely_on(finished):
    names = ("run.json", "manifest.parquet", "decision.parquet", "summary.json", "cleaned.parquet", "results.parquet")
    assert all(finished.has(name) for name in (*names, "report.html", "failed.parquet"))
    rows = decisions(finished)
    corpus = manifest.read(finished.path("manifest.parquet"))
    assert sorted(row["stem_id"] for row in rows) == sorted(s.stem_id for s in corpus)
    assert set(CONTRACT) <= set(rows[0])
    assert all(math.isfinite(row["suspicion"]) and 0 <= row["weight"] <= 1 for row in rows)
    used = {s.stem_id: s.stem for s in manifest.read(finished.path("cleaned.parquet"))}
    entries = handling.use("auto", rows_of(finished.read_table("decision.parquet")), corpus)
    assert used == {entry.stem.stem_id: entry.label for entry in entries}
    assert {row["stem_id"] for row in rows if row["keep"]} <= used.keys()
    assert (
        "auto: what is not kept is used under the label that it belongs to"
        in finished.read_bytes("report.html").decode()
    )
    summary = finished.read_json("summary.json")
    low, high = summary["estimated_share_interval"]
    assert 0 <= low <= summary["estimated_share"] <= high <= 1
    assert summary["counts"]["removed"] == sum(not row["keep"] for row in rows)
    assert summary["handled"]["left_out"] == len(rows) - len(used)
    record = finished.read_json("run.json")
    assert record["peak_memory_gib"] > 0
    assert all(record["stages"][name]["seconds"] > 0 for name in ("train", "score", "retrain", "search"))


def test_every_stem_that_went_in_came_out(finished):
    table = rundir.read_scores(finished)
    counts = finished.read_json("run.json")["stages"]["score"]
    assert counts["stems"] == counts["scored"] + counts["silent"] + counts["failed"]
    assert len(pc.unique(table["stem_id"])) == counts["stems"]
    assert counts["failed"] == 0


def test_each_arm_was_trained_and_judged_on_every_test_stem(finished):
    rows = finished.read_table("results.parquet").to_pylist()
    cells = {(row["arm"], row["track"], row["stem"]) for row in rows}
    assert {arm for arm, _, _ in cells} == {"contaminated", "cleaned"}
    assert len(cells) == len(rows) == 2 * 2 * 4
    assert all(math.isfinite(row["sdr"]) for row in rows)


def test_the_search_tried_every_ratio(finished):
    rows = finished.read_table("search.parquet").to_pylist()
    assert sorted(row["ratio"] for row in rows) == [0.0, 0.4]
    assert all(math.isfinite(row["validation_sdr"]) for row in rows)


@pytest.mark.train
@pytest.mark.parametrize("workers", [1, *(pytest.param(some, marks=pytest.mark.long) for some in (2, 3))])
def test_any_number_of_workers_scores_the_same(finished, request_for, ray_runtime, tmp_path, workers):
    """Same parts, byte for byte, from the same trained networks."""
    again = copy_run(finished, str(tmp_path / "again"), without=("done/score", "scores/", "failed.parquet"))
    context, found, planting = continue_run(request_for(again.root, search=True, workers=workers), ray_runtime)
    score.score(context, found, planting)
    markers = [run.shards_done("score", context.fingerprint) for run in (finished, again)]
    digests = [{number: marker["digest"] for number, marker in each.items()} for each in markers]
    assert digests[0] == digests[1]
    assert len({(marker["host"], marker["pid"]) for marker in markers[1].values()}) == workers


@pytest.mark.train
@pytest.mark.long
def test_one_worker_looks_further_at_the_stems_that_two_do(finished, request_for, ray_runtime, tmp_path):
    found = []
    for workers in (1, 2):
        run = copy_run(finished, str(tmp_path / str(workers)), without=("done/score", "scores/", "failed.parquet"))
        context, inputs, planting = continue_run(request_for(run.root, search=True, workers=workers), ray_runtime)
        scoring = replace(context.config.scoring, first_segments=1, budget=0.3)
        score.score(replace(context, config=replace(context.config, scoring=scoring)), inputs, planting)
        markers = run.shards_done("score", context.fingerprint)
        found.append(({n: m["digest"] for n, m in markers.items()}, run.read_bytes("effort.parquet")))
    assert found[0] == found[1]
    stems = finished.read_json("done", "score.json")["stems"]
    assert stems < len(rundir.read_scores(run)) < len(rundir.read_scores(finished))


def test_the_same_command_again_does_nothing_twice(finished, request_for, ray_runtime):
    before = finished.read_json("run.json")["stages"]
    pipeline.clean(request_for(finished.root, search=True))
    assert finished.read_json("run.json")["stages"] == before


def test_a_folder_of_another_configuration_is_refused(finished, request_for, ray_runtime):
    with pytest.raises(RunConflict, match="another configuration"):
        pipeline.clean(request_for(finished.root, overrides={"seed": 7}))


@pytest.mark.slow
@pytest.mark.xdist_group("here")  # the corpora are made once for them
def test_from_and_to_an_object_store_with_the_same_decision_in_one_process(
    all_here, request_for, corpora, s3_server, tmp_path
):
    """As far as the decision, of three of the tracks: every request to the store is this process's work, too."""
    some = {"limit": 3, "until": "decide"}
    known = pipeline.clean(request_for(tmp_path / "run", **some))
    same_from_and_to_a_store("here", known, request_for, corpora, **some)


@pytest.mark.train
@pytest.mark.long
def test_from_and_to_an_object_store_with_the_same_decision(finished, request_for, corpora, s3_server):
    same_from_and_to_a_store("workers", finished, request_for, corpora)


# Helpers


def same_from_and_to_a_store(name: str, known: Run, request_for, corpora, **changes) -> None:
    """A cleaning of what lies in a bucket of its own, into that bucket, which decides as ``known``, made of the folders."""
    import boto3

    bucket = f"s3://music-{name}"
    boto3.client("s3").create_bucket(Bucket=f"music-{name}")
    places = {role: f"{bucket}/{role}" for role in ("corpus", "reference", "test")}
    for role, place in places.items():
        upload(getattr(corpora, role), place)
    run = pipeline.clean(request_for(f"{bucket}/runs/first", **places, **changes))
    assert decisions(run) == decisions(known)
    assert storage.exists(f"{run.root}/report.html")


def upload(source: str, target: str) -> None:
    for info in storage.list_files(source):
        storage.write_bytes(storage.join(target, info.path[len(source) :]), storage.read_bytes(info.path))


def copy_run(run: Run, target: str, without: tuple[str, ...]) -> Run:
    for info in storage.list_files(run.root):
        name = info.path[len(run.root) + 1 :]
        if not name.startswith((*without, "training/", "search/")):
            storage.write_bytes(storage.join(target, name), storage.read_bytes(info.path))
    return Run(target)


def continue_run(request: pipeline.Request, resources):
    from raysep.stages import plant

    found, config = pipeline.prepare(request)
    context = pipeline.begin(request, found, config, resources)
    return context, found, plant.plant(context, found)
