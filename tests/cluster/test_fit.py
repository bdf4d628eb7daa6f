from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.cluster import fit
from raysep.corpus import storage
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput
from raysep.training.recipe import Recipe
from raysep.training.pool import SegmentPool

LABELS = ("bass", "drums", "vocals")


def stem(track: str, label: str) -> Stem:
    return Stem(f"{track}/{label}", track, label, f"/no/{track}/{label}.wav", 8000, 1, 8000, "WAV/PCM_16", 16044, "")


def plan_of(out: str, **changes) -> fit.Plan:
    stems = tuple((stem(f"t{k}", label), 1.0) for k in range(3) for label in LABELS)
    settings = {"name": "x", "stems": stems, "model": "openunmix-joint", "arguments": {"hidden": 8}, "out": out}
    return fit.Plan(**settings | {"recipe": Recipe(steps=5), "labels": LABELS} | changes)


# Dealing

CORPUS = st.sets(st.tuples(st.integers(0, 30), st.sampled_from(LABELS)), min_size=1)


@given(corpus=CORPUS, ranks=st.integers(1, 6), order=st.randoms(use_true_random=False))
def test_every_rank_gets_an_equal_share_of_every_label(corpus, ranks, order):
    entries = [(stem(f"t{k}", label), 0.5 + k) for k, label in sorted(corpus)]
    parts = fit.deal(entries, ranks)
    held = Counter(label for _, label in corpus)
    for label, count in held.items():
        shares = [[entry for entry in part if entry[0].stem == label] for part in parts]
        if count < ranks:
            assert all(sorted(share) == sorted(e for e in entries if e[0].stem == label) for share in shares)
        else:
            assert max(map(len, shares)) - min(map(len, shares)) <= 1
            assert sorted(e for share in shares for e in share) == sorted(e for e in entries if e[0].stem == label)
    assert {entry[0].stem for entry in parts[-1]} == set(held)
    shuffled = list(entries)
    order.shuffle(shuffled)
    assert fit.deal(shuffled, ranks) == parts


def test_a_rank_does_not_get_whole_tracks():
    """Dealt by hash within each label: a rank's vocals come from other tracks than its drums."""
    parts = fit.deal([(stem(f"t{k}", label), 1.0) for k in range(40) for label in LABELS], 2)
    tracks = [{s.track for s, _ in parts[0] if s.stem == label} for label in LABELS]
    assert not tracks[0] == tracks[1] == tracks[2]


# Plans


def test_the_fingerprint_changes_with_all_that_the_weights_depend_on():
    plan = plan_of("/runs/x.safetensors")
    assert plan_of("/runs/x.safetensors").fingerprint == plan.fingerprint
    other_stems = (*plan.stems[1:], (plan.stems[0][0], 0.5))
    changes = [
        {"stems": other_stems},
        {"stems": plan.stems[1:]},
        {"stems": ((replace(plan.stems[0][0], etag="changed"), 1.0), *plan.stems[1:])},
        {"model": "openunmix"},
        {"arguments": {"hidden": 9}},
        {"recipe": replace(plan.recipe, steps=6)},
        {"recipe": replace(plan.recipe, seed=1)},
        {"early_step": 2, "early_out": "/runs/early.safetensors"},
    ]
    found = {replace(plan, **change).fingerprint for change in changes}
    assert len(found) == len(changes)
    assert plan.fingerprint not in found


def test_a_plan_is_trained_when_its_own_note_says_so(tmp_path):
    plan = plan_of(str(tmp_path / "checkpoints" / "x.safetensors"))
    assert not plan.is_trained()
    storage.write_bytes(plan.out, b"weights")
    assert not plan.is_trained()  # killed between the weights and the note
    storage.write_bytes(fit.sidecar_of(plan.out), json.dumps({"fingerprint": "another"}).encode())
    assert not plan.is_trained()
    storage.write_bytes(fit.sidecar_of(plan.out), json.dumps({"fingerprint": plan.fingerprint}).encode())
    assert plan.is_trained()
    assert not replace(plan, recipe=Recipe(steps=6)).is_trained()


def test_names_of_datasets_hold_no_slash():
    names = {fit.dataset_name(plan, rank) for plan in range(12) for rank in range(12)}
    assert len(names) == 144
    assert not any("/" in name for name in names)


# A rank's source


class Shard:
    """What Ray Data hands to a rank: the same batches of pieces at every pass."""

    def __init__(self, batches: list[dict]) -> None:
        self.batches, self.passes = batches, 0

    def iter_batches(self, **options):
        self.passes += 1
        yield from self.batches


def batch(*pieces: tuple[str, int, str]) -> dict:
    """(stem_id, start, error) as a batch of one second of noise each."""
    audio = np.random.default_rng(0).integers(-9000, 9000, (len(pieces), 1, 1000)).astype(np.int16)
    return {
        "stem_id": np.array([p[0] for p in pieces]),
        "stem": np.array([p[0].split("/")[1] for p in pieces]),
        "start": np.array([p[1] for p in pieces]),
        "weight": np.ones(len(pieces)),
        "error": np.array([p[2] for p in pieces]),
        "audio": audio,
    }


def test_a_corpus_that_fits_is_read_once_and_what_cannot_be_read_is_remembered():
    shard = Shard([batch(("A/bass", 0, ""), ("A/drums", 0, "")), batch(("B/bass", 0, "B/bass.wav: truncated"))])
    pool = SegmentPool(("bass", "drums"), 10**6)
    source = fit._Source(shard, pool)
    source.fill()
    for _ in range(5):
        source.refresh()
    assert (len(pool), shard.passes, source.resident) == (2, 1, True)
    assert source.unreadable == {"B/bass.wav: truncated"}


def test_a_label_of_which_nothing_can_be_read_is_named():
    shard = Shard([batch(("A/bass", 0, ""), ("A/drums", 0, "A/drums.wav: gone"))])
    with pytest.raises(BadInput, match="drums"):
        fit._Source(shard, SegmentPool(("bass", "drums"), 10**6)).fill()


def test_a_larger_corpus_streams_through_the_pool_for_ever():
    batches = [batch((f"{k}/bass", 0, ""), (f"{k}/drums", 0, "")) for k in range(6)]
    shard = Shard(batches)
    pool = SegmentPool(("bass", "drums"), 8 * 2000)  # eight of the twelve pieces
    source = fit._Source(shard, pool)
    source.fill()
    assert pool.full
    assert not source.resident
    seen = set()
    for _ in range(14):
        source.refresh()
        seen |= {key[0] for key in pool._pieces}
    assert seen == {f"{k}/{label}" for k in range(6) for label in ("bass", "drums")}
    assert shard.passes >= 2
    assert pool.bytes <= pool.capacity_bytes


def test_the_reason_of_a_failed_training_is_its_last_line():
    assert (
        fit._reason(RuntimeError("Traceback …\n  File x\nBadInput: no audible vocals\n"))
        == "BadInput: no audible vocals"
    )
    assert fit._reason(RuntimeError("")) == "RuntimeError"
