from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.decision.local_fdr import likelihood_ratio, posterior
from raysep.decision.none_removed import ceiling, why_none_removed
from raysep.decision.rules import FalseDiscoveryRate, Ratio, Threshold
from raysep.decision.share import Share
from raysep.decision.verdicts import notes, summary, verdicts


def share_of(estimate: float, injection: float | None = 0.1) -> Share:
    return Share(estimate, 0.0, 0.4, 0.1, 0.1, injection, None, True, None)


@given(seed=st.integers(0, 50), clean=st.integers(8, 60), planted=st.integers(8, 40), share=st.floats(0.01, 0.6))
def test_no_stem_whatever_its_score_is_above_the_ceiling(seed, clean, planted, share):
    rng = np.random.default_rng(seed)
    calibration, corrupted = rng.standard_normal(clean), rng.standard_normal(planted) + 2
    judged = np.concatenate([rng.standard_normal(30) * 3, [-1e6, 1e6], calibration, corrupted])
    reached = posterior(likelihood_ratio(calibration, corrupted, judged), share)
    assert reached.max() <= ceiling(calibration, corrupted, share) + 1e-4


def test_a_small_share_of_few_calibration_stems_says_that_the_threshold_cannot_be_reached():
    calibration, planted = np.linspace(-1, 1, 28), np.linspace(0, 2, 20)
    why = why_none_removed(Threshold(), np.array([0.2, 0.31, np.nan]), share_of(0.02), None, calibration, planted).words
    most = ceiling(calibration, planted, 0.02)
    assert most < 0.5
    for words in ("about 2%", "0.31", "28 calibration stems", f"cannot exceed {most:.2f}", "--rule ratio"):
        assert words in why


def test_a_threshold_that_could_be_reached_and_is_not():
    calibration, planted = np.linspace(-1, 1, 200), np.linspace(4, 6, 200)
    why = why_none_removed(Threshold(0.9), np.array([0.4]), share_of(0.3), None, calibration, planted).words
    assert "0.40, not above the threshold 0.9" in why
    assert "cannot exceed" not in why


@pytest.mark.parametrize(
    ("rule", "share", "refusal", "by", "words"),
    [
        (
            Threshold(),
            share_of(0.0),
            None,
            "clean",
            "looks as clean as the reference (share of wrong stems 0 %, at most 40%",
        ),
        (
            Threshold(),
            share_of(0.2),
            "not exchangeable",
            "refused",
            "only ranked: not exchangeable; give more reference tracks",
        ),
        (Threshold(), None, None, "refused", "there is no estimate"),
        (FalseDiscoveryRate(0.05), share_of(0.2), None, "rate", "at a false discovery rate of 0.05"),
    ],
)
def test_every_other_reason_is_said(rule, share, refusal, by, words):
    why = why_none_removed(rule, np.array([0.1]), share, refusal, np.arange(9.0), np.arange(9.0))
    assert why.by == by
    assert words in why.words


def test_a_ratio_says_itself_what_it_removes():
    assert why_none_removed(Ratio(0.0), np.array([0.1]), share_of(0.2), None, np.arange(9.0), np.arange(9.0)) is None


@pytest.mark.slow
def test_a_decision_says_it_exactly_when_it_removes_no_scored_stem(simulate):
    for share, rule in ((0.0, Threshold()), (0.4, Threshold()), (0.4, Threshold(1.0))):
        decision = verdicts(simulate(3, share=share, failed=2).stems, rule)
        scored = [row for row in decision.to_pylist() if row["outcome"] == "scored"]
        assert (summary(decision)["none_removed"] is None) == any(not row["keep"] for row in scored)


def test_a_floor_that_keeps_what_the_rule_would_remove_is_told(simulate):
    """Four songs are four stems of each label: the floor keeps every one, however wrong they look."""
    decision = verdicts(simulate(3, share=0.5, tracks=4, strength=3.0).stems, Ratio(0.5))
    told = summary(decision)
    assert all(decision["keep"].to_pylist())
    assert told["counts"]["kept_by_floor"] == 8
    assert told["none_removed_by"] == "floor"
    assert "the rule would remove 8, and the floor keeps 4 stems of each label" in told["none_removed"]


def test_a_warning_is_told_beside_the_reason_unless_the_reason_holds_it():
    assert notes({"none_removed": None, "warning": None}) == []
    assert notes({"warning": "needs about 90 calibration stems"}) == ["needs about 90 calibration stems"]
    assert notes({"none_removed": "only ranked: few tracks; give more", "warning": "few tracks"}) == [
        "only ranked: few tracks; give more"
    ]
    assert notes({"none_removed": "none at 0.01", "warning": "needs about 90"}) == ["none at 0.01", "needs about 90"]
