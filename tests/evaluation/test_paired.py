"""Arms side by side: whatever the order of rows, only what all have counts, and words that say no more than intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.compare import compare
from raysep.evaluation.paired import closed, gates, in_words, paired, versus


def results(levels, draws=2, seeds=3, songs=5, noise=0.05, stems=("bass", "drums")):
    """Rows of arms at these levels in dB; draws, songs and seeds wander alike in all arms, and noise is each one's own."""
    rng = np.random.default_rng(0)
    rows = []
    for draw in range(draws):
        of_song, of_seed = rng.normal(0, 2, songs), rng.normal(0, 1, seeds)
        for arm, level in levels.items():
            for seed in range(seeds):
                for song in range(songs):
                    for stem in stems:
                        sdr = draw + level + of_song[song] + of_seed[seed] + noise * rng.normal()
                        rows.append(
                            {"draw": draw, "arm": arm, "seed": seed, "track": f"t{song}", "stem": stem, "sdr": sdr}
                        )
    return rows


LEVELS = {"clean": 3.0, "contaminated": 1.0, "cleaned": 2.5, "random": 1.0}


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random):
    rows = results(LEVELS)
    first = versus(paired(rows), "cleaned", "contaminated", draws=50)
    random.shuffle(rows)
    assert versus(paired(rows), "cleaned", "contaminated", draws=50) == first


def test_one_draw_is_compared_as_one_run_is():
    rows = results(LEVELS, draws=1)
    found = versus(paired(rows), "cleaned", "contaminated", draws=200)
    theirs = compare([{**row, "model": row["arm"]} for row in rows], "cleaned", "contaminated", ("sdr",), draws=200)[0]
    assert found.over_corpora == found.on_these == theirs.difference


def test_what_arms_have_in_common_drops_out_and_the_gap_is_shared_as_it_is():
    found = paired(results(LEVELS, draws=3))
    gain = versus(found, "cleaned", "contaminated", draws=300)
    assert gain.over_corpora.estimate == pytest.approx(1.5, abs=0.05)
    assert gain.verdict == "better"
    assert versus(found, "random", "cleaned", draws=300).verdict == "worse"
    assert versus(found, "random", "contaminated", draws=300).verdict == "not told apart"
    over, these = closed(found, "cleaned", "contaminated", "clean", draws=300)
    assert over.estimate == these.estimate == pytest.approx(0.75, abs=0.02)
    for each in (over, these):
        assert 0.7 < each.low < 0.75 < each.high < 0.8
    assert [gate.passed for gate in gates(found, "clean", "contaminated")] == [True] * 3
    assert not gates(found, "random", "contaminated")[0].passed


def test_a_stem_without_a_value_is_left_out_of_all_arms_and_named():
    """A silent reference: the song counts by its other stem; one that has no stem left does not count."""
    rows = results(LEVELS)
    for row in rows:
        if (row["draw"], row["track"], row["stem"]) in {(1, "t3", "bass"), (1, "t4", "bass"), (1, "t4", "drums")} and (
            row["arm"],
            row["seed"],
        ) == ("random", 2):
            row["sdr"] = np.nan
    found = paired(rows)
    assert found.left_out == ("draw 1: t3/bass", "draw 1: t4/bass", "draw 1: t4/drums")
    assert found.songs == (5, 4)
    assert {tuple(v.shape for v in values) for values in found.arms.values()} == {((3, 5, 2), (3, 4, 2))}
    assert all(
        np.isnan(values[1][:, 3, 0]).all() and np.isfinite(values[1][:, 3, 1]).all() for values in found.arms.values()
    )
    one_stem = [row for row in rows if (row["draw"], row["track"]) == (1, "t3") and row["stem"] == "drums"]
    gain = {arm: np.mean([row["sdr"] for row in one_stem if row["arm"] == arm]) for arm in LEVELS}
    assert np.nanmean(found.difference("clean", "random")[1][:, 3]) == pytest.approx(gain["clean"] - gain["random"])


def test_an_arm_that_a_draw_lacks_is_left_out_and_named():
    rows = [row for row in results(LEVELS) if (row["draw"], row["arm"]) != (1, "random")]
    found = paired(rows)
    assert found.arms_left_out == ("random",)
    assert set(found.arms) == {"clean", "contaminated", "cleaned"}


@pytest.mark.parametrize(
    ("dropped", "words"),
    [
        ({"arm": "random", "seed": 2}, "draw 0: the arms have other seeds or stems"),
        ({"draw": 1, "seed": 2}, "the draws have other seeds"),
        ({}, "no arm has results in every draw"),
    ],
)
def test_what_cannot_be_paired_is_refused(dropped, words):
    rows = [row for row in results(LEVELS) if any(row[key] != value for key, value in dropped.items())]
    with pytest.raises(ValueError, match=words):
        paired(rows)


def interval(low, high):
    return Interval((low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("over", "these", "draws", "seeds", "words"),
    [
        ((1, 2), (1, 2), 3, 3, "better"),
        ((-2, -1), (-2, -1), 2, 5, "worse"),
        ((-1, 1), (-1, 1), 2, 3, "not told apart"),
        ((-1, 3), (1, 2), 2, 3, "better on these 2 corpora, not told apart over corpora like them"),
        ((1, 2), (1, 2), 1, 3, "better, on one corpus"),
        ((1, 2), (1, 2), 1, 2, "better, on one corpus (2 seeds, fewer than 3)"),
        ((1, 2), (1, 2), 4, 1, "better (1 seed, fewer than 3: seed noise is not in it)"),
        ((np.nan, np.nan), (np.nan, np.nan), 1, 3, "no interval: one song"),
    ],
)
def test_words_say_no_more_than_the_intervals(over, these, draws, seeds, words):
    assert in_words(interval(*over), interval(*these), draws, seeds) == words
