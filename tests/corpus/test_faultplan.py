from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.corpus.faultplan import plan
from raysep.corpus.faults import KINDS, SEVERITIES
from raysep.errors import BadInput

LABELS = ("vocals", "drums", "bass", "other")


def corpus(tracks: int, labels=LABELS) -> dict[str, tuple[str, ...]]:
    return {f"track {i}": labels for i in range(tracks)}


def touched(planned, tracks) -> list[tuple[str, str]]:
    stems = []
    for fault in planned:
        labels = tracks[fault.track] if fault.kind == "bleed-all" else [fault.stem, *filter(None, [fault.partner])]
        stems += [(fault.track, label) for label in labels]
    return stems


@settings(deadline=None, max_examples=60)
@given(
    tracks=st.dictionaries(
        st.text("abcdefgh", min_size=1, max_size=3), st.lists(st.sampled_from(LABELS), min_size=2, unique=True)
    ),
    share=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**31),
)
def test_the_share_is_hit_and_no_stem_twice(tracks, share, seed):
    planned = plan(tracks, share, seed)
    stems = touched(planned, tracks)
    assert len(stems) == len(set(stems))
    assert all(label in tracks[track] for track, label in stems)
    total = sum(map(len, tracks.values()))
    assert abs(len(stems) - share * total) <= max(map(len, tracks.values()), default=0)
    assert plan(dict(reversed(tracks.items())), share, seed) == planned  # the names count, not their order


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4, 0.5, 0.9])
def test_kinds_and_severities_are_balanced(share):
    tracks = corpus(180)
    planned = plan(tracks, share, 0)
    per_kind = Counter()
    for fault in planned:
        per_kind[fault.kind] += 4 if fault.kind == "bleed-all" else 2 if fault.partner else 1
    assert set(per_kind) == set(KINDS)
    assert max(per_kind.values()) - min(per_kind.values()) <= 4
    for kind in set(KINDS) - {"swap", "merge"}:
        levels = Counter(f.severity for f in planned if f.kind == kind)
        assert max(levels.values()) - min(levels[s] for s in SEVERITIES) <= 1


def test_labels_are_hit_alike_and_kinds_are_not_tied_to_labels():
    planned = plan(corpus(60), 0.5, 3)
    hits = Counter(label for _, label in touched(planned, corpus(60)))
    assert max(hits.values()) - min(hits.values()) <= 1
    four = plan(corpus(100), 0.5, 3, kinds=("noise", "clip", "lowpass", "codec"))  # as many kinds as labels
    pairs = Counter((f.kind, f.stem) for f in four)
    assert len(pairs) == 16
    assert min(pairs.values()) > 4


def test_pairs_name_two_stems_and_are_strong():
    for fault in plan(corpus(100), 0.5, 1):
        assert (fault.partner is not None) == (fault.kind in ("swap", "merge"))
        assert fault.partner != fault.stem
        if fault.partner:
            assert fault.severity == "strong"


def test_seeds_differ():
    assert plan(corpus(20), 0.5, 1) != plan(corpus(20), 0.5, 2)


@pytest.mark.parametrize("kinds", [(k,) for k in KINDS] + [("swap", "bleed-all"), ("swap", "noise")])
def test_any_choice_of_kinds_can_hit_everything_or_nothing(kinds):
    tracks = corpus(9)
    assert len(touched(plan(tracks, 1.0, 0, kinds), tracks)) == 36
    assert plan(tracks, 0.0, 0, kinds) == []
    assert {f.kind for f in plan(tracks, 1.0, 0, kinds)} == set(kinds)


def test_only_the_severities_asked_for():
    planned = plan(corpus(30), 0.5, 0, kinds=("noise", "clip"), severities=("mild",))
    assert {f.severity for f in planned} == {"mild"}


def test_a_share_out_of_reach_is_an_error_that_says_so():
    with pytest.raises(BadInput, match=r"share 1\.0: 30 of 30 stems wanted, but swap touch only 20"):
        plan(corpus(10, ("vocals", "drums", "bass")), 1.0, 0, ("swap",))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": 1.5}, r"share 1\.5"),
        ({"share": -0.1}, "between 0 and 1"),
        ({"kinds": ("hum",)}, "kind 'hum': choose from swap, merge"),
        ({"severities": ("loud",)}, "severity 'loud': choose from mild, medium, strong"),
    ],
)
def test_a_wrong_option_is_named(arguments, message):
    with pytest.raises(BadInput, match=message):
        plan(corpus(3), **{"share": 0.5, "seed": 0, **arguments})
