import numpy as np
import pytest
import scipy.stats
from sklearn.covariance import ledoit_wolf
from sklearn.neighbors import NearestNeighbors

from raysep.probes.fad.neighbours import MOST_FRAMES, Neighbourhood


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8)) + 5.0, rng.normal(size=(20, 8)) + 5.0


def test_mahalanobis_is_the_quadratic_form(data):
    reference, frames = data
    inverse = np.linalg.inv(ledoit_wolf(reference)[0])
    offset = frames - reference.mean(0)
    expected = np.einsum("ni,ij,nj->n", offset, inverse, offset) / 8
    np.testing.assert_allclose(Neighbourhood.from_frames(reference).mahalanobis(frames), expected, rtol=1e-9)


def test_log_likelihood_is_scipys(data):
    reference, frames = data
    expected = scipy.stats.multivariate_normal(reference.mean(0), ledoit_wolf(reference)[0]).logpdf(frames) / 8
    np.testing.assert_allclose(Neighbourhood.from_frames(reference).log_likelihood(frames), expected, rtol=1e-9)


def test_nearest_is_scikit_learns(data):
    reference, frames = data
    found, _ = NearestNeighbors(n_neighbors=5).fit(reference).kneighbors(frames)
    expected = found.mean(1) / np.sqrt(8)
    np.testing.assert_allclose(Neighbourhood.from_frames(reference).nearest(frames), expected, rtol=1e-5)


def test_few_or_identical_reference_frames_do_no_harm():
    hood = Neighbourhood.from_frames(np.ones((3, 4)))
    assert np.isfinite(hood.mahalanobis(np.zeros((2, 4)))).all()
    assert hood.nearest(np.zeros((2, 4)), k=5) == pytest.approx([1.0, 1.0])


def test_many_reference_frames_are_thinned_the_same_way_each_time():
    frames = np.random.default_rng(1).normal(size=(MOST_FRAMES + 50, 3))
    first, second = (Neighbourhood.from_frames(frames, seed=3) for _ in range(2))
    assert len(first.frames) == MOST_FRAMES
    assert np.array_equal(first.frames, second.frames)
