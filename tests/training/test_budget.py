from dataclasses import replace

import pytest

from raysep.corpus.manifest import Stem
from raysep.training.budget import Budget, largest, pooled_gib
from raysep.training.entry import Entry
from raysep.training.plan import Plan
from raysep.training.recipe import Recipe

RATE, HOUR = 44_100, 3600


def plan_of(stems: int, steps: int = 2000) -> Plan:
    """A plan of stems of an hour each, in batches of 16 examples of four stems of ten seconds."""
    corpus = (Stem(f"{k}/bass", f"{k}", "bass", "", RATE, 2, RATE * HOUR, "WAV/PCM_16", 0, "") for k in range(stems))
    recipe = Recipe(steps=steps, batch=16, segment_seconds=10.0)
    labels = ("bass", "drums", "other", "vocals")
    return Plan(
        "all", tuple(map(Entry, corpus)), "openunmix", {"sample_rate": RATE, "channels": 2}, recipe, "x", labels=labels
    )


def test_the_hours_of_a_training():
    found = Budget.of(plan_of(50), parts=2, memory_gib=4.0)
    assert found.given == 50
    assert found.drawn == pytest.approx(2000 * 16 * 4 * 10 / HOUR)
    held = 2 * 4 * 2**30 / (RATE * 2 * 2)  # seconds of 16 bit in two pools
    refreshed = 2 * (2000 / 4) * 32 * 20  # pieces of twenty seconds, after every fourth step 32 for each part
    assert found.read == pytest.approx((held + refreshed) / HOUR)
    assert found.heard == 50
    assert not found.warning


def test_a_corpus_of_which_most_is_never_heard_is_warned_of():
    found = Budget.of(plan_of(3000), parts=2, memory_gib=4.0)
    assert found.warning == (
        "training draws 356 h of 3,000 h of stems, of 191 h that fit and are read meanwhile: at least 93.6 % is never heard; "
        "more training.steps hear more"
    )
    assert "that fit" not in Budget.of(plan_of(3000), parts=2, memory_gib=4000.0).warning
    assert not Budget.of(plan_of(300, steps=20_000), parts=2, memory_gib=4.0).warning


def test_of_several_plans_the_one_with_the_largest_corpus_counts():
    assert largest([plan_of(3), plan_of(7), plan_of(5)], 1, 1.0).given == 7


def test_what_the_pools_of_a_training_hold():
    """Hours of 16-bit stereo, 4 bytes a sample and 4 GiB a pool; a label of one stem is in both pools."""
    hour = RATE * HOUR * 4 / 2**30
    assert pooled_gib(plan_of(3), 2, 4.0) == pytest.approx(3 * hour)
    assert pooled_gib(plan_of(1), 2, 4.0) == pytest.approx(2 * hour)
    assert pooled_gib(plan_of(50), 2, 4.0) == 8.0


def test_a_pool_of_finer_samples_takes_twice_the_room():
    coarse = plan_of(3)
    first, *others = coarse.stems
    fine = replace(coarse, stems=(replace(first, stem=replace(first.stem, format="WAV/PCM_24")), *others))
    assert pooled_gib(fine, 2, 4.0) == pytest.approx(2 * pooled_gib(coarse, 2, 4.0))
