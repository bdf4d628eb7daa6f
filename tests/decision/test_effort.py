import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.corpus.hashing import stable_hash
from raysep.decision.effort import allocate, first_of, reading_order, segment_variance

STEM = st.tuples(
    st.one_of(st.floats(-3, 3), st.sampled_from([float("nan"), 0.0, 1.0])),  # mean
    st.one_of(st.floats(0.01, 4), st.just(0.0), st.just(1.0)),  # variance
    st.integers(0, 4),  # count
    st.integers(0, 5),  # unread
)
STEMS = st.lists(STEM, min_size=1, max_size=8)


def arguments(stems):
    mean, variance, count, unread = (np.array(column) for column in zip(*stems, strict=True))
    return [f"t{i}/bass" for i in range(len(stems))], mean, variance, count, unread


def by_the_book(names, mean, variance, count, unread, boundary, budget, seed):
    """LSA as published: one pull at a time, all indices anew before each."""
    pulled = [0] * len(names)
    for _ in range(budget):
        indices = []
        for i, name in enumerate(names):
            if pulled[i] == unread[i]:
                continue
            distance = 0.0 if np.isnan(mean[i]) else abs(mean[i] - boundary)
            t = count[i] + pulled[i]
            if t == 0:
                index = -np.inf
            elif distance == 0:
                index = 0.5 * np.log(t)
            else:
                with np.errstate(divide="ignore"):
                    index = t * (np.float64(distance) ** 2 / np.float64(variance[i])) + 0.5 * np.log(t)
            indices.append((index, stable_hash(f"{seed}/{name}"), i))
        if not indices:
            break
        pulled[min(indices)[2]] += 1
    return pulled


@settings(max_examples=200, deadline=None)
@given(STEMS, st.integers(0, 30), st.integers(0, 3))
def test_the_allocation_is_that_of_the_published_loop(stems, budget, seed):
    given_ = arguments(stems)
    found = allocate(*given_, 0.5, budget, seed)
    assert found.tolist() == by_the_book(*given_, 0.5, budget, seed)


@settings(deadline=None)
@given(STEMS, st.integers(0, 60))
def test_the_budget_is_spent_and_no_stem_gets_more_than_it_has(stems, budget):
    *known, unread = arguments(stems)
    found = allocate(*known, unread, 0.0, budget)
    assert found.sum() == min(budget, unread.sum())
    assert (found >= 0).all()
    assert (found <= unread).all()


@settings(deadline=None)
@given(STEMS, st.integers(0, 20), st.randoms(use_true_random=False))
def test_the_order_of_the_stems_does_not_matter(stems, budget, random):
    names, *numbers = arguments(stems)
    order = list(range(len(stems)))
    random.shuffle(order)
    straight = allocate(names, *numbers, 0.5, budget, seed=3)
    shuffled = allocate([names[i] for i in order], *(part[order] for part in numbers), 0.5, budget, seed=3)
    assert shuffled.tolist() == straight[order].tolist()


@settings(deadline=None)
@given(STEMS, st.integers(0, 20))
def test_a_larger_budget_takes_nothing_away(stems, budget):
    """Batches may be cut short anywhere: what comes first does not depend on what comes after."""
    smaller, larger = (allocate(*arguments(stems), 0.5, size) for size in (budget, budget + 1))
    assert (smaller <= larger).all()


def test_the_seed_decides_among_equals_and_only_there():
    names, ones = [f"t{i}" for i in range(40)], np.ones(40)
    count = unread = np.ones(40, dtype=int)
    drawn = {tuple(allocate(names, ones, ones, count, unread, 0.0, 20, seed)) for seed in range(5)}
    assert len(drawn) == 5
    different = np.linspace(0.1, 2, 40)
    drawn = {tuple(allocate(names, different, ones, count, unread, 0.0, 20, seed)) for seed in range(5)}
    assert drawn == {(1,) * 20 + (0,) * 20}  # the nearest to the boundary


def test_stems_about_which_nothing_is_known_get_the_same():
    unknown, ones = np.full(5, np.nan), np.ones(5)
    found = allocate(list("abcde"), unknown, ones, ones, np.full(5, 10), 0.0, 22)
    assert sorted(found.tolist()) == [4, 4, 4, 5, 5]


def test_with_much_to_spend_evidence_is_made_equal():
    """T d² / v is the same for all in the limit: four times the segments at half the distance, or at four times the variance."""
    mean, variance = np.array([1.0, -0.5, 1.0]), np.array([1.0, 1.0, 4.0])
    found = allocate(list("abc"), mean, variance, np.ones(3), np.full(3, 10**6), 0.0, 90_000)
    assert found[1] / found[0] == pytest.approx(4, rel=0.01)
    assert found[2] / found[0] == pytest.approx(4, rel=0.01)


def test_a_boundary_of_each_stem_is_as_good_as_a_shift_of_its_mean():
    mean, boundary, ones = np.array([0.3, 2.0, -1.0]), np.array([0.5, 2.1, -3.0]), np.ones(3)
    unread = np.full(3, 4)
    each = allocate(list("abc"), mean, ones, ones, unread, boundary, 6)
    assert each.tolist() == allocate(list("abc"), mean - boundary, ones, ones, unread, 0.0, 6).tolist()


def test_a_certain_stem_gets_nothing_before_the_others_are_through():
    """Without variance one segment is enough, unless it lies on the boundary itself."""
    variance = np.array([0.0, 0.0, 1.0])
    found = allocate(list("abc"), np.array([1.0, 0.0, 9.0]), variance, np.ones(3), np.full(3, 3), 0.0, 6)
    assert found.tolist() == [0, 3, 3]


@pytest.mark.parametrize("change", [{"budget": -1}, {"unread": [-1, 1]}, {"count": [-1, 1]}, {"variance": [-1.0, 1.0]}])
def test_what_makes_no_sense_is_refused(change):
    values = {"mean": [0.0, 1.0], "variance": [1.0, 1.0], "count": [1, 1], "unread": [1, 1], "budget": 1} | change
    with pytest.raises(ValueError, match="0 or more"):
        allocate(["a", "b"], boundary=0.0, **values)


def test_a_stem_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        allocate(["a", "a"], *(np.ones(2),) * 4, boundary=0.0, budget=1)


# The variance of a segment


def test_the_variance_lies_between_the_stems_own_and_the_common_one():
    rng = np.random.default_rng(0)
    count = np.array([2, 3, 5, 400])
    values = [rng.normal(0, scale, n) for scale, n in zip((0.1, 1.0, 2.0, 3.0), count, strict=True)]
    squares = np.array([((v - v.mean()) ** 2).sum() for v in values])
    own, common = squares / (count - 1), squares.sum() / (count - 1).sum()
    found = segment_variance(squares, count)
    assert ((np.minimum(own, common) <= found) & (found <= np.maximum(own, common))).all()
    assert found[3] == pytest.approx(own[3], rel=0.02)
    assert segment_variance(squares, count, prior=0.0) == pytest.approx(own)


def test_a_single_segment_has_the_common_variance():
    assert segment_variance(np.array([np.nan, 2.0]), np.array([1, 3])).tolist() == [1.0, 1.0]
    assert segment_variance(np.array([np.nan, 7.0]), np.array([0, 1])).tolist() == [1.0, 1.0]  # no pair anywhere


# Which segments


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 20))
def test_the_reading_order_has_every_segment_once(count, first):
    assert sorted(reading_order(count, first).tolist()) == list(range(count))


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 10), st.integers(1, 60))
def test_whatever_is_read_is_spread_over_the_stem(count, first, number):
    """From the first look on, no gap is more than twice as long as at equal distances (and rounded up)."""
    number = min(max(number, first), count)
    read = np.sort(reading_order(count, first)[:number])
    gaps = np.diff(np.concatenate([[-read[0] - 1], read, [2 * count - read[-1]]]))
    assert gaps.max() <= 2 * count / number + 2


def test_the_first_look_is_at_equal_distances():
    assert reading_order(12, 3)[:3].tolist() == [2, 6, 10]
    assert reading_order(6, 2).tolist() == [1, 4, 0, 2, 3, 5]


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=20), st.integers(1, 6), st.integers(0, 20))
def test_further_segments_come_to_those_that_were_read(audible, first, number):
    audible = np.array(audible, dtype=bool)
    fewer, more = first_of(audible, number, first), first_of(audible, number + 1, first)
    assert fewer.sum() == min(number, audible.sum())
    assert (fewer <= more).all()
    assert (more <= audible).all()
    # The second pass asks the same question of what the first left.
    assert ((first_of(audible & ~fewer, 1, first) | fewer) == more).all()
