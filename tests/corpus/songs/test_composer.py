"""Songs on paper: deterministic, varied, complete."""

import numpy as np
import pytest

from raysep.corpus.songs import singer
from raysep.corpus.songs.composer import LONGEST_PAUSE, Arrangement, compose
from raysep.corpus.songs.score import SYLLABLES
from raysep.corpus.songs.styles import STYLES

SECONDS = 12.0
LABELS = ("drums", "bass", "other", "vocals")


@pytest.fixture(scope="module")
def songs():
    return [compose(np.random.default_rng([7, k]), SECONDS) for k in range(60)]


def test_the_same_generator_gives_the_same_song():
    first, second, third = (compose(np.random.default_rng(seed), SECONDS) for seed in (3, 3, 4))
    assert first == second
    assert first != third


def test_every_song_is_another(songs):
    assert len({(s.style, s.tempo, s.key) for s in songs}) == len(songs)
    for label in LABELS:
        assert len({repr(getattr(s, label)) for s in songs}) == len(songs)


def test_styles_tempi_and_keys_vary(songs):
    assert len({s.style for s in songs}) >= 12
    assert len({s.key for s in songs}) >= 10
    assert min(s.tempo for s in songs) < 80
    assert max(s.tempo for s in songs) > 130
    assert len({part.program for s in songs for part in s.other}) >= 25


def test_notes_lie_inside_the_song(songs):
    for song in songs:
        for label in LABELS:
            for part in getattr(song, label):
                assert all(0 <= n.start < SECONDS and n.duration > 0 for n in part.notes)


@pytest.mark.parametrize("label", LABELS)
def test_no_stem_pauses_for_long(songs, label):
    for song in songs:
        starts = sorted(n.start for part in getattr(song, label) for n in part.notes)
        ends = sorted(n.start + n.duration for part in getattr(song, label) for n in part.notes)
        assert starts, song.style
        gaps = np.diff([0.0, *starts, SECONDS])
        # A pause, and on either side of it what a phrase or a bar may leave empty anyway.
        assert gaps.max() <= LONGEST_PAUSE * SECONDS + 3.6 or ends[-1] >= SECONDS - 1


def test_sung_lines_have_one_note_at_a_time_within_the_singers_reach(songs):
    recorded = [12 * np.log2(r.hertz / 440) + 69 for s in singer.bank().values() for rs in s.values() for r in rs]
    for song in songs:
        for line in song.vocals:
            onsets = [n.start for n in line.notes]
            assert onsets == sorted(onsets)
            assert all(n.syllable in SYLLABLES for n in line.notes)
            reach = [n.pitch + line.voice.register for n in line.notes]
            assert not reach or min(recorded) - 4 <= min(reach)
            # A second voice may lie a sixth above or below the first.
            assert not reach or max(reach) <= max(recorded) + 6


def test_swing_delays_the_second_eighth_only():
    jazz = next(s for s in STYLES if s.name == "jazz")
    plan = Arrangement(jazz, 120.0, 0, (0,), 1, (), (), 0.0)
    beats = [plan.seconds(0, step) for step in (0, 2, 4, 16)]
    np.testing.assert_allclose(beats, [0, 0.5 * jazz.swing, 0.5, 2.0], atol=1e-12)
