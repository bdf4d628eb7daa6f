from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from raysep.evaluation.scores import macro_difference, score_detection, suspicion_within_label

SONGS = 30


@pytest.fixture
def stems():
    """(kind, label, track, rng) of two labels in thirty songs; a third of the stems is noisy or delayed."""
    rng = np.random.default_rng(1)
    label = np.tile(["drums", "vocals"], SONGS)
    track = np.repeat([f"song {k}" for k in range(SONGS)], 2)
    kind = rng.choice(["clean", "noise", "delay"], p=[0.6, 0.2, 0.2], size=2 * SONGS)
    return kind, label, track, rng


def test_by_kind_is_the_textbooks_auroc_of_ranks_within_label(stems):
    kind, label, track, rng = stems
    score = rng.normal(size=len(kind)) - 1.0 * (kind == "noise")
    found = score_detection(score, kind, label, track, draws=50)
    suspicion = suspicion_within_label(score, label)
    for name, interval in found.by_kind.items():
        used = (kind == name) | (kind == "clean")
        assert interval.estimate == pytest.approx(roc_auc_score(kind[used] == name, suspicion[used]))
        assert interval.low <= interval.estimate <= interval.high
    assert found.macro.estimate == pytest.approx(np.mean([i.estimate for i in found.by_kind.values()]))


@given(st.floats(0.1, 10), st.floats(-50, 50))
def test_a_labels_level_and_scale_change_nothing(scale, shift):
    rng = np.random.default_rng(3)
    score, label = rng.normal(size=40), np.tile(["drums", "vocals"], 20)
    moved = np.where(label == "drums", scale * score + shift, score)
    np.testing.assert_array_equal(suspicion_within_label(score, label), suspicion_within_label(moved, label))


def test_the_most_suspect_is_the_lowest_score_and_a_missing_one_is_in_the_middle():
    suspicion = suspicion_within_label(np.array([3.0, np.nan, 1.0, 2.0]), np.array(["bass"] * 4))
    assert suspicion.argmax() == 2
    assert suspicion.argmin() == 0
    assert suspicion[1] == 0.5


def test_differences_are_paired(stems):
    """Of a score and itself nothing is left; of a better one the interval is narrower than of two unrelated draws."""
    kind, label, track, rng = stems
    noise = rng.normal(size=len(kind))
    good, better = noise - 1.0 * (kind != "clean"), noise - 1.5 * (kind != "clean")
    first, second = (score_detection(s, kind, label, track, draws=300) for s in (good, better))
    same = macro_difference(first, first)
    assert (same.low, same.estimate, same.high) == (0.0, 0.0, 0.0)
    gain = macro_difference(second, first)
    assert gain.estimate > 0
    assert gain.high - gain.low < 0.7 * (first.macro.high - first.macro.low)


def test_the_interval_of_a_score_that_knows_nothing_covers_one_half():
    """Coverage: over repeated worlds the 95 % interval of a score that knows nothing holds 0.5 about as often."""
    covered = 0
    for world in range(60):
        rng = np.random.default_rng(world)
        kind = rng.choice(["clean", "noise"], size=80)
        track = np.repeat(np.arange(40), 2).astype(str)
        found = score_detection(rng.normal(size=80), kind, np.tile(["a", "b"], 40), track, draws=200)
        covered += found.macro.low <= 0.5 <= found.macro.high
    assert covered >= 51  # 57 are expected; fewer than 51 come up once in three hundred times
