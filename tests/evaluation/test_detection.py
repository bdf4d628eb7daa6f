import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from raysep.errors import BadInput
from raysep.evaluation.detection import detection, removal


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
    assert found.weighted is None
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


def test_weighed_by_harm_each_kind_counts_by_its_decibels():
    decision, truth = tables()
    found = detection(decision, truth, draws=50, harm=lambda kind, severity: {"swap": 3.0, "clip": 1.0}[kind])
    clip, swap = (found.by_kind[name].auroc.estimate for name in ("clip", "swap"))
    assert found.weighted.auroc.estimate == pytest.approx((3 * swap + clip) / 4)
    assert found.weighted.weights == {"clip mild": 1.0, "swap mild": 3.0}
    assert json.loads(json.dumps(found.to_dict()))["weighted"]["unknown"] == {}
