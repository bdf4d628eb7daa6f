from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from raysep.commands.export import export as stage
from raysep.commands.export import forms, record
from raysep.corpus import manifest, storage
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput, FinishedWithFailures, OutputError, RunConflict

LABELS = ("bass", "drums", "other", "vocals")


def export(source, to, form, **options):
    return stage.export(stage.Request(str(source), str(to), form, quiet=True, **options))


def tree(folder) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*.*") if p.name != record.NAME)


def kept(folder="") -> list[str]:
    return [f"{t}/{k}.wav" for t in ("A", "B [live]", "C") for k in LABELS if (t, k) != ("A", "bass")]


@pytest.mark.parametrize("name", forms.FORMS)
def test_every_form_is_known_by_its_name_and_says_what_it_is(name):
    assert forms.resolve(name).name == name
    assert forms.resolve(name).about
    with pytest.raises(BadInput, match=r"--form zip: not known; choose one of manifest, list"):
        forms.resolve("zip")


# Lists


def test_a_manifest_reads_back_and_goes_through_the_door(run, tmp_path, state):
    done = export(run, tmp_path / "m.parquet", "manifest")
    stems = stems_of(str(tmp_path / "m.parquet"), on_problem="collect").stems
    assert [s.stem_id for s in stems] == [path.removesuffix(".wav") for path in kept()]
    assert (done.stems, done.of, done.files) == (11, 12, 1)


def test_a_list_has_an_address_a_line_for_each_label(run, tmp_path, corpus, state):
    export(run, tmp_path / "lists", "list")
    assert tree(tmp_path / "lists") == [f"{label}.txt" for label in LABELS]
    assert (tmp_path / "lists" / "bass.txt").read_text() == f"{corpus}/B [live]/bass.wav\n{corpus}/C/bass.wav\n"


def test_a_csv_is_what_msst_reads_as_type_3(run, tmp_path, corpus, state):
    export(run, tmp_path / "c.csv", "csv")
    rows = list(csv.DictReader((tmp_path / "c.csv").open()))
    assert list(rows[0]) == ["instrum", "path"]
    assert {(row["instrum"], row["path"]) for row in rows} == {
        (path.split("/")[1].removesuffix(".wav"), f"{corpus}/{path}") for path in kept()
    }


# Audio as it is


def test_copies_are_the_same_bytes_in_the_same_places(run, tmp_path, corpus, state):
    done = export(run, tmp_path / "out", "copies")
    assert tree(tmp_path / "out") == kept()
    for path in kept():
        assert (tmp_path / "out" / path).read_bytes() == Path(corpus, path).read_bytes()
    told = json.loads((tmp_path / "out" / record.NAME).read_text())
    assert (told["finished"], told["form"], len(told["files"])) == (True, "copies", 11)
    assert (done.files, done.bytes, done.notes) == (11, sum(Path(corpus, path).stat().st_size for path in kept()), ())


def test_what_was_copied_is_a_corpus_that_every_command_reads(run, tmp_path, state):
    export(run, tmp_path / "out", "copies")
    exported = {s.stem_id: s.etag for s in stems_of(str(tmp_path / "out"), on_problem="collect").stems}
    assert exported == {s.stem_id: s.etag for s in manifest.read(f"{run}/manifest.parquet") if s.stem_id != "A/bass"}


def test_links_lead_to_where_the_files_lie(run, tmp_path, corpus, state):
    export(run, tmp_path / "out", "links")
    assert tree(tmp_path / "out") == kept()
    for path in kept():
        assert os.readlink(tmp_path / "out" / path) == f"{corpus}/{path}"


def test_msst_has_a_folder_per_label(run, tmp_path, state):
    export(run, tmp_path / "out", "msst")
    assert tree(tmp_path / "out") == sorted(
        f"{p.split('/')[1].removesuffix('.wav')}/{p.split('/')[0]}.wav" for p in kept()
    )


def test_a_manifest_is_exported_like_a_run(run, tmp_path, state):
    export(run, tmp_path / "m.parquet", "manifest")
    export(tmp_path / "m.parquet", tmp_path / "one", "copies")
    export(run, tmp_path / "two", "copies")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    decided = export(f"{run}/manifest.parquet", tmp_path / "three", "copies", decision=f"{run}/decision.parquet")
    assert (decided.stems, tree(tmp_path / "three")) == (11, kept())


# Labels and spans


def test_relabelled_stems_go_under_the_label_that_they_are_used_as(make_run, tmp_path, corpus, state):
    gone = {"keep": False, "weight": 0.0}
    run = make_run(
        "relabel", A_bass=gone | {"label": "drums"}, A_drums=gone | {"label": "bass"}, C_other=gone | {"label": "bass"}
    )
    done = export(run, tmp_path / "out", "copies")
    assert (tmp_path / "out/A/drums.wav").read_bytes() == Path(corpus, "A/bass.wav").read_bytes()
    assert (tmp_path / "out/A/bass.wav").read_bytes() == Path(corpus, "A/drums.wav").read_bytes()
    # Its track has a bass already: it lies apart, and that is said.
    assert (tmp_path / "out/C (other)/bass.wav").read_bytes() == Path(corpus, "C/other.wav").read_bytes()
    assert "3 stems are used under another label, first A/bass as drums" in done.notes
    assert any(
        note.startswith("1 stems have a label that their track has already, first C/other") for note in done.notes
    )
    export(run, tmp_path / "pool", "msst")
    assert [path for path in tree(tmp_path / "pool") if path.startswith("bass/")] == [
        "bass/A.wav",
        "bass/B [live].wav",
        "bass/C (bass).wav",
        "bass/C (other).wav",
    ]
    used = {s.stem_id: s.stem for s in stems_of_manifest(run, tmp_path)}
    assert (used["A/bass"], used["C/other"]) == ("drums", "bass")


def stems_of_manifest(run, tmp_path):
    export(run, tmp_path / "used.parquet", "manifest")
    return manifest.read(str(tmp_path / "used.parquet"))


SPANS = [{"start": 0.1, "stop": 0.2}, {"start": 0.45, "stop": 9.0}]


def test_spans_are_muted_where_the_form_holds_audio(make_run, tmp_path, corpus, audio, state):
    run = make_run("table", A_bass={"spans": SPANS})
    done = export(run, tmp_path / "out", "copies")
    found, was = audio(tmp_path / "out/A/bass.wav"), audio(f"{corpus}/A/bass.wav")
    assert found.shape == was.shape
    assert np.abs(found[:, 800:1600]).max() == 0
    assert np.abs(found[:, 3600:]).max() == 0
    assert np.array_equal(found[:, :700], was[:, :700])  # 10 ms of fade before the span, and no more
    assert np.array_equal(found[:, 1700:3500], was[:, 1700:3500])
    assert (tmp_path / "out/A/drums.wav").read_bytes() == Path(corpus, "A/drums.wav").read_bytes()
    assert done.notes == ()
    linked = export(run, tmp_path / "links", "links")
    assert not (tmp_path / "links/A/bass.wav").is_symlink()
    assert (tmp_path / "links/A/drums.wav").is_symlink()
    assert np.array_equal(audio(tmp_path / "links/A/bass.wav"), found)
    assert (
        "1 stems have spans that are left out, first A/bass: they are files of their own, and no links" in linked.notes
    )


@pytest.mark.parametrize(("form", "to"), [("manifest", "m.parquet"), ("list", "lists"), ("csv", "c.csv")])
def test_what_a_list_cannot_say_is_said(make_run, tmp_path, form, to, state):
    run = make_run("table", A_bass={"spans": SPANS}, A_drums={"weight": 0.5})
    notes = export(run, tmp_path / to, form).notes
    assert any("1 stems have spans that are left out, first A/bass" in note for note in notes)
    assert any("1 stems are to be drawn less often than others, first A/drums" in note for note in notes)


# MUSDB


def test_musdb_holds_complete_tracks_and_their_sums(run, tmp_path, audio, corpus, state):
    done = export(run, tmp_path / "out", "musdb")
    assert tree(tmp_path / "out") == sorted(f"{t}/{k}.wav" for t in ("B [live]", "C") for k in (*LABELS, "mixture"))
    total = sum(audio(tmp_path / f"out/C/{label}.wav").astype(float) for label in LABELS)
    assert np.array_equal(audio(tmp_path / "out/C/mixture.wav"), total.astype(np.float32))
    assert done.stems == 8
    assert done.notes[0].startswith("1 of 3 tracks lack a label and are left out, first A (no bass)")


def test_musdb_with_silence_for_what_is_missing(run, tmp_path, audio, state):
    done = export(run, tmp_path / "out", "musdb", missing="silence")
    assert len(tree(tmp_path / "out")) == 15
    silent = audio(tmp_path / "out/A/bass.wav")
    assert silent.shape == (2, 4000)
    assert np.abs(silent).max() == 0
    total = sum(audio(tmp_path / f"out/A/{label}.wav").astype(float) for label in LABELS)
    assert np.array_equal(audio(tmp_path / "out/A/mixture.wav"), total.astype(np.float32))
    assert done.notes[0] == "1 of 3 tracks lack a label and get silence for it, first A (no bass)"


def test_musdb_of_another_format_is_wav_of_the_same_steps(as_flac, tmp_path, audio):
    import soundfile

    export(as_flac, tmp_path / "out", "musdb")
    for label in LABELS:
        assert np.array_equal(audio(tmp_path / f"out/A/{label}.wav"), audio(tmp_path / f"flacs/A/{label}.flac"))
    assert {soundfile.info(p).subtype for p in (tmp_path / "out").rglob("*.wav")} == {"PCM_24"}


def test_two_stems_of_one_label_are_added_up_and_a_loud_sum_is_not_cut(make_run, tmp_path, audio, corpus):
    import soundfile

    loud = np.full((4000, 2), 0.7)
    for label in ("bass", "other"):
        soundfile.write(f"{corpus}/C/{label}.wav", loud, 8000, subtype="PCM_16")
    run = make_run("relabel", C_other={"keep": False, "weight": 0.0, "label": "bass"})
    export(run, tmp_path / "out", "musdb", missing="silence")
    assert np.allclose(audio(tmp_path / "out/C/bass.wav"), 1.4, atol=1e-4)
    assert audio(tmp_path / "out/C/mixture.wav").max() > 1.2


def test_musdb_without_a_complete_track_says_what_to_do(make_run, tmp_path):
    gone = {"keep": False, "weight": 0.0}
    run = make_run(A_bass=gone, B_bass=gone, C_bass=gone)
    with pytest.raises(BadInput, match=r"none of 3 tracks is complete, first A \(no bass\); --missing silence"):
        export(run, tmp_path / "out", "musdb")
    assert not (tmp_path / "out").exists()


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
    Path(corpus, "C/bass.wav").unlink()
    shutil.copy(f"{corpus}/C/drums.wav", tmp_path / "kept.wav")
    Path(corpus, "C/drums.wav").write_bytes(b"RIFF shorter now")
    with pytest.raises(
        FinishedWithFailures, match=r"2 of 11 files are not as they should be, first C/bass\.wav \(.*cannot be read"
    ):
        export(run, tmp_path / "out", "copies")
    assert json.loads((tmp_path / "out" / record.NAME).read_text())["finished"] is False
    shutil.copy(tmp_path / "kept.wav", f"{corpus}/C/drums.wav")
    shutil.copy(tmp_path / "kept.wav", f"{corpus}/C/bass.wav")
    assert export(run, tmp_path / "out", "copies").files == 11


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
