"""`raysep contaminate`: what the note beside the copy says of the faults in it; `raysep scan`: what it replaces and reads."""

from __future__ import annotations

import json
import shutil

import pytest

from raysep.corpus import identity, manifest, storage, truth
from raysep.corpus.layouts import stems_of


@pytest.fixture
def spoil(raysep, write_tracks, tmp_path):
    """spoil(option, …): a spoilt copy of five tracks of noise; gives the note and the kinds in its truth table."""
    clean = write_tracks(tmp_path / "clean", [f"t{k}" for k in range(5)])

    def run(*options: str) -> tuple[dict, set[str]]:
        code, _, error = raysep("contaminate", clean, "--out", f"{tmp_path}/out", "--workers", "1", "-q", *options)
        assert code == 0, error
        rows = truth.read(f"{tmp_path}/out-truth.parquet")
        return json.loads((tmp_path / "out-truth.json").read_text()), {row["kind"] for row in rows} - {"clean"}

    return run


def test_a_condition_plants_its_kinds_and_is_noted(spoil):
    note, kinds = spoil("--condition", "label-noise")
    assert kinds == {"swap", "merge"}
    assert (note["condition"], note["share"], note["severities"]) == ("label-noise", 0.4, ["medium", "strong"])


def test_what_is_given_goes_before_the_condition_which_is_then_not_named(spoil):
    note, kinds = spoil("--condition", "label-noise", "--kind", "noise", "--severity", "mild", "--share", "0.2")
    assert kinds == {"noise"}
    assert (note["condition"], note["share"], note["severities"]) == (None, 0.2, ["mild"])


def test_without_a_condition_four_in_ten_stems_have_a_fault_of_any_kind(spoil):
    note, kinds = spoil()
    assert (note["condition"], note["share"], len(note["kinds"])) == (None, 0.4, 10)
    assert len(kinds) > 3


def test_scan_replaces_its_own_manifest_and_nothing_else(raysep, write_tracks, tmp_path):
    corpus, out, theirs = write_tracks(tmp_path / "c", ["A"]), tmp_path / "m.parquet", tmp_path / "theirs.parquet"
    for _ in range(2):
        assert raysep("scan", corpus, "--out", str(out))[0] == 0
    theirs.write_text("mine")
    code, output, error = raysep("scan", corpus, "--out", str(theirs))
    assert (code, output) == (4, "")
    assert "exists already" in error
    assert theirs.read_text() == "mine"
    assert raysep("scan", corpus, "--out", str(theirs), "--overwrite")[0] == 0
    assert raysep("scan", corpus, "--out", str(tmp_path / "m.csv"))[0] == 2


def test_a_full_disk_is_one_line_of_the_output(raysep, write_tracks, tmp_path, file_limit):
    corpus, out = write_tracks(tmp_path / "c", ["A"]), tmp_path / "m.parquet"
    with file_limit(500):
        code, output, error = raysep("scan", corpus, "--out", str(out))
    assert (code, output) == (1, "")
    assert (
        error == f"raysep: --out {out}: cannot be written (File too large); make room there, or choose another place\n"
    )
    assert not out.exists()
    with file_limit(50_000):
        code, _, error = raysep(
            "synth", f"{tmp_path}/s", "--songs", "1", "--seconds", "6", "--sample-rate", "8000", "-q"
        )
    assert code == 1
    assert error.startswith(f"raysep: {tmp_path}/s/song-0000/")
    assert error.count("\n") == 1


def test_a_note_of_somebody_else_is_kept(raysep, write_tracks, tmp_path):
    (tmp_path / "out-truth.json").write_text("[1]")
    code, _, error = raysep("contaminate", write_tracks(tmp_path / "c", ["A"]), "--out", f"{tmp_path}/out", "-q")
    assert code == 4
    assert f"{tmp_path}/out-truth.json: exists already" in error
    assert not (tmp_path / "out").exists()


def test_a_manifest_is_brought_up_to_date_by_the_files_that_changed(raysep, write_tracks, tmp_path, monkeypatch):
    corpus, out = write_tracks(tmp_path / "c", ["A", "B"]), tmp_path / "m.parquet"
    assert raysep("scan", corpus, "--out", str(out))[0] == 0
    before = manifest.read(str(out))
    monkeypatch.setattr(identity, "SETTLED_NS", -(10**18))  # as if the files had been there for a while
    opened, original = [], storage.open_whole
    monkeypatch.setattr(storage, "open_whole", lambda uri: opened.append(uri) or original(uri))
    assert raysep("scan", corpus, "--out", str(out))[0] == 0
    assert (opened, manifest.read(str(out))) == ([], before)
    shutil.copy(tmp_path / "c" / "A" / "bass.wav", tmp_path / "c" / "B" / "bass.wav")
    write_tracks(tmp_path / "c", ["C"])
    assert raysep("scan", corpus, "--out", str(out))[0] == 0
    assert len(opened) == 5
    assert manifest.read(str(out)) == stems_of(corpus).stems


def test_a_scan_of_the_first_tracks_says_so(raysep, write_tracks, tmp_path):
    corpus, out = write_tracks(tmp_path / "c", ["A", "B", "C"]), tmp_path / "m.parquet"
    code, shown, told = raysep("scan", corpus, "--out", str(out), "--limit", "2")
    assert (code, {s.track for s in manifest.read(str(out))}) == (0, {"A", "B"})
    assert "8 stems of 2 tracks" in shown
    assert "the first 2 of 3 tracks alone (--limit), up to B" in told
