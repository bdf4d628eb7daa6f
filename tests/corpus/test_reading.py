from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_audio import LABELS, RATE, tones_and_noise, wav

from raysep.audio.files import encode
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_segments, read_stem
from raysep.corpus.segments import Drawn, list_segments
from raysep.errors import AudioError

AUDIO = tones_and_noise("vocals", seconds=0.5)


@pytest.fixture
def stem(tmp_path) -> Stem:
    data = wav(AUDIO)
    (tmp_path / "vocals.wav").write_bytes(data)
    uri = str(tmp_path / "vocals.wav")
    return Stem("A/vocals", "A", "vocals", uri, RATE, 2, AUDIO.shape[1], "WAV/PCM_16", len(data), "")


def test_a_stem_is_its_samples(stem):
    read = read_stem(stem, RATE)
    assert read.dtype == np.float32
    assert read.shape == AUDIO.shape
    assert np.abs(read - AUDIO).max() <= 1 / 32768


def test_another_rate_and_number_of_channels(stem):
    read = read_stem(stem, 8000, channels=1)
    assert read.shape == (1, AUDIO.shape[1] // 2)
    # Far below both Nyquist frequencies the level is kept.
    assert np.sqrt((read**2).mean()) == pytest.approx(np.sqrt((AUDIO.mean(axis=0) ** 2).mean()), rel=0.05)


def test_remarks_are_made_when_asked_of_each_file_of_a_sum(stem, tmp_path):
    """A FLAC with the MD5 of another: its samples are all there."""
    right, other = (encode(audio, RATE, "FLAC") for audio in (AUDIO, -AUDIO))
    (tmp_path / "right.flac").write_bytes(right)
    (tmp_path / "wrong.flac").write_bytes(right[:26] + other[26:42] + right[42:])
    right_uri, wrong_uri = str(tmp_path / "right.flac"), str(tmp_path / "wrong.flac")
    for uris, told in (([right_uri], 0), ([wrong_uri], 1), ([right_uri, wrong_uri], 1)):
        one = replace(stem, uri=uris[0], parts=tuple(uris) if len(uris) > 1 else ())
        remarks: list[str] = []
        assert np.array_equal(read_stem(one, RATE, remarks=remarks), read_stem(one, RATE))
        assert len(remarks) == told
        assert all(remark.startswith(f"{wrong_uri}: its samples") for remark in remarks)


def test_a_file_that_is_gone_is_named(stem):
    with pytest.raises(AudioError, match=r"gone\.wav: cannot be read"):
        read_stem(replace(stem, uri=stem.uri.replace("vocals", "gone")), RATE)


@pytest.mark.parametrize("cut", [0.5, 0.95, 0.01])
def test_a_truncated_file_is_an_error_not_a_short_stem(stem, tmp_path, cut):
    data = (tmp_path / "vocals.wav").read_bytes()
    (tmp_path / "vocals.wav").write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(AudioError, match=r"vocals\.wav"):
        read_stem(stem, RATE)


@pytest.mark.parametrize("changes", [{"frames": AUDIO.shape[1] - 1}, {"channels": 1}])
def test_a_file_that_changed_since_the_scan_is_an_error(stem, changes):
    with pytest.raises(AudioError, match="the manifest says"):
        read_stem(replace(stem, **changes), RATE)


def test_an_empty_file_says_so_and_not_that_it_changed(stem, tmp_path):
    (tmp_path / "vocals.wav").write_bytes(wav(AUDIO[:, :0]))
    for unread in ({"sample_rate": 0, "channels": 0, "frames": 0}, {"frames": 0}):  # by ``layouts`` and by ``flat``
        with pytest.raises(AudioError, match=r"vocals\.wav: holds no samples; replace or remove the file"):
            read_stem(replace(stem, **unread), RATE)
    with pytest.raises(AudioError, match="the file changed since the scan"):
        read_stem(stem, RATE)


def test_a_file_that_only_the_scan_could_not_read_is_to_be_scanned_again(stem):
    with pytest.raises(AudioError, match="could not be read when the corpus was scanned, but can be now"):
        read_stem(replace(stem, sample_rate=0, channels=0, frames=0, etag=""), RATE)


def test_every_channel_of_a_surround_stem_is_in_what_is_read(tmp_path):
    """Also by one that networks of two channels, or one, read."""
    audio = np.zeros((6, RATE), np.float32)
    audio[5] = 0.25
    (tmp_path / "six.wav").write_bytes(wav(audio))
    stem = Stem("A/x", "A", "x", str(tmp_path / "six.wav"), RATE, 6, RATE, "WAV/PCM_16", 0, "")
    for channels in (1, 2):
        read = read_stem(stem, RATE, channels)
        assert read.shape == (channels, RATE)
        assert read == pytest.approx(0.25 / 6)


# Segments of whole tracks


@pytest.fixture
def tracks(tmp_path, write_tracks):
    return stems_of(write_tracks(tmp_path / "corpus", ["A", "B", "C"], seconds=3.0)).stems


def test_segments_are_read_in_track_order_with_padding_and_labels_in_place(tracks):
    labels, chosen = ("drums", "vocals", "other", "bass"), {"C": [0], "A": [0, 1]}
    found, unread = read_segments(Drawn.of(chosen, tracks[::-1]), labels, 8000, 1, 16000)
    assert (found.shape, found.dtype, unread) == ((3, 4, 1, 16000), np.float32, {})
    audio = {s.stem_id: read_stem(s, 8000, 1) for s in tracks}
    for place, label in enumerate(labels):
        assert np.array_equal(found[:2, place, 0].reshape(-1)[:24000], audio[f"A/{label}"][0])
        assert not found[1, place, 0, 8000:].any()
        assert np.array_equal(found[2, place], audio[f"C/{label}"][:, :16000])


def test_a_track_of_which_stems_cannot_be_read_is_left_out_and_these_are_told(tracks):
    victim, gone = (Path(next(s.uri for s in tracks if s.stem_id == name)) for name in ("B/bass", "B/drums"))
    victim.write_bytes(victim.read_bytes()[:2000])
    gone.unlink()
    chosen = list_segments(tracks, LABELS, 8000, 8000)
    found, unread = read_segments(Drawn(tracks, chosen), LABELS, 8000, 1, 8000)
    assert (len(found), unread.keys()) == (6, {"B/bass", "B/drums"})
    assert "bass.wav: truncated" in unread["B/bass"]
    assert "drums.wav: no such file" in unread["B/drums"]
    audio = read_stem(next(s for s in tracks if s.stem_id == "C/drums"), 8000, 1)
    assert np.array_equal(found[3:, 1, 0].reshape(-1), audio[0])


def test_nothing_readable_is_an_empty_batch(make_stems):
    found, unread = read_segments(Drawn(make_stems(["A"]), {"A": [0]}), LABELS, 8000, 1, 8000)
    assert (found.shape, len(unread)) == ((0, 4, 1, 8000), 4)
