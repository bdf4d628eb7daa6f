from __future__ import annotations

import numpy as np
import pytest
import soundfile

from raysep.corpus.layouts import stems_of
from raysep.corpus.pools import mixes_of, pool_note, read_mix
from raysep.corpus.reading import read_segments
from raysep.corpus.segments import Drawn, list_segments

LABELS = ("vocals", "drums", "bass")


@pytest.fixture
def pool(tmp_path):
    """Two vocals, two drums and a bass; each file another length, and its own number in every sample."""
    value = 0
    for label, count in zip(LABELS, (2, 2, 1), strict=True):
        (tmp_path / label).mkdir()
        for number in range(count):
            value += 1
            samples = np.full(8000 + 100 * value, value / 16)
            soundfile.write(tmp_path / label / f"{label[0]}{number}.wav", samples, 8000)
    return stems_of(str(tmp_path), LABELS).stems


def test_single_stems_are_put_together_one_of_each_label(pool, make_stems):
    mixes = mixes_of(pool)
    assert {name: sorted(parts) for name, parts in mixes.items()} == {
        "bass/b0 + drums/d0 + vocals/v0": ["bass", "drums", "vocals"],
        "drums/d1 + vocals/v1": ["drums", "vocals"],
    }
    assert mixes_of(pool[::-1]) == mixes
    assert pool_note(pool) == "5 single stems are mixed with one another to 2 mixtures"
    whole = make_stems(["A"])
    assert list(mixes_of([*whole, *pool])) == ["A", *mixes]
    assert pool_note(whole) == ""


def test_what_is_left_over_is_told(pool):
    less = [s for s in pool if s.track != "drums/d1"]
    assert pool_note(less) == "4 single stems are mixed with one another to 1 mixtures, 1 left over"


def test_a_mix_is_as_long_as_its_shortest_stem(pool):
    found = read_mix(mixes_of(pool)["bass/b0 + drums/d0 + vocals/v0"], 8000, 1)
    assert {label: audio.shape for label, audio in found.items()} == dict.fromkeys(LABELS, (1, 8100))


def test_segments_of_single_stems_are_mixed_and_what_a_track_lacks_is_silent(pool):
    every = list_segments(pool, LABELS, 8000, 4000)
    found, unread = read_segments(Drawn.of(every, pool), LABELS, 8000, 1, 4000)
    assert (unread, found.shape) == ({}, (4, 3, 1, 4000))
    assert (found[:, :, 0, 0] * 16).round().tolist() == [[1, 3, 5], [1, 3, 5], [2, 4, 0], [2, 4, 0]]
