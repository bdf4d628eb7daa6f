from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.decision.restoring import FEWEST, TRIALS, WORTH_DB, rules


def trial(song: int, kind: str, share: float, before: float = 0.0, after: float = 0.0) -> dict:
    about = {"track": f"t{song}", "stem": "bass", "kind": kind}
    return about | {"share": share, "before": before, "after": after}


def trials(gains, before: float = 6.0, share: float = 0.5) -> list[dict]:
    """A song for each of the gains: clean with a share of 0.9, exchanged with 0.1, and bleed between them."""
    rows = []
    for song, gain in enumerate(gains):
        rows += [trial(song, "clean", 0.9, 100.0, 20.0), trial(song, "swap", 0.1, -5.0, -5.0)]
        rows.append(trial(song, "bleed-one", share, before, before + gain))
    return rows


def rule(rows: list[dict], seed: int = 0):
    return rules(pa.Table.from_pylist(rows, schema=TRIALS), ("bass",), seed)["bass"]


def test_it_pays_where_the_gain_is_surely_above_nothing_and_the_rest_surely_worth_training_on():
    found = rule(trials([2.0, 3.0, 4.0, 2.5, 3.5, 3.0]))
    assert found.pays
    assert found.gain.estimate == pytest.approx(3.0)  # the median of them
    assert found.reached.estimate == pytest.approx(9.0)
    assert (found.songs, found.stems) == (6, 6)
    assert found.words.startswith("planted faults gain +3.0 dB (+2.")


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (trials([-2.0, -3.0, -1.0, -2.0, -2.5]), "not surely more than nothing"),
        (trials([-2.0, 3.0, -1.0, 4.0, 5.0]), "not surely more than nothing"),  # a median above 0 is not enough
        (trials([2.0, 3.0, 4.0, 2.5, 3.5], before=4.0), "not surely 7.5 dB"),
        (trials([2.0, 3.0, 4.0, 2.5]), "fewer than 5 trusted songs"),
        (trials([2.0, 3.0, 4.0, 2.5, 3.5])[:-1], "are of 4 trusted songs, and 5 are needed"),
        (
            trials([2.0, 3.0, 4.0, 2.5, 3.5], share=0.95),
            "are of 0 trusted songs",
        ),  # as clean ones: none would be restored
        (trials([2.0, 3.0, 4.0, 2.5, 3.5], share=0.05), "are of 0 trusted songs"),  # as exchanged ones
        (
            [row | {"share": 1 - row["share"]} for row in trials([2.0] * 5)],
            "does not tell clean stems of it from exchanged",
        ),
        ([], "fewer than 5 trusted songs"),
    ],
)
def test_it_does_not_pay_and_says_why(rows, why):
    found = rule(rows)
    assert not found.pays
    assert why in found.words


@settings(max_examples=30)
@given(st.lists(st.floats(0.0, 1.0), min_size=FEWEST, max_size=12), st.integers(0, 3))
def test_clean_stems_alone_never_make_it_pay(shares, seed):
    """A reference in which nothing is planted, whatever the separator makes of it, restores nothing."""
    found = rule([trial(song, "clean", share, 100.0, 30.0) for song, share in enumerate(shares)], seed)
    assert not found.pays
    assert not any(found.looks_like_bleed(share) for share in shares)


@given(
    clean=st.lists(st.floats(0.0, 1.0), min_size=FEWEST, max_size=20),
    exchanged=st.lists(st.floats(0.0, 1.0), min_size=FEWEST, max_size=20),
)
def test_of_the_clean_and_of_the_exchanged_at_most_a_tenth_look_like_bleed(clean, exchanged):
    rows = [trial(k, "clean", share) for k, share in enumerate(clean)]
    rows += [trial(k, "swap", share) for k, share in enumerate(exchanged)]
    found = rule(rows)
    for shares in (clean, exchanged):
        assert sum(found.looks_like_bleed(share) for share in shares) <= 0.1 * len(shares)


@settings(max_examples=10)  # each draws songs a few thousand times
@given(st.lists(st.floats(-20.0, 20.0), min_size=FEWEST, max_size=9), st.floats(-5.0, 15.0))
def test_it_pays_only_where_both_medians_are_above_their_bounds(gains, before):
    found = rule(trials(gains, before))
    if found.pays:
        assert np.median(gains) > 0
        assert np.median(gains) + before >= WORTH_DB
    if min(gains) > 0 and min(gains) + before >= WORTH_DB:
        assert found.pays  # no draw of songs can say otherwise


def test_songs_are_what_is_drawn_so_copies_of_one_make_it_no_surer():
    rows = trials([2.0, -3.0, 4.0, -1.0, 3.0])
    once, thrice = rule(rows), rule(rows * 3)
    assert once.gain.estimate == thrice.gain.estimate
    assert (once.gain.low, once.gain.high) == (thrice.gain.low, thrice.gain.high)


def test_the_order_of_the_trials_changes_nothing():
    rows = trials([2.0, -3.0, 4.0, -1.0, 3.0, 2.0])
    assert rule(rows) == rule(rows[::-1])


def test_other_labels_play_no_part_and_have_rules_of_their_own():
    rows = trials([2.0, 3.0, 4.0, 2.5, 3.5])
    others = [row | {"stem": "drums", "after": -50.0} for row in rows]
    found = rules(pa.Table.from_pylist(rows + others, schema=TRIALS), ("bass", "drums", "vocals"), 0)
    assert {label: each.pays for label, each in found.items()} == {"bass": True, "drums": False, "vocals": False}
    assert found["bass"] == rule(rows)


def test_it_is_written_as_json_without_nan():
    for found in (rule(trials([2.0, 3.0, 4.0, 2.5, 3.5])), rule([])):
        text = json.dumps(found.to_dict(), allow_nan=False)
        assert json.loads(text)["pays"] == found.pays
