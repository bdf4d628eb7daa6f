import math

import numpy as np
import pytest

from raysep.report import findings
from raysep.report.data import ReportData
from raysep.report.decided import Decided, place


def stem(keep=True, outcome="scored", suspicion=0.0, label="vocals", name="a"):
    return {
        "stem_id": f"{name}/{label}",
        "stem": label,
        "suspicion": suspicion,
        "p_corrupt": 0.5,
        "keep": keep,
        "outcome": outcome,
    }


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ({}, "kept"),
        ({"keep": None}, "kept"),
        ({"keep": np.bool_(False)}, "removed"),
        ({"keep": True, "outcome": "silent"}, "silent"),
        ({"keep": False, "outcome": "silent"}, "removed"),
        ({"keep": False, "outcome": "failed(AudioError)"}, "failed"),
    ],
)
def test_every_stem_has_one_place(row, where):
    assert place(row) == where


def test_counts_add_up_by_label_and_in_all():
    rows = [stem(), stem(False), stem(True, "silent", label="drums"), stem(False, "failed", label="drums")]
    by_label, total = findings.counts_by_label(Decided.of(rows)), findings.counts_of(Decided.of(rows))
    assert list(by_label) == ["vocals", "drums"]
    assert sum(one.total for one in by_label.values()) == total.total == len(rows)
    assert (total.kept, total.removed, total.silent, total.failed) == (1, 1, 1, 1)


def test_threshold_is_given_or_lies_in_the_gap():
    plain = ReportData("t")
    assert findings.threshold_of(plain, "vocals", [0.0, 1.0], [2.0, 3.0]) == 1.5
    assert findings.threshold_of(plain, "vocals", [0.0, 2.5], [2.0, 3.0]) is None  # a floor kept a worse one
    assert findings.threshold_of(plain, "vocals", [0.0], []) is None
    assert findings.threshold_of(ReportData("t", summary={"threshold": 0.7}), "bass", [], []) == 0.7
    by_label = ReportData("t", summary={"threshold": {"bass": 0.9}})
    assert findings.threshold_of(by_label, "bass", [0.0], [5.0]) == 0.9
    assert findings.threshold_of(by_label, "drums", [0.0], [5.0]) == 2.5


@pytest.mark.parametrize(
    ("gain", "effect", "word"),
    [
        ({"db": 0.5, "low": 0.1, "high": 0.9}, "helped", "Cleaning helped: +0.50"),
        ({"db": -0.5, "low": -0.9, "high": -0.1}, "hurt", "Cleaning hurt: −0.50"),
        ({"db": 0.5, "low": -0.1, "high": 0.9}, "unclear", "No clear effect on separation: +0.50"),
        ({"db": 0.5, "low": 0.0, "high": 0.9}, "unclear", "95\u202f% interval 0.00 to +0.90"),
        ({"db": 5.0}, "unclear", "without an interval"),
        ({"db": None}, "unmeasured", "Nothing has been judged yet."),
        (None, "unmeasured", "Nothing has been judged yet."),
    ],
)
def test_the_verdict_claims_no_more_than_the_interval(gain, effect, word):
    data = ReportData("t", summary={"gain": gain})
    assert findings.verdict(data).effect == effect
    verdict = findings.verdict_of(data).replace("+0.00", "0.00")
    assert word in verdict
    assert ("helped" in verdict) == (effect == "helped")


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (1, "Not clear yet whether cleaning helps: +0.50\u202fdB SDR against b with one seed; a verdict needs three"),
        (2, "with two seeds; a verdict needs three"),
        (3, "Cleaning helped: "),
    ],
)
def test_fewer_seeds_than_three_are_no_verdict(seeds, words):
    gain = {"db": 0.5, "low": 0.1, "high": 0.9, "arm": "a", "over": "b"}
    assert words in findings.verdict_of(ReportData("t", summary={"gain": {**gain, "seeds": seeds}}))
    results = [{"arm": name, "sdr_mean": 1.0, "seeds": seeds + more} for name, more in (("a", 0), ("b", 2))]
    data = ReportData("t", summary={"gain": gain}, results=results)
    assert words in findings.verdict_of(data)
    assert findings.verdict(data).effect == ("helped" if seeds == 3 else "unclear")


def test_a_reference_above_cleaned_is_in_the_verdict_with_what_to_do():
    gain = {"db": 0.5, "low": 0.1, "high": 0.9, "seeds": 3}

    def verdict(**alone):
        return findings.verdict_of(ReportData("t", summary={"gain": gain, "reference_alone": alone or None}))

    sure = verdict(db=0.2, low=0.1, high=0.3, seeds=3)
    assert "helped: +0.50" in sure
    assert "The reference alone is above the cleaned corpus: +0.20" in sure
    assert "Use the reference as it is." in sure
    assert "not told from equal" in verdict(db=0.2, low=-0.1, high=0.5, seeds=3)
    assert "with one seed" in verdict(db=0.2, low=0.1, high=0.3, seeds=1)
    for below in ({"db": -0.2, "low": -0.3, "high": -0.1}, {"db": math.nan}, {}):
        assert "reference" not in verdict(**below)


def test_a_given_verdict_is_left_alone():
    assert findings.verdict_of(ReportData("t", verdict="As written.")) == "As written."


def test_the_gain_falls_back_on_the_difference_of_two_arms():
    results = [{"arm": "dirty", "sdr_mean": 5.0}, {"arm": "fused", "sdr_mean": 5.4}]
    data = ReportData("t", summary={"baseline": "dirty", "cleaned": "fused"}, results=results)
    gain = findings.gain_of(data)
    assert gain["db"] == pytest.approx(0.4)
    assert (gain["arm"], gain["over"]) == ("fused", "dirty")
    assert findings.gain_of(ReportData("t", results=results)) == {}


def test_share_may_be_a_number_a_dict_or_nothing():
    assert findings.share_of(ReportData("t", summary={"share": 0.25})) == {"estimate": 0.25}
    assert findings.share_of(ReportData("t", summary={"share": None})) == {}
    share = {"estimate": None, "warning": "too few"}
    assert findings.share_of(ReportData("t", summary={"share": share})) == share
    assert findings.doubtful(share)
    assert findings.doubtful({"exchangeable": np.bool_(False)})
    assert not findings.doubtful({"exchangeable": None, "warning": ""})


def test_what_is_missing_is_listed_and_what_is_there_is_not():
    rows = [{**stem(), "p_corrupt": None}]
    assert len(findings.unmeasured(ReportData("t", decision=rows))) == 4
    full = ReportData(
        "t",
        summary={"share": 0.2, "gain": 0.1},
        results=[{"arm": "a", "sdr_mean": 1.0}],
        decision=[stem()],
        detection={"macro_auroc": 0.9},
    )
    assert findings.unmeasured(full) == []


def test_most_suspect_are_those_given_or_the_top_of_the_decision():
    rows = [stem(suspicion=s, name=str(i)) for i, s in enumerate([0.1, 3.0, math.nan, 2.0])]
    rows.append(stem(False, "failed", suspicion=math.inf, name="broken"))
    rows.append(stem(True, "silent", suspicion=9.0, name="quiet"))
    top = findings.most_suspect(ReportData("t", decision=rows), 2)
    assert [row["suspicion"] for row in top] == [3.0, 2.0]
    given = [{"stem_id": "x"}, {"stem_id": "y"}]
    assert findings.most_suspect(ReportData("t", decision=rows, suspects=given), 1) == given[:1]
