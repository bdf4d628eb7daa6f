import numpy as np
import pytest
import torch

from raysep.errors import RaysepError
from raysep.probes.fisher import diagonal_fisher
from raysep.probes.gradients import reference_gradient, weights_of, with_weights
from raysep.probes.losses import losses_of
from raysep.probes.unlearning import (
    alpha_for,
    choose_step_size,
    damped,
    plain,
    relative_tau,
    tau,
    unlearn,
)

WEIGHTS = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0])}
GRADIENT = {"a": torch.tensor([0.5, -1.0]).double(), "b": torch.tensor([2.0]).double()}
FISHER = {"a": torch.tensor([4.0, 0.0]).double(), "b": torch.tensor([1.0]).double()}


def test_one_step_is_the_closed_form():
    moved = unlearn(WEIGHTS, GRADIENT, FISHER, n=10, alpha=0.3)
    assert moved["a"].tolist() == pytest.approx([1 + 0.03 * 0.5 / 4.2, 2 - 0.03 * 1.0 / 0.2])
    assert moved["b"].tolist() == pytest.approx([3 + 0.03 * 2.0 / 1.1])
    assert moved["a"].dtype == torch.float32


def test_many_small_steps_reach_the_minimum_of_the_objective():
    """-gᵀδ + (N/2) δᵀFδ with a constant gradient has its minimum at δ = (N F)⁻¹ g."""
    fisher = {"a": torch.tensor([4.0, 0.5]).double(), "b": torch.tensor([1.0]).double()}
    start = {name: value.double() for name, value in WEIGHTS.items()}
    moved = unlearn(start, GRADIENT, fisher, n=10, alpha=0.5, steps=200, gradient_at=lambda weights: GRADIENT)
    for name, value in start.items():
        torch.testing.assert_close(moved[name], value + GRADIENT[name] / (10 * fisher[name]), rtol=1e-9, atol=1e-12)


def test_later_steps_take_the_gradient_where_they_are():
    seen = []

    def gradient_at(weights):
        seen.append(weights["a"].clone())
        return GRADIENT

    unlearn(WEIGHTS, GRADIENT, FISHER, n=10, alpha=0.3, steps=3, gradient_at=gradient_at)
    assert len(seen) == 2
    torch.testing.assert_close(seen[0], unlearn(WEIGHTS, GRADIENT, FISHER, n=10, alpha=0.3)["a"])


def test_more_steps_need_a_gradient():
    with pytest.raises(ValueError, match="gradient_at"):
        unlearn(WEIGHTS, GRADIENT, FISHER, n=10, alpha=0.3, steps=2)


def test_damping_is_the_layers_mean_and_never_zero():
    assert damped(FISHER)["a"].tolist() == pytest.approx([4.2, 0.2])
    dead = damped({"a": torch.zeros(3), "b": torch.ones(1)})
    assert (dead["a"] == 0.1 * 0.25).all()


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_fisher_without_information_is_refused(value):
    with pytest.raises(RaysepError, match="Fisher"):
        damped({"a": torch.full((3,), value)})


def test_damping_must_be_positive():
    with pytest.raises(ValueError, match="damping"):
        damped(FISHER, 0.0)


def test_variants_are_the_same_step_on_other_gradients():
    assert torch.equal(plain(WEIGHTS, GRADIENT, 0.1)["a"], torch.tensor([1.05, 1.9]))
    there = unlearn(WEIGHTS, GRADIENT, FISHER, 10, 0.3)
    back = unlearn(WEIGHTS, {n: -g for n, g in GRADIENT.items()}, FISHER, 10, 0.3)
    torch.testing.assert_close(there["b"] + back["b"], 2 * WEIGHTS["b"])


def test_scores_are_of_losses_after_and_before():
    before, after = np.array([1.0, 4.0]), np.array([1.5, 5.0])
    assert tau(before, after).tolist() == [0.5, 1.0]
    assert relative_tau(before, after).tolist() == [0.5, 0.25]


def test_unlearning_raises_the_loss_of_what_is_unlearned_and_first_order_tau_is_the_preconditioned_product(
    small_network, segments
):
    network = small_network().double()
    reference, training = (tuple(p.double() for p in segments(8, seed)) for seed in (1, 2))
    fisher = diagonal_fisher(network, *training).mean()
    gradient = reference_gradient(network, [reference]).mean()
    weights = weights_of(network)
    alpha = alpha_for(weights, {n: g / damped(fisher)[n] for n, g in gradient.items()}, 8, 1e-5)
    moved = with_weights(network, unlearn(weights, gradient, fisher, 8, alpha))
    assert losses_of(moved, *reference).mean() > losses_of(network, *reference).mean()
    measured = (losses_of(moved, *training) - losses_of(network, *training)).mean(dim=1)
    for i in range(8):
        own = reference_gradient(network, [tuple(p[i : i + 1] for p in training)]).sum
        expected = alpha / 8 * sum(float((own[n] * gradient[n] / damped(fisher)[n]).sum()) for n in own)
        assert float(measured[i]) == pytest.approx(expected, rel=0.01, abs=1e-3 * float(measured.abs().max()))


def test_the_chosen_step_holds_all_three_readings(small_network, segments):
    network, reference, training = _trained(small_network, segments)
    fisher = diagonal_fisher(network, *training).mean()
    gradient = reference_gradient(network, [reference]).mean()
    chosen = choose_step_size(network, gradient, fisher, 24, reference, training, held=3)
    reading = chosen.readings[-1]
    assert chosen.satisfied
    assert chosen.alpha == reading.alpha
    assert reading.reference_rise >= 0.01
    assert reading.linearity >= 0.95
    assert reading.self_influence >= 0.9
    relative = [r.relative_step for r in chosen.readings]
    assert relative == sorted(relative, reverse=True)
    assert not any(all(r.holds) for r in chosen.readings[:-1])
    assert chosen.to_dict()["alpha"] == chosen.alpha


def test_a_silent_segment_is_not_unlearned_by_itself(small_network, segments):
    network, reference, training = _trained(small_network, segments)
    fisher = diagonal_fisher(network, *training).mean()
    gradient = reference_gradient(network, [reference]).mean()
    silent = tuple(part.clone() for part in training)
    for part in silent:
        part[4] = 0  # one of those that reading (iii) takes: 4, 12, 20
    one, all_ = (
        choose_step_size(network, gradient, fisher, 24, reference, t, held=3, relative_steps=[1e-3])
        for t in (silent, training)
    )
    assert 0.0 < one.readings[0].self_influence <= 1.0
    assert one.readings[0].alpha == all_.readings[0].alpha
    nothing = tuple(torch.zeros_like(part) for part in training)
    with pytest.raises(RaysepError, match="silent"):
        choose_step_size(network, gradient, fisher, 24, reference, nothing)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_step_without_length_is_refused(value):
    with pytest.raises(RaysepError, match=f"length {value}"):
        alpha_for(WEIGHTS, {"a": torch.full((2,), value)}, 10, 1e-3)


def test_an_unlinear_grid_is_refused_with_the_figure(network, segments):
    training = segments(8, 2)
    fisher = diagonal_fisher(network, *training).mean()
    gradient = reference_gradient(network, [segments(4, 1)]).mean()
    with pytest.raises(RaysepError, match="agree at most"):
        choose_step_size(
            network, gradient, fisher, 8, segments(4, 1), training, relative_steps=[30.0], linear=0.99999, held=1
        )


def _trained(small_network, segments):
    """A separator fitted to 24 segments of its own and the reference's 8 for a few dozen steps."""
    network, reference, training = small_network(), segments(8, 1), segments(24, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    mixtures, targets = (torch.cat(parts) for parts in zip(reference, training, strict=True))
    for _ in range(60):
        optimiser.zero_grad()
        (network(mixtures) - network.magnitude(targets)).square().mean().backward()
        optimiser.step()
    return network, reference, training
