from __future__ import annotations

import numpy as np
import pytest
import torch

from raysep.probes.rivals.names import NAMES
from raysep.probes.rivals.point import Point
from raysep.probes.rivals.table import Effort, rivals, some, walked

STEMS = 12
EFFORT = Effort(checkpoints=2, examples=4, curvature=2, iterations=3)


@pytest.fixture(scope="module")
def found(trained):
    """(training, its scores, its scores beside another trusted network)."""
    training, query, states = trained(steps=6)
    reference = [training.batch(step)[0] for step in (0, 3)]
    trusted = [Point.end_of(training, states[k]) for k in (2, 4)]
    return training, *(rivals(training, point, query, reference, STEMS, EFFORT) for point in trusted)


def test_every_rival_has_a_score_for_every_stem_that_was_drawn(found):
    training, told, _ = found
    assert set(told.scores) == set(NAMES)
    drawn = {int(owner) for _, owners in some(training, EFFORT.examples) for owner in owners.ravel()}
    for name, scores in told.scores.items():
        assert {k for k in range(STEMS) if np.isfinite(scores[k])} == drawn, name
        assert len(np.unique(scores[np.isfinite(scores)])) == len(drawn), name


def test_only_self_influence_asks_the_trusted_network(found):
    _, one, other = found
    same = {name: np.array_equal(one.scores[name], other.scores[name], equal_nan=True) for name in NAMES}
    assert [name for name in NAMES if not same[name]] == ["self-influence-reference"]


def test_what_was_left_out_is_said(found):
    _, told, _ = found
    assert any(note.startswith("hessian-cg: ") and "after" in note for note in told.notes)
    assert any(
        "EK-FAC of fc1, fc2, fc3; left out, as their kind is not treated: bn1, lstm, bn2" in note for note in told.notes
    )


def test_a_damping_beyond_all_curvature_leaves_the_gradient(trained):
    """With eps_root as large as that, every step and curvature is nothing beside it: all inverses point where the gradient does."""
    training, query, states = trained(steps=6, eps_root=1e6)
    reference = [training.batch(0)[0]]
    told = rivals(training, Point.end_of(training, states[-1]), query, reference, STEMS, EFFORT)
    like = {"hessian-cg": "gradient-product", "gauss-newton-cg": "gradient-product", "tracin-adam": "tracin"}
    for name, plain in like.items():
        known = np.isfinite(told.scores[plain])
        assert np.corrcoef(told.scores[name][known], told.scores[plain][known])[0, 1] > 0.999, name


def test_some_batches_are_spread_over_the_training_and_never_more_than_there_are(unrolled):
    training, _ = unrolled(steps=6)
    assert len(some(training, 3)) == 3
    assert len(some(training, 50)) == 6
    assert all(torch.equal(batch, training.batch(step)[0]) for step, (batch, _) in enumerate(some(training, 6)))
    flat, _ = unrolled(steps=4, schedule="constant", warmup=0, learning_rate=2e-3)
    assert walked(flat) == pytest.approx(8e-3)
