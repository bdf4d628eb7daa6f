from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.training.pool import SegmentPool

LABELS = ("vocals", "drums")


def constant(value: float, time: int = 100, channels: int = 2) -> np.ndarray:
    """A piece that can be recognised whatever was done to it: the second channel is minus half the first."""
    return (value * np.array([[1.0], [-0.5]])[:channels] * np.ones((1, time))).astype(np.float32)


def noise(seed: int, time: int = 100) -> np.ndarray:
    """Of 16 bits, which the pool holds in 16."""
    steps = np.rint(3000 * np.random.default_rng(seed).standard_normal((2, time)))
    return (steps / 32768).astype(np.float32)


def pieces(tracks: int = 4, starts: int = 3) -> list[tuple]:
    return [
        (f"t{t}/{label}", 100 * s, label, noise(1000 * t + 10 * s + k), 1.0 + t)
        for t in range(tracks)
        for s in range(starts)
        for k, label in enumerate(LABELS)
    ]


def filled(items, capacity: int = 10**6) -> SegmentPool:
    pool = SegmentPool(LABELS, capacity)
    for item in items:
        pool.add(*item)
    return pool


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(pieces()), seed=st.integers(0, 99), step=st.integers(0, 10**6), remix=st.booleans())
def test_a_draw_does_not_depend_on_the_order_of_arrival(order, seed, step, remix):
    first, second = filled(pieces()), filled(order)
    np.testing.assert_array_equal(
        first.draw(3, 60, step, seed, remix=remix), second.draw(3, 60, step, seed, remix=remix)
    )


def test_a_draw_depends_on_seed_step_and_rank_and_leaves_no_trace():
    pool = filled(pieces())
    first = pool.draw(4, 60, step=5, seed=1)
    assert first.shape == (4, 2, 2, 60)
    assert first.dtype == np.float32
    for other in ({"step": 6}, {"seed": 2}, {"rank": 1}):
        assert not np.array_equal(first, pool.draw(4, 60, **({"step": 5, "seed": 1} | other)))
    np.testing.assert_array_equal(first, pool.draw(4, 60, step=5, seed=1))


def test_16_bit_audio_is_kept_as_it_is():
    samples = np.random.default_rng(0).integers(-32768, 32768, (2, 50)).astype(np.int16)
    pools = [SegmentPool(("x",), 10**6) for _ in range(2)]
    pools[0].add("t/x", 0, "x", samples)
    pools[1].add("t/x", 0, "x", samples.astype(np.float32) / 32768)
    one, two = (pool.draw(2, 50, 0, 0) for pool in pools)
    np.testing.assert_array_equal(one, two)
    assert pools[0].bytes == pools[1].bytes == samples.nbytes


def test_weights_are_odds_and_a_zero_leaves_out():
    pool = SegmentPool(("x",), 10**6)
    # Told apart by their shape, which no augmentation changes: a step at another place.
    for k, weight in enumerate([1.0, 3.0, 0.0]):
        audio = constant(0.3)
        audio[:, 20 * (k + 1) :] *= -1
        pool.add(f"t{k}/x", 0, "x", audio, weight)
    drawn = pool.draw(2000, 100, 0, 0)[:, 0, 0]
    step = (np.sign(drawn) != np.sign(drawn[:, :1])).argmax(1)
    assert len(pool) == 2
    assert set(step) == {20, 40}
    assert (step == 40).mean() == pytest.approx(0.75, abs=0.05)


def test_stems_of_an_example_come_from_anywhere_with_remix_and_from_one_place_without():
    pool = SegmentPool(LABELS, 10**7)
    for t in range(20):
        for k, label in enumerate(LABELS):
            audio = np.random.default_rng(t).standard_normal((2, 100)) * 0.1 * (k + 1)
            pool.add(f"t{t}/{label}", 0, label, audio.astype(np.float32))

    def together(remix):
        drawn = pool.draw(200, 60, 3, 0, remix=remix)
        return np.isclose(drawn[:, 1], 2 * drawn[:, 0], atol=1e-3).all((1, 2))

    assert together(remix=False).all()
    assert together(remix=True).mean() < 0.05


def test_without_remix_an_absent_stem_is_drawn_from_elsewhere():
    pool = SegmentPool(LABELS, 10**6)
    pool.add("a/vocals", 0, "vocals", noise(1))
    pool.add("b/drums", 700, "drums", noise(2))
    drawn = pool.draw(20, 60, 0, 0, remix=False)
    assert (np.abs(drawn).max((2, 3)) > 0).all()


def test_silent_crops_are_drawn_again_but_not_for_ever():
    pool = SegmentPool(("x",), 10**6)
    half = np.concatenate([np.zeros((2, 500), np.float32), noise(1, 500)], axis=1)
    pool.add("t/x", 0, "x", half)
    drawn = pool.draw(200, 50, 0, 0)
    assert (np.abs(drawn).max((1, 2, 3)) == 0).mean() < 0.02  # 0.45 without
    tick = np.zeros((2, 100_000), np.float32)
    tick[:, -1] = 1.0  # audible as a whole, never where it is cropped
    pool = SegmentPool(("x",), 10**6)
    pool.add("t/x", 0, "x", tick)
    assert pool.draw(3, 50, 0, 0).shape == (3, 1, 2, 50)


def test_a_short_piece_is_zero_padded():
    pool = SegmentPool(("x",), 10**6)
    pool.add("t/x", 0, "x", constant(0.5, time=30))
    drawn = pool.draw(1, 50, 0, 0)
    assert (drawn[..., :30] != 0).all()
    assert (drawn[..., 30:] == 0).all()


def test_a_full_pool_forgets_the_oldest_and_never_holds_more():
    size = noise(0).nbytes // 2
    pool = SegmentPool(("x",), 3 * size)
    for k in range(5):
        pool.add(f"t{k}/x", 0, "x", noise(k))
        assert pool.bytes <= pool.capacity_bytes
    newest = SegmentPool(("x",), 3 * size)
    for k in (4, 2, 3):
        newest.add(f"t{k}/x", 0, "x", noise(k))
    np.testing.assert_array_equal(pool.draw(9, 50, 0, 0), newest.draw(9, 50, 0, 0))


def test_the_same_place_again_replaces():
    pool = SegmentPool(("x",), 10**6)
    pool.add("t/x", 0, "x", noise(1))
    pool.add("t/x", 0, "x", noise(2), weight=5.0)
    only = SegmentPool(("x",), 10**6)
    only.add("t/x", 0, "x", noise(2))
    assert len(pool) == 1
    assert pool.bytes == only.bytes
    np.testing.assert_array_equal(pool.draw(2, 50, 0, 0), only.draw(2, 50, 0, 0))


def test_the_pool_keeps_no_view_of_what_it_was_given():
    audio = (noise(1) * 32768).astype(np.int16)
    pool = SegmentPool(("x",), 10**6)
    pool.add("t/x", 0, "x", audio)
    before = pool.draw(2, 50, 0, 0)
    audio[:] = 0
    np.testing.assert_array_equal(pool.draw(2, 50, 0, 0), before)


def test_a_label_with_nothing_audible_is_named():
    pool = SegmentPool(LABELS, 10**6)
    with pytest.raises(BadInput, match="vocals, drums"):
        pool.ready()
    pool.add("a/vocals", 0, "vocals", noise(1))
    pool.add("a/drums", 0, "drums", np.zeros((2, 100), np.float32))
    for ask in (pool.ready, lambda: pool.draw(1, 50, 0, 0)):
        with pytest.raises(BadInput, match="train drums with"):
            ask()
    pool.add("b/drums", 0, "drums", noise(2))
    pool.ready()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (("a/piano", 0, "piano", noise(1)), "piano"),
        (("a/drums", 0, "drums", noise(1), float("nan")), "weight nan"),
        (("a/drums", 0, "drums", noise(1), -1.0), "weight -1"),
        (("a/drums", 0, "drums", noise(1)[0]), "shape"),
        (("a/drums", 0, "drums", noise(1)[:, :0]), "shape"),
        (("a/drums", 0, "drums", noise(1)[:1]), "1 channels"),
        (("a/drums", 0, "drums", noise(1, 10**6)), "capacity"),
    ],
)
def test_pieces_that_do_not_fit_are_refused(item, message):
    pool = filled([("a/vocals", 0, "vocals", noise(1))])
    with pytest.raises(BadInput, match=message):
        pool.add(*item)
    assert len(pool) == 1


def test_a_rare_label_is_not_crowded_out():
    size = noise(0).nbytes // 2
    pool = SegmentPool(("rare", "common"), 6 * size)
    pool.add("t/rare", 0, "rare", noise(1))
    for k in range(20):
        pool.add(f"t{k}/common", 0, "common", noise(k))
    pool.ready()
    assert len(pool) == 4
    assert pool.full == {"common"}


@settings(max_examples=200, deadline=None)
@given(
    stream=st.lists(st.tuples(st.booleans(), st.integers(1, 4)), min_size=1, max_size=12),
    share=st.integers(4, 16),
    passes=st.integers(1, 3),
)
def test_a_label_keeps_its_newest_pieces_and_the_newest_audible_one(stream, share, passes):
    """Whatever went before: what is kept follows from the last arrival of each piece alone."""
    pool, came = SegmentPool(("x",), 10 * 2 * share), []  # ten samples of mono in 16 bit are a unit of the sizes
    for number, (audible, size) in [*enumerate(stream)] * passes:
        pool.add(f"t{number}/x", 0, "x", constant(0.5 * audible, time=10 * size, channels=1))
        came = [entry for entry in came if entry[0] != number] + [(number, audible, size)]
        newest, room = [], share
        for entry in came[::-1]:
            room -= entry[2]
            if room < 0:
                break
            newest.insert(0, entry)
        audibles = [entry for entry in came if entry[1]]
        if audibles and audibles[-1] not in newest:
            newest.insert(0, audibles[-1])
        assert [key[0] for key in pool._pieces] == [f"t{number}/x" for number, *_ in newest]
        assert pool.bytes == sum(20 * size for *_, size in newest)
        assert pool.sounds("x") == bool(audibles)


def test_silence_does_not_take_the_last_audible_piece_of_a_label():
    size = noise(0).nbytes // 2
    pool = SegmentPool(("x",), 2 * size)
    pool.add("t/x", 0, "x", noise(1))
    for k in range(5):
        pool.add(f"s{k}/x", 0, "x", np.zeros((2, 100), np.float32))
    assert len(pool) == 3
    assert np.abs(pool.draw(20, 50, 0, 0)).max() > 0
    pool.add("u/x", 0, "x", noise(2))
    assert list(pool._pieces) == [("s4/x", 0, "x"), ("u/x", 0, "x")]
    assert pool.bytes <= pool.capacity_bytes


@pytest.mark.parametrize("remix", [True, False])
def test_a_draw_says_whose_each_stem_is(remix):
    """Every stem has a level of its own here, by which a crop is known."""
    levels = {f"t{track}/{label}": 0.1 + 0.1 * track for track in range(4) for label in LABELS}
    pool = SegmentPool(LABELS, 10**6)
    for stem_id, level in levels.items():
        pool.add(stem_id, 0, stem_id.split("/")[1], constant(level))
    audio, names = pool.draw_named(20, 30, 3, 1, remix=remix)
    np.testing.assert_array_equal(audio, pool.draw(20, 30, 3, 1, remix=remix))
    for crops, owners in zip(audio, names, strict=True):
        assert [name.split("/")[1] for name in owners] == list(LABELS)
        np.testing.assert_allclose(crops[:, 0].mean(axis=1), [levels[name] for name in owners], atol=1e-3)
