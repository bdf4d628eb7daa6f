import numpy as np
import pytest

from raysep.errors import BadInput
from raysep.probes.fad import ReferenceStatistics
from raysep.probes.fad.leave_out import leave_one_out_scores
from raysep.probes.fad.measures import held_out
from raysep.probes.fad.null import length_matched_nulls
from raysep.probes.fad.reference import LabelReference
from raysep.probes.fad.twins import same_audio

NAMES = ("fad", "kad", "mahalanobis", "neighbours")


def tracks(count, seed=0, length=30, dimension=6):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length + k % 3, dimension)) + rng.normal(size=dimension) for k in range(count)]


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_copies_are_found_whatever_machine_embedded_them_and_near_ones_are_not(unit):
    songs = tracks(9)
    rounding = 1e-4 * np.random.default_rng(1).normal(size=songs[2].shape)
    other = songs[0].copy()
    other[5:8] = 0.0
    songs += [songs[2] + rounding, other, songs[2][::-1], songs[0][:-1], *tracks(2, length=0)[:1], *tracks(1, length=0)]
    found = same_audio([unit * (song + 40.0) for song in songs])
    assert found == [[0], [1], [2, 9, 11], *([k] for k in (3, 4, 5, 6, 7, 8, 10, 12, 13, 14))]


def test_frames_that_are_all_alike_are_one_audio_for_each_length():
    assert same_audio([np.full((n, 3), 0.1) for n in (5, 5, 6, 5)]) == [[0, 1, 3], [2]]
    assert same_audio([np.zeros((0, 3))] * 2) == [[0], [1]]
    assert same_audio([]) == []


def test_held_out_leaves_out_every_copy():
    songs = tracks(5)
    songs.insert(3, songs[1].copy())
    for index, clean in enumerate(held_out(songs)):
        left_out = (1, 3) if index in (1, 3) else (index,)
        others = np.concatenate([song for i, song in enumerate(songs) if i not in left_out])
        assert np.array_equal(clean.frames, others)
        expected = ReferenceStatistics.from_frames(others)
        assert clean.statistics.count == expected.count
        np.testing.assert_allclose(clean.statistics.covariance, expected.covariance, atol=1e-12)


def test_a_track_that_is_there_twice_scores_as_if_it_were_there_once():
    """Up to the standardisation and the others' excerpts, which know it twice: so it has to stand out as far."""
    songs = tracks(12)
    songs[4] = songs[4] + 6.0
    once = LabelReference.from_tracks(songs, cuts=60, measures=NAMES)
    alone = leave_one_out_scores(once, songs, NAMES)[4]
    twice = [*songs, songs[4].copy()]
    reference = LabelReference.from_tracks(twice, cuts=65, measures=NAMES)
    found = leave_one_out_scores(reference, twice, NAMES)
    assert found[4] == found[12]
    for name in NAMES:
        assert found[4][name]["z"] > 0.5 * alone[name]["z"] > 2.0, name
        assert np.argmax([scores[name]["z"] for scores in found]) in (4, 12), name


def test_in_the_null_a_copy_is_no_evidence_for_its_twin():
    songs = tracks(6)
    songs.append(songs[0].copy())
    seen = []

    def count(excerpts, reference):
        seen.append(reference.count)
        return np.zeros(len(excerpts))

    null = length_matched_nulls(songs, {"count": count}, lengths=[4], cuts=14)["count"]
    everything = sum(len(song) for song in songs)
    assert seen == [everything - len(song) * (2 if k in (0, 6) else 1) for k, song in enumerate(songs)]
    assert set(null.without(0, 6).origins[0]) == {1, 2, 3, 4, 5}


def test_three_names_of_two_tracks_are_too_few_and_the_message_says_why():
    songs = tracks(2)
    with pytest.raises(BadInput, match=r"holds 3 tracks .*, 1 of them copies of another: at least 3 different ones"):
        LabelReference.from_tracks([*songs, songs[0].copy()], cuts=10)
