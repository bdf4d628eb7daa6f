from __future__ import annotations

import numpy as np
import pytest

from raysep.corpus import segments
from raysep.corpus.layouts import stems_of
from raysep.corpus.partners import LazyTracks, fill_bank
from raysep.errors import BadInput

FRAMES = 100
LABELS = ("vocals", "drums", "bass", "other")
EVERY = {"A": (0, 1), "B": (0, 1)}  # track → its segments


@pytest.fixture
def tracks():
    """track → label → two audible segments."""
    rng = np.random.default_rng(0)
    return {t: {label: rng.standard_normal((1, 2 * FRAMES), dtype=np.float32) for label in LABELS} for t in EVERY}


def test_a_reference_is_read_when_asked_for(tmp_path, write_tracks, make_stems):
    stems = stems_of(write_tracks(tmp_path / "corpus", ["A", "B"])).stems
    lazy = LazyTracks([*stems, *make_stems(["not there"])], 8000, 1)
    assert list(lazy) == ["A", "B", "not there"]
    assert len(lazy) == 3
    assert {label: audio.shape for label, audio in lazy["A"].items()} == dict.fromkeys(LABELS, (1, 16000))


def test_a_label_that_the_draw_missed_is_looked_for_in_all_of_the_reference(tracks):
    ((name, (index,)),) = segments.draw(EVERY, 1, "bank").items()
    (other,) = EVERY.keys() - {name}
    tracks[name]["bass"][:] = 0.0
    tracks[other]["bass"][:, FRAMES:] = 0.0
    bank = fill_bank(tracks, EVERY, LABELS, FRAMES, 1, 2)
    assert [bank.count(label) for label in LABELS] == [1, 1, 1, 1]
    assert np.array_equal(bank.arrays()["bass"][0], tracks[other]["bass"][:, :FRAMES])
    assert np.array_equal(bank.arrays()["drums"][0], tracks[name]["drums"][:, index * FRAMES : (index + 1) * FRAMES])


def test_clean_partners_are_those_that_the_tracks_have(tracks):
    del tracks["A"]["bass"]
    bank = fill_bank(tracks, EVERY, LABELS, FRAMES, 8, 2)
    counts = {label: bank.count(label) for label in LABELS}
    assert 0 < counts["bass"] < counts["drums"] == counts["vocals"]


def test_a_label_that_is_silent_throughout_is_named(tracks):
    for audio in tracks.values():
        audio["bass"][:] = 0.0
    with pytest.raises(BadInput, match=r"label 'bass': .*\(2 tracks, all below -60 dBFS there\)"):
        fill_bank(tracks, EVERY, LABELS, FRAMES, 8, 2)
