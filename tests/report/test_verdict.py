"""What may be said: nothing that an interval, a number of seeds or a refusal does not allow."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.report.verdict import Counts, Difference, Share, Verdict, plain


@pytest.mark.parametrize(
    ("low", "high", "seeds", "effect"),
    [
        (0.1, 0.9, 3, "helped"),
        (0.1, 0.9, 2, "unclear"),
        (0.1, 0.9, 1, "unclear"),
        (-0.1, 0.9, 3, "unclear"),
        (0.0, 0.9, 3, "unclear"),
        (None, None, 3, "unclear"),
    ],
)
def test_an_effect_needs_an_interval_on_one_side_of_zero_and_three_seeds(low, high, seeds, effect):
    for sign, other in ((1, "helped"), (-1, "hurt")):
        ends = (low, high) if sign > 0 or low is None else (-high, -low)
        gain = Difference("cleaned", "contaminated", sign * 0.5, *ends, seeds)
        assert gain.effect == (other if effect == "helped" else effect)
        sentence = Verdict(gain=gain).effect_sentence
        assert ("Cleaning" in sentence) == (effect == "helped")
        assert "yes" not in sentence.lower()


@pytest.mark.parametrize(
    ("share", "refusal", "why"),
    [
        ({"estimate": 0.3, "low": 0.1, "high": 0.5}, "", ""),  # just as wide as it may be
        ({"estimate": 0.39, "low": 0.18, "high": 0.68}, "", "wider than 40 points"),
        ({"estimate": 0.83, "low": 0.8, "high": 0.9}, "calibration not exchangeable", "calibration not exchangeable"),
        ({"estimate": 0.3, "low": None, "high": float("nan")}, "", "has no interval"),
        ({}, "", "it was not estimated"),
    ],
)
def test_a_share_is_known_only_by_an_interval_that_says_something(share, refusal, why):
    found = Share.of(share, refusal)
    assert found.known == (not why)
    assert why in found.why_not
    sentence = plain(Verdict(share=found, counts=Counts(stems=10)).share_sentence)
    if found.known:
        assert sentence == "About 30 % of the stems look wrong (95 % interval 10 % to 50 %)."
    else:
        assert sentence.startswith("How many stems are wrong is not known: ")
        assert "About" not in sentence


def test_what_could_not_be_read_is_not_counted_as_removed():
    summary = {
        "estimated_share": None,
        "warning": "few tracks",
        "counts": {"stems": 20, "kept": 14, "removed": 6, "silent": 1, "failed": 2, "kept_by_floor": 3},
        "handled": {"relabelled": 2, "spared": 1},
    }
    verdict = Verdict.of(summary)
    assert verdict.counts == Counts(20, 14, 4, 1, 2, 3, 2, 1)
    assert verdict.counts_sentence == (
        "1 of 20 stems removed, 2 used under another label, 1 kept although it looks wrong, since what is wrong does no harm; "
        "3 more kept by the floor; 1 silent; 2 could not be read."
    )
    assert Verdict.of({"counts": {"stems": 3}}).counts.relabelled is None  # a run of before


@given(*[st.integers(0, 3)] * 5)
def test_every_stem_that_is_not_kept_is_in_one_of_the_counts_that_are_told(out, relabelled, spared, masked, weighed):
    handled = {"relabelled": relabelled, "spared": spared, "masked": masked, "weighed": weighed, "left_out": out}
    removed = sum(handled.values())
    summary = {"counts": {"stems": 20, "kept": 20 - removed, "removed": removed}, "handled": handled}
    told = Verdict.of(summary).counts_sentence
    assert told.startswith(f"{out} of 20 stems removed")
    assert sum(int(number) for number in re.findall(r"(?:^|, )(\d+) (?:of|used|kept|drawn)", told)) == removed
    if not weighed:  # which a run of before did not record, nor what is left out
        before = {name: number for name, number in handled.items() if name not in ("weighed", "left_out")}
        assert Verdict.of(summary | {"handled": before}).counts_sentence == told


def test_why_a_handling_could_choose_nothing_is_a_sentence_of_its_own():
    verdict = Verdict.of({"counts": {"stems": 3}, "handled": {"unchosen": "no stem is used under another label: few"}})
    assert verdict.unchosen_sentence == "No stem is used under another label: few."
    assert verdict.unchosen_sentence in verdict.sentences
    assert verdict.to_dict()["unchosen"] == "no stem is used under another label: few"
    assert Verdict().to_dict()["unchosen"] is None


def test_why_none_is_removed_does_not_contradict_the_silent_ones_that_are():
    why = {"none_removed": "no stem is removed: the corpus looks clean", "none_removed_by": "clean"}
    silent = Verdict.of({"counts": {"stems": 9, "kept": 8, "removed": 1, "silent": 1}, **why})
    assert silent.counts_sentence == "1 of 9 stems removed; 1 silent."
    assert silent.none_sentence == "No stem that can be heard is removed: the corpus looks clean."
    none = Verdict.of({"counts": {"stems": 9, "kept": 9, "removed": 0}, **why})
    assert none.none_sentence == "No stem is removed: the corpus looks clean."


def test_a_reference_alone_that_is_better_comes_with_what_to_do():
    better = Verdict(reference_alone=Difference("reference", "cleaned", 0.3, 0.1, 0.5, 3))
    assert better.reference_is_better
    assert better.reference_sentence.endswith("Use the reference as it is.")
    worse = Verdict(reference_alone=Difference("reference", "cleaned", -0.3, -0.5, -0.1, 3))
    assert (worse.reference_is_better, worse.reference_sentence) == (False, "")


def test_it_is_plain_values_all_the_way_down():
    verdict = Verdict.of({"counts": {"stems": 3}, "estimated_share": None}, {"db": 0.5, "low": float("nan")})
    assert json.loads(json.dumps(verdict.to_dict(), allow_nan=False)) == verdict.to_dict()
    with pytest.raises(AttributeError):
        verdict.level = 0.9


def test_it_needs_neither_ray_nor_torch():
    script = "import sys, raysep.report.verdict\nassert not {'ray', 'torch', 'pyarrow', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
