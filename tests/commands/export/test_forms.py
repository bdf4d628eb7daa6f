from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from raysep.commands.export import forms, record
from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput
from tests.commands.export.exports import LABELS, export, kept, tree


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


def test_what_a_run_by_auto_uses_is_exported_and_what_is_used_otherwise_is_said(make_run, tmp_path, corpus, state):
    gone = {"keep": False, "weight": 0.0}
    moved = {"A_bass": gone | {"label": "drums"}, "A_drums": gone | {"label": "bass"}}
    run = make_run("auto", **moved, B_bass=gone | {"harm": 0.1}, C_other=gone | {"harm": 0.9})
    done = export(run, tmp_path / "out", "copies")
    assert (tmp_path / "out/A/drums.wav").read_bytes() == Path(corpus, "A/bass.wav").read_bytes()
    there = {f"{file.parent.name[0]}_{file.stem}" for file in (tmp_path / "out").rglob("*.*")}
    assert "B_bass" in there
    assert "C_other" not in there
    assert {note for note in done.notes if "used" in note} == {
        "2 stems are used under another label, first A/bass as drums",
        "1 stem looks wrong and is used, as its fault does no harm, first B [live]/bass",
    }


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


def test_a_pool_holds_tracks_whose_folders_together_have_a_longer_name_than_a_file_may(tmp_path, write_tracks):
    album, songs = "An album " * 16, [f"{k} of a song " * 13 for k in range(2)]
    write_tracks(tmp_path / "corpus" / album, songs, seconds=0.2)
    manifest.write(str(tmp_path / "m.parquet"), stems_of(str(tmp_path / "corpus")).stems)
    assert export(tmp_path / "m.parquet", tmp_path / "pool", "msst").files == 8
    assert len(tree(tmp_path / "pool")) == 8
    assert {len(path.name.encode()) for path in (tmp_path / "pool").rglob("*.wav")} == {255}
