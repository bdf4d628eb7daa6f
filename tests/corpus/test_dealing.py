from __future__ import annotations

from dataclasses import replace

import pytest

from raysep.corpus.dealing import MINUTE, MOST_PARTS, parts_of, read_seconds


@pytest.mark.parametrize(
    ("minutes", "least", "parts"),
    [(0, 256, 256), (3, 1, 3), (300, 256, 300), (200, 256, 256), (10**6, 256, MOST_PARTS)],
)
def test_parts_are_of_a_minutes_work_and_never_fewer_than_asked_for(minutes, least, parts):
    assert parts_of(minutes * MINUTE, least) == parts


def test_more_parts_may_be_asked_for_than_the_work_makes():
    assert parts_of(1e12, 2 * MOST_PARTS) == 2 * MOST_PARTS


def test_what_is_read_of_a_stem_is_bounded_and_a_broken_header_counts_nothing(make_stems):
    (stem, *_) = make_stems(["A"], frames=8000 * 90, rate=8000)
    assert read_seconds([stem, replace(stem, frames=8000 * 10), replace(stem, frames=0, sample_rate=0)], 64) == 74
