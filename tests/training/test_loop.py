from __future__ import annotations

import dataclasses
import io
from itertools import pairwise

import pytest
import torch

from raysep.errors import BadInput, RaysepError
from raysep.separators.checkpoint import from_bytes, network_of, to_bytes
from raysep.training.loop import Recipe, TrainingState, learning_rate, to_checkpoint, train

RECIPE = Recipe(steps=10, batch=4, segment_seconds=0.5, learning_rate=1e-2, warmup=2, ema_decay=0.5, seed=3)


def same(one: dict, two: dict) -> bool:
    """Equal to the last bit, at any depth."""
    if isinstance(one, dict):
        return set(one) == set(two) and all(same(one[k], two[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(same(a, b) for a, b in zip(one, two, strict=True))
    return torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two


def test_ten_steps_overfit_one_batch(fresh, tones):
    losses = []
    recipe = dataclasses.replace(RECIPE, learning_rate=3e-2)
    train(fresh(), lambda _: tones(0), recipe, on_step=lambda _, loss: losses.append(loss))
    assert len(losses) == 10
    assert losses[-1] < 0.6 * losses[0]


def test_training_separates_tones_it_has_not_seen(fresh, tones):
    network = fresh()
    state = train(network, tones, dataclasses.replace(RECIPE, steps=60, learning_rate=2e-2))
    trained = network_of(to_checkpoint(state, network))
    targets = tones(10_000)

    def error(net):
        with torch.no_grad():
            return float((net.eval().separate(targets.sum(1)) - targets).square().sum() / targets.square().sum())

    assert error(trained) < 0.15  # 8 dB
    assert error(fresh()) > 0.4  # 4 dB


def test_a_stop_and_a_resume_change_no_bit(fresh, tones):
    """Weights, Adam's moments, average, dropout: all as if the run had never stopped."""
    straight, losses = fresh(), []
    whole = train(straight, tones, RECIPE, on_step=lambda step, loss: losses.append((step, loss)))

    saved, seen = {}, []
    recipe = dataclasses.replace(RECIPE, save_steps=(4,))

    def on_save(step, state):
        stream = io.BytesIO()
        torch.save(state.state_dict(), stream)
        saved[step] = stream.getvalue()

    train(fresh(), tones, recipe, on_save=on_save)
    assert sorted(saved) == [4, 10]

    torch.manual_seed(12345)  # another process has another global generator
    resumed = fresh()
    with torch.no_grad():
        for parameter in resumed.parameters():
            parameter.normal_()
    state = TrainingState(resumed, recipe)
    state.load_state_dict(torch.load(io.BytesIO(saved[4]), weights_only=True))
    assert state.step == 4
    train(resumed, tones, recipe, state=state, on_step=lambda step, loss: seen.append((step, loss)))
    assert seen == losses[4:]
    assert same(state.state_dict(), whole.state_dict())
    assert to_bytes(to_checkpoint(state, resumed)) == to_bytes(to_checkpoint(whole, straight))


def test_a_saved_state_does_not_move_with_the_training(fresh, tones):
    states = {}
    recipe = dataclasses.replace(RECIPE, steps=3, save_steps=(1,))
    train(fresh(), tones, recipe, on_save=lambda step, state: states.update({step: state.state_dict()}))
    assert not same(states[1]["network"], states[3]["network"])
    assert not same(states[1]["optimiser"]["state"], states[3]["optimiser"]["state"])
    assert not same(states[1]["ema"]["weights"], states[3]["ema"]["weights"])


def test_the_forward_pass_goes_through_the_wrapper(fresh, tones):
    class Wrapper(torch.nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module, self.calls = module, 0

        def forward(self, x):
            self.calls += 1
            return self.module(x)

    plain, network = fresh(), fresh()
    wrapper = Wrapper(network)
    train(plain, tones, RECIPE)
    train(network, tones, RECIPE, model=wrapper)
    assert wrapper.calls == RECIPE.steps
    assert same(plain.state_dict(), network.state_dict())


def test_distributed_training_in_a_world_of_one_is_plain_training(fresh, tones, tmp_path):
    """DDP raises when a parameter takes no part in the forward pass; none may be left out."""
    plain, network = fresh(), fresh()
    whole = train(plain, tones, RECIPE)
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        wrapper = torch.nn.parallel.DistributedDataParallel(network)
        state = train(network, tones, RECIPE, model=wrapper)
    finally:
        torch.distributed.destroy_process_group()
    assert same(whole.state_dict(), state.state_dict())


def test_the_checkpoint_holds_the_average_or_the_raw_weights_and_adams_second_moment(fresh, tones):
    network = fresh()
    state = train(network, tones, RECIPE)
    averaged, raw = to_checkpoint(state, network), to_checkpoint(state, network, averaged=False)
    assert same(averaged.weights, state.ema.weights)
    assert same(raw.weights, dict(network.state_dict()))
    assert not same(averaged.weights, raw.weights)
    assert (averaged.step, averaged.metadata) == (10, {"averaged": True})
    assert set(averaged.second_moment) == {name for name, _ in network.named_parameters()}
    for index, (name, _) in enumerate(network.named_parameters()):
        assert torch.equal(averaged.second_moment[name], state.optimiser.state_dict()["state"][index]["exp_avg_sq"])
    again = network_of(from_bytes(to_bytes(raw), "there"))
    mixture = tones(5).sum(1)
    assert torch.equal(again(mixture), network.eval()(mixture))


def test_before_the_first_step_there_is_no_second_moment(fresh):
    network = fresh()
    assert to_checkpoint(TrainingState(network, RECIPE), network).second_moment is None


def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_step(fresh, tones):
    network = fresh()

    def draw(step):
        return tones(step) * (float("nan") if step == 3 else 1.0)

    steps = []
    with pytest.raises(RaysepError, match=r"step 3: the loss is nan"):
        train(network, draw, RECIPE, on_step=lambda step, _: steps.append(step))
    assert steps == [1, 2, 3]
    assert all(torch.isfinite(p).all() for p in network.parameters())


def test_training_leaves_the_global_generator_alone(fresh, tones):
    network = fresh()
    before = torch.get_rng_state()
    train(network, tones, dataclasses.replace(RECIPE, steps=2))
    assert torch.equal(before, torch.get_rng_state())


def test_the_learning_rate_rises_then_falls_to_zero():
    recipe = Recipe(steps=100, learning_rate=1.0, warmup=9)
    rates = [learning_rate(recipe, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0, abs=0.03)
    assert all(a >= b for a, b in pairwise(rates[9:]))
    assert rates[50] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0, abs=1e-12)


def test_a_state_of_another_network_is_refused(fresh, tones):
    with pytest.raises(ValueError, match="another network"):
        train(fresh(), tones, RECIPE, state=TrainingState(fresh(), RECIPE))


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"batch": 0}, {"learning_rate": -1.0}, {"ema_decay": 1.0}, {"warmup": -1}]
)
def test_a_recipe_that_cannot_be_is_refused(change):
    with pytest.raises(BadInput, match=next(iter(change))):
        dataclasses.replace(RECIPE, **change)
