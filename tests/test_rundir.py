from __future__ import annotations

import json
import pickle

import numpy as np
import pyarrow as pa
import pytest

from raysep import rundir
from raysep.corpus import storage
from raysep.errors import BadInput, RunConflict
from raysep.rundir import Run


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(str(tmp_path / "runs" / "first"))


def test_what_is_written_is_read_back(run):
    assert not run.has("a", "b.json")
    run.write_json({"x": 1}, "a", "b.json")
    run.write_bytes(b"123", "c.bin")
    table = pa.table({"n": [1, 2], "s": ["u", None]})
    run.write_table(table, "t.parquet")
    assert run.has("a", "b.json")
    assert run.read_json("a", "b.json") == {"x": 1}
    assert run.read_bytes("c.bin") == b"123"
    assert run.read_table("t.parquet").equals(table)


def test_numbers_of_numpy_are_written_and_objects_are_not(run):
    run.write_json({"mean": np.float32(0.5), "n": np.int64(3), "row": np.arange(2)}, "n.json")
    assert run.read_json("n.json") == {"mean": 0.5, "n": 3, "row": [0, 1]}
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        run.write_json({"x": object()}, "n.json")
    assert run.read_json("n.json")["n"] == 3  # the failed write left the former file


def test_a_run_does_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = pickle.loads(pickle.dumps(Run("here")))
    monkeypatch.chdir("/")
    run.write_bytes(b"1", "file")
    assert (tmp_path / "here" / "file").exists()


# Opening


def test_a_run_is_opened_once_and_continued_by_the_same_configuration(run):
    assert run.open("abc", {"corpus": "X"}) is False
    first = run.read_json("run.json")
    assert (first["fingerprint"], first["corpus"], first["stages"]) == ("abc", "X", {})
    assert first["versions"]["ray"]
    assert "resumed" not in first
    assert run.open("abc", {"corpus": "other"}) is True
    assert run.open("abc", {"corpus": "other"}) is True
    again = run.read_json("run.json")
    assert again["corpus"] == "X"
    assert len(again["resumed"]) == 2


def test_another_configuration_is_refused_and_named(run):
    run.open("abc", {})
    before = run.read_bytes("run.json")
    with pytest.raises(RunConflict, match=r"holds run abc .*this one is def.*another --out"):
        run.open("def", {})
    assert run.read_bytes("run.json") == before


def test_a_folder_that_holds_something_else_is_refused(run):
    run.write_bytes(b"photo", "holiday.jpg")
    with pytest.raises(RunConflict, match="not empty"):
        run.open("abc", {})
    assert not run.has("run.json")


def test_a_folder_of_folders_is_refused_unless_a_demo_made_them(run):
    run.write_bytes(b"song", "corpus", "train", "A", "vocals.wav")
    with pytest.raises(RunConflict, match="not empty"):
        run.open("abc", {})
    run.write_bytes(b"{}", "corpus", "made.json")
    run.write_bytes(b"mine", "scores", "of-a-game.txt")
    with pytest.raises(RunConflict, match="not empty"):
        run.open("abc", {})
    storage.delete(run.path("scores", "of-a-game.txt"))
    assert run.open("abc", {}) is False


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="file: a file"):
        Run(str(tmp_path / "file")).open("abc", {})


def test_only_an_existing_run_that_came_far_enough_is_opened_for_reading(run):
    with pytest.raises(BadInput, match="no run here"):
        rundir.existing(run.root)
    run.open("abc", {})
    assert rundir.existing(run.root).root == run.root
    with pytest.raises(BadInput, match=r"no summary\.json yet"):
        rundir.existing(run.root, "summary.json")
    run.write_json({}, "summary.json")
    rundir.existing(run.root, "summary.json")


def test_sections_are_merged_into_the_record(run):
    run.update({"stages": {"plant": {"seconds": 1}}})
    run.update({"stages": {"train": {"seconds": 2}}, "finished": True})
    assert run.read_json("run.json") == {
        "stages": {"plant": {"seconds": 1}, "train": {"seconds": 2}},
        "finished": True,
    }


# Stages and shards


def test_a_stage_is_done_when_its_body_ended_and_says_what_it_left(run):
    with run.stage("plant") as record:
        record["planted"] = 3
        assert not run.is_done("plant")
    assert run.is_done("plant")
    assert run.read_json("done", "plant.json")["planted"] == 3
    assert run.read_json("run.json")["stages"]["plant"]["seconds"] >= 0


def test_a_stage_that_failed_is_not_done(run):
    with pytest.raises(ZeroDivisionError), run.stage("plant"):
        1 / 0  # noqa: B018
    assert not run.is_done("plant")


def test_a_shard_is_done_by_its_marker_and_only_under_its_configuration(run):
    assert run.shards_done("score", "abc") == {}
    run.finish_shard("score", 7, "abc", b"rows", "scores/part-00007.parquet", {"stems": 2})
    run.finish_shard("score", 8, "old", b"rows", "scores/part-00008.parquet", {"stems": 2})
    done = run.shards_done("score", "abc")
    assert list(done) == [7]
    assert done[7]["counts"] == {"stems": 2}
    assert run.read_bytes(done[7]["part"]) == b"rows"
    assert run.shards_done("attribute", "abc") == {}


def test_a_marker_never_vouches_for_a_part_that_was_not_written(run, monkeypatch):
    written = []
    whole = Run.write_bytes

    def note(self, data, *parts):
        written.append(parts[0] if parts[0] != "done" else "marker")
        whole(self, data, *parts)

    monkeypatch.setattr(Run, "write_bytes", note)
    run.finish_shard("score", 0, "abc", b"rows", "scores/part-00000.parquet", {})
    assert written == ["scores/part-00000.parquet", "marker"]

    def fail(self, data, *parts):
        raise OSError("disk full")

    monkeypatch.setattr(Run, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        run.finish_shard("score", 1, "abc", b"rows", "scores/part-00001.parquet", {})
    assert list(run.shards_done("score", "abc")) == [0]


def test_two_attempts_at_one_shard_do_no_harm(run):
    first = run.finish_shard("score", 0, "abc", b"rows", "part", {"stems": 1})
    second = run.finish_shard("score", 0, "abc", b"rows", "part", {"stems": 1})
    assert first["digest"] == second["digest"] == run.shards_done("score", "abc")[0]["digest"]


def test_a_shard_folder_does_not_make_its_stage_done(run):
    run.finish_shard("score", 0, "abc", b"", "part", {})
    assert not run.is_done("score")


def test_the_environment_names_versions_and_is_json():
    found = json.loads(json.dumps(rundir.environment()))
    assert set(found["versions"]) == {"python", *rundir.VERSIONED}
    assert found["machine"]["cores"] >= 1
