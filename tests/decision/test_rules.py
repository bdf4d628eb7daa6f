import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.decision.rules import FalseDiscoveryRate, Judged, Ratio, Threshold, apply_rule, respect_floor


def judged(p, label=None, outcome=None, suspicion=None, p_value=None):
    p = np.asarray(p, dtype=float)
    n = len(p)
    return Judged(
        np.array(label or ["bass"] * n, dtype=object),
        np.array(outcome or ["scored"] * n, dtype=object),
        np.asarray(p if suspicion is None else suspicion, dtype=float),
        np.full(n, 0.5) if p_value is None else np.asarray(p_value, dtype=float),
        p,
    )


def test_threshold():
    keep, reasons = apply_rule(Threshold(0.5), judged([0.2, 0.5, 0.51]), 1.0, None)
    assert keep.tolist() == [True, True, False]
    assert reasons[2] == "P(corrupt) 0.51 above 0.5"
    assert reasons[0] == "P(corrupt) 0.20 not above 0.5"


def test_false_discovery_rate_spends_its_level_on_the_clean_share():
    stems = judged([0.5] * 4, p_value=[0.01, 0.06, 0.5, 0.9])
    assert apply_rule(FalseDiscoveryRate(0.1), stems, 1.0, None)[0].tolist() == [False, True, True, True]
    assert apply_rule(FalseDiscoveryRate(0.1), stems, 0.5, None)[0].tolist() == [False, False, True, True]


def test_silent_and_failed():
    stems = judged([0.9, 0.2, 1.0], outcome=["silent", "silent", "failed"], p_value=[np.nan] * 3)
    for rule in (Threshold(), FalseDiscoveryRate(0.2)):
        keep, reasons = apply_rule(rule, stems, 1.0, None)
        assert keep.tolist() == [False, True, False]
        assert reasons[0].startswith("no audible segment")
        assert reasons[2].startswith("could not be read")


def test_refusal_removes_only_what_could_not_be_read_unless_a_ratio_was_asked_for():
    stems = judged([np.nan, np.nan, 1.0], outcome=["scored", "silent", "failed"], suspicion=[1, 2, 3])
    keep, reasons = apply_rule(Threshold(), stems, 1.0, "too few tracks")
    assert keep.tolist() == [True, True, False]
    assert reasons[0] == "ranked only: too few tracks"
    assert apply_rule(Ratio(2 / 3), stems, 1.0, "too few tracks")[0].tolist() == [True, False, False]


def test_ratio_is_per_label():
    stems = judged([0.1, 0.2, 0.3, 0.4] * 2, label=["a"] * 4 + ["b"] * 4, suspicion=[1, 2, 3, 4, 9, 8, 7, 6])
    keep, reasons = apply_rule(Ratio(0.25, "loss"), stems, 1.0, None)
    assert np.flatnonzero(~keep).tolist() == [3, 4]
    assert reasons[3] == "among the most suspect 25% of its label by loss"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(1, 40))
def test_no_label_falls_below_the_floor(seed, floor, n):
    rng = np.random.default_rng(seed)
    label = rng.choice(["a", "b"], n).tolist()
    outcome = rng.choice(["scored", "silent", "failed"], n, p=[0.8, 0.1, 0.1]).tolist()
    stems = judged(rng.random(n), label, outcome)
    wanted = (rng.random(n) < 0.2) & (stems.outcome != "failed")
    reasons = [""] * n
    keep = respect_floor(wanted, stems, floor, reasons)
    assert (keep >= wanted).all()
    assert not keep[stems.outcome == "failed"].any()
    for name in set(label):
        members = stems.label == name
        audible = members & (stems.outcome == "scored")
        assert keep[audible].sum() >= min(audible.sum(), max(4, np.ceil(floor * members.sum() - 1e-9)))
        added = audible & keep & ~wanted
        left_out = audible & ~keep
        if added.any() and left_out.any():
            assert stems.suspicion[added].max() <= stems.suspicion[left_out].min()
    assert all("floor" in reasons[i] for i in np.flatnonzero(keep & ~wanted))
