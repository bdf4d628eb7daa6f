from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from small_audio import LABELS, RATE, tones_and_noise, wav

from raysep.audio.files import decode, probe
from raysep.corpus import outputs, storage, truth
from raysep.corpus.contamination import KINDS, Planned, contaminate, corrupt, corrupt_track, may_peak_at
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput, RunConflict

NAMES = tuple(f"song {i}" for i in range(8))


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> str:
    root = tmp_path_factory.mktemp("clean")
    for number, name in enumerate(NAMES):
        stems = {label: tones_and_noise(label, number, 1.0) for label in LABELS}
        stems["mixture"] = np.sum(list(stems.values()), axis=0)
        for label, audio in stems.items():
            storage.write_bytes(f"{root}/{name}/{label}.wav", wav(audio))
    storage.write_bytes(f"{root}/README.md", b"about this corpus")
    storage.write_bytes(f"{root}/{NAMES[0]}/notes.txt", b"about this song")
    return str(root)


@pytest.fixture(scope="module")
def made(clean, tmp_path_factory):
    """(out, truth rows, what progress was told) of one contamination."""
    root = tmp_path_factory.mktemp("made")
    told: list[tuple[int, int]] = []
    rows = contaminate(
        clean, f"{root}/out", f"{root}/truth.parquet", 0.6, seed=3, workers=1, progress=lambda *a: told.append(a)
    )
    return f"{root}/out", rows, told, f"{root}/truth.parquet"


def files(root: str) -> dict[str, bytes]:
    """What a corpus is read from: everything but the word of who made it."""
    found = (p for p in sorted(Path(root).rglob("*")) if p.is_file() and p.name != outputs.MARKER)
    return {str(p.relative_to(root)): p.read_bytes() for p in found}


# one fault -------------------------------------------------------------------------------------------------------


def test_a_corruption_names_what_it_touched(track):
    result = corrupt(track, "swap", "bass", "strong", RATE, np.random.default_rng(0), partner="other")
    assert result.affected == ("bass", "other")
    assert set(result.changed) == set(result.parameters) == {"bass", "other"}
    assert np.array_equal(result.changed["bass"], track["other"])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_hit_is_no_fault(kind):
    silent = {label: np.zeros((2, RATE), np.float32) for label in LABELS}
    result = corrupt(silent, kind, "bass", "strong", RATE, np.random.default_rng(0))
    assert (result.changed, result.affected, result.parameters) == ({}, (), {})


def test_a_merge_of_silence_is_no_fault_and_into_silence_is_one(track):
    track["drums"] = np.zeros_like(track["drums"])
    rng = np.random.default_rng(0)
    assert corrupt(track, "merge", "bass", "strong", RATE, rng, partner="drums").affected == ()
    assert corrupt(track, "merge", "drums", "strong", RATE, rng, partner="bass").affected == ("bass", "drums")


def test_faults_do_not_clip_by_accident(track):
    loud = {label: np.clip(audio * 0.99 / np.abs(audio).max(), -1, 1) for label, audio in track.items()}
    result = corrupt(loud, "merge", "bass", "strong", RATE, np.random.default_rng(0), partner="other")
    total = loud["bass"] + loud["other"]
    assert np.abs(total).max() > 1
    assert np.abs(result.changed["bass"]).max() <= 1.0
    gain = 10 ** (result.parameters["bass"]["fit_db"] / 20)
    assert result.changed["bass"] == pytest.approx(total * gain, rel=1e-3, abs=1e-4)


def test_float_stems_above_full_scale_keep_their_level_and_others_have_none_above_it(track):
    loud = {label: 2 * audio / np.abs(audio).max() for label, audio in track.items()}
    assert may_peak_at(loud, ["WAV/FLOAT", "AIFF/DOUBLE"]) == pytest.approx(2.0)
    assert may_peak_at(loud, ["WAV/FLOAT", "WAV/PCM_24"]) == 1.0
    assert may_peak_at({"x": np.zeros((1, 0))}, ["WAV/FLOAT"]) == 1.0

    def noisy(loudest: float):
        return corrupt(
            loud, "merge", "bass", "strong", RATE, np.random.default_rng(0), partner="other", loudest=loudest
        )

    kept, turned_down = noisy(2.0), noisy(1.0)
    assert 1.5 < np.abs(kept.changed["bass"]).max() <= 2.0 + 1e-6
    assert np.abs(turned_down.changed["bass"]).max() <= 1.0 + 1e-6


@pytest.mark.parametrize(
    ("kind", "target", "severity", "message"),
    [
        ("hum", "bass", "mild", "kind 'hum'"),
        ("noise", "piano", "mild", "label 'piano': choose from vocals, drums"),
        ("noise", "bass", "worst", "severity 'worst'"),
    ],
)
def test_a_wrong_choice_is_named(track, kind, target, severity, message):
    with pytest.raises(BadInput, match=message):
        corrupt(track, kind, target, severity, RATE, np.random.default_rng(0))


@pytest.mark.parametrize("kind", ["swap", "merge", "bleed-one", "bleed-all"])
def test_a_single_stem_cannot_be_mixed_up(track, kind):
    with pytest.raises(BadInput, match=f"{kind} needs another stem beside 'bass'"):
        corrupt({"bass": track["bass"]}, kind, "bass", "strong", RATE, np.random.default_rng(0))


def test_the_faults_of_a_track_do_not_depend_on_their_order(track):
    planned = [Planned("A", "bass", "bleed-one", "strong"), Planned("A", "drums", "clip", "mild")]
    one, rows = corrupt_track("A", track, planned, RATE, seed=0)
    two, same = corrupt_track("A", track, planned[::-1], RATE, seed=0)
    assert set(one) == {"bass", "drums"}
    assert all(np.array_equal(one[label], two[label]) for label in one)
    assert rows == same
    assert {row["stem"]: row["kind"] for row in rows} == {
        "bass": "bleed-one", "drums": "clip", "vocals": "clean", "other": "clean",
    }  # fmt: skip
    other, _ = corrupt_track("B", track, planned, RATE, seed=0)
    assert not np.array_equal(one["bass"], other["bass"])  # another track, another draw


# a corpus --------------------------------------------------------------------------------------------------------


def test_truth_has_a_row_per_stem_and_the_share_asked_for(clean, made):
    _, rows, _, table = made
    assert [r["stem_id"] for r in rows] == sorted(f"{n}/{label}" for n in NAMES for label in LABELS)
    assert truth.read(table) == rows
    corrupt_stems = [r for r in rows if r["kind"] != truth.CLEAN]
    assert abs(len(corrupt_stems) - 0.6 * 32) <= 4
    assert {r["severity"] for r in rows if r["kind"] == truth.CLEAN} == {""}
    assert all(r["severity"] in ("mild", "medium", "strong") for r in corrupt_stems)
    assert all(json.loads(r["parameters"]) for r in corrupt_stems)
    merged = Counter(json.loads(r["parameters"])["role"] for r in rows if r["kind"] == "merge")
    assert merged["emptied"] == merged["receiver"] >= 1


def test_exactly_the_stems_in_the_truth_changed(clean, made):
    out, rows, _, _ = made
    before, after = files(clean), files(out)
    assert before.keys() == after.keys()
    for row in rows:
        name = f"{row['stem_id']}.wav"
        assert (before[name] == after[name]) == (row["kind"] == truth.CLEAN), row
    touched = {r["track"] for r in rows if r["kind"] != truth.CLEAN}
    for name in before:
        track, _, file = name.partition("/")
        if file == "mixture.wav":
            assert (before[name] == after[name]) == (track not in touched)
        elif not file.endswith(".wav"):
            assert before[name] == after[name]  # notes, README


def test_mixtures_are_the_sum_of_the_stems_as_written(made):
    out = made[0]
    for name in NAMES:
        stems = [decode(storage.read_bytes(f"{out}/{name}/{label}.wav"), label) for label in LABELS]
        mixture = decode(storage.read_bytes(f"{out}/{name}/mixture.wav"), "mixture")
        assert np.abs(mixture - np.clip(np.sum(stems, axis=0), -1, 1)).max() < 4 / 32768


def test_the_result_is_a_corpus_of_the_same_shape(clean, made):
    before, after = stems_of(clean).stems, stems_of(made[0]).stems
    assert [(s.stem_id, s.frames, s.sample_rate, s.channels, s.format) for s in before] == [
        (s.stem_id, s.frames, s.sample_rate, s.channels, s.format) for s in after
    ]


def test_progress_ends_at_all(made):
    told = made[2]
    assert told == [(i + 1, len(told)) for i in range(len(NAMES) + 1)]  # and one for the files above the tracks


@pytest.mark.slow
def test_several_processes_write_the_same_bytes(clean, made, tmp_path):
    contaminate(clean, f"{tmp_path}/out", f"{tmp_path}/truth.parquet", 0.6, seed=3, workers=2)
    assert files(f"{tmp_path}/out") == files(made[0])
    assert (tmp_path / "truth.parquet").read_bytes() == Path(made[3]).read_bytes()


def test_it_can_be_repeated_after_a_crash(clean, made, tmp_path):
    arguments = (clean, f"{tmp_path}/out", f"{tmp_path}/truth.parquet", 0.6)
    contaminate(*arguments, seed=3, workers=1)
    os.remove(tmp_path / "truth.parquet")
    os.remove(tmp_path / "out" / NAMES[2] / "bass.wav")
    storage.write_bytes(f"{tmp_path}/out/{NAMES[3]}/bass.wav", b"half written")
    contaminate(*arguments, seed=3, workers=1)
    assert files(f"{tmp_path}/out") == files(made[0])


def test_another_seed_is_another_corpus(clean, made, tmp_path):
    rows = contaminate(clean, f"{tmp_path}/out", f"{tmp_path}/truth.parquet", 0.6, seed=4, workers=1)
    assert [r["kind"] for r in rows] != [r["kind"] for r in made[1]]


def test_a_share_of_nothing_is_a_copy(clean, tmp_path):
    rows = contaminate(clean, f"{tmp_path}/out", f"{tmp_path}/truth.parquet", 0.0, seed=0, workers=1)
    assert files(clean) == files(f"{tmp_path}/out")
    assert {r["kind"] for r in rows} == {truth.CLEAN}


def test_flac_mono_and_other_splits(tmp_path, write_corpus):
    """Formats stay, a mono stem among stereo ones is made stereo only where it is touched, the test split is copied."""
    clean, out = f"{tmp_path}/clean", f"{tmp_path}/out"
    write_corpus(f"{clean}/train", ("A", "B"), format="FLAC", extension="flac")
    write_corpus(f"{clean}/test", ("Z",), format="FLAC", extension="flac")
    mono = tones_and_noise("bass", 9, 1.0, channels=1)
    storage.write_bytes(f"{clean}/train/A/bass.flac", wav(mono, RATE, "FLAC"))
    rows = contaminate(clean, out, f"{tmp_path}/truth.parquet", 1.0, 0, kinds=("swap",), workers=1)
    assert {r["kind"] for r in rows} == {"swap"}
    assert {r["track"] for r in rows} == {"A", "B"}
    for name, data in files(out).items():
        assert probe(data, name).format == "FLAC/PCM_16"
        assert (data == files(clean)[name]) == name.startswith("test/")
    assert {s.channels for s in stems_of(out).stems} == {2}


def test_without_mixtures_none_are_made(tmp_path, write_corpus):
    clean = write_corpus(f"{tmp_path}/clean", ("A",), mixture=False)
    contaminate(clean, f"{tmp_path}/out", f"{tmp_path}/truth.parquet", 1.0, 0, kinds=("noise",), workers=1)
    assert sorted(os.listdir(tmp_path / "out" / "A")) == sorted(f"{label}.wav" for label in LABELS)


@pytest.mark.slow
def test_in_the_object_store(clean, made, bucket, tmp_path):
    """From a folder into the store and back out of it; worker processes reach the server by its port."""
    rows = contaminate(clean, f"{bucket}/out", f"{bucket}/truth.parquet", 0.6, seed=3, workers=2)
    assert rows == made[1]
    copied = {
        storage.uri_of(bucket, info)[len(f"{bucket}/out/") :]: storage.read_bytes(storage.uri_of(bucket, info))
        for info in storage.list_files(f"{bucket}/out")
    }
    assert copied == files(made[0])
    contaminate(f"{bucket}/out", f"{tmp_path}/twice", f"{tmp_path}/truth.parquet", 0.0, seed=0, workers=1)
    assert files(f"{tmp_path}/twice") == files(made[0])


# what is refused -------------------------------------------------------------------------------------------------


def test_truth_inside_the_corpus_is_refused(clean, tmp_path):
    for inside in ("out/truth.parquet", "out/a/b.parquet", "out/../out/t.parquet"):
        with pytest.raises(BadInput, match="where cleaning could see it"):
            contaminate(clean, f"{tmp_path}/out", f"{tmp_path}/{inside}", 0.5, 0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["", "/sub", "/.."])
def test_the_clean_corpus_is_never_written_to(clean, tmp_path, out):
    before = files(clean)
    with pytest.raises(BadInput, match="the clean corpus"):
        contaminate(clean, clean + out, f"{tmp_path}/../truth.parquet", 0.5, 0)
    assert files(clean) == before


def test_a_folder_in_use_is_refused(clean, tmp_path):
    storage.write_bytes(f"{tmp_path}/out/old song/bass.wav", b"x")
    with pytest.raises(BadInput, match=r"already holds 1 other files .*old song/bass\.wav"):
        contaminate(clean, f"{tmp_path}/out", f"{tmp_path}/truth.parquet", 0.5, 0)


def test_a_broken_clean_stem_stops_it_before_anything_is_written(tmp_path, write_corpus):
    clean = write_corpus(f"{tmp_path}/clean")
    storage.write_bytes(f"{clean}/A/bass.wav", b"rubbish")
    with pytest.raises(BadInput, match=r"A/bass\.wav: not audio"):
        contaminate(clean, f"{tmp_path}/out", f"{tmp_path}/truth.parquet", 0.5, 0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_truncated_clean_stem_stops_it_by_name_in_any_process(tmp_path, write_corpus, workers):
    clean = write_corpus(f"{tmp_path}/clean")
    data = storage.read_bytes(f"{clean}/A/bass.wav")
    storage.write_bytes(f"{clean}/A/bass.wav", data[: len(data) // 2])
    with pytest.raises(BadInput, match=r"A/bass\.wav: truncated"):
        contaminate(clean, f"{tmp_path}/out", f"{tmp_path}/truth.parquet", 1.0, 0, kinds=("noise",), workers=workers)
    assert not (tmp_path / "truth.parquet").exists()


def test_tracks_that_lack_a_stem_or_are_padded_are_spoilt_as_they_are(tmp_path, write_corpus):
    corpus = write_corpus(str(tmp_path / "corpus"), mixture=False)
    storage.delete(f"{corpus}/A/bass.wav")
    storage.write_bytes(f"{corpus}/B/bass.wav", wav(tones_and_noise("bass", 1, 1.0)[:, :-80]))
    said = []
    rows = contaminate(corpus, str(tmp_path / "out"), str(tmp_path / "t.parquet"), 0.7, 3, workers=1, say=said.append)
    assert len(rows) == 11
    assert "1 track without a stem of some label, first A without bass; 1 stem padded" in said[0]
    assert len(stems_of(str(tmp_path / "out")).stems) == 11


def test_what_somebody_else_put_there_is_kept_unless_told_otherwise(clean, tmp_path):
    arguments = (clean, f"{tmp_path}/out", f"{tmp_path}/truth.parquet", 0.6)
    storage.write_bytes(f"{tmp_path}/out/{NAMES[0]}/bass.wav", b"theirs")
    with pytest.raises(RunConflict, match=rf"holds {NAMES[0]}/bass\.wav, not made by raysep contaminate"):
        contaminate(*arguments, seed=3, workers=1)
    assert storage.read_bytes(f"{tmp_path}/out/{NAMES[0]}/bass.wav") == b"theirs"
    contaminate(*arguments, seed=3, workers=1, overwrite=True)
    with pytest.raises(RunConflict, match=r"made from plan .* and not"):
        contaminate(*arguments, seed=4, workers=1)
    told = (tmp_path / "out" / outputs.MARKER).read_text()
    assert "seed" not in told  # cleaning could draw the faults again
    storage.write_bytes(f"{tmp_path}/theirs.parquet", b"theirs")
    with pytest.raises(RunConflict, match=r"--truth .*theirs\.parquet: exists already"):
        contaminate(clean, f"{tmp_path}/new", f"{tmp_path}/theirs.parquet", 0.6, seed=3)
    assert not (tmp_path / "new").exists()
