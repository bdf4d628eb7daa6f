import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from raysep.errors import BadInput
from raysep.evaluation.detection import auroc, average_precision, detection, removal, roc_points, weighted_ranking

samples = st.integers(0, 10**6).map(np.random.default_rng)


@settings(max_examples=60, deadline=None)
@given(samples, st.integers(2, 40), st.integers(1, 6))
def test_against_scikit_learn_with_ties_and_weights(rng, n, levels):
    score = rng.integers(levels, size=n).astype(float)
    positive = np.r_[True, False, rng.random(n - 2) < 0.4]
    weights = np.vstack([np.ones(n), rng.integers(0, 4, n), np.ones(n)])
    weights[1, :2] += 1
    areas, precisions = weighted_ranking(score, positive, ~positive, weights)
    for draw in range(3):
        assert areas[draw] == pytest.approx(roc_auc_score(positive, score, sample_weight=weights[draw]))
        assert precisions[draw] == pytest.approx(average_precision_score(positive, score, sample_weight=weights[draw]))


@given(samples)
def test_mann_whitney_by_counting(rng):
    score, positive = rng.integers(4, size=12), np.r_[True, False, rng.random(10) < 0.5]
    pairs = [(p > n) + (p == n) / 2 for p in score[positive] for n in score[~positive]]
    assert auroc(score, positive) == pytest.approx(np.mean(pairs))


def test_extremes():
    assert auroc(np.array([1, 2, 3, 4]), np.array([0, 0, 1, 1])) == 1
    assert auroc(np.array([4, 3, 2, 1]), np.array([0, 0, 1, 1])) == 0
    assert auroc(np.ones(4), np.array([0, 0, 1, 1])) == 0.5
    assert np.isnan(auroc(np.ones(3), np.zeros(3)))
    assert np.isnan(auroc(np.zeros(0), np.zeros(0)))
    assert average_precision(np.ones(4), np.array([0, 0, 0, 1])) == 0.25


@settings(max_examples=40, deadline=None)
@given(samples)
def test_area_below_the_roc_points(rng):
    score, positive = rng.integers(5, size=20), np.r_[True, False, rng.random(18) < 0.5]
    points = np.array(roc_points(score, positive, ~positive))
    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [1, 1]
    area = (np.diff(points[:, 0]) * (points[1:, 1] + points[:-1, 1]) / 2).sum()
    assert area == pytest.approx(auroc(score, positive))


def tables(seed=0, tracks=30):
    rng = np.random.default_rng(seed)
    decision, truth = [], []
    for track in range(tracks):
        for stem in ("vocals", "bass"):
            kind = str(rng.choice(["clean", "clip", "swap"], p=[0.6, 0.3, 0.1]))
            stem_id = f"t{track:02}/{stem}"
            suspicion = rng.standard_normal() + {"clean": 0, "clip": 1, "swap": 3}[kind]
            decision.append(
                {"stem_id": stem_id, "track": f"t{track:02}", "stem": stem, "outcome": "scored"}
                | {"suspicion": suspicion, "keep": bool(suspicion < 1)}
            )
            truth.append({"stem_id": stem_id, "kind": kind, "severity": "" if kind == "clean" else "mild"})
    return decision, truth


def test_by_kind_each_against_all_clean_stems():
    decision, truth = tables()
    found = detection(decision, truth, draws=50)
    score = np.array([row["suspicion"] for row in decision])
    kind = np.array([row["kind"] for row in truth])
    for name in ("clip", "swap"):
        part = (kind == name) | (kind == "clean")
        expected = roc_auc_score(kind[part] == name, score[part])
        assert found.by_kind[name].auroc.estimate == pytest.approx(expected)
        assert found.by_kind[name].negatives == (kind == "clean").sum()
    assert found.macro.estimate == pytest.approx(np.mean([r.auroc.estimate for r in found.by_kind.values()]))
    assert found.overall.auroc.estimate == pytest.approx(roc_auc_score(kind != "clean", score))
    assert found.overall.prevalence == pytest.approx((kind != "clean").mean())
    assert found.by_severity["mild"].auroc.estimate == pytest.approx(found.overall.auroc.estimate)
    vocals = np.array([row["stem"] == "vocals" for row in decision])
    assert found.by_label["vocals"].auroc.estimate == pytest.approx(
        roc_auc_score(kind[vocals] != "clean", score[vocals])
    )
    assert found.overall.auroc.low < found.overall.auroc.estimate < found.overall.auroc.high
    assert set(found.roc) == {"all", "clip", "swap"}


def test_arrow_tables_row_order_and_json():
    decision, truth = tables()
    found = detection(decision, truth, draws=20)
    again = detection(pa.Table.from_pylist(decision[::-1]), pa.Table.from_pylist(truth), draws=20)
    assert again.to_dict() == found.to_dict()
    assert json.loads(json.dumps(found.to_dict()))["by_kind"]["clip"]["positives"] == found.by_kind["clip"].positives


def test_silent_and_failed_are_counted_not_ranked():
    decision, truth = tables()
    plain = detection(decision, truth, draws=5)
    extra = [("silent", "merge"), ("silent", "clean"), ("failed", "clean")]
    for index, (outcome, kind) in enumerate(extra):
        decision.append(
            {"stem_id": f"x{index}", "track": f"x{index}", "stem": "bass", "outcome": outcome}
            | {"suspicion": 99.0, "keep": False}
        )
        truth.append({"stem_id": f"x{index}", "kind": kind, "severity": ""})
    found = detection(decision, truth, draws=5)
    assert (found.silent, found.silent_corrupted, found.failed) == (2, 1, 1)
    assert found.overall.auroc.estimate == plain.overall.auroc.estimate
    assert "merge" not in found.by_kind
    assert found.removal.removed == plain.removal.removed + 3


def test_removal_by_hand():
    found = removal(np.array([1, 1, 1, 0, 0, 0, 0, 0]), np.array([0, 0, 1, 0, 1, 1, 1, 1]))
    assert found.removed == 3
    assert found.clean_lost == pytest.approx(1 / 5)
    assert found.corrupted_removed == pytest.approx(2 / 3)
    assert found.false_discoveries == pytest.approx(1 / 3)
    assert found.contamination_left == pytest.approx(1 / 5)
    assert found.true_share == pytest.approx(3 / 8)
    assert removal(np.zeros(2), np.ones(2)).false_discoveries == 0


def test_clean_corpus_has_no_ranking_but_a_removal():
    decision, truth = tables()
    found = detection(decision, [{**row, "kind": "clean"} for row in truth], draws=5)
    assert np.isnan(found.overall.auroc.estimate)
    assert np.isnan(found.macro.estimate)
    assert found.by_kind == {}
    assert 0 < found.removal.clean_lost < 1


def test_a_stem_without_truth_is_refused():
    decision, truth = tables()
    with pytest.raises(BadInput, match="lacks 1 of 60"):
        detection(decision, truth[1:])
