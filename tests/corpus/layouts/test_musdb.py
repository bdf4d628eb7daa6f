from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_audio import LABELS, RATE, tones_and_noise, wav

from raysep.corpus import manifest, storage
from raysep.corpus.identity import known_by
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput


@pytest.fixture
def corpus(tmp_path, write_corpus) -> str:
    return write_corpus(str(tmp_path / "corpus"))


def short(seconds: float = 1.0, rate: int = RATE, channels: int = 2) -> bytes:
    return wav(tones_and_noise("bass", 0, seconds, rate, channels), rate)


def test_every_stem_of_a_flat_corpus(corpus):
    found = stems_of(corpus)
    assert [s.stem_id for s in found.stems] == [f"{t}/{label}" for t in "ABC" for label in sorted(LABELS)]
    assert not found.problems
    one = found.stems[0]
    path = f"{corpus}/A/bass.wav"
    assert replace(one, etag="") == manifest.Stem(
        "A/bass", "A", "bass", path, RATE, 2, RATE, "WAV/PCM_16", os.path.getsize(path), "", "train"
    )


@pytest.mark.parametrize(("format", "extension"), [("FLAC", "flac"), ("FLAC", "FLAC"), ("AIFF", "aiff")])
def test_other_formats(tmp_path, write_corpus, format, extension):
    found = stems_of(write_corpus(str(tmp_path), format=format, extension=extension))
    assert len(found.stems) == 12
    assert {s.frames for s in found.stems} == {RATE}
    assert {s.format for s in found.stems} == {f"{format}/PCM_16"}


def test_lossy_formats(tmp_path, write_corpus):
    uri = write_corpus(str(tmp_path), names=("A",), mixture=False)
    for label in LABELS:
        audio = tones_and_noise(label, 0, 1.0)
        os.remove(f"{uri}/A/{label}.wav")
        storage.write_bytes(f"{uri}/A/{label}.ogg", wav(audio, RATE, "OGG", "VORBIS"))
    assert {(s.frames, s.format) for s in stems_of(uri).stems} == {(RATE, "OGG/VORBIS")}


def test_split_folders_are_read_one_at_a_time(tmp_path, write_corpus):
    for split, names in (("train", ("A", "B")), ("test", ("A", "Z"))):
        write_corpus(f"{tmp_path}/{split}", names)
    storage.write_bytes(f"{tmp_path}/README.txt", b"notes")
    train, test = stems_of(str(tmp_path)), stems_of(str(tmp_path), split="test")
    assert sorted({s.track for s in train.stems}) == ["A", "B"]
    assert sorted({s.track for s in test.stems}) == ["A", "Z"]
    assert {s.split for s in test.stems} == {"test"}
    assert test.stems[0].uri == f"{tmp_path}/test/A/bass.wav"
    with pytest.raises(BadInput, match="split folders test, train but no 'reference'"):
        stems_of(str(tmp_path), split="reference")


def test_the_split_of_a_flat_corpus_is_only_a_name(corpus):
    assert {s.split for s in stems_of(corpus, split="reference").stems} == {"reference"}


def test_a_track_may_be_called_test_and_may_lie_deeper(tmp_path, write_corpus):
    write_corpus(str(tmp_path), ("test", "album/song é", "album/song 2"))
    assert sorted({s.track for s in stems_of(str(tmp_path)).stems}) == ["album/song 2", "album/song é", "test"]


def test_other_labels_and_another_case(tmp_path):
    for label in ("Piano", "STRINGS"):
        storage.write_bytes(f"{tmp_path}/A/{label}.WAV", short())
    assert [s.stem for s in stems_of(str(tmp_path), labels=("strings", "piano")).stems] == ["piano", "strings"]


def test_the_same_corpus_in_the_object_store(corpus, bucket, write_corpus):
    here = stems_of(corpus).stems
    there = stems_of(write_corpus(f"{bucket}/some/corpus"), threads=4).stems
    assert [s.uri for s in there] == [f"{bucket}/some/corpus/{s.stem_id}.wav" for s in here]
    assert [replace(s, uri="") for s in there] == [replace(s, uri="") for s in here]  # the etag as well
    assert manifest.digest(there) == manifest.digest(here)


def test_a_scan_asks_a_store_once_for_each_file_and_a_manifest_not_at_all(bucket, asked):
    """All bytes tell a file from another; from then on its size and the store's time do."""
    for label in LABELS:
        storage.write_bytes(f"{bucket}/c/A/{label}.wav", wav(np.zeros((2, 1_000_000), np.float32)))
    asked.clear()
    stems = stems_of(f"{bucket}/c").stems
    assert sorted(uri for uri in asked if uri.endswith(".wav")) == sorted(stem.uri for stem in stems)
    assert len(asked) <= 3 + len(stems)
    manifest.write(f"{bucket}/m.parquet", stems)
    asked.clear()
    assert stems_of(f"{bucket}/m.parquet").stems == stems
    assert len(asked) <= 2 + 6 * len(stems)  # the headers, since all shall be well
    asked.clear()
    assert stems_of(f"{bucket}/m.parquet", on_problem="keep").stems == stems
    assert len(asked) == 2 + len(stems)


def test_a_store_is_asked_for_what_changed_since_an_earlier_scan_and_nothing_else(bucket, asked):
    audio = {label: tones_and_noise(label, seconds=0.2) for label in LABELS}
    for label in LABELS:
        storage.write_bytes(f"{bucket}/d/A/{label}.wav", wav(audio[label]))
    before = stems_of(f"{bucket}/d").stems
    older = [replace(stem, modified=stem.modified - 10**10) for stem in before if stem.stem == "bass"]
    asked.clear()
    assert stems_of(f"{bucket}/d", known=[s for s in before if s.stem != "bass"] + older).stems == before
    assert [uri for uri in asked if uri.endswith(".wav")] == [f"{bucket}/d/A/bass.wav"]


def test_a_folder_is_read_where_it_changed_since_an_earlier_scan_and_nowhere_else(corpus, monkeypatch):
    before, opened, original = stems_of(corpus).stems, [], storage.open_whole
    monkeypatch.setattr(storage, "open_whole", lambda uri: opened.append(uri) or original(uri))
    assert stems_of(corpus, known=before).stems == before
    assert opened == []
    edited, at = Path(before[3].uri), Path(before[3].uri).stat()
    data = bytearray(edited.read_bytes())
    data[len(data) // 2] ^= 1
    edited.write_bytes(data)
    os.utime(edited, ns=(at.st_atime_ns, at.st_mtime_ns))  # by its size and time of writing it is as before
    (other,) = (s for s in stems_of(corpus, known=before).stems if s not in before)
    assert opened == [str(edited)] == [other.uri]


def test_rows_are_known_when_their_files_were_there_a_while_before(tmp_path, make_stems):
    old, new = (replace(s, etag="sha256:x", modified=m) for s, m in zip(make_stems(["A"])[:2], (1, 2**62), strict=True))
    place = str(tmp_path / "m.parquet")
    assert known_by(place) == []
    manifest.write(place, [old, new, replace(old, stem_id="B/x", etag="")])
    assert known_by(place) == [old]


# what can be wrong -----------------------------------------------------------------------------------------------


def test_no_such_folder(tmp_path):
    with pytest.raises(BadInput, match=r"nowhere: no such folder; give the folder"):
        stems_of(str(tmp_path / "nowhere"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match=r"file: a file; give the folder"):
        stems_of(str(tmp_path / "file"))


def test_no_such_bucket(bucket):
    with pytest.raises(BadInput, match="s3://not-there: no such folder"):
        stems_of("s3://not-there")


@pytest.mark.parametrize("on_problem", ["raise", "keep", "collect"])
def test_an_empty_corpus(tmp_path, on_problem):
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "notes.txt").write_text("x")
    with pytest.raises(BadInput, match=r"no audio.*TRACK/LABEL\.wav.*vocals, drums, bass, other"):
        stems_of(str(tmp_path), on_problem=on_problem)


def test_the_folder_of_one_track(corpus):
    with pytest.raises(BadInput, match="looks like the folder of one track; give the folder above"):
        stems_of(f"{corpus}/A")


def test_a_missing_stem_is_absent(corpus):
    os.remove(f"{corpus}/B/bass.wav")
    found = stems_of(corpus)
    assert (len(found.stems), found.problems) == (11, [])
    assert [(n.kind, n.count, n.first) for n in found.notes] == [("missing", 1, "B")]
    for track in "AC":
        os.remove(f"{corpus}/{track}/bass.wav")
    assert [(n.kind, n.first) for n in stems_of(corpus).notes] == [("no-label", "bass")]


def test_folders_without_stems_and_other_audio_are_told(corpus):
    storage.write_bytes(f"{corpus}/D/singer.wav", short())
    storage.write_bytes(f"{corpus}/E/vocals.m4a", b"....")
    storage.write_bytes(f"{corpus}/E/cover.jpg", b"....")
    storage.write_bytes(f"{corpus}/F/vocals.wav.part", b"....")
    storage.write_bytes(f"{corpus}/G/cover.jpg", b"....")
    storage.write_bytes(f"{corpus}/loose.wav", short())
    for track in "AB":
        storage.write_bytes(f"{corpus}/{track}/guitar.wav", short())
    storage.write_bytes(f"{corpus}/C/piano.flac", short())
    found = stems_of(corpus)
    assert len(found.stems) == 12
    told = {note.kind: note for note in found.notes}
    assert told["no-stems"].text == "3 folders without readable stems, first D (singer.wav)"
    assert told["stray"].text == "1 audio file beside the tracks' folders, first loose.wav"
    assert told["other-audio"].text == (
        "guitar.wav in 2 tracks, piano.flac in 1 track: no label of yours (--labels "
        "'vocals,drums,bass,other,guitar,piano' takes them, --labels 'vocals,drums,bass,other+guitar+piano=other' sums them)"
    )


def test_what_is_offered_can_be_done(corpus):
    from raysep.corpus.labels import parse

    for track in "ABC":
        storage.write_bytes(f"{corpus}/{track}/guitar.wav", short())
    wide, narrow = (parse(f"vocals,drums,bass,{last}") for last in ("other,guitar", "other+guitar=other"))
    assert len(stems_of(corpus, wide.names, sums=wide.sums).stems) == 15
    found = stems_of(corpus, narrow.names, sums=narrow.sums)
    assert (len(found.stems), found.notes) == (12, [])
    one = next(s for s in found.stems if s.stem_id == "A/other")
    assert one.parts == (f"{corpus}/A/other.wav", f"{corpus}/A/guitar.wav")
    alone = next(s for s in stems_of(corpus).stems if s.stem_id == "A/other")
    assert one.etag != alone.etag
    from raysep.audio.files import decode
    from raysep.corpus.reading import read_stem

    parts = [decode(storage.read_bytes(uri), uri) for uri in one.parts]
    assert np.array_equal(read_stem(one, RATE), parts[0] + parts[1])


def test_one_label_twice(corpus):
    storage.write_bytes(f"{corpus}/A/bass.flac", wav(tones_and_noise("bass"), RATE, "FLAC"))
    with pytest.raises(BadInput, match=r"A: bass\.flac, bass\.wav are all 'bass'; keep one"):
        stems_of(corpus)


def test_lengths_must_agree_within_a_track(corpus):
    storage.write_bytes(f"{corpus}/C/drums.wav", short(0.8))
    with pytest.raises(BadInput, match=r"4 problems\n.*C/drums\.wav: 12800 samples, and the track's .* has 16000"):
        stems_of(corpus)
    found = stems_of(corpus, on_problem="keep")
    assert {s.stem_id for s in found.stems if s.problem} == {f"C/{label}" for label in LABELS}
    assert all(s.frames for s in stems_of(corpus, on_problem="collect").stems)


def test_a_little_is_padded_with_silence_and_said(corpus):
    from raysep.corpus.reading import read_stem

    storage.write_bytes(f"{corpus}/C/drums.wav", wav(tones_and_noise("drums", 0, 1.0)[:, :-160]))
    found = stems_of(corpus)
    padded = next(s for s in found.stems if s.stem_id == "C/drums")
    assert (padded.frames, padded.padding) == (RATE, 160)
    assert [n.text for n in found.notes] == ["1 stem padded with up to 10 ms of silence, first C/drums"]
    audio = read_stem(padded, RATE)
    assert audio.shape == (2, RATE)
    assert not audio[:, -160:].any()
    assert audio[:, -200:-160].any()


def test_rates_must_agree_within_a_track_only(tmp_path, write_corpus):
    corpus = write_corpus(str(tmp_path), ("A",))
    write_corpus(corpus, ("B",), rate=22_050)
    assert {s.sample_rate for s in stems_of(corpus).stems} == {16_000, 22_050}
    storage.write_bytes(f"{corpus}/A/other.wav", short(rate=22_050))
    with pytest.raises(BadInput, match=r"A/other\.wav: 22050 Hz where .* have 16000 Hz; resample"):
        stems_of(corpus)


def test_mono_beside_stereo_is_allowed(corpus):
    storage.write_bytes(f"{corpus}/A/bass.wav", short(channels=1))
    assert {s.channels for s in stems_of(corpus).stems} == {1, 2}


@pytest.mark.parametrize("data", [b"", b"RIFF rubbish" * 100])
def test_an_unreadable_header(corpus, data):
    storage.write_bytes(f"{corpus}/B/other.wav", data)
    with pytest.raises(BadInput, match=r"B/other\.wav: not audio that can be read"):
        stems_of(corpus)
    for on_problem in ("keep", "collect"):
        found = stems_of(corpus, on_problem=on_problem)
        assert len(found.stems) == 12
        broken = next(s for s in found.stems if s.stem_id == "B/other")
        assert (broken.sample_rate, broken.frames, broken.bytes) == (0, 0, len(data))
        assert [(p.track, p.stem, p.unreadable) for p in found.problems] == [("B", "other", True)]


def test_no_samples(corpus):
    storage.write_bytes(f"{corpus}/B/other.wav", wav(np.zeros((2, 0), np.float32)))
    with pytest.raises(BadInput, match=r"B/other\.wav: holds no samples"):
        stems_of(corpus)


def test_keep_still_refuses_a_wrong_layout(corpus):
    storage.write_bytes(f"{corpus}/B/other.wav", b"rubbish")
    storage.write_bytes(f"{corpus}/C/bass.flac", wav(tones_and_noise("bass"), RATE, "FLAC"))
    with pytest.raises(BadInput, match="1 problem\n") as caught:
        stems_of(corpus, on_problem="keep")
    assert "other.wav" not in str(caught.value)


def test_a_truncated_body_is_left_to_the_decoder(corpus):
    """The header is whole: the row fails when it is decoded, and does not stop the scan."""
    path = f"{corpus}/A/bass.wav"
    data = storage.read_bytes(path)
    storage.write_bytes(path, data[: len(data) // 2])
    stem = stems_of(corpus).stems[0]
    assert (stem.stem_id, stem.frames) == ("A/bass", RATE)
    from raysep.corpus.reading import read_stem
    from raysep.errors import AudioError

    with pytest.raises(AudioError, match=r"A/bass\.wav: truncated, 7989 of 16000|A/bass\.wav: truncated"):
        read_stem(stem, RATE)


def test_many_problems_are_counted_and_ten_of_them_shown(tmp_path, write_corpus):
    corpus = write_corpus(str(tmp_path), [f"t{i:02}" for i in range(12)])
    for i in range(12):
        storage.write_bytes(f"{corpus}/t{i:02}/bass.wav", b"rubbish")
    with pytest.raises(BadInput) as caught:
        stems_of(corpus)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("12 problems")
    assert len(lines) == 12
    assert lines[-1].strip() == "… and 2 more"


@pytest.mark.parametrize("labels", [(), ("bass", "bass"), ("mixture", "bass")])
def test_labels_that_make_no_sense(corpus, labels):
    with pytest.raises(BadInput, match="different stem labels"):
        stems_of(corpus, labels=labels)


def test_a_store_that_does_not_answer(monkeypatch):
    def refuse(*_):
        raise OSError("ACCESS_DENIED")

    monkeypatch.setattr(storage, "kind", refuse)
    with pytest.raises(BadInput, match=r"cannot be listed \(ACCESS_DENIED\); .*AWS_ENDPOINT_URL"):
        stems_of("s3://some/corpus")


def test_a_stem_that_is_no_audio_by_its_ending_is_told_where_it_is_missing(tmp_path, write_corpus):
    write_corpus(str(tmp_path), ["A", "B", "C"], seconds=0.1)
    for track, name in (("A", "vocals.m4a"), ("B", "vocals.m4a"), ("C", "drums"), ("C", "vocals.txt")):
        (tmp_path / track / name).write_bytes(b"something")
    for track, label in (("A", "vocals"), ("B", "vocals"), ("C", "drums")):
        (tmp_path / track / f"{label}.wav").unlink()
    (note,) = [note for note in stems_of(str(tmp_path)).notes if note.kind == "unread"]
    assert note.text == "vocals.m4a in 2 tracks and 1 more names: no audio by that ending; make it WAV or FLAC"


@pytest.mark.parametrize("name", ["vocals.wave", "vocals.bwf", "vocals.aifc", " vocals .WAV"])
def test_usual_endings_and_blanks_about_a_label_are_read(tmp_path, write_corpus, name):
    write_corpus(str(tmp_path), ["A"], seconds=0.1, mixture=False)
    (tmp_path / "A" / "vocals.wav").rename(tmp_path / "A" / name)
    assert [s.stem for s in stems_of(str(tmp_path)).stems] == ["bass", "drums", "other", "vocals"]
