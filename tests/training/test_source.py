from __future__ import annotations

import numpy as np
import pytest

from raysep.errors import BadInput, StorageUnreachable
from raysep.training import source
from raysep.training.pool import SegmentPool
from raysep.training.source import Source

FRAMES = 1000
BYTES = 2 * FRAMES


class Shard:
    """What Ray Data hands to a worker: the same batches of pieces at every pass; counts those that were read."""

    def __init__(self, batches: list[dict]) -> None:
        self.batches, self.passes, self.read = batches, 0, 0

    def iter_batches(self, **options):
        self.passes += 1
        for batch in self.batches:
            self.read += 1
            yield batch


def batch(*pieces: tuple[str, int, str], frames: int = FRAMES, seed: int = 0, silent: tuple[str, ...] = ()) -> dict:
    """(stem_id, start, error) as a batch of noise; ``frames`` of each piece are the stem's."""
    audio = np.random.default_rng(seed).integers(-9000, 9000, (len(pieces), 1, FRAMES)).astype(np.int16)
    audio[:, :, frames:] = 0
    audio[[p[0] in silent for p in pieces]] = 0
    return {
        "stem_id": np.array([p[0] for p in pieces]),
        "stem": np.array([p[0].split("/")[1] for p in pieces]),
        "start": np.array([p[1] for p in pieces]),
        "weight": np.ones(len(pieces)),
        "frames": np.array([0 if p[2] else frames for p in pieces]),
        "error": np.array([p[2] for p in pieces]),
        "storage": np.array(["" for _ in pieces]),
        "audio": audio,
    }


def corpus(batches: int) -> list[dict]:
    return [batch((f"{k}/bass", 0, ""), (f"{k}/drums", 0, ""), seed=k) for k in range(batches)]


def uneven() -> list[dict]:
    batches = corpus(6)
    batches[2] = batch(("2/bass", 0, ""), ("2/drums", 0, ""), frames=300, seed=2)
    return batches


def imbalanced(rare: dict[int, int], silence: bool) -> list[dict]:
    """Bass twice in each of six batches; of drums something audible in those of ``rare``: batch -> frames of it."""
    batches = []
    for k in range(6):
        pieces = [(f"{k}/bass", 0, ""), (f"{k}/bass", FRAMES, "")]
        if silence or k in rare:
            pieces.append((f"{k}/drums", 0, ""))
        batches.append(batch(*pieces, frames=rare.get(k, FRAMES), seed=k, silent=() if k in rare else (f"{k}/drums",)))
    return batches


def source_of(shard: Shard, capacity: int = 10**6) -> Source:
    return Source(shard, SegmentPool(("bass", "drums"), capacity), share=2, frames=200, seed=3, part=1)


def test_a_corpus_that_fits_is_read_once_and_what_cannot_be_read_is_remembered():
    shard = Shard([batch(("A/bass", 0, ""), ("A/drums", 0, "")), batch(("B/bass", 0, "B/bass.wav: truncated"))])
    made = source_of(shard)
    made.fill()
    for step in range(20):
        assert made.draw(step).shape == (2, 2, 1, 200)
    assert (len(made.pool), shard.passes, made.resident) == (2, 1, True)
    assert made.unreadable == {"B/bass": "B/bass.wav: truncated"}


def test_an_outage_of_the_storage_is_no_stem_that_cannot_be_read():
    away = batch(("B/bass", 0, "s3://b/B/bass.wav: cannot be reached"))
    away["storage"] = np.array(["StorageUnreachable"])
    made = source_of(Shard([*corpus(1), away]))
    with pytest.raises(StorageUnreachable, match=r"^s3://b/B/bass\.wav: cannot be reached$"):
        made.fill()
    assert made.unreadable == {}


def test_a_label_of_which_nothing_can_be_read_is_named():
    shard = Shard([batch(("A/bass", 0, ""), ("A/drums", 0, "A/drums.wav: gone"))])
    with pytest.raises(BadInput, match="drums"):
        source_of(shard).fill()


def test_padding_is_not_drawn_and_short_pieces_are_drawn_as_often_as_their_length():
    shard = Shard([batch(("A/bass", 0, ""), ("A/drums", 0, "")), batch(("A/bass", FRAMES, ""), frames=250)])
    made = source_of(shard)
    made.fill()
    short = made.pool._pieces[("A/bass", FRAMES, "bass")]
    assert (short.audio.shape, short.weight) == ((1, 250), 0.25)
    assert made.pool._pieces[("A/bass", 0, "bass")].weight == 1.0


def test_a_larger_corpus_streams_through_the_pool_for_ever():
    shard = Shard(corpus(6))
    made = source_of(shard, 8 * BYTES)  # eight of the twelve pieces
    made.fill()
    assert made.pool.full
    assert not made.resident
    seen = set()
    for step in range(14 * source.REFRESH_STEPS):
        made.draw(step)
        seen |= {key[0] for key in made.pool._pieces}
    assert seen == {f"{k}/{label}" for k in range(6) for label in ("bass", "drums")}
    assert shard.passes >= 2
    assert made.pool.bytes <= made.pool.capacity_bytes


@pytest.mark.parametrize("capacity", [3, 8, 9, 11])
@pytest.mark.parametrize(
    "batches",
    [
        pytest.param(corpus(6), id="equal pieces"),
        pytest.param(uneven(), id="short pieces among them"),
        pytest.param(imbalanced({4: FRAMES}, silence=False), id="a label in one late batch"),
        pytest.param(imbalanced({5: FRAMES}, silence=True), id="a label silent until the last batch"),
        pytest.param(imbalanced({2: FRAMES, 4: 300}, silence=True), id="a label mostly silent"),
    ],
)
def test_a_resumed_source_is_where_the_steps_before_would_have_led(capacity, batches):
    """At every step of several passes: the same pieces in the pool, and the same batches from there on."""
    one = Shard(batches)
    undisturbed = source_of(one, capacity * BYTES)
    undisturbed.fill()
    for step in range(30 * source.REFRESH_STEPS):
        shard = Shard(batches)
        resumed = source_of(shard, capacity * BYTES)
        resumed.fill(step)
        assert list(resumed.pool._pieces) == list(undisturbed.pool._pieces)
        assert shard.read <= 2 * len(batches)
        assert np.array_equal(resumed.draw(step), undisturbed.draw(step))
        assert list(resumed.pool._pieces) == list(undisturbed.pool._pieces)
    # The end of a pass, its middle, and more than two of them were met; or all of it fits.
    most = max(sum(b["frames"][b["stem"] == label].sum() for b in batches) for label in ("bass", "drums"))
    assert undisturbed.resident == (most <= capacity * FRAMES // 2)
    assert one.passes > 4 or undisturbed.resident


def test_a_label_that_begins_late_in_the_stream_is_waited_for():
    shard = Shard(imbalanced({3: FRAMES}, silence=False))
    made = source_of(shard, 4 * BYTES)  # full of bass from the second batch on
    made.fill()
    assert made.draw(0).any(axis=(2, 3)).all()
    assert shard.read == 4


def test_a_label_that_is_silent_throughout_is_named_though_another_fills_the_pool():
    with pytest.raises(BadInput, match="drums"):
        source_of(Shard(imbalanced({}, silence=True)), 4 * BYTES).fill()


def test_what_is_drawn_between_steps_changes_nothing():
    sources = [source_of(Shard(corpus(6)), 8 * BYTES) for _ in range(2)]
    for made in sources:
        made.fill()
    sources[0].draw_only(99)
    assert all(np.array_equal(sources[0].draw(step), sources[1].draw(step)) for step in range(12))
