import numpy as np
import pytest

from raysep.probes.fad.leave_out import leave_one_out_scores
from raysep.probes.fad.measures import MEASURES, CleanFrames, matched
from raysep.probes.fad.reference import LabelReference

NAMES = ("fad", "kad", "mahalanobis", "neighbours")


def tracks(count, seed=0, length=30, dimension=6):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length + k, dimension)) + rng.normal(size=dimension) for k in range(count)]


@pytest.mark.parametrize("index", [0, 3, 6])
def test_a_track_scores_as_against_the_reference_made_without_it(index):
    songs = tracks(7)
    reference = LabelReference.from_tracks(songs, cuts=40, measures=NAMES)
    found = leave_one_out_scores(reference, songs, NAMES)[index]
    others = np.concatenate([song for i, song in enumerate(songs) if i != index])
    clean = CleanFrames(reference.standardise(others).astype(np.float32).astype(np.float64))
    own = reference.standardise(songs[index])
    for name in NAMES:
        assert found[name]["raw"] == pytest.approx(MEASURES[name]([own], clean)[0], rel=1e-9), name
    nulls = {name: null.without(index) for name, null in reference.nulls.items()}
    for name, numbers in matched(own, clean, NAMES, nulls).items():
        assert found[name] == pytest.approx(numbers, rel=1e-6), name


def test_one_wrong_track_of_few_stands_out_since_it_is_no_evidence_for_itself():
    songs = tracks(8)
    songs[2] = songs[2] + 6.0
    reference = LabelReference.from_tracks(songs, cuts=40)
    z = [scores["fad"]["z"] for scores in leave_one_out_scores(reference, songs, ("fad",))]
    assert np.argmax(z) == 2
    own = reference.measure(songs[2], ("fad",))["fad"]["z"]  # itself in the reference and in the null
    assert z[2] > 10 > own


def test_a_track_of_one_frame_has_no_distance():
    songs = [*tracks(4), tracks(1, seed=9)[0][:1]]
    reference = LabelReference.from_tracks(songs, cuts=10)
    assert np.isnan(leave_one_out_scores(reference, songs, ("fad",))[4]["fad"]["z"])
