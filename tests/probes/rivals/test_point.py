from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from raysep.probes.metagradient import query_losses
from raysep.probes.rivals.point import Point, alignment, gradients, mean_by_stem

STEMS = 12


def test_alignment_is_the_mean_of_the_products_of_each_samples_gradient(trained, slopes_of):
    training, _, states = trained(steps=3)
    point, examples = Point.end_of(training, states[-1]), [training.batch(step) for step in range(3)]
    rng = np.random.default_rng(0)
    vectors = torch.from_numpy(rng.normal(size=(2, len(point.parameters))))
    expected = {}
    for targets, owners in examples:
        products = slopes_of(point, targets) @ vectors.numpy().T  # (batch, stem, vector)
        for owner, value in zip(owners.ravel(), products.reshape(-1, 2), strict=True):
            expected.setdefault(int(owner), []).append(value)
    found = alignment(point, examples, list(vectors), STEMS)
    for stem in range(STEMS):
        if stem in expected:
            np.testing.assert_allclose(found[:, stem], np.mean(expected[stem], axis=0), rtol=1e-8, atol=1e-12)
        else:
            assert np.isnan(found[:, stem]).all()
    assert 0 < len(expected) < STEMS  # both were seen


def test_gradients_are_those_of_each_loss(trained, slopes_of):
    training, _, states = trained(steps=3)
    point, (targets, _) = Point.end_of(training, states[-1]), training.batch(1)
    found = torch.stack(list(gradients(point, targets))).numpy()
    np.testing.assert_allclose(found, slopes_of(point, targets).reshape(found.shape), rtol=1e-8, atol=1e-12)


def test_the_losses_at_the_end_are_those_that_the_reference_is_asked_with(trained):
    """The same targets as a reference: the query's mean."""
    from raysep.probes.metagradient import reference_query

    training, _, states = trained(steps=3)
    targets, _ = training.batch(0)
    point = Point.end_of(training, states[-1])
    asked = query_losses(training, states[-1], reference_query(training, [(targets.sum(dim=1), targets)]))
    np.testing.assert_allclose(point.losses(targets)(point.parameters).mean().item(), asked[0], rtol=1e-12)
    magnitudes = point.outputs(targets)(point.parameters)
    squared = (magnitudes - training.network.magnitude(targets)).square().mean()
    np.testing.assert_allclose(squared.item(), asked[0], rtol=1e-12)


@given(st.lists(st.lists(st.integers(-1, 4), min_size=4, max_size=4), min_size=1, max_size=6))
def test_means_are_by_owner_and_what_nobody_owns_counts_nowhere(rows):
    owners = [np.array(row).reshape(2, 2) for row in rows]
    values = [np.arange(4.0).reshape(2, 2) + 10 * number for number in range(len(rows))]
    found = mean_by_stem(values, owners, 5)
    for stem in range(5):
        mine = [
            v
            for o, x in zip(owners, values, strict=True)
            for v, w in zip(x.ravel(), o.ravel(), strict=True)
            if w == stem
        ]
        assert (np.isnan(found[stem]) and not mine) or np.isclose(found[stem], np.mean(mine))
