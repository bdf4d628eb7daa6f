import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from raysep.decision.local_fdr import likelihood_ratio, monotone, posterior, posterior_without_planted


def sample(seed, share, judged=4000, n=2000, shift=2.0):
    rng = np.random.default_rng(seed)
    corrupt = rng.random(judged) < share
    return (
        rng.standard_normal(n),
        rng.standard_normal(n) + shift,
        rng.standard_normal(judged) + shift * corrupt,
        corrupt,
    )


def exact(scores, share, shift=2.0):
    f0, f1 = norm.pdf(scores), norm.pdf(scores - shift)
    return share * f1 / (share * f1 + (1 - share) * f0)


def test_both_posteriors_near_the_closed_form_of_two_gaussians():
    clean, planted, judged, _ = sample(0, 0.3)
    with_planted = posterior(likelihood_ratio(clean, planted, judged), 0.3)
    without = posterior_without_planted(clean, judged, 0.3)
    assert np.abs(with_planted - exact(judged, 0.3)).mean() < 0.02
    assert np.abs(without - exact(judged, 0.3)).mean() < 0.04


def test_calibrated_at_the_sizes_of_a_small_run():
    """Of stems given P between 0.4 and 0.6 about half are corrupt, over many small samples."""
    given_half = []
    for seed in range(60):
        clean, planted, judged, corrupt = sample(seed, 0.4, judged=240, n=40)
        p = posterior(likelihood_ratio(clean, planted, judged), 0.4)
        given_half.extend(corrupt[(p > 0.4) & (p < 0.6)])
    assert 0.4 < np.mean(given_half) < 0.6


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(2, 60))
@example(0, 1 - 2**-53, 3)
def test_monotone_probabilities(seed, share, n):
    clean, planted, judged, _ = sample(seed, 0.3, judged=50, n=n)
    judged[:5] = judged[5]
    for p in (
        posterior(likelihood_ratio(clean, planted, judged), share),
        posterior_without_planted(clean, judged, share),
    ):
        assert ((p >= 0) & (p <= 1)).all()
        assert (np.diff(p[np.argsort(judged)]) >= -1e-12).all()
        assert np.ptp(p[:6]) == 0


def test_far_tails_do_not_run_to_infinity():
    rng = np.random.default_rng(0)
    clean, planted = rng.standard_normal(40), rng.standard_normal(80) + 3
    ratio = likelihood_ratio(clean, planted, np.array([-1000.0, 0.0, 1000.0]))
    assert np.isfinite(ratio).all()
    assert ratio[0] < 0.2
    assert 1 < ratio[2] < 1e6


def test_equal_scores_everywhere():
    ratio = likelihood_ratio(np.ones(10), np.ones(10), np.ones(5))
    np.testing.assert_allclose(ratio, 1)


def test_beyond_all_calibration_is_not_certain():
    judged = np.r_[np.zeros(235), np.full(5, 9.0)]
    assert posterior_without_planted(np.linspace(-1, 1, 40), judged, 0.0)[-1] < 0.5


def test_monotone_pools_violators():
    np.testing.assert_allclose(monotone(np.array([3.0, 1.0, 2.0]), np.array([2.0, 1.0, 3.0])), [2.5, 1.0, 2.5])
    np.testing.assert_allclose(monotone(np.array([1.0, 1.0, 2.0]), np.array([0.0, 4.0, 5.0])), [2.0, 2.0, 5.0])


def test_certainty_at_share_one_and_none_at_zero():
    assert posterior(np.array([0.5, 2.0]), 1.0).tolist() == [1.0, 1.0]
    assert posterior(np.array([0.5, 2.0]), 0.0).tolist() == [0.0, 0.0]
