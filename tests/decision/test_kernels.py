import numpy as np
import pytest

from raysep.decision.kernels import ALL, kernel_sum, kernel_sum_directly
from raysep.decision.local_fdr import likelihood_ratio


def world(count: int, seed: int = 0):
    """(where kernels are, what they weigh, places to ask): two clusters and a far one, asked between and beyond them too."""
    rng = np.random.default_rng(seed)
    values = np.sort(np.concatenate([rng.standard_normal(count), 4 + 0.3 * rng.standard_normal(count // 2), [11.0]]))
    return values, rng.uniform(0.1, 2, len(values)) / len(values), rng.uniform(-4, 12, 20_000)


@pytest.mark.parametrize("count", [30, 2 * ALL])
def test_the_grid_gives_what_every_kernel_at_every_place_gives(count):
    values, weights, at = world(count)
    found = kernel_sum(values, weights, 0.15, at)
    slow = kernel_sum_directly(values, weights, 0.15, at)
    np.testing.assert_allclose(found, slow, rtol=1e-6, atol=1e-12)
    near = np.abs(at[:, None] - values).min(axis=1) < 3 * 0.15
    np.testing.assert_allclose(found[near], slow[near], rtol=1e-8)


def test_few_places_are_asked_themselves():
    values, weights, at = world(30)
    some = at[:50]
    assert np.array_equal(kernel_sum(values, weights, 0.15, some), kernel_sum_directly(values, weights, 0.15, some))
    assert not len(kernel_sum(values, weights, 0.15, at[:0]))


def test_a_ratio_of_densities_at_many_scores_is_that_at_each():
    """Asked in portions that are too small for a grid, before they are made monotone: the ratio of sorted scores is increasing."""
    rng = np.random.default_rng(1)
    clean, planted = rng.standard_normal(200), rng.standard_normal(150) + 2
    at = np.sort(rng.uniform(-1, 3, 30_000))  # where f₁ / f₀ rises, so that pooling has nothing to do
    whole = likelihood_ratio(clean, planted, at)
    risen = np.flatnonzero(np.diff(whole) > 0)[::500]
    alone = np.array([likelihood_ratio(clean, planted, at[[k]])[0] for k in risen])
    np.testing.assert_allclose(whole[risen], alone, rtol=1e-6)
