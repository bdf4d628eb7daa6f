from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.commands.check import check as command
from raysep.commands.check.check import CheckRequest, check
from raysep.corpus import identity, manifest, storage
from raysep.errors import BadInput, FinishedWithFailures, RunConflict
from raysep.rundir import Run

RATE = 8000


@pytest.fixture
def corpus(tmp_path, write_tracks) -> Path:
    return Path(write_tracks(tmp_path / "corpus", ["A", "B", "C"]))


def asked(corpus: Path, out: Path, **more) -> CheckRequest:
    return CheckRequest(corpus=str(corpus), out=str(out), sound=False, quiet=True, **more)


def found(out: Path) -> list[dict]:
    return Run(str(out)).read_table("check.parquet").to_pylist()


def told(out: Path) -> list[tuple[str, str, str]]:
    return [(row["what"], row["track"], row["stem"]) for row in found(out)]


def rewrite(file: Path, change) -> None:
    audio, rate = soundfile.read(file, always_2d=True)
    soundfile.write(file, change(audio), rate)


def test_nothing_is_found_where_nothing_is_wrong(corpus, tmp_path, alone):
    check(asked(corpus, tmp_path / "out"))
    assert found(tmp_path / "out") == []
    stems = Run(str(tmp_path / "out")).read_table("stems.parquet").to_pylist()
    assert [(row["track"], row["stem"]) for row in stems][:2] == [("A", "bass"), ("A", "drums")]
    assert len(stems) == 12
    assert all(row["level_dbfs"] == pytest.approx(-20, abs=0.3) for row in stems)


def test_faults_end_it_with_code_three_and_are_told_of_their_file(corpus, tmp_path, alone, raysep):
    rewrite(corpus / "A" / "bass.wav", lambda x: x + 0.05)
    (corpus / "B" / "drums.wav").write_bytes(b"no audio")
    rewrite(corpus / "C" / "other.wav", lambda x: x[: -len(x) // 4])
    rewrite(corpus / "B" / "vocals.wav", lambda x: x[:-100])
    code, shown, error = raysep("check", str(corpus), "--out", str(tmp_path / "out"), "--no-sound", "-q")
    assert code == 3
    assert shown.startswith("3 tracks, ")  # -q hides progress, not what was found
    assert "3 faults found, first A/bass: DC offset: " in error
    faults = [("dc", "A", "bass"), ("layout", "C", "other"), ("unreadable", "B", "drums")]
    assert told(tmp_path / "out") == [*faults, ("length", "B", "vocals")]
    assert [row["level"] for row in found(tmp_path / "out")] == ["fault"] * 3 + ["note"]


def test_what_is_only_noted_is_no_failure(corpus, tmp_path, alone):
    rewrite(corpus / "A" / "bass.wav", lambda x: 0 * x)
    check(asked(corpus, tmp_path / "out"))
    assert told(tmp_path / "out") == [("silent", "A", "bass")]


def test_mended_files_are_looked_at_again_and_no_others(corpus, tmp_path, alone):
    rewrite(corpus / "A" / "bass.wav", lambda x: x + 0.05)
    with pytest.raises(FinishedWithFailures, match=r"A/bass: DC offset.*give the same command again"):
        check(asked(corpus, tmp_path / "out"))
    rewrite(corpus / "A" / "bass.wav", lambda x: x - 0.05)
    check(asked(corpus, tmp_path / "out"))
    assert [len(call) for call in alone] == [len(alone[0]), 1]
    assert found(tmp_path / "out") == []


def test_files_that_are_as_before_are_not_read_again(corpus, tmp_path, alone, monkeypatch):
    check(asked(corpus, tmp_path / "out"))
    monkeypatch.setattr(identity, "SETTLED_NS", -(10**18))  # as if the files had been there for a while
    before, opened, original = found(tmp_path / "out"), [], storage.open_whole
    monkeypatch.setattr(storage, "open_whole", lambda uri: opened.append(uri) or original(uri))
    check(asked(corpus, tmp_path / "out"))
    assert (opened, found(tmp_path / "out")) == ([], before)


def test_a_trial_looks_at_the_first_tracks(corpus, tmp_path, alone):
    check(asked(corpus, tmp_path / "out", limit=2))
    rows = Run(str(tmp_path / "out")).read_table("stems.parquet").to_pylist()
    assert {row["track"] for row in rows} == {"A", "B"}


def test_the_folder_of_another_corpus_is_refused(corpus, tmp_path, alone, write_tracks):
    check(asked(corpus, tmp_path / "out"))
    other = write_tracks(tmp_path / "other", ["X"])
    with pytest.raises(RunConflict):
        check(asked(Path(other), tmp_path / "out"))


def test_leaks_are_named_between_the_places(corpus, tmp_path, alone, write_tracks):
    reference = Path(write_tracks(tmp_path / "reference", ["R"]))
    shutil.copytree(corpus / "B", reference / "under another name")
    shutil.copytree(reference / "R", tmp_path / "test" / "R")
    with pytest.raises(FinishedWithFailures):
        check(asked(corpus, tmp_path / "out", reference=str(reference), test=str(tmp_path / "test")))
    rows = [(row["what"], row["role"], row["track"], row["other"]) for row in found(tmp_path / "out")]
    assert rows == [
        ("leak", "reference", "under another name", "B of the corpus"),
        ("leak", "test", "R", "R of the reference"),
    ]


def test_copies_are_named_and_counted_once_when_asked(corpus, tmp_path, alone):
    shutil.copytree(corpus / "B", corpus / "B (1)")
    places = {"csv": str(tmp_path / "found.csv"), "json": str(tmp_path / "found.json")}
    for unique, tracks in ((False, 4), (True, 3)):
        with pytest.raises(FinishedWithFailures, match=r"1 faults found, first B \(1\): is B of the corpus"):
            check(asked(corpus, tmp_path / "out", unique=unique, **places))
        assert json.loads((tmp_path / "found.json").read_text())["tracks"] == tracks
    kept = manifest.read(str(tmp_path / "out" / "unique.parquet"))
    assert sorted(manifest.tracks_of(kept)) == ["A", "B", "C"]
    header, line = (tmp_path / "found.csv").read_text().splitlines()
    assert header.startswith("level,what,role,track,stem,words")
    assert line.startswith("fault,twin,corpus,B (1),,is B of the corpus (100 % of its sound)")


def test_a_manifest_is_as_good_as_its_folders(corpus, tmp_path, alone):
    from raysep.corpus.layouts import stems_of

    rewrite(corpus / "A" / "bass.wav", lambda x: x + 0.05)
    manifest.write(str(tmp_path / "m.parquet"), stems_of(str(corpus)).stems)
    with pytest.raises(FinishedWithFailures):
        check(asked(tmp_path / "m.parquet", tmp_path / "out"))
    assert told(tmp_path / "out") == [("dc", "A", "bass")]


def test_an_empty_place_is_refused(tmp_path, alone):
    manifest.write(str(tmp_path / "empty.parquet"), [])
    with pytest.raises(BadInput, match=r"empty\.parquet: holds no stems"):
        check(asked(tmp_path / "empty.parquet", tmp_path / "out"))


def test_an_odd_stem_and_a_wrong_label_lead_the_rankings(tmp_path, alone, monkeypatch, raysep):
    """Ten tracks of low and of high noise; in one they were exchanged, in another one is a tone."""
    monkeypatch.setattr(command, "EMBEDDER", "logmel")
    rng = np.random.default_rng(0)
    for k in range(10):
        folder = tmp_path / "corpus" / f"t{k}"
        folder.mkdir(parents=True)
        noise = rng.standard_normal((2, 3 * RATE))
        low, high = np.cumsum(noise[0]) * 0.002, np.diff(noise[1], prepend=0) * 0.05
        low -= np.convolve(low, np.ones(800) / 800, "same")
        low -= low.mean()
        if k == 3:
            low, high = high, low
        if k == 6:
            high = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(3 * RATE) / RATE)
        soundfile.write(folder / "low.wav", low, RATE)
        soundfile.write(folder / "high.wav", high, RATE)
    out = tmp_path / "out"
    arguments = (
        str(tmp_path / "corpus"),
        "--labels",
        "low,high",
        "--out",
        str(out),
    )
    code, shown, _ = raysep("check", *arguments)
    rows = {(row["track"], row["stem"]): row for row in Run(str(out)).read_table("stems.parquet").to_pylist()}
    assert {name for name, row in rows.items() if row["like_other"] > 1} >= {("t3", "low"), ("t3", "high")}
    assert rows["t3", "low"]["nearest"] == "high"
    odd = sorted(rows, key=lambda name: -rows[name]["unusual"])[:3]
    assert set(odd) == {("t3", "low"), ("t3", "high"), ("t6", "high")}
    assert (code, told(out)) == (0, [])  # a ranking is no fault
    assert "a ranking, not a verdict" in shown
    ranked = json.loads(raysep("check", *arguments, "--json")[1])["rankings"]["unusual"]
    assert (ranked[0]["track"], ranked[0]["stem"]) == odd[0]


def test_the_embedder_is_the_one_that_ships():
    from raysep.probes.embedders import registry

    assert command.EMBEDDER == registry.DEFAULT
