from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus import segments
from raysep.corpus.segments import Segment, crop, cut

EVERY = st.dictionaries(
    st.text("abc", min_size=1, max_size=3), st.lists(st.integers(0, 9), unique=True, min_size=1).map(sorted), max_size=6
)


@given(total=st.integers(1, 5_000), length=st.integers(1, 700))
def test_segments_tile_the_stem_and_lose_less_than_half_a_segment(total, length):
    pieces = cut(total, length)
    assert [p.start for p in pieces] == [i * length for i in range(len(pieces))]
    assert [p.index for p in pieces] == list(range(len(pieces)))
    assert all(p.frames == length for p in pieces[:-1])
    assert 0 < pieces[-1].frames <= length
    covered = sum(p.frames for p in pieces)
    assert total - covered < length / 2
    if len(pieces) > 1:
        assert pieces[-1].frames >= length / 2


@given(total=st.integers(1, 5_000), length=st.integers(1, 200), most=st.integers(1, 12))
def test_a_limit_keeps_a_spread_subset(total, length, most):
    everything, some = cut(total, length), cut(total, length, most)
    assert len(some) == min(most, len(everything))
    assert set(some) <= set(everything)
    assert some == sorted(some, key=lambda s: s.index)
    gaps = np.diff([s.index for s in some])
    assert not len(gaps) or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(("total", "expected"), [(0, 0), (1, 1), (10, 1), (14, 1), (15, 2), (25, 3), (24, 2)])
def test_a_tail_of_half_a_segment_is_kept(total, expected):
    assert len(cut(total, 10)) == expected


def test_crop_pads_with_silence():
    audio = np.arange(30, dtype=np.float32).reshape(2, 15)
    assert np.array_equal(crop(audio, Segment(0, 0, 10), 10), audio[:, :10])
    tail = crop(audio, Segment(1, 10, 5), 10)
    assert tail.shape == (2, 10)
    assert tail.dtype == np.float32
    assert np.array_equal(tail[:, :5], audio[:, 10:])
    assert not tail[:, 5:].any()


# Drawn


@given(every=EVERY, most=st.integers(0, 30), name=st.sampled_from(["a", "b"]))
def test_a_draw_is_a_part_of_the_list_whatever_its_order(every, most, name):
    chosen = segments.draw(every, most, name)
    assert sum(map(len, chosen.values())) == min(most, sum(map(len, every.values())))
    assert all(set(indices) <= set(every[track]) and indices == sorted(indices) for track, indices in chosen.items())
    turned = {track: every[track][::-1] for track in reversed(list(every))}
    assert segments.draw(turned, most, name) == chosen
    assert list(segments.draw(turned, most, name)) == sorted(chosen)


@given(every=EVERY, most=st.integers(0, 30))
def test_a_larger_draw_holds_the_smaller(every, most):
    small, large = segments.draw(every, most, "x"), segments.draw(every, most + 3, "x")
    assert all(set(small[track]) <= set(large[track]) for track in small)


def test_draws_of_different_names_differ():
    every = {f"t{k}": list(range(10)) for k in range(20)}
    assert segments.draw(every, 20, "fisher") != segments.draw(every, 20, "checked")
