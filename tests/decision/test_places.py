"""Bad places of stems: by hand, as properties, and of dropouts that the simulator made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.faults import dropout, noise
from raysep.decision.places import (
    EVERYWHERE,
    LARGEST,
    LEAST_LEFT,
    NOT_TRUSTED,
    NOWHERE,
    Bounds,
    Heard,
    bounds,
    found_in,
)
from raysep.probes.seconds import BY_SECOND, by_second
from tests.made_run import RATE, sound

SEGMENT = 4.0
TRUSTED = Bounds(np.array([0.01, 0.001]), -1.0, -0.5, -0.5)


def heard(
    seconds: int = 40, gaps: dict[int, float] | None = None, low: tuple[int, ...] = (), whole: float = 0.0
) -> Heard:
    """Segments of four seconds, one after another, all usual but those of ``low``; second → its share in a gap."""
    facts = np.zeros((seconds, 2))
    for second, share in (gaps or {}).items():
        facts[second, 0] = share
    start = np.arange(0, seconds - SEGMENT + 1, SEGMENT)
    usual = np.zeros(len(start))
    usual[list(low)] = -2.0
    return Heard(facts, start, np.full(len(start), SEGMENT), usual, whole)


def test_a_gap_is_left_out_with_a_second_on_either_side():
    found = found_in(heard(gaps={10: 0.3, 30: 1.0, 31: 0.5}), TRUSTED)
    assert found.spans == ((9.0, 12.0), (29.0, 33.0))
    assert found.words == "wrong only in places, 7.0 of 40 s: digital silence"


def test_a_segment_is_left_out_with_its_length_on_either_side_and_none_beyond_the_ends():
    assert found_in(heard(low=(5,)), TRUSTED).spans == ((16.0, 28.0),)
    assert found_in(heard(low=(0,)), TRUSTED).spans == ((0.0, 8.0),)


def test_what_nobody_scored_beside_a_bad_segment_is_left_out_as_far_as_the_next_one():
    wide = heard(seconds=100, low=(12,))
    wide = Heard(wide.facts, *(each[[0, 8, 12, 14, 20]] for each in wide[1:4]), 0.0)  # at 0, 32, 48, 56 and 80 s
    assert found_in(wide, TRUSTED).spans == ((36.0, 56.0),)


def test_a_segment_that_holds_a_gap_is_explained_by_it():
    assert found_in(heard(gaps={21: 0.5}, low=(5,)), TRUSTED).spans == ((20.0, 23.0),)


@pytest.mark.parametrize(
    ("stem", "words"),
    [
        (heard(), NOWHERE),
        (heard(gaps={10: 0.005}), NOWHERE),  # shorter than any gap
        (heard(low=tuple(range(6))), EVERYWHERE),
        (heard(gaps=dict.fromkeys(range(0, 40, 3), 0.3)), EVERYWHERE),  # nothing would be left
        (heard(gaps={10: 0.3}, whole=-0.6), NOT_TRUSTED),
        (heard(gaps={10: 0.3})._replace(usual=np.full(10, -0.6)), NOT_TRUSTED),
        (heard(gaps={10: 0.3})._replace(facts=np.zeros((0, 2))), ""),
    ],
)
def test_what_is_not_wrong_only_in_places_has_no_spans(stem, words):
    assert found_in(stem, TRUSTED) == ((), words)


def test_too_few_trusted_stems_bound_nothing():
    assert bounds([heard()] * 2) is None
    assert bounds([heard(seconds=12)] * 3) is None
    assert found_in(heard(gaps={10: 0.3}), None).words == ""


STEMS = st.builds(
    lambda seconds, gaps, low, whole: heard(
        seconds, {k % seconds: share for k, share in gaps.items()}, tuple(k % (seconds // 4) for k in low), whole
    ),
    st.integers(8, 60),
    st.dictionaries(st.integers(0, 59), st.floats(0.0, 1.0), max_size=6),
    st.lists(st.integers(0, 14), max_size=3),
    st.floats(-1.0, 1.0),
)


@given(stem=STEMS)
def test_spans_lie_in_the_stem_in_order_and_apart_hold_what_is_bad_and_leave_enough(stem):
    found = found_in(stem, TRUSTED)
    edges = [edge for span in found.spans for edge in span]
    assert edges == sorted(set(edges))
    if not found.spans:
        return
    assert edges[0] >= 0
    assert edges[-1] <= len(stem.facts)
    out = sum(stop - start for start, stop in found.spans)
    assert out <= (1 - LEAST_LEFT) * len(stem.facts)
    bad = np.flatnonzero((stem.facts > TRUSTED.facts).any(axis=1))
    assert len(bad) <= LARGEST * len(stem.facts)
    for second in bad:
        assert any(start <= second and second + 1 <= stop for start, stop in found.spans)
    for start, usual in zip(stem.start, stem.usual, strict=True):
        if usual < TRUSTED.segment:
            assert any(first < start + SEGMENT and last > start for first, last in found.spans)


@given(stems=st.lists(STEMS, min_size=3, max_size=4))
def test_no_trusted_stem_is_wrong_in_places(stems):
    few = [each._replace(facts=each.facts[:24]) for each in stems]  # below a hundred the bounds are the worst ones
    trusted = bounds(few)
    assert all(found_in(each, trusted).spans == () for each in few)


# Made faults


def as_heard(audio: np.ndarray) -> Heard:
    """Of which the networks see nothing."""
    facts = by_second(audio, RATE)
    return heard(len(facts[BY_SECOND[0]]))._replace(facts=np.array([facts[name] for name in BY_SECOND]).T)


@pytest.fixture(scope="module")
def songs() -> dict[str, np.ndarray]:
    return {track: sound(track, "other", seconds=30.0).astype(np.float32) for track in ("a", "b", "c", "d")}


def test_of_planted_dropouts_nearly_all_is_covered_and_more_than_a_quarter_of_the_stem_is_kept(songs):
    trusted = bounds([as_heard(songs[name]) for name in ("a", "b", "c")])
    clean = songs["d"]
    for seed in range(4):
        audio, _ = dropout({"other": clean}, "other", "mild", RATE, np.random.default_rng(seed))["other"]
        lost = np.flatnonzero((audio == 0).all(axis=0) & (clean != 0).any(axis=0)) / RATE
        spans = found_in(as_heard(audio), trusted).spans
        covered = np.zeros(len(lost), dtype=bool)
        for start, stop in spans:
            covered |= (start <= lost) & (lost < stop)
        assert len(lost) > 0.5 * RATE
        assert covered.mean() >= 0.8
        assert sum(stop - start for start, stop in spans) <= 0.75 * 30
    assert found_in(as_heard(clean), trusted).spans == ()


def test_noise_has_no_place(songs):
    trusted = bounds([as_heard(songs[name]) for name in ("a", "b", "c")])
    audio, _ = noise({"other": songs["d"]}, "other", "strong", RATE, np.random.default_rng(0))["other"]
    assert found_in(as_heard(audio), trusted).spans == ()
