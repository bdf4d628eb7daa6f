import numpy as np
import pytest
import scipy.stats
import torch

from raysep.errors import RaysepError
from raysep.probes.gradients import reference_gradient, weights_of, with_weights
from raysep.probes.influence import (
    audible_stems,
    central_difference,
    check_step,
    curvature,
    direction,
    exact_derivative,
    influence_at,
    norm,
    perturb,
    self_check,
)
from raysep.probes.losses import losses_of
from raysep.probes.unlearning import damped
from raysep.separators import registry


@pytest.fixture
def unlearning_direction(segments):
    def make(network, seed=1):
        gradient = reference_gradient(network, [segments(8, seed)]).mean()
        return direction(gradient, damped({name: value.square() for name, value in gradient.items()}))

    return make


# The derivative of each segment is taken by itself: of most networks, several seconds and more.
SOON, NIGHTLY = ("openunmix-joint",), ("bs-roformer", "hdemucs", "mel-band-roformer", "scnet")


def when(model: str):
    """The marks of a network's test."""
    if model in SOON:
        return ()
    return (pytest.mark.slow, pytest.mark.long) if model in NIGHTLY else pytest.mark.slow


@pytest.mark.parametrize("model", [pytest.param(name, marks=when(name)) for name in sorted(registry.MODELS)])
def test_central_difference_in_float32_ranks_as_the_exact_derivative_in_float64(
    model, network_of_any_kind, segments, unlearning_direction
):
    network = network_of_any_kind(model)
    away = unlearning_direction(network)
    mixtures, targets = segments(24, seed=2)
    measured = influence_at(network, away, mixtures, targets)
    exact = exact_derivative(network.double(), away, mixtures.double(), targets.double(), mode="reverse").numpy()
    for stem in range(exact.shape[1]):
        assert scipy.stats.spearmanr(measured[:, stem], exact[:, stem]).statistic >= 0.995
    scale = norm(weights_of(network)) / norm(away)
    np.testing.assert_allclose(measured, exact * scale, atol=0.02 * np.abs(exact * scale).max())


@pytest.mark.parametrize("model", ["convtasnet", pytest.param("openunmix", marks=pytest.mark.slow), "openunmix-joint"])
def test_both_oracles_are_one(model, network_of_any_kind, segments, unlearning_direction):
    network = network_of_any_kind(model)
    away = unlearning_direction(network)
    network.double()
    mixtures, targets = (part.double() for part in segments(4, seed=2))
    with torch.backends.mkldnn.flags(enabled=False):
        forward = exact_derivative(network, away, mixtures, targets)
    reverse = exact_derivative(network, away, mixtures, targets, mode="reverse")
    torch.testing.assert_close(forward, reverse, rtol=1e-9, atol=1e-12 * float(reverse.abs().max()))


def test_one_sided_difference_is_worse_than_central(small_network, segments, unlearning_direction):
    network = small_network().double()
    away = unlearning_direction(small_network())
    mixtures, targets = (part.double() for part in segments(24, seed=3))
    exact = exact_derivative(network, away, mixtures, targets).numpy() * norm(weights_of(network)) / norm(away)
    rho = 1e-2
    plus, minus, _ = perturb(weights_of(network), away, rho)
    at = {k: losses_of(with_weights(network, w), mixtures, targets).numpy() for k, w in {"+": plus, "-": minus}.items()}
    middle = losses_of(network, mixtures, targets).numpy()
    central = np.abs(central_difference(at["+"], at["-"], rho) - exact).mean()
    one_sided = np.abs((at["+"] - middle) / rho - exact).mean()
    assert central < 0.75 * one_sided


def test_perturbation_has_the_relative_length_asked_for(network, unlearning_direction):
    weights = weights_of(network)
    away = unlearning_direction(network)
    plus, minus, absolute = perturb(weights, away, rho=1e-3)
    moved = {name: plus[name].double() - weights[name].double() for name in weights}
    assert norm(moved) == pytest.approx(1e-3 * norm(weights), rel=1e-3)
    assert absolute == pytest.approx(1e-3 * norm(weights))
    middle = {name: (plus[name].double() + minus[name].double()) / 2 for name in weights}
    assert all(torch.allclose(middle[name], weights[name].double(), atol=1e-7) for name in weights)
    along = sum(float((moved[name] * away[name]).sum()) for name in weights)
    assert along / norm(moved) / norm(away) == pytest.approx(1.0, abs=1e-4)


def test_weights_without_a_direction_stay():
    weights = {"a": torch.ones(2), "buffer": torch.tensor(3)}
    plus, minus, _ = perturb(weights, {"a": torch.ones(2)}, 0.1)
    assert plus["buffer"] is minus["buffer"] is weights["buffer"]
    assert torch.allclose(plus["a"], torch.full((2,), 1.1))


@pytest.mark.parametrize("bad", [0.0, float("nan")])
def test_a_direction_without_length_is_refused(bad):
    with pytest.raises(RaysepError, match="length"):
        perturb({"a": torch.ones(2)}, {"a": torch.full((2,), bad)})


def test_differences_of_a_parabola_are_exact():
    x = np.array([0.3, -2.0])
    plus, middle, minus = ((x + h) ** 2 for h in (0.1, 0.0, -0.1))
    np.testing.assert_allclose(central_difference(plus, minus, 0.1), 2 * x)
    np.testing.assert_allclose(curvature(plus, middle, minus), 2 * 0.1**2)


def test_self_check_passes_agreement_and_names_the_figure_otherwise():
    rng = np.random.default_rng(0)
    influence = rng.normal(size=64)
    assert self_check(influence, influence * 1.01) == pytest.approx(1.0)
    with pytest.raises(RaysepError, match=r"correlation -?0\.\d+"):
        self_check(influence, rng.normal(size=64))
    with pytest.raises(RaysepError, match="nan"):
        self_check(np.zeros(64), np.zeros(64))


def test_the_default_step_passes_the_check_and_a_huge_one_fails(network, segments, unlearning_direction):
    away = unlearning_direction(network)
    mixtures, targets = segments(32, seed=4)
    assert check_step(network, away, mixtures, targets) >= 0.99
    with pytest.raises(RaysepError, match=r"scoring\.rho"):
        check_step(network, away, mixtures, targets, rho=3.0)


def test_only_stems_that_can_be_heard_are_checked(network, segments, unlearning_direction):
    """Of what is below -60 dBFS, not merely of digital silence, nothing counts: it would be rounding that is ranked."""
    away = unlearning_direction(network)
    mixtures, targets = segments(12, seed=4)
    targets[:, 0] *= 1e-4 / targets[:, 0].square().mean().sqrt()
    targets[3] = 0
    heard = audible_stems(targets)
    assert heard.tolist() == [[False, n != 3, n != 3, n != 3] for n in range(12)]
    expected = check_step(network, away, mixtures, targets)
    targets[:, 0] = 0
    assert check_step(network, away, mixtures, targets) == expected
    with pytest.raises(RaysepError, match="three audible segments"):
        check_step(network, away, mixtures, 1e-4 * targets)
    assert audible_stems(targets[:0]).shape == (0, 4)


def test_curvature_of_every_gradient_is_needed():
    with pytest.raises(ValueError, match="b"):
        direction({"a": torch.ones(1), "b": torch.ones(1)}, {"a": torch.ones(1)})
