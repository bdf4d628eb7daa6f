from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from raysep.errors import BadInput, RaysepError
from raysep.probes.metagradient import metagradient, query_losses, stride_for
from raysep.separators import registry

STEMS = 12


def loss_at(training, query, weights, of_average=True):
    return query_losses(training, training.end(weights), query, of_average)


def difference(training, query, weights, direction, step=1e-5, of_average=True):
    """The central difference of the queries' losses along a direction."""
    up, down = (loss_at(training, query, weights + side * step * direction, of_average) for side in (1, -1))
    return (up - down) / (2 * step)


def weights_of(seed: int, dtype=torch.float64) -> torch.Tensor:
    """Around 1, each its own."""
    return 1 + 0.3 * torch.randn(STEMS, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] * (name in ("mel-band-roformer", "openunmix", "scnet")))
        for name in sorted(registry.MODELS)
    ],
)
@pytest.mark.slow
def test_it_is_the_slope_of_the_loss_for_every_network(unrolled, name):
    """In float64, to five digits, by label; along a direction, of which the derivative is the sum over stems."""
    training, query = unrolled(name)
    weights, direction = weights_of(1), weights_of(2) - 1
    found = metagradient(training, weights, query)
    assert found.gradient.shape == (2, STEMS)
    np.testing.assert_allclose(found.losses, loss_at(training, query, weights), rtol=1e-12)
    slope = difference(training, query, weights, direction)
    np.testing.assert_allclose(found.gradient @ direction.numpy(), slope, rtol=1e-5, atol=1e-9 * found.losses.max())


RECIPES = {
    "clipped": {"gradient_clip": 0.05, "weight_decay": 0.1, "ema_decay": 0.5},
    "one-cycle": {"gradient_clip": 0.0, "schedule": "one-cycle", "loss": "multi-stft"},
    "constant": {"schedule": "constant", "eps_root": 1e-3, "learning_rate": 1e-2},
    "fixed statistics": {"fixed_statistics": True},
}


def recipes():
    """Every recipe with either of both choices; half of them with each pair of values at once, the others at night."""
    for number, (name, changes) in enumerate(RECIPES.items()):
        for of_average in (True, False):
            for whole_example in (True, False):
                soon = (of_average == whole_example) == (number % 2 == 0)
                case, marks = (
                    f"{name}-{whole_example}-{of_average}",
                    () if soon else (pytest.mark.slow, pytest.mark.long),
                )
                yield pytest.param(changes, whole_example, of_average, id=case, marks=marks)


@pytest.mark.parametrize(("changes", "whole_example", "of_average"), list(recipes()))
def test_it_is_the_slope_whatever_the_recipe(unrolled, changes, whole_example, of_average):
    training, query = unrolled(whole_example=whole_example, **changes)
    weights, direction = weights_of(3), weights_of(4) - 1
    found = metagradient(training, weights, query, of_average=of_average)
    slope = difference(training, query, weights, direction, of_average=of_average)
    np.testing.assert_allclose(found.gradient @ direction.numpy(), slope, rtol=1e-5, atol=1e-9 * found.losses.max())


@pytest.mark.slow
def test_each_stem_has_its_own_slope(unrolled):
    """And in float32 the stems stand in the same order."""
    training, query = unrolled(steps=8)
    ones = torch.ones(STEMS, dtype=torch.float64)
    slopes = np.stack(
        [difference(training, query, ones, unit) for unit in torch.eye(STEMS, dtype=torch.float64)], axis=1
    )
    found = metagradient(training, ones, query).gradient
    np.testing.assert_allclose(found, slopes, rtol=1e-4, atol=1e-5 * np.abs(slopes).max())
    single, query = unrolled(dtype=torch.float32, steps=8)
    rounded = metagradient(single, ones.float(), query).gradient
    for label in range(2):
        assert spearmanr(rounded[label], slopes[label])[0] >= 0.99


@pytest.mark.slow
def test_checkpoints_and_replay_give_the_same_bits_as_a_state_for_every_step(unrolled):
    training, query = unrolled(dtype=torch.float32, steps=17)
    ones = torch.ones(STEMS)
    whole = metagradient(training, ones, query)
    assert whole.stride == 1
    for states, stride in ((11.5, 2), (9.5, 3)):
        few = metagradient(training, ones, query, memory_gib=states * training.start.bytes / 2**30)
        assert few.stride == stride
        assert np.array_equal(few.gradient, whole.gradient)
        assert few.end.equals(whole.end)


def test_all_labels_together_are_the_mean_of_each(unrolled):
    training, by_label = unrolled()
    _, together = unrolled(by_label=False)
    ones = torch.ones(STEMS, dtype=torch.float64)
    each, all_ = metagradient(training, ones, by_label), metagradient(training, ones, together)
    np.testing.assert_allclose(all_.gradient, each.gradient.mean(axis=0, keepdims=True), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(all_.losses, each.losses.mean(keepdims=True), rtol=1e-12)


def test_a_stem_that_is_never_drawn_is_worth_nothing(unrolled):
    training, query = unrolled()
    found = metagradient(training, torch.ones(STEMS + 1, dtype=torch.float64), query)
    assert (found.gradient[:, STEMS] == 0).all()
    assert (found.gradient[:, :STEMS] != 0).any()


@pytest.mark.slow
def test_worth_is_what_a_stem_s_removal_costs_in_db(unrolled):
    training, query = unrolled()
    found = metagradient(training, torch.ones(STEMS, dtype=torch.float64), query)
    step = 1e-5
    for stem in range(STEMS):
        weights = torch.ones(STEMS, dtype=torch.float64)
        weights[stem] -= step
        without = loss_at(training, query, weights)
        np.testing.assert_allclose(
            found.worth[:, stem] * step, 10 * np.log10(without / found.losses), rtol=1e-3, atol=1e-12
        )


def test_progress_and_cost_are_told(unrolled):
    training, query = unrolled()
    done = []
    found = metagradient(training, torch.ones(STEMS, dtype=torch.float64), query, on_step=done.append)
    assert done == list(range(13))
    assert found.cost > 1
    assert found.growth >= 1


@settings(max_examples=200)
@given(steps=st.integers(1, 3000), fitting=st.integers(2, 4000))
def test_the_stride_is_the_least_that_fits(steps, fitting):
    def needed(stride):
        return -(-steps // stride) + (stride if stride > 1 else 1)

    if min(needed(stride) for stride in range(1, steps + 1)) > fitting:
        with pytest.raises(BadInput, match="give it more memory"):
            stride_for(steps, 100, 100 * fitting)
    else:
        stride = stride_for(steps, 100, 100 * fitting)
        assert needed(stride) <= fitting
        assert all(needed(less) > fitting for less in range(1, stride))


def test_about_the_root_of_the_steps_is_enough():
    assert stride_for(10_000, 1, 200) <= 100


class Once(torch.autograd.Function):
    """A map whose gradient has no gradient, as a fused kernel's."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        return slope.clone()


def test_a_network_without_second_derivatives_is_refused_in_one_line(unrolled, monkeypatch):
    training, query = unrolled()
    estimate = training.network.estimate
    monkeypatch.setattr(training.network, "estimate", lambda mixture: Once.apply(estimate(mixture)))
    with pytest.raises(BadInput, match="network JointOpenUnmix: no second derivatives") as refused:
        metagradient(training, torch.ones(STEMS, dtype=torch.float64), query)
    assert "\n" not in str(refused.value)


def test_a_training_that_does_not_repeat_itself_is_refused(unrolled):
    training, query = unrolled(dtype=torch.float32, steps=10)
    draw, calls = training.draw, iter(range(1000))
    training.draw = lambda step: draw(step)._replace(targets=draw(step).targets * (1 + 1e-3 * next(calls)))
    with pytest.raises(RaysepError, match="gave other bits the second time"):
        metagradient(training, torch.ones(STEMS), query, memory_gib=7.5 * training.start.bytes / 2**30)


def test_an_adjoint_that_overflows_is_refused(unrolled):
    training, query = unrolled(dtype=torch.float32)

    def huge(weights):
        yield from (1e36 * part for part in query(weights))

    with pytest.raises(RaysepError, match=r"the derivative is not finite; raise training\.eps_root"):
        metagradient(training, torch.ones(STEMS), huge)
