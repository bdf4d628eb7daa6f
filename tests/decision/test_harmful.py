"""How harmful a fault probably is: told by the planted stems alone, in any order, and only where they can tell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from raysep.decision.harmful import PENALTY, WEIGHT, expected_harm, harm_of_kinds
from raysep.decision.verdicts import verdicts
from tests.decision.conftest import KINDS, make_world

HARMS = {"swap": 1.0, "merge": 0.5, "noise": 0.0, "clip": 0.0}


def rows(seed: int = 0, each: int = 12):
    """Wrong labels lie low in the first feature, harmless faults low in the second."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(["swap", "merge", "noise", "clip", ""], each).astype(object)
    role = np.where(kind == "", "corpus", "planted").astype(object)
    features = rng.standard_normal((len(kind), 3))
    features[np.isin(kind, ("swap", "merge")), 0] -= 3
    features[np.isin(kind, ("noise", "clip")), 1] -= 3
    features[kind == "", 0] -= np.linspace(0, 3, each)
    return features, role, kind


def test_wrong_labels_harm_and_other_faults_do_not():
    features, role, kind = rows()
    found = expected_harm(features, role, kind, HARMS)
    assert found[kind == "swap"].min() > 0.5 > found[kind == "noise"].max()
    corpus = found[kind == ""]
    assert corpus[-3:].mean() > corpus[:3].mean()


def test_it_is_a_weighted_logistic_regression():
    features, role, kind = rows()
    planted = role == "planted"
    harm = np.array([HARMS[name] for name in kind[planted]])
    columns = np.column_stack([np.clip(features, -4, 4), (np.clip(features, -4, 4) ** 2 - 1) / 2])
    weights = (
        np.concatenate([harm / harm.sum(), (1 - harm) / (1 - harm).sum()]) * WEIGHT / 2
    )  # kinds are of equal number
    target = np.repeat([1, 0], planted.sum())
    oracle = LogisticRegression(C=1 / PENALTY, tol=1e-10, max_iter=10_000)
    oracle.fit(np.concatenate([columns[planted]] * 2), target, sample_weight=weights)
    assert expected_harm(features, role, kind, HARMS) == pytest.approx(oracle.predict_proba(columns)[:, 1], abs=1e-5)


@given(st.integers(0, 1000))
def test_order_does_not_matter_and_corpus_stems_are_no_examples(seed):
    features, role, kind = rows(seed)
    found = expected_harm(features, role, kind, HARMS)
    order = np.random.default_rng(seed).permutation(len(role))
    assert expected_harm(features[order], role[order], kind[order], HARMS) == pytest.approx(found[order])
    fewer = (role == "planted") | (np.arange(len(role)) % 2 == 0)
    assert expected_harm(features[fewer], role[fewer], kind[fewer], HARMS) == pytest.approx(found[fewer])


def test_without_examples_of_both_it_is_not_known():
    features, role, kind = rows()
    for left_out in (("swap", "merge"), ("noise", "clip")):
        some = ~np.isin(kind, left_out)
        assert np.isnan(expected_harm(features[some], role[some], kind[some], HARMS)).all()
    unmeasured = {name: harm for name, harm in HARMS.items() if name not in ("noise", "clip")}
    assert np.isnan(expected_harm(features, role, kind, unmeasured)).all()


def test_the_measured_harm_of_kinds_is_a_share_of_the_worst():
    harms = harm_of_kinds(np.array([*KINDS, "a fault of tomorrow"], dtype=object))
    assert set(harms) == set(KINDS)
    assert max(harms.values()) == 1.0
    assert min(harms.values()) >= 0.0
    assert harms["swap"] > 0.5 > harms["lowpass"]


def test_in_a_simulated_corpus_harmful_and_harmless_faults_are_told_apart():
    world = make_world(seed=3, share=0.5, calibration=12, planted=12)
    table = verdicts(world.stems)
    harm = dict(zip(table["stem_id"].to_pylist(), table["harm"].to_pylist(), strict=True))
    wrong = [row for row in world.truth if row["kind"] != "clean" and harm[row["stem_id"]] is not None]
    label = [row["kind"] in ("swap", "merge") for row in wrong]
    assert roc_auc_score(label, [harm[row["stem_id"]] for row in wrong]) > 0.8
