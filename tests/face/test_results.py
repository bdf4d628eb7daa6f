from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from raysep.config import preset
from raysep.errors import BadInput, FinishedWithFailures, RunConflict
from raysep.face import results


@pytest.fixture
def folder(make_context, write_rows) -> results.Folder:
    run = make_context().run
    write_rows(run, "stems.parquet", [{"stem_id": "A/bass", "fad": 1.5}])
    run.write_json({"share": 0.25}, "summary.json")
    return results.Folder(run.root)


def test_a_folder_gives_its_tables_and_records(folder):
    table = folder.table("stems.parquet")
    assert isinstance(table, pa.Table)
    assert table.to_pandas().to_dict("records") == [{"stem_id": "A/bass", "fad": 1.5}]
    assert folder.record("summary.json") == {"share": 0.25}


@pytest.mark.parametrize("read", [lambda f: f.table("decision.parquet"), lambda f: f.record("fad.json")])
def test_what_it_does_not_hold_is_named(folder, read):
    with pytest.raises(BadInput, match=r"run: holds no (decision\.parquet|fad\.json); the same call goes on"):
        read(folder)


def test_a_folder_is_a_place(folder):
    assert os.fspath(folder) == results.at(folder) == results.where(folder) == folder.folder


def test_places_are_texts_and_paths(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert results.at(None) is None
    assert results.at(Path("a") / "b") == results.at("a/b") == "a/b"
    assert results.where("a") == str(tmp_path / "a")
    assert results.where("s3://b/run/") == "s3://b/run"
    assert results.each("a.wav") == results.each(Path("a.wav")) == ("a.wav",)
    assert results.each(["a.wav", Path("b")]) == ("a.wav", "b")


def test_settings_go_over_those_of_a_file(tmp_path):
    (tmp_path / "my.yaml").write_text("training: {steps: 7, batch: 3}\nseed: 5\n")
    given = results.overrides(tmp_path / "my.yaml", {"training": {"steps": 9}})
    made = preset("smallest", given)
    assert (made.training.steps, made.training.batch, made.seed) == (9, 3, 5)
    assert results.overrides(None, None) == {}
    with pytest.raises(BadInput, match="no such file"):
        results.overrides(tmp_path / "none.yaml", None)


def test_failures_of_some_are_told_and_no_error():
    def call():
        with results.failures_told():
            raise FinishedWithFailures("run: finished, but 2 stems failed")
        return "done"

    with pytest.warns(UserWarning, match="2 stems failed") as told:
        assert call() == "done"
    assert told[0].filename == __file__


def test_any_other_error_stays_one():
    with pytest.raises(RunConflict), results.failures_told():
        raise RunConflict("run: another one")
