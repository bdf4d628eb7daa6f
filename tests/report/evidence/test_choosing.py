from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from raysep.report.evidence.choosing import ALWAYS, DOUBTFUL, KEPT, SUSPECT, Candidate, choose

LABELS, KINDS = ("bass", "drums", "vocals"), [f"kind-{k}" for k in range(10)]


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
