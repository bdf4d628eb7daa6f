from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from raysep.errors import RaysepError
from raysep.separators import registry
from raysep.separators.checkpoint import from_bytes, network_of, to_bytes
from raysep.training.loop import TrainingState, to_checkpoint, train
from raysep.training.recipe import Recipe

RECIPE = Recipe(steps=10, batch=4, segment_seconds=0.5, learning_rate=1e-2, warmup=2, ema_decay=0.5, seed=3, augment=())


def same(one: dict, two: dict) -> bool:
    """Equal to the last bit, at any depth."""
    if isinstance(one, dict):
        return set(one) == set(two) and all(same(one[k], two[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(same(a, b) for a, b in zip(one, two, strict=True))
    return torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two


def test_ten_steps_overfit_one_batch(any_fresh, tones):
    losses = []
    recipe = dataclasses.replace(RECIPE, learning_rate=3e-2, schedule="constant")
    train(any_fresh(), lambda _: tones(0), recipe, on_step=lambda _, loss: losses.append(loss))
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

        def forward(self, *arguments):
            self.calls += 1
            return self.module(*arguments)

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


def test_a_state_of_another_network_is_refused(fresh, tones):
    with pytest.raises(ValueError, match="another network"):
        train(fresh(), tones, RECIPE, state=TrainingState(fresh(), RECIPE))


EVERYTHING = {
    "cosine": {"accumulate": 2, "loss": "multi-stft", "truncate": "time", "truncate_share": 0.2},
    "one-cycle": {"loss": "waveform-l1", "truncate": "stem", "truncate_share": 0.3},
    "plateau": {"validate_every": 2, "plateau_patience": 1, "precision": "bfloat16"},
    "constant": {"validate_every": 3, "patience": 2, "keep_best": 2},
}


@pytest.mark.parametrize("schedule", EVERYTHING)
def test_a_stop_and_a_resume_change_no_bit_whatever_the_recipe(fresh, tones, schedule):
    augment = ("remix", "gain", "swap", "polarity")
    recipe = dataclasses.replace(RECIPE, schedule=schedule, augment=augment, save_steps=(5,), **EVERYTHING[schedule])
    values = iter([1.0, 3.0, 2.0, 2.5, 1.0, 0.0, 0.0])

    def validate(network):
        return next(values) + 1e-3 * float(next(network.parameters()).detach().mean())

    saved = {}

    def on_save(step, state):
        stream = io.BytesIO()
        torch.save(state.state_dict(), stream)
        saved[step] = stream.getvalue()

    checks = validate if recipe.validate_every else None
    whole = train(fresh(), tones, recipe, validate=checks, on_save=on_save)
    resumed = fresh()
    state = TrainingState(resumed, recipe)
    state.load_state_dict(torch.load(io.BytesIO(saved[5]), weights_only=True))
    values = iter([2.0, 2.5, 1.0, 0.0, 0.0] if recipe.validate_every == 2 else [3.0, 2.0, 2.5, 1.0, 0.0])
    train(resumed, tones, recipe, state=state, validate=checks)
    assert same(state.state_dict(), whole.state_dict())
    assert state.validation.best == whole.validation.best


def test_gradients_of_parts_and_pieces_add_up_to_those_of_the_batch(tones):
    """Without batch statistics (Conv-TasNet's norm is per example) accumulation is exact up to rounding."""
    arguments = {"kernel": 16, "basis": 16, "width": 8, "hidden": 16, "layers": 2, "stacks": 1}

    def trained(draw, accumulate=1, parts=(0,)):
        torch.manual_seed(0)
        network = registry.build(
            "convtasnet", stems=("low", "high"), sample_rate=4000, channels=1, n_fft=128, hop=64, **arguments
        ).double()
        recipe = dataclasses.replace(RECIPE, steps=3, loss="waveform-mse", accumulate=accumulate, gradient_clip=0.0)
        train(network, draw, recipe, parts=parts)
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    def whole(step):
        return tones(step).double()

    expected = trained(whole)
    for other in (
        trained(whole, accumulate=4),
        trained(lambda step: [whole(step)[:3], whole(step)[3:]], parts=(0, 1)),
        trained(lambda step: [whole(step)[:2], whole(step)[2:]], accumulate=2, parts=(0, 1)),
    ):
        torch.testing.assert_close(other, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.train
def test_parts_in_one_process_are_parts_in_two(tmp_path):
    """Two processes with a part each give the gradients that one with both gives, up to the order of a sum."""
    script = Path(__file__).with_name("two_processes.py")
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / f"{world}.pt", weights_only=True) for world in (1, 2))
    assert not torch.equal(one["start"], one["end"])
    torch.testing.assert_close(two["end"], one["end"], rtol=1e-7, atol=1e-9)


def test_validation_sees_the_average_and_ends_the_training(fresh, tones):
    network = fresh()
    recipe = dataclasses.replace(RECIPE, steps=50, validate_every=2, patience=2, keep_best=2, ema_decay=0.9)
    seen, values = [], iter([1.0, 5.0, 4.0, 3.0])

    def validate(given):
        assert given is network
        assert not given.training
        seen.append({name: value.clone() for name, value in given.state_dict().items()})
        return next(values)

    noted, averages = [], []

    def on_validate(step, value, state):
        noted.append((step, value))
        averages.append({name: value.clone() for name, value in state.ema.weights.items()})

    state = train(network, tones, recipe, validate=validate, on_validate=on_validate)
    assert noted == [(2, 1.0), (4, 5.0), (6, 4.0), (8, 3.0)]
    assert state.finished
    assert state.step == 8
    assert state.validation.best == [(5.0, 4), (4.0, 6)]
    assert same(seen, averages)
    assert not same(dict(network.state_dict()), averages[-1])  # its own weights came back


@pytest.mark.slow
def test_bfloat16_learns_as_float32_does(fresh, tones):
    ends = {}
    for precision in ("float32", "bfloat16"):
        losses = []
        recipe = dataclasses.replace(RECIPE, steps=40, learning_rate=2e-2, precision=precision)
        state = train(fresh(), tones, recipe, on_step=lambda _, loss, losses=losses: losses.append(loss))
        assert all(value.dtype == torch.float32 for value in state.network.parameters())
        ends[precision] = sum(losses[-5:]) / sum(losses[:5])
    assert ends["bfloat16"] < 0.6
    assert ends["bfloat16"] == pytest.approx(ends["float32"], abs=0.15)


def test_a_tensor_that_is_drawn_again_and_again_stays_as_it_is(fresh, tones):
    """Augmentation writes into arrays, which a pool makes anew each time, not into tensors; both train alike."""
    recipe = dataclasses.replace(RECIPE, augment=("gain", "swap", "polarity"))
    drawn = tones(0)
    before = drawn.clone()
    train(fresh(), lambda _: drawn, recipe)
    assert torch.equal(drawn, before)
    one, other = fresh(), fresh()
    train(one, tones, recipe)
    train(other, lambda step: tones(step).numpy(), recipe)
    assert same(one.state_dict(), other.state_dict())
