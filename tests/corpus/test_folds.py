from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.folds import Fold, deal

NAMES = st.lists(st.text(min_size=1), unique=True)


@given(tracks=NAMES, folds=st.integers(1, 5), salt=st.text())
def test_tracks_are_dealt_evenly_and_in_no_order(tracks, folds, salt):
    dealt = deal(tracks, folds, salt)
    assert dealt.keys() == set(tracks)
    sizes = Counter(dealt.values())
    assert max(sizes.values(), default=0) - min(sizes.get(fold, 0) for fold in range(folds)) <= 1
    assert deal([*tracks[::-1], *tracks], folds, salt) == dealt


def test_another_seed_deals_otherwise():
    tracks = [f"song {k}" for k in range(20)]
    assert deal(tracks, 2, "0/fold") != deal(tracks, 2, "1/fold")


def test_a_fold_that_is_the_only_one_has_no_place_of_its_own():
    alone, second = Fold(None, [], []), Fold(1, [], [])
    assert [fold.place("kit") for fold in (alone, second)] == ["kit", "kit/fold-1"]
    assert [fold.named("probe-reference") for fold in (alone, second)] == ["probe-reference", "probe-reference-1"]
    assert [fold.says("why") for fold in (alone, second)] == ["why", "fold 1, and so of all: why"]
