from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from raysep.commands.export import export as stage
from raysep.commands.export import record
from raysep.corpus import manifest, storage
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput, FinishedWithFailures, OutputError, RunConflict
from tests.commands.export.exports import export, kept, tree

# Sacred


def test_the_same_export_writes_nothing_again_and_a_killed_one_goes_on(run, tmp_path, state, monkeypatch):
    export(run, tmp_path / "out", "copies")
    whole = {p: p.stat().st_mtime_ns for p in sorted((tmp_path / "out").rglob("*.wav"))}
    made = []
    real = stage._make
    monkeypatch.setattr(stage, "_make", lambda file, to: made.append(file.path) or real(file, to))
    export(run, tmp_path / "out", "copies")
    assert made == []
    assert {p: p.stat().st_mtime_ns for p in whole} == whole
    (tmp_path / "out/A/drums.wav").unlink()
    (tmp_path / "out/C/bass.wav").write_bytes(b"cut off")
    export(run, tmp_path / "out", "copies")
    assert sorted(made) == ["A/drums.wav", "C/bass.wav"]
    assert (tmp_path / "out/C/bass.wav").stat().st_size == 16044


def test_a_killed_export_of_rendered_files_goes_on(run, tmp_path, monkeypatch):
    real, made = stage._make, []

    def stop(file, to):
        if len(made) == 6:
            raise KeyboardInterrupt
        made.append(file.path)
        return real(file, to)

    monkeypatch.setattr(stage, "_make", stop)
    with pytest.raises(KeyboardInterrupt):
        export(run, tmp_path / "out", "musdb", threads=1)
    monkeypatch.setattr(stage, "_make", real)
    export(run, tmp_path / "out", "musdb")
    export(run, tmp_path / "undisturbed", "musdb")
    assert tree(tmp_path / "out") == tree(tmp_path / "undisturbed")
    for path in tree(tmp_path / "out"):
        assert (tmp_path / "out" / path).read_bytes() == (tmp_path / "undisturbed" / path).read_bytes()


def test_somebody_elses_folder_is_left_alone(run, tmp_path, state):
    (tmp_path / "out/A").mkdir(parents=True)
    (tmp_path / "out/A/drums.wav").write_bytes(b"theirs")
    with pytest.raises(
        RunConflict, match=r"is not empty \(A/drums\.wav\) and holds no export\.json; choose another folder"
    ):
        export(run, tmp_path / "out", "copies")
    assert tree(tmp_path / "out") == ["A/drums.wav"]
    assert (tmp_path / "out/A/drums.wav").read_bytes() == b"theirs"
    export(run, tmp_path / "out", "copies", overwrite=True)
    assert tree(tmp_path / "out") == kept()


def test_another_export_leaves_nothing_of_the_one_before(run, make_run, tmp_path, state):
    export(make_run(), tmp_path / "out", "links")
    with pytest.raises(RunConflict, match="holds another export"):
        export(run, tmp_path / "out", "copies")
    (tmp_path / "out/readme.txt").write_text("mine")
    done = export(run, tmp_path / "out", "copies", overwrite=True)
    assert tree(tmp_path / "out") == sorted([*kept(), "readme.txt"])
    assert not any(p.is_symlink() for p in (tmp_path / "out").rglob("*.wav"))
    assert done.notes == (
        "1 files of the export that was there are removed, first A/bass.wav",
        "1 other files lie there too, first readme.txt: whoever reads the folder finds them",
    )


@pytest.mark.parametrize("place", ["", "/cleaned", "/A", "/A/new"])
def test_a_place_in_the_source_is_refused(run, corpus, place, state):
    with pytest.raises(BadInput, match="the source is never written"):
        export(run, corpus + place, "copies", overwrite=True)


def test_a_place_around_the_source_is_refused(run, corpus, tmp_path, state):
    with pytest.raises(BadInput, match=r"inside, around or the same as"):
        export(run, tmp_path, "links", overwrite=True)
    with pytest.raises(BadInput, match=r"inside, around or the same as"):
        export(run, f"{corpus}/m.parquet", "manifest")


def test_a_file_that_is_there_is_replaced_only_where_export_made_it(run, make_run, tmp_path):
    export(run, tmp_path / "m.parquet", "manifest")
    export(make_run(), tmp_path / "m.parquet", "manifest")
    export(run, tmp_path / "c.csv", "csv")
    export(run, tmp_path / "c.csv", "csv")
    with pytest.raises(RunConflict, match="exists already"):
        export(make_run(), tmp_path / "c.csv", "csv")
    with pytest.raises(RunConflict, match="exists already"):
        export(make_run(), f"{run}/manifest.parquet", "manifest")


# What goes wrong


def test_a_source_that_is_gone_or_changed_is_a_failure_and_the_rest_is_there(run, corpus, tmp_path):
    shutil.copytree(f"{corpus}/C", tmp_path / "kept")
    Path(corpus, "C/bass.wav").unlink()
    Path(corpus, "C/drums.wav").write_bytes(b"RIFF shorter now")
    with pytest.raises(
        FinishedWithFailures, match=r"2 of 11 files are not as they should be, first C/bass\.wav \(.*cannot be read"
    ):
        export(run, tmp_path / "out", "copies")
    assert json.loads((tmp_path / "out" / record.NAME).read_text())["finished"] is False
    shutil.copytree(tmp_path / "kept", f"{corpus}/C", dirs_exist_ok=True)
    assert export(run, tmp_path / "out", "copies").files == 11


def replaced(path: Path) -> None:
    """The file with other samples, as long as before."""
    audio, rate = soundfile.read(path)
    soundfile.write(path, audio[::-1], rate, subtype="PCM_16")


@pytest.mark.parametrize("form", ["copies", "links", "msst", "moisesdb"])
def test_a_source_that_was_replaced_by_another_of_its_size_is_a_failure(run, corpus, tmp_path, form):
    replaced(Path(corpus) / "C" / "drums.wav")
    os.utime(Path(corpus) / "C" / "bass.wav", (1, 1))  # the same bytes at another time
    with pytest.raises(FinishedWithFailures, match=r"1 of \d+ files .*/C/drums.wav: the file changed since the scan"):
        export(run, tmp_path / "out", form)


@pytest.mark.parametrize(("form", "to"), [("csv", "out.csv"), ("manifest", "out.parquet"), ("list", "out")])
def test_a_list_of_files_says_which_are_not_what_was_scanned(run, corpus, tmp_path, form, to):
    assert export(run, tmp_path / to, form).notes == ()
    replaced(Path(corpus) / "C" / "drums.wav")
    (Path(corpus) / "C" / "vocals.wav").unlink()
    (told,) = export(run, tmp_path / to, form, overwrite=True).notes
    assert told.startswith("2 stems are not what was scanned, first C/drums (")
    assert "changed since the scan" in told


def test_stems_that_only_the_decision_or_only_the_manifest_names_are_told(run, corpus, tmp_path):
    stems = stems_of(corpus).stems
    manifest.write(str(tmp_path / "two.parquet"), [stem for stem in stems if stem.track in ("A", "C")])
    rows = [{"stem_id": stem.stem_id, "keep": True, "weight": 1.0} for stem in stems if stem.track != "C"]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    done = export(tmp_path / "two.parquet", tmp_path / "out", "copies", decision=str(tmp_path / "d.parquet"))
    assert done.files == 4
    assert done.notes == (
        "4 of 8 stems named by the decision are not in the manifest, first B [live]/bass",
        "4 of 8 stems named by the manifest are not in the decision: they are left out, first C/bass",
    )


def test_a_place_that_cannot_be_written_ends_it_with_its_name(run, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"^--to .*file/out: cannot be written"):
        export(run, tmp_path / "file" / "out", "copies")

    def full(source, target):
        raise OutputError(f"{target}: cannot be written (No space left on device)")

    monkeypatch.setattr(storage, "copy", full)
    with pytest.raises(OutputError, match="No space left on device"):
        export(run, tmp_path / "out", "copies")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"missing": "noise"}, "--missing noise: must be leave-out or silence"),
        ({"to": "x.txt", "form": "manifest"}, r"--to x\.txt: must end in \.parquet"),
        ({"source": "nowhere"}, "nowhere: no run here"),
        ({"source": "nowhere.parquet"}, "no such manifest"),
        ({"to": "s3://b/x", "form": "links"}, "is in an object store, which has no links"),
        ({"handling": "melt"}, "handling 'melt'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(run, tmp_path, change, said):
    with pytest.raises(BadInput, match=said):
        stage.export(
            stage.Request(**({"source": run, "to": str(tmp_path / "out"), "form": "copies", "quiet": True} | change))
        )
    assert not (tmp_path / "out").exists()


def test_a_name_that_leads_out_of_the_folder_is_refused(run, tmp_path):
    from dataclasses import replace

    stems = [replace(s, track=f"../{s.track}") for s in manifest.read(f"{run}/manifest.parquet")]
    manifest.write(str(tmp_path / "m.parquet"), stems)
    with pytest.raises(BadInput, match="is no name for a folder"):
        export(tmp_path / "m.parquet", tmp_path / "out" / "deep", "copies")


@pytest.mark.parametrize("form", ["copies", "links", "msst", "musdb", "moisesdb", "slakh"])
def test_a_name_that_nobody_would_find_again_is_refused(run, tmp_path, form):
    """Files and folders whose names begin with a dot are passed over by trainers, by the count at the end, and by raysep."""
    from dataclasses import replace

    stems = [replace(s, track=f"...And {s.track}") for s in manifest.read(f"{run}/manifest.parquet")]
    manifest.write(str(tmp_path / "m.parquet"), stems)
    with pytest.raises(BadInput, match=r"'\.\.\.And A' is no name for a folder; rename it in the manifest"):
        export(tmp_path / "m.parquet", tmp_path / "out", form)
    assert not (tmp_path / "out").exists()


def test_paths_that_differ_in_case_alone_are_said(run, tmp_path):
    from dataclasses import replace

    stems = manifest.read(f"{run}/manifest.parquet")
    twins = [replace(s, track=s.track.lower(), stem_id=s.stem_id.lower()) for s in stems if s.track == "A"]
    manifest.write(str(tmp_path / "m.parquet"), [*stems, *twins])
    (note,) = [note for note in export(tmp_path / "m.parquet", tmp_path / "out", "copies").notes if "case" in note]
    assert note == "4 paths differ in case alone, first A/bass.wav and a/bass.wav: macOS and Windows take them for one"


# Stores, and the command


def test_between_stores_and_within_one_the_same_bytes_arrive(run, tmp_path, corpus, s3_server, monkeypatch):
    import boto3

    boto3.client("s3").create_bucket(Bucket="exports")
    export(run, "s3://exports/first", "copies")
    stems = stems_of("s3://exports/first", on_problem="collect").stems
    manifest.write(str(tmp_path / "remote.parquet"), stems)
    monkeypatch.setattr(storage, "read_bytes", _no_audio(storage.read_bytes))  # within one store, nothing comes here
    done = export(tmp_path / "remote.parquet", "s3://exports/second", "copies")
    monkeypatch.undo()
    assert (done.files, done.stems) == (11, 11)
    for path in kept():
        assert storage.read_bytes(f"s3://exports/second/{path}") == Path(corpus, path).read_bytes()
    export(tmp_path / "remote.parquet", tmp_path / "back", "copies")
    assert tree(tmp_path / "back") == kept()
    with pytest.raises(BadInput, match="the source is never written"):
        export(tmp_path / "remote.parquet", "s3://exports/first/deeper", "copies")


def _no_audio(read):
    def refuse(uri):
        assert not uri.endswith(".wav")
        return read(uri)

    return refuse


def test_the_command_says_what_is_there(raysep, run, tmp_path):
    code, output, error = raysep("export", run, "--to", str(tmp_path / "out"), "--form", "musdb", "-q")
    assert (code, error) == (0, "")
    first, note = output.splitlines()
    assert first == f"8 of 12 stems: 10 files, 0.15 MiB, counted and sized: {tmp_path}/out"
    assert note.startswith("note: 1 of 3 tracks lack a label")


def test_one_export_at_a_time_works_in_a_folder(run, tmp_path):
    from raysep import lease
    from raysep.rundir import Run

    with lease.held(Run(str(tmp_path / "out"))):
        with pytest.raises(RunConflict, match=r"out: another raysep works on this run .*choose another folder"):
            export(run, tmp_path / "out", "copies")
        assert tree(tmp_path / "out") == [lease.FILE]
    assert export(run, tmp_path / "out", "copies").files == 11
    assert not (tmp_path / "out" / lease.FILE).exists()
