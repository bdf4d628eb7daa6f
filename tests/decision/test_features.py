import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.decision.features import (
    centre_and_spread,
    informative,
    mean_suspicion,
    medians,
    on_one_scale,
    peers,
    standardise,
)


def drawn(seed, rows=80, columns=4):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, columns)), np.array(["vocals", "bass"])[np.arange(rows) % 2]


def test_gaussian_columns_become_standard_within_each_label():
    values, labels = drawn(0, 4000)
    values[labels == "bass"] = 100 + 50 * values[labels == "bass"]
    features = standardise(values, labels, np.ones(len(labels), dtype=bool))
    for label in ("vocals", "bass"):
        part = features[labels == label]
        np.testing.assert_allclose(np.median(part, axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(part.std(axis=0), 1, atol=0.08)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_offset_and_scale_of_a_label_do_not_matter(seed, scale, offset):
    values, labels = drawn(seed)
    moved = values.copy()
    moved[labels == "bass"] = offset + scale * moved[labels == "bass"]
    fit = np.arange(len(labels)) < 60
    np.testing.assert_allclose(standardise(moved, labels, fit), standardise(values, labels, fit), atol=1e-6)


def test_missing_is_zero_and_outliers_are_bounded():
    values, labels = drawn(1)
    values[0, 0], values[1, 1], values[2, 2] = np.nan, 1e30, -np.inf
    values[:, 3] = np.nan
    features = standardise(values, labels, np.ones(len(labels), dtype=bool))
    assert np.isfinite(features).all()
    assert features[0, 0] == 0
    assert features[1, 1] == 4
    assert features[2, 2] == 0
    assert not features[:, 3].any()


def test_a_column_that_is_nearly_always_zero_keeps_its_few_findings():
    values = np.zeros((100, 1))
    values[:5, 0] = [0.001, 0.001, 0.002, 0.05, 0.08]
    features = standardise(values, np.array(["a"] * 100), np.ones(100, dtype=bool))[:, 0]
    assert (features[5:] == 0).all()
    assert features[3] >= 2 * features[0] > 0


def test_a_label_with_few_rows_borrows_the_spread_of_all():
    values, _ = drawn(2, 100, 1)
    labels = np.array(["common"] * 97 + ["rare"] * 3)
    values[97:, 0] = [5.0, 5.001, 5.002]
    features = standardise(values, labels, np.ones(100, dtype=bool))[:, 0]
    assert np.abs(features[97:]).max() < 0.01


def test_a_label_without_any_fitted_row_carries_no_evidence():
    values, _ = drawn(2, 40, 1)
    labels = np.array(["known"] * 30 + ["unknown"] * 10)
    assert not standardise(values, labels, labels == "known")[30:].any()


def test_spread_of_a_constant_is_one():
    centre, spread = centre_and_spread(np.full((10, 1), 7.0))
    assert (centre[0], spread[0]) == (7.0, 1.0)


def test_constant_and_repeated_columns_go():
    values, _ = drawn(5)
    table = np.column_stack([values[:, 0], np.zeros(80), values[:, 0], values[:, 1]])
    assert informative(table).tolist() == [True, False, False, True]


def test_ranking_without_calibration():
    features = np.array([[1.0, -9.0], [-2.0, 0.0]])
    np.testing.assert_array_equal(mean_suspicion(features, np.array([True, False])), [-1.0, 2.0])
    assert mean_suspicion(features, np.array([False, False])).argmax() == 0
    assert mean_suspicion(np.zeros((2, 0)), np.zeros(0)).tolist() == [0, 0]


def test_levels_of_two_folds_do_not_tell_them_apart():
    values, labels = drawn(3, 160, 1)
    fold = np.arange(160) // 80
    table = pa.table({"stem": labels.tolist(), "fold": fold, "role": ["corpus"] * 150 + ["planted"] * 10})
    moved = np.where(fold == 1, 7 + 3 * values[:, 0], values[:, 0])
    fit = np.arange(160) < 150
    np.testing.assert_allclose(
        standardise(moved[:, None], peers(table), fit), standardise(values, peers(table), fit), atol=1e-9
    )
    scaled = on_one_scale(table, moved)
    for group in np.unique(peers(table)):
        rows = peers(table) == group
        assert (np.argsort(scaled[rows]) == np.argsort(moved[rows])).all()
        assert abs(np.median(scaled[rows & fit])) < 1e-9
    assert np.isnan(on_one_scale(table, np.where(np.arange(160) == 5, np.nan, moved))[5])


def test_of_one_fold_or_none_named_peers_are_the_label_and_a_score_is_as_it_was():
    values, labels = drawn(4)
    for columns in ({}, {"fold": [0] * 80}):
        table = pa.table({"stem": labels.tolist(), **columns})
        assert len(set(peers(table))) == 2
        assert np.array_equal(on_one_scale(table, values[:, 0]), values[:, 0])
        every = np.ones(80, dtype=bool)
        assert np.array_equal(standardise(values, peers(table), every), standardise(values, labels, every))


def test_medians_are_the_library_s_bit_for_bit():
    rng = np.random.default_rng(0)
    for rows in (1, 2, 5, 100, 601):
        values = rng.standard_normal((rows, 12))
        values[rng.random(values.shape) < 0.3] = np.nan
        values[0] = np.where(np.isnan(values).all(axis=0), 1.0, values[0])
        assert np.array_equal(medians(values), np.nanmedian(values, axis=0))
