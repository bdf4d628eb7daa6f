import numpy as np
import pytest

from raysep.decision.conformal import p_values
from raysep.decision.local_fdr import Densities, likelihood_ratio
from raysep.decision.samples import Sample
from raysep.decision.share import (
    best_bin,
    estimate_share,
    exchangeable_ranges,
    injection,
    lower_halves_differ,
    redrawn_estimates,
    storey,
)


def scores(seed, share, judged=240, calibration=40, planted=84, shift=2.5):
    rng = np.random.default_rng([seed, 5])
    corrupt = np.arange(judged) < round(share * judged)
    return (
        rng.standard_normal(calibration),
        rng.standard_normal(judged) + shift * corrupt,
        rng.standard_normal(planted) + shift,
    )


def test_storey_by_hand():
    assert storey(np.array([0.9, 0.8, 0.1, 0.1])) == 0
    assert storey(np.array([0.6] + [0.1] * 9)) == pytest.approx(1 - 2 / 5)
    calibration = np.arange(9.0)
    judged = np.r_[np.arange(9.0), np.full(9, 100.0)]  # half of them beyond all clean ones
    # p > 1/2 for the judged 0 … 4: five of eighteen
    assert storey(p_values(calibration, judged)) == pytest.approx(1 - 6 / 9)


def test_best_bin_of_separated_scores_is_the_share():
    calibration = np.linspace(0, 1, 50)
    assert best_bin(calibration, np.r_[np.linspace(0, 1, 60), np.full(40, 9.0)]) == pytest.approx(0.4, abs=0.01)
    assert best_bin(calibration, calibration) == 0


def test_best_bin_against_a_loop():
    calibration, judged, _ = scores(1, 0.3)
    error = np.sqrt(np.log(40) / 2 / len(calibration)) + np.sqrt(np.log(40) / 2 / len(judged))
    bounds = {}
    for cut in [*calibration, *judged]:
        below, found = np.mean(calibration <= cut), np.mean(judged <= cut)
        if below > 0:
            bounds[(found + 1.01 * error) / below] = 1 - min(1, found / below)
    assert best_bin(calibration, judged) == pytest.approx(bounds[min(bounds)])


def test_injection_maximises_the_likelihood():
    ratio = np.exp(np.random.default_rng(0).standard_normal(300) - 0.2)
    grid = np.linspace(0, 1, 2001)
    likelihood = np.log1p(grid[:, None] * (ratio - 1)).sum(axis=1)
    assert injection(ratio) == pytest.approx(grid[likelihood.argmax()], abs=5e-4)
    assert injection(np.full(5, 0.5)) == 0
    assert injection(np.full(5, 2.0)) == 1


@pytest.mark.parametrize("share", [0.0, *(pytest.param(share, marks=pytest.mark.long) for share in (0.05, 0.2)), 0.4])
@pytest.mark.slow
def test_error_and_interval(share):
    found = [estimate_share(*scores(seed, share), draws=60, seed=seed) for seed in range(12)]
    assert np.mean([abs(each.estimate - share) for each in found]) < 0.06
    assert np.mean([each.low <= share + 0.01 and share - 0.01 <= each.high for each in found]) >= 0.75
    assert all(each.low <= each.estimate <= each.high for each in found)
    assert np.mean([each.exchangeable for each in found]) >= 0.75


def test_without_planted_stems():
    found = []
    for seed in range(40):
        calibration, judged, _ = scores(seed, 0.4, calibration=100)
        share = estimate_share(calibration, judged, draws=5)
        assert share.injection is None
        assert share.estimate == min(share.storey, share.bbe)
        found.append(share.estimate)
    assert np.mean(found) == pytest.approx(0.4, abs=0.05)


@pytest.mark.slow
def test_shifted_calibration_is_refused():
    """Held-out calibration, scored as cleaner than trained-on clean stems: the trap of the method."""
    refused = 0
    for seed in range(10):
        calibration, judged, planted = scores(seed, 0.05, calibration=60)
        found = estimate_share(calibration - 1.0, judged, planted, draws=60)
        refused += not found.exchangeable
        assert found.exchangeable == (found.warning is None)
    assert refused >= 8


def test_a_share_that_leaves_nothing_to_check_is_refused():
    calibration, judged, planted = scores(0, 0.0)
    found = estimate_share(calibration - 9, judged, planted, draws=20)
    assert not found.exchangeable
    assert "nearly all" in found.warning


def test_lower_halves_of_another_shape_are_noticed():
    rng = np.random.default_rng(0)
    calibration = rng.standard_normal(60)
    assert lower_halves_differ(calibration, rng.standard_normal(240)) > 0.01
    found = estimate_share(calibration, 0.2 * rng.standard_normal(240), draws=20)
    assert not found.exchangeable
    assert "lower halves" in found.warning


def test_interval_widens_when_stems_of_a_track_agree():
    calibration, judged, planted = scores(0, 0.3)
    alone = estimate_share(calibration, judged, planted, draws=100)
    judged = np.sort(judged)  # whole tracks corrupted
    tracks = {
        "calibration_groups": np.arange(40) // 4,
        "judged_groups": np.arange(240) // 12,
        "planted_groups": np.arange(84) // 12,
    }
    together = estimate_share(calibration, judged, planted, draws=100, **tracks)
    assert together.estimate == pytest.approx(alone.estimate)
    assert together.high - together.low > alone.high - alone.low


def test_few_calibration_stems_disagree_by_luck():
    calibration, judged, planted = scores(0, 0.2)
    few = exchangeable_ranges(calibration, np.arange(40), judged, planted, 0.2, 60, 0)
    calibration, judged, planted = scores(0, 0.2, calibration=1000, judged=3000, planted=1000)
    many = exchangeable_ranges(calibration, np.arange(1000), judged, planted, 0.2, 20, 0)
    assert np.median(few) > 1.5 * np.median(many)


def test_deterministic_and_needs_both_samples():
    assert estimate_share(*scores(3, 0.2), draws=20, seed=4) == estimate_share(*scores(3, 0.2), draws=20, seed=4)
    with pytest.raises(ValueError, match="calibration"):
        estimate_share(np.zeros(0), np.ones(3))


def strong_world(seed, share, strong):
    """Planted faults of two strengths in equal parts; those of the judged stems are strong, or as planted."""
    rng = np.random.default_rng([seed, 7])
    corrupt = np.arange(240) < round(share * 240)
    shift = np.where(rng.random(240) < (1.0 if strong else 0.5), 7.0, 1.5)
    planted = rng.standard_normal(60) + np.where(np.arange(60) < 30, 7.0, 1.5)
    return rng.standard_normal(32), rng.standard_normal(240) + shift * corrupt, planted


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_faults_that_are_strong_throughout_do_not_take_clean_stems_for_weak_ones(share):
    worlds = [strong_world(seed, share, strong=True) for seed in range(12)]
    found = [estimate_share(*world, draws=0) for world in worlds]
    plain = [injection(likelihood_ratio(calibration, planted, judged)) for calibration, judged, planted in worlds]
    assert np.mean([abs(each.injection - share) for each in found]) < 0.05
    assert np.mean([each.injection for each in found]) < np.mean(plain) - 0.02


def test_faults_of_all_strengths_are_still_counted():
    found = [estimate_share(*strong_world(seed, 0.4, strong=False), draws=0).injection for seed in range(12)]
    assert np.mean(found) == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize(("strong", "expected"), [(True, 1.0), (False, 0.5)])
def test_how_strong_the_corpus_s_faults_are(strong, expected):
    parts = [
        Densities(Sample.of(calibration), Sample.of(planted), judged).strong_part()
        for calibration, judged, planted in (strong_world(seed, 0.4, strong) for seed in range(8))
    ]
    assert np.mean(parts) == pytest.approx(expected, abs=0.15)


def test_halves_that_weigh_the_same_are_no_halves():
    calibration, judged, planted = strong_world(0, 0.4, strong=True)
    alike, halved = (likelihood_ratio(calibration, planted, judged, strong) for strong in (None, 0.5))
    np.testing.assert_allclose(np.log(halved), np.log(alike), atol=0.1)


def test_a_track_that_is_evidence_clean_and_corrupted_is_drawn_as_both():
    """Planted stems that score as their clean originals do show no fault, whichever tracks are drawn."""
    calibration, judged, _ = scores(3, 0.3)
    tracks = np.arange(40) // 4
    shared, apart = (
        redrawn_estimates([(calibration, tracks), (judged, None), (calibration, planted)], 40, 0)[:, 2]
        for planted in (tracks, 100 + tracks)
    )
    assert (shared == 0).all()
    assert apart.min() == 0 < apart.max()


@pytest.mark.slow
def test_the_interval_asks_nothing_of_what_is_wrong():
    """Faults that look like clean stems to the planted ones, but not to calibration: injection finds none, the interval does."""
    covered, by_planted_alone = [], []
    for seed in range(8):
        rng = np.random.default_rng([seed, 21])
        calibration, planted = rng.standard_normal(60), rng.standard_normal(40) + 7
        judged = np.concatenate([rng.standard_normal(160), rng.standard_normal(80) + 3])
        share = estimate_share(calibration, judged, planted, draws=60, seed=seed)
        covered.append(share.low <= 1 / 3 <= share.high)
        table = redrawn_estimates([(calibration, None), (judged, None), (planted, None)], 60, seed)
        by_planted_alone.append(np.quantile(table[:, 2], 0.975) >= 1 / 3)
    assert np.mean(covered) >= 7 / 8
    assert np.mean(by_planted_alone) < 0.5


def test_with_planted_stems_the_estimate_is_made_of_two():
    share = estimate_share(*scores(3, 0.3), draws=0)
    assert share.estimate == pytest.approx((share.bbe + 2 * share.injection) / 3)
