"""Rendered corpora: the same bytes for the same seed, every stem heard, no two songs alike."""

import subprocess
import sys

import numpy as np
import pytest

from raysep.audio.files import decode, probe
from raysep.audio.levels import is_audible
from raysep.corpus.outputs import MARKER
from raysep.corpus.songs.synthesis import LABELS, synthesise
from raysep.errors import BadInput

RATE = 8_000
SECONDS = 9.0


def contents(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.wav"))}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    synthesise(str(folder), 5, SECONDS, RATE, seed=11, workers=1)
    return folder


def audio_of(folder, song: str, label: str) -> np.ndarray:
    path = folder / song / f"{label}.wav"
    return decode(path.read_bytes(), str(path))


def test_layout_and_format(corpus):
    songs = [p.name for p in sorted(corpus.iterdir()) if p.name != MARKER]
    assert songs == [f"song-{k:04d}" for k in range(5)]
    for name, data in contents(corpus).items():
        info = probe(data, name)
        assert (info.sample_rate, info.channels, info.frames, info.format) == (RATE, 2, SECONDS * RATE, "WAV/PCM_16")


def test_same_bytes_with_other_numbers_of_songs_and_workers(corpus, tmp_path):
    synthesise(str(tmp_path), 2, SECONDS, RATE, seed=11, workers=2)
    fewer = contents(tmp_path)
    assert len(fewer) == 10
    whole = contents(corpus)
    assert all(whole[name] == data for name, data in fewer.items())


def test_another_seed_or_prefix_is_other_music(corpus, tmp_path):
    synthesise(str(tmp_path / "a"), 1, SECONDS, RATE, seed=12)
    synthesise(str(tmp_path / "b"), 1, SECONDS, RATE, seed=11, prefix="test")
    original = audio_of(corpus, "song-0000", "mixture")
    for folder, song in ((tmp_path / "a", "song-0000"), (tmp_path / "b", "test-0000")):
        assert not np.array_equal(audio_of(folder, song, "mixture"), original)


def test_the_mixture_is_the_sum_of_the_stems_to_the_last_bit(corpus):
    for k in range(5):
        stems = [audio_of(corpus, f"song-{k:04d}", label).astype(np.float64) for label in LABELS]
        np.testing.assert_array_equal(sum(stems), audio_of(corpus, f"song-{k:04d}", "mixture"))


@pytest.mark.parametrize("label", LABELS)
def test_stems_are_heard_unclipped_and_unlike_each_other(corpus, label):
    stems = [audio_of(corpus, f"song-{k:04d}", label) for k in range(5)]
    for audio in stems:
        windows = [audio[:, s : s + 3 * RATE] for s in range(0, audio.shape[1], 3 * RATE)]
        assert sum(map(is_audible, windows)) >= len(windows) / 2
        assert np.abs(audio).max() < 0.95
    correlations = np.abs(np.corrcoef([s.mean(0) for s in stems]) - np.eye(5))
    assert correlations.max() < 0.5


def test_progress_counts_every_song(tmp_path):
    calls = []
    names = synthesise(str(tmp_path), 2, 6.0, RATE, 1, progress=lambda *call: calls.append(call))
    assert calls == [(1, 2), (2, 2)]
    assert names == ["song-0000", "song-0001"]


@pytest.mark.parametrize(
    ("name", "value"), [("songs", 0), ("seconds", 1.0), ("sample_rate", 10), ("workers", 0), ("seconds", float("nan"))]
)
def test_values_out_of_range_are_refused_by_name(tmp_path, name, value):
    arguments = {"songs": 1, "seconds": 6.0, "sample_rate": RATE, "seed": 0} | {name: value}
    with pytest.raises(BadInput, match=name):
        synthesise(str(tmp_path), **arguments)


def test_a_font_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(BadInput, match="no such sound font"):
        synthesise(str(tmp_path / "out"), 1, 6.0, RATE, 0, font=tmp_path / "none.sf2")
    assert not (tmp_path / "out").exists()


def test_the_package_alone_imports_nothing_heavy():
    code = "import sys, raysep.corpus.songs; print({'numpy', 'torch', 'scipy', 'tinysoundfont'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_tracks_of_somebody_else_and_of_another_seed_are_kept_unless_told_otherwise(tmp_path):
    from raysep.corpus import storage
    from raysep.errors import OutputError, RunConflict

    arguments, place = (str(tmp_path / "songs"), 1, 6.0, RATE), str(tmp_path / "songs" / "song-0000" / "bass.wav")
    storage.write_bytes(place, b"theirs")
    with pytest.raises(RunConflict, match=r"holds song-0000/bass\.wav, not made by raysep synth song; .*--overwrite"):
        synthesise(*arguments, seed=1)
    assert storage.read_bytes(place) == b"theirs"
    synthesise(*arguments, seed=1, overwrite=True)
    made = storage.read_bytes(place)
    synthesise(*arguments, seed=1)
    with pytest.raises(RunConflict, match=r"made from seed 1 and not 2; choose another folder"):
        synthesise(*arguments, seed=2)
    assert storage.read_bytes(place) == made
    with pytest.raises(OutputError, match="make room there"):
        synthesise(str(tmp_path / "vast"), 100_000, 600.0, 192_000, seed=1)
    assert not (tmp_path / "vast").exists()
