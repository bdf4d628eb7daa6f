import numpy as np
import pytest
import scipy.stats

from raysep.probes.fad import ReferenceStatistics, frechet_distance
from raysep.probes.fad.kernel import KernelReference, kernel_distances
from raysep.probes.fad.measures import DEFINITIONS, HIGH, MEASURES, WINDOW, CleanFrames, excerpts, held_out, matched
from raysep.probes.fad.null import length_matched_nulls


@pytest.fixture(scope="module")
def songs():
    """Equally clean stems of 6 to 60 frames, autocorrelated, half of the variance between songs."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(120):
        noise = rng.normal(size=(int(rng.integers(6, 61)), 8))
        for i in range(1, len(noise)):
            noise[i] = 0.5 * noise[i - 1] + np.sqrt(0.75) * noise[i]
        made.append(rng.normal(size=8) + noise)
    return made


def test_each_measure_is_what_its_name_says(songs):
    clean, song = CleanFrames(np.concatenate(songs[:20])), songs[30]
    pieces = [song[i : i + WINDOW] for i in (*range(0, len(song) - WINDOW, WINDOW // 2), len(song) - WINDOW)]
    local = [frechet_distance(piece, clean.statistics) for piece in pieces]
    expected = {
        "fad": frechet_distance(song, clean.statistics),
        "fad-window": np.quantile(local, HIGH),
        "fad-window-mean": np.mean(local),
        "kad": kernel_distances([song], clean.kernel)[0],
        "mahalanobis-high": np.quantile(clean.neighbourhood.mahalanobis(song), HIGH),
        "neighbours": clean.neighbourhood.nearest(song).mean(),
    }
    for name, value in expected.items():
        assert MEASURES[name]([song], clean)[0] == pytest.approx(value), name


@pytest.mark.parametrize("name", MEASURES)
def test_many_stems_at_once_are_one_by_one(name, songs):
    clean = CleanFrames(np.concatenate(songs[:10]))
    alone = [MEASURES[name]([song], clean)[0] for song in songs[10:16]]
    np.testing.assert_allclose(MEASURES[name](songs[10:16], clean), alone, rtol=1e-9)


@pytest.mark.slow
def test_z_ranks_no_measure_by_length(songs):
    names = ("fad", "fad-window", "kad", "mahalanobis", "mahalanobis-high", "neighbours-high")
    reference, judged = songs[:40], songs[40:]
    nulls = length_matched_nulls(reference, {n: MEASURES[n] for n in names}, held_out(reference), cuts=120)
    clean = CleanFrames(np.concatenate(reference))
    found = [matched(song, clean, names, nulls) for song in judged]
    for name in names:
        lengths = scipy.stats.spearmanr([f[name]["z"] for f in found], [len(song) for song in judged])[0]
        assert abs(lengths) < 0.25, name  # 80 songs: a rank correlation is uncertain by 0.11
        assert 0.35 < np.mean([f[name]["p"] for f in found]) < 0.65, name


def test_held_out_leaves_the_track_out_of_everything(songs):
    tracks = songs[:4]
    for index, clean in enumerate(held_out(tracks, seed=1)):
        others = np.concatenate([t for i, t in enumerate(tracks) if i != index])
        assert np.array_equal(clean.frames, others)
        expected = ReferenceStatistics.from_frames(others)
        np.testing.assert_allclose(clean.statistics.covariance, expected.covariance, atol=1e-12)
        assert clean.kernel.bandwidth == KernelReference.from_frames(others).bandwidth


@pytest.mark.parametrize(("n", "length"), [(3, 8), (8, 8), (9, 8), (30, 8), (5, 1)])
def test_excerpts_cover_the_stem(n, length):
    pieces = excerpts(np.arange(n)[:, None], length)
    assert {int(i) for piece in pieces for i in piece[:, 0]} == set(range(n))
    assert all(len(p) == min(n, length) for p in pieces)


def test_every_measure_says_what_it_is():
    assert list(DEFINITIONS) == list(MEASURES)
