from __future__ import annotations

import math
import subprocess
import sys
from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from raysep.training.adam import SmoothAdam, clipped, optimiser, root_above, stepped


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("fused", [True, False])
def test_without_eps_root_it_is_the_library_s_adam(decay, fused):
    theirs = nn.Parameter(random(7, 5).float())
    adam = torch.optim.Adam([theirs], lr=1e-2, weight_decay=decay, fused=fused)
    ours = theirs.detach().clone()
    first, second = torch.zeros_like(ours), torch.zeros_like(ours)
    for step in range(1, 30):
        theirs.grad = random(7, 5, seed=step).float() * 10.0 ** (step % 5 - 3)
        adam.step()
        ours, first, second = stepped(ours, theirs.grad, first, second, step, 1e-2, decay)
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(second, adam.state[theirs]["exp_avg_sq"], rtol=1e-5, atol=0.0)


@given(norm=st.floats(1e-3, 1e3), largest=st.sampled_from([0.0, 0.5, 5.0]))
def test_clipping_is_the_library_s(norm, largest):
    gradient = random(40).float()
    gradient *= norm / gradient.norm()
    parameter = nn.Parameter(torch.zeros(40))
    parameter.grad = gradient.clone()
    nn.utils.clip_grad_norm_([parameter], largest or math.inf)
    torch.testing.assert_close(clipped(gradient, largest), parameter.grad, rtol=1e-5, atol=0.0)


@given(eps_root=st.sampled_from([1e-8, 1e-4, 1.0]), step=st.integers(1, 50), decay=st.sampled_from([0.0, 0.1]))
@pytest.mark.slow
def test_the_step_has_the_derivative_that_differences_have(eps_root, step, decay):
    values = [random(4), 0.1 * random(4, seed=1), 0.1 * random(4, seed=2), 0.01 + random(4, seed=3).square()]
    values = [value.requires_grad_() for value in values]
    assert torch.autograd.gradcheck(lambda p, g, m, v: stepped(p, g, m, v, step, 1e-2, decay, eps_root), values)


def test_at_no_gradient_at_all_eps_root_gives_a_derivative():
    nothing = [torch.zeros(3, requires_grad=True) for _ in range(4)]
    for eps_root, finite in ((0.0, False), (1e-8, True)):
        moved, *_ = stepped(*nothing, 1, 1e-2, 0.0, eps_root)
        slopes = torch.autograd.grad(moved.sum(), nothing)
        assert all(bool(torch.isfinite(slope).all()) for slope in slopes) == finite


def test_the_optimiser_is_the_function_and_resumes():
    parameters = [nn.Parameter(random(3, 2).float()), nn.Parameter(random(4).float())]
    untouched = nn.Parameter(torch.ones(2))  # no gradient: no step
    smooth = SmoothAdam([*parameters, untouched], 1e-2, 0.1, 1e-4)
    expected = [(p.detach().clone(), torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    for step in range(1, 6):
        if step == 3:  # from a saved state
            saved, smooth = smooth.state_dict(), SmoothAdam([*parameters, untouched], 1e-2, 0.1, 1e-4)
            smooth.load_state_dict(saved)
        for number, parameter in enumerate(parameters):
            parameter.grad = random(*parameter.shape, seed=10 * step + number).float()
            p, m, v = expected[number]
            expected[number] = stepped(p, parameter.grad, m, v, step, 1e-2, 0.1, 1e-4)
        smooth.step()
    for parameter, (p, m, v) in zip(parameters, expected, strict=True):
        state = smooth.state[parameter]
        assert torch.equal(parameter.detach(), p)
        assert torch.equal(state["exp_avg"], m)
        assert torch.equal(state["exp_avg_sq"], v)
    assert torch.equal(untouched.detach(), torch.ones(2))


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_training_takes_the_library_s_fused_adam_bit_for_bit(decay):
    """Also from a state that the library's own has saved: trainings of older versions go on."""
    theirs, ours = ([nn.Parameter(random(7, 5).float()), nn.Parameter(torch.ones(3))] for _ in range(2))
    adam, taken = torch.optim.Adam(theirs, lr=1e-2, weight_decay=decay, fused=True), optimiser(ours, 1e-2, decay, 0.0)
    for step in range(1, 12):
        if step == 6:
            taken = optimiser(ours, 1.0, 0.5, 0.0)
            taken.load_state_dict(deepcopy(adam.state_dict()))
        for group in (*adam.param_groups, *taken.param_groups):
            group["lr"] = 1e-2 / step
        for both in ((theirs[0], ours[0]), (theirs[1], ours[1])):  # the second has no gradient at first: it stays
            for parameter in both if step > 3 else both[: 2 * (both[0] is theirs[0])]:
                parameter.grad = random(*parameter.shape, seed=step).float() * 10.0 ** (step % 5 - 3)
        adam.step()
        taken.step()
        for one, other in zip(theirs, ours, strict=True):
            assert torch.equal(one, other)
            assert adam.state[one].keys() == taken.state.get(other, {}).keys()
            assert all(torch.equal(adam.state[one][name], value) for name, value in taken.state.get(other, {}).items())
    taken.zero_grad()
    assert [parameter.grad for parameter in ours] == [None, None]


def test_a_state_of_other_parameters_is_refused():
    saved = optimiser([nn.Parameter(torch.ones(2))], 1e-3, 0.0, 0.0).state_dict()
    with pytest.raises(ValueError, match="a state of 1 parameters, and here are 2"):
        optimiser([nn.Parameter(torch.ones(2)) for _ in range(2)], 1e-3, 0.0, 0.0).load_state_dict(saved)


def test_training_is_smooth_when_eps_root_says_so():
    parameters = [nn.Parameter(torch.ones(2))]
    assert not isinstance(optimiser(parameters, 1e-3, 0.0, 0.0), SmoothAdam)
    assert isinstance(optimiser(parameters, 1e-3, 0.0, 1e-6), SmoothAdam)


TRAINING = """
import sys, torch
from raysep.separators import registry
from raysep.training import loop
from raysep.training.recipe import Recipe
for root in (0.0, 1e-6):
    sizes = {"n_fft": 128, "hop": 64, "hidden": 8, "layers": 1}
    network = registry.build("openunmix", stems=("vocals", "other"), sample_rate=8000, channels=1, **sizes)
    loop.train(network, lambda step: torch.randn(2, 2, 1, 4000), Recipe(steps=2, batch=2, eps_root=root))
print([name for name in sys.modules if name.split(".")[:2] == ["torch", "_dynamo"]])
"""


@pytest.mark.slow
def test_a_training_takes_no_compiler_in():
    """A second and a half of every process that trains."""
    done = subprocess.run([sys.executable, "-c", TRAINING], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_an_eps_root_that_is_felt_lies_above_the_median():
    assert root_above(torch.tensor([0.0, 2e-9, 3e-7, 1.0]) * (1 - 0.999**4), 4) == pytest.approx(1e-6)
    assert root_above(torch.zeros(3), 1) == 1.0
