import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.decision import samples
from raysep.decision.local_fdr import Densities, bandwidth, likelihood_ratio
from raysep.decision.samples import Sample, Squeezed
from raysep.decision.share import best_bin, estimate_share, exchangeable_ranges, injected


def scores(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores with equal ones among them, and how often each counts, some never."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, count)
    counts[0] = 1
    return np.round(rng.standard_normal(count), 1), counts


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_what_counts_twice_is_there_twice(seed, count):
    values, counts = scores(seed, count)
    sample, written_out = Sample.of(values, counts), np.repeat(values, counts)
    assert sample.size == len(written_out)
    np.testing.assert_allclose(sample.spread, written_out.std(), atol=1e-12)
    shares = np.linspace(0, 1, 9)
    np.testing.assert_allclose(sample.quantiles(shares), np.quantile(written_out, shares), atol=1e-12)
    at = np.append(values, [-9.0, 9.0])
    assert sample.below(at).tolist() == [(written_out < each).sum() for each in at]
    assert sample.below(at, or_equal=True).tolist() == [(written_out <= each).sum() for each in at]
    weak, strong = (np.repeat(half.values, half.counts.astype(int)) for half in sample.halves())
    half = np.sort(written_out)
    assert weak.tolist() == half[: len(half) // 2].tolist()
    assert strong.tolist() == half[len(half) // 2 :].tolist()


def test_a_sample_with_counts_estimates_what_it_does_written_out():
    """Up to how sums are rounded; with halves that weigh differently too."""
    for seed in range(3):
        rng = np.random.default_rng([seed, 3])
        (clean, twice), (judged, often) = scores(seed, 40), scores(seed + 9, 200)
        planted = rng.standard_normal(31) + rng.choice([1.0, 6.0], 31)
        given_ = Sample.of(clean, twice), planted, Sample.of(judged, often)
        written = np.repeat(clean, twice), planted, np.repeat(judged, often)
        np.testing.assert_allclose(injected(*given_)[0], injected(*written)[0], atol=1e-9)
        assert abs(best_bin(given_[0], given_[2]) - best_bin(written[0], written[2])) < 1e-12
        sample, at = given_[2], written[2]
        part = Densities(given_[0], Sample.of(planted), sample.values, sample.counts).strong_part()
        alone = Densities(Sample.of(written[0]), Sample.of(planted), at).strong_part()
        np.testing.assert_allclose(part, alone, atol=1e-9)
        few = likelihood_ratio(given_[0], planted, sample.values, 0.7, sample.counts)
        all_ = likelihood_ratio(written[0], planted, at, 0.7)
        np.testing.assert_allclose(few, all_[[np.flatnonzero(at == each)[0] for each in sample.values]], rtol=1e-9)


def large(seed: int = 0):
    rng = np.random.default_rng([seed, 5])
    judged = rng.standard_normal(9000) + 2.5 * (np.arange(9000) < 2700)
    return rng.standard_normal(160), judged, rng.standard_normal(120) + np.where(np.arange(120) < 60, 4.0, 1.5)


def test_many_scores_in_cells_estimate_what_they_do_one_by_one(monkeypatch):
    calibration, judged, planted = large()
    ascending = np.sort(judged)
    squeezed = Squeezed.of(ascending, bandwidth(calibration, planted), calibration)
    sample = squeezed.drawn()
    assert len(sample.values) < len(judged) / 2
    cell = np.searchsorted(squeezed.begins, np.arange(len(judged)), side="right") - 1
    assert np.abs(sample.values[cell] - ascending).max() < bandwidth(calibration, planted) / samples.SQUEEZED
    found = estimate_share(calibration, judged, planted, draws=8)
    monkeypatch.setattr(samples, "FEW", len(judged))
    slow = estimate_share(calibration, judged, planted, draws=8)
    for name in ("estimate", "low", "high"):
        assert abs(getattr(found, name) - getattr(slow, name)) < 1e-6, name
    assert (found.storey, found.bbe) == pytest.approx((slow.storey, slow.bbe), abs=1e-12)
    assert found.warning == slow.warning
    alone = estimate_share(calibration, judged, draws=8)
    monkeypatch.undo()
    some = estimate_share(calibration, judged, draws=8)
    assert (some.estimate, some.low, some.high) == pytest.approx((alone.estimate, alone.low, alone.high), abs=1e-12)


def test_corpora_of_calibration_stems_are_drawn_as_a_loop_would():
    """The counts of what is drawn against the stems written out, track after track."""
    calibration, judged, planted = large(1)
    groups, judged = np.arange(160) // 4, judged[:600]

    def loop(draws: int, seed: int) -> np.ndarray:
        from raysep.decision.share import _estimates

        corrupted = round(0.3 * len(judged))
        members = [calibration[groups == index] for index in range(groups.max() + 1)]
        rng = np.random.default_rng([seed, 0x9A3D])

        def clean(count: int) -> np.ndarray:
            drawn = rng.integers(len(members), size=2 * len(members) + 2 * count * len(members) // len(calibration))
            return np.concatenate([members[index] for index in drawn])[:count]

        ranges = []
        for _ in range(draws):
            simulated = np.concatenate([clean(len(judged) - corrupted), rng.choice(planted, size=corrupted)])
            redrawn = rng.choice(planted, size=len(planted))
            ranges.append(np.ptp(_estimates(clean(len(calibration)), Sample.of(simulated), redrawn)))
        return np.array(ranges)

    np.testing.assert_allclose(
        exchangeable_ranges(calibration, groups, judged, planted, 0.3, 6, 2), loop(6, 2), atol=1e-9
    )
