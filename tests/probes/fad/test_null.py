import numpy as np
import pytest
import scipy.stats

from raysep.errors import BadInput
from raysep.probes.fad import ReferenceStatistics, frechet_distance
from raysep.probes.fad.null import LengthMatchedNull, length_grid


def songs(count, dimension=12, seed=0, shortest=10, longest=60):
    """Autocorrelated frames, half of the variance between songs: what makes a raw distance rank by length."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        n = int(rng.integers(shortest, longest + 1))
        noise = rng.normal(size=(n, dimension))
        for i in range(1, n):
            noise[i] = 0.5 * noise[i - 1] + np.sqrt(0.75) * noise[i]
        made.append(rng.normal(size=dimension) + noise)
    return made


def test_clean_stems_are_near_zero_at_every_length_and_raw_distance_ranks_length():
    reference_songs, judged = songs(40, seed=1), songs(300, seed=2)
    reference = ReferenceStatistics.from_frames(np.concatenate(reference_songs))
    null = LengthMatchedNull.from_tracks(reference_songs, cuts=200)
    raw = np.array([frechet_distance(song, reference) for song in judged])
    z = np.array([null.z(d, len(song)) for d, song in zip(raw, judged, strict=True)])
    lengths = [len(song) for song in judged]
    assert scipy.stats.spearmanr(raw, lengths)[0] < -0.3
    assert abs(scipy.stats.spearmanr(z, lengths)[0]) < 0.15
    assert abs(z.mean()) < 0.35
    assert 0.7 < z.std() < 1.3


def test_p_is_about_uniform_for_clean_and_small_for_shifted():
    reference_songs, judged = songs(40, seed=1), songs(200, seed=3)
    reference = ReferenceStatistics.from_frames(np.concatenate(reference_songs))
    null = LengthMatchedNull.from_tracks(reference_songs, cuts=200)
    clean = [null.p(frechet_distance(s, reference), len(s)) for s in judged]
    shifted = [null.p(frechet_distance(s + 3.0, reference), len(s)) for s in judged]
    assert 0.4 < np.mean(clean) < 0.6
    assert np.mean(np.array(clean) < 0.1) < 0.2
    assert np.median(shifted) < 0.02
    assert min(clean) > 0.0
    assert max(clean) <= 1.0


def test_an_excerpt_is_scored_without_its_own_track():
    tracks = songs(5, dimension=4, seed=4, shortest=6, longest=6)
    null = LengthMatchedNull.from_tracks(tracks, lengths=[6], cuts=10)
    others = [np.concatenate([t for j, t in enumerate(tracks) if j != i]) for i in range(5)]
    expected = [frechet_distance(t, ReferenceStatistics.from_frames(o)) for t, o in zip(tracks, others, strict=True)]
    np.testing.assert_allclose(null.distances[0], np.sort(expected), rtol=1e-12)


def test_p_counts_ties_as_at_least_as_far():
    null = LengthMatchedNull(np.array([4]), (np.array([1.0, 2.0, 2.0, 3.0]),))
    assert null.p(2.0, 4) == pytest.approx(4 / 5)
    assert null.p(9.0, 4) == pytest.approx(1 / 5)
    assert null.p(0.0, 4) == 1.0


def test_between_grid_points_it_is_linear_in_the_log_of_n():
    null = LengthMatchedNull(np.array([4, 16]), (np.array([9.0, 11.0]), np.array([4.0, 6.0])))
    assert null.z(7.5, 8) == pytest.approx(0.0)
    assert null.z(5.0, 100) == pytest.approx(0.0)  # clamped to the longest


def test_same_seed_same_null_and_bytes_round_trip():
    tracks = songs(6)
    first, second = (LengthMatchedNull.from_tracks(tracks, cuts=20, seed=7) for _ in range(2))
    again = LengthMatchedNull.from_bytes(first.to_bytes())
    for a, b, c in zip(first.distances, second.distances, again.distances, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a, c)
    assert np.array_equal(first.lengths, again.lengths)


def test_too_few_reference_tracks_are_refused_with_the_remedy():
    with pytest.raises(BadInput, match="add reference tracks"):
        LengthMatchedNull.from_tracks(songs(2))


def test_grid_reaches_what_three_tracks_can_fill():
    tracks = [np.zeros((n, 2)) for n in (50, 40, 30, 3)]
    assert length_grid(tracks)[-1] == 30
    assert length_grid(tracks)[0] == 2


@pytest.mark.parametrize(("count", "cuts"), [(300, 200), (300, 7), (70, 100)])
def test_a_null_of_fewer_excerpts_than_tracks_is_of_tracks_from_everywhere(count, cuts):
    tracks = [np.random.default_rng(k).normal(size=(6, 2)) for k in range(count)]
    made = [LengthMatchedNull.from_tracks(tracks, lengths=[2, 3, 4, 5], cuts=cuts) for _ in range(2)]
    for origins in made[0].origins:
        times = np.bincount(origins, minlength=count)
        assert times.sum() == cuts
        assert times.max() - times.min() == 1
        quarters = [part.sum() for part in np.array_split(times, 4)]
        assert max(quarters) - min(quarters) <= 2  # one of rounding at either end
    assert all(np.array_equal(a, b) for a, b in zip(made[0].origins, made[1].origins, strict=True))
    # Each length takes other tracks, so that together they know more of them than one length does.
    assert len(set(np.hstack(made[0].origins))) > min(count, 1.2 * cuts) - 1


def test_without_a_track_its_own_excerpts_are_gone():
    tracks = songs(5, dimension=4, seed=4, shortest=6, longest=9)
    null = LengthMatchedNull.from_bytes(LengthMatchedNull.from_tracks(tracks, lengths=[3, 6], cuts=15).to_bytes())
    for n, distances, origins, kept in zip(
        null.lengths, null.distances, null.origins, null.without(2).distances, strict=True
    ):
        assert sorted(set(origins)) == [0, 1, 2, 3, 4], n
        assert np.array_equal(kept, distances[origins != 2])
