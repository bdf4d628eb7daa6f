from __future__ import annotations

import random
from collections import Counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from raysep.report.evidence.choosing import ALWAYS, DOUBTFUL, KEPT, SUSPECT, Candidates, Chosen
from raysep.report.evidence.choosing import choose as choose_of_columns

LABELS, KINDS = ("bass", "drums", "vocals"), [f"kind-{k}" for k in range(10)]


class Candidate(NamedTuple):
    stem_id: str
    label: str
    kind: str
    suspicion: float
    keep: bool
    sure: float = 1.0


def choose(stems: list[Candidate], *counts: int, **named: int) -> list[Chosen]:
    ids, labels, kinds, suspicion, keep, sure = zip(*stems, strict=True) if stems else ((),) * 6
    labels, kinds = (np.unique(np.array(each, dtype=str), return_inverse=True)[1] for each in (labels, kinds))
    numbers = (np.array(each, dtype=kind) for each, kind in ((suspicion, float), (keep, bool), (sure, float)))
    return choose_of_columns(Candidates(pa.array(ids, pa.string()), labels, kinds, *numbers), *counts, **named)


def corpus(removed: int = 60, kept: int = 60) -> list[Candidate]:
    """The most suspect are all of one kind, as on the page that was complained of; nine kinds follow."""
    found = []
    for n in range(removed):
        kind = KINDS[0] if n < removed // 2 else KINDS[1 + n % 9]
        found.append(Candidate(f"r{n:03d}", LABELS[n % 3], kind, 10 - 0.1 * n, False))
    return found + [Candidate(f"k{n:03d}", LABELS[n % 3], KINDS[n % 10], 3 - 0.1 * n, True) for n in range(kept)]


def of(chosen, group):
    return [each.stem_id for each in chosen if each.group == group]


def test_the_suspects_are_of_every_kind_and_label_and_the_worst_are_among_them():
    stems = corpus()
    chosen = of(choose(stems), SUSPECT)
    by_id = {stem.stem_id: stem for stem in stems}
    assert chosen[:ALWAYS] == ["r000", "r001", "r002"]
    assert {by_id[name].kind for name in chosen} == set(KINDS)
    counts = Counter(by_id[name].kind for name in chosen)
    assert max(count for kind, count in counts.items() if kind != KINDS[0]) <= 2
    assert {by_id[name].label for name in chosen} == set(LABELS)


def test_where_guesses_err_the_surest_of_each_kind_is_heard():
    """Of every kind the most suspect ones are strong faults of another, as their guesses, which are no surer than that, say."""
    wrong = [Candidate(f"{kind}/{n}", LABELS[n % 3], kind, 9 - n, False, 0.4) for kind in KINDS for n in range(4)]
    right = [Candidate(f"{kind}/sure", "bass", kind, 2.0, False, 0.9) for kind in KINDS]
    chosen = of(choose([*wrong, *right], suspects=13), SUSPECT)
    assert sum(name.endswith("/sure") for name in chosen) >= 9


def test_the_doubtful_ones_lie_next_to_the_line_on_both_sides():
    chosen = of(choose(corpus()), DOUBTFUL)
    assert chosen == ["r057", "r058", "r059", "k000", "k001", "k002"]  # of each label the nearest, the worst first


def test_the_kept_ones_are_typical_of_their_label():
    chosen = of(choose(corpus(), doubtful=0, kept=3), KEPT)
    middle = {stem.stem_id for stem in corpus() if stem.keep and 0.2 < 3 - stem.suspicion - 2.4 < 1.0}
    assert set(chosen) <= middle
    assert len(chosen) == 3


def test_where_nothing_is_removed_the_most_suspect_are_shown_and_some_others():
    stems = [stem._replace(keep=True) for stem in corpus(10, 10)]
    chosen = choose(stems)
    assert of(chosen, SUSPECT)[0] == "r000"
    assert len(of(chosen, SUSPECT)) == 10
    assert not of(chosen, DOUBTFUL)
    assert len(of(chosen, KEPT)) == 6
    assert choose([]) == []


candidates = st.lists(
    st.builds(
        Candidate,
        st.uuids().map(str),
        st.sampled_from(LABELS),
        st.sampled_from(KINDS),
        st.integers(-3, 3),
        st.booleans(),
        st.sampled_from((0.15, 0.25, 0.349, 0.95, 1.0)),
    ),
    max_size=40,
)


@given(candidates, st.randoms(use_true_random=False))
def test_no_stem_twice_in_no_wrong_group_and_the_order_does_not_matter(stems, shuffle: random.Random):
    chosen = choose(stems, 5, 4, 3)
    names = [each.stem_id for each in chosen]
    assert len(names) == len(set(names)) <= 12
    kept = {stem.stem_id for stem in stems if stem.keep}
    assert set(of(chosen, KEPT)) <= kept
    assert len(of(chosen, SUSPECT)) <= 5
    if any(not stem.keep for stem in stems):
        assert not set(of(chosen, SUSPECT)) & kept
    shuffled = list(stems)
    shuffle.shuffle(shuffled)
    assert choose(shuffled, 5, 4, 3) == chosen


def plainly(stems: list[Candidate], suspects: int, doubtful: int, kept: int) -> list[Chosen]:
    """The same, a stem after the other."""
    worst = sorted(stems, key=lambda stem: (-stem.suspicion, stem.stem_id))
    removed = [stem for stem in worst if not stem.keep]
    among = removed or worst[: max(ALWAYS, len(worst) // 2)]
    first = among[: min(ALWAYS, suspects)]
    while len(first) < min(suspects, len(among)):
        kinds, labels = Counter(stem.kind for stem in first), Counter(stem.label for stem in first)
        rest = [stem for stem in among if stem not in first]
        first = [*first, min(rest, key=lambda s: (kinds[s.kind], -round(s.sure, 1), labels[s.label]))]

    def in_turn(ordered: list[Candidate], count: int) -> list[Candidate]:
        by_label = {label: [stem for stem in ordered if stem.label == label] for label in LABELS}
        turns = [(turn, label, stem) for label, own in by_label.items() for turn, stem in enumerate(own)]
        return [stem for *_, stem in sorted(turns, key=lambda each: each[:2])][:count]

    left = [stem for stem in worst if stem not in first]
    gone = in_turn([stem for stem in left[::-1] if not stem.keep], (doubtful + 1) // 2) if removed else []
    near = in_turn([stem for stem in left if stem.keep], doubtful - len(gone)) if removed else []
    typical = []
    for label in LABELS:
        own = [stem for stem in left if stem.keep and stem.label == label and stem not in near]
        typical += [(abs(place - (len(own) - 1) / 2), stem.stem_id, stem) for place, stem in enumerate(own)]
    third = in_turn([stem for *_, stem in sorted(typical)], kept)
    groups = ((SUSPECT, first), (DOUBTFUL, gone + near), (KEPT, third))
    return [Chosen(stem.stem_id, group) for group, found in groups for stem in worst if stem in found]


@given(candidates)
def test_the_choice_by_columns_is_that_of_one_stem_after_the_other(stems):
    assert choose(stems, 5, 4, 3) == plainly(stems, 5, 4, 3)
    assert choose(stems) == plainly(stems, 16, 6, 6)
