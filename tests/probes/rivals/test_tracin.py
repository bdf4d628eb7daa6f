from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raysep.probes.rivals.point import Point
from raysep.probes.rivals.tracin import Checkpoint, spread, tracin
from raysep.training.schedule import learning_rate

STEMS = 12


def test_it_is_the_sum_over_checkpoints_of_explicit_products(trained, slopes_of):
    """Each sample's gradient and the reference's by ``torch.func``, Adam's scale written out."""
    training, query, states = trained(steps=6, eps_root=1e-3)
    recipe, examples = training.recipe, [training.batch(step) for step in range(2)]
    chosen = [states[2], states[5]]
    expected = np.zeros((2, STEMS))
    for state in chosen:
        point = Point(training, state.parameters, state.statistics)

        def loss(parameters, state=state):
            return sum(query(training.evaluated(parameters, state.statistics)))[0]

        slope = torch.func.grad(loss)(state.parameters).numpy()
        corrected = state.second.numpy() / (1 - 0.999**state.step)
        scaled = slope / (np.sqrt(corrected + 1e-3) + 1e-8)
        rate = learning_rate("cosine", recipe.learning_rate, state.step, 6, recipe.warmup)
        values: dict[int, list] = {}
        for targets, owners in examples:
            each = slopes_of(point, targets)
            for owner, gradient in zip(owners.ravel(), each.reshape(-1, each.shape[-1]), strict=True):
                values.setdefault(int(owner), []).append([rate * gradient @ slope, rate * gradient @ scaled])
        for stem in range(STEMS):
            expected[:, stem] += np.mean(values[stem], axis=0) if stem in values else np.nan
    found = tracin([Checkpoint.of(training, state, query) for state in chosen], examples, STEMS)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert np.isfinite(expected).sum() > STEMS


def test_a_stem_of_the_reference_itself_helps(trained):
    """What is trained on is the reference: every stem's gradient adds up to its own, and the sum is a square."""
    training, _, states = trained(steps=3)
    targets, owners = training.batch(0)

    def query(named):
        from raysep.probes.gradients import losses_at

        yield losses_at(training.network, targets.sum(dim=1), targets)(named).mean()[None]

    numbered = np.arange(owners.size).reshape(owners.shape)
    plain, scaled = tracin([Checkpoint.of(training, states[2], query)], [(targets, numbered)], owners.size)
    assert plain.sum() > 0
    assert scaled.sum() > 0


@given(steps=st.integers(1, 500), count=st.integers(1, 20))
def test_checkpoints_are_spread_over_the_training(steps, count):
    found = spread(steps, count)
    assert 1 <= len(found) <= count
    assert min(found) >= 1
    assert max(found) <= max(1, steps - 1)


def test_the_middles_of_equal_stretches():
    assert spread(100, 4) == pytest.approx([12, 37, 62, 87])
