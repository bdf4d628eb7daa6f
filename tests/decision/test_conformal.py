import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from raysep.decision.conformal import adjusted, benjamini_hochberg, calibration_needed, p_values

scores = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


@given(scores, scores)
def test_p_values_by_counting(calibration, judged):
    expected = [(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in judged]
    np.testing.assert_allclose(p_values(np.array(calibration), np.array(judged)), expected)


def test_p_values_of_exchangeable_scores_are_not_too_small():
    rng = np.random.default_rng(0)
    p = np.concatenate([p_values(rng.standard_normal(39), rng.standard_normal(20)) for _ in range(2000)])
    for level in (0.025, 0.1, 0.5):
        assert (p <= level).mean() <= level + 0.005
        assert (p <= level).mean() >= level - 0.005  # and not too large either: 39 + 1 divides these levels


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusted_against_scipy(p):
    np.testing.assert_allclose(adjusted(np.array(p)), false_discovery_control(p), atol=1e-12)


def test_benjamini_hochberg_controls_the_false_discovery_rate():
    rng = np.random.default_rng(1)
    proportions = []
    for _ in range(400):
        judged = np.concatenate([rng.standard_normal(80), rng.standard_normal(20) + 4])
        rejected = benjamini_hochberg(p_values(rng.standard_normal(199), judged), 0.2, clean_share=0.8)
        proportions.append(rejected[:80].sum() / max(1, rejected.sum()))
    assert 0.12 < np.mean(proportions) < 0.22


def test_calibration_needed():
    assert calibration_needed(0.1, 0.2) == 49
    assert calibration_needed(0.05, 0.05) == 399
    p = p_values(np.zeros(49), np.r_[np.ones(20), np.zeros(80)])
    assert benjamini_hochberg(p, 0.1).sum() == 20
    p = p_values(np.zeros(48), np.r_[np.ones(20), np.zeros(80)])
    assert not benjamini_hochberg(p, 0.1).any()
