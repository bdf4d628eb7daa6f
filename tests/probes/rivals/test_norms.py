from __future__ import annotations

import numpy as np
import torch

from raysep.probes.rivals import norms
from raysep.probes.rivals.point import Point


def test_scores_are_those_of_gradients_written_out(trained, slopes_of):
    training, _, states = trained(steps=3)
    point, (targets, owners) = Point.end_of(training, states[-1]), training.batch(1)
    numbered = np.arange(owners.size).reshape(owners.shape)
    each = slopes_of(point, targets).reshape(owners.size, -1)
    found = norms.norm_score(point, [(targets, numbered)], owners.size)
    np.testing.assert_allclose(found, -np.linalg.norm(each, axis=1), rtol=1e-8)
    fisher = norms.fisher_diagonal(point, [targets[:2], targets[2:]])
    np.testing.assert_allclose(fisher.numpy(), (each**2).mean(axis=0), rtol=1e-8, atol=1e-18)
    inverse = np.diag(1 / (fisher.numpy() + 0.1 * fisher.numpy().mean()))
    expected = [-gradient @ inverse @ gradient for gradient in each]
    np.testing.assert_allclose(
        norms.self_influence(point, [(targets, numbered)], owners.size, fisher), expected, rtol=1e-8
    )


def test_whoever_was_not_drawn_has_no_score(trained):
    training, _, states = trained(steps=3)
    point, (targets, owners) = Point.end_of(training, states[-1]), training.batch(1)
    found = norms.norm_score(point, [(targets, np.where(owners == owners[0, 0], -1, owners))], 12)
    assert np.isnan(found[owners[0, 0]])
    assert (found[np.isfinite(found)] < 0).all()
    assert torch.isfinite(torch.from_numpy(found)).any()
