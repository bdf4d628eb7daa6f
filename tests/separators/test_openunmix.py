from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.func import functional_call, grad, jvp, vmap

from raysep.errors import BadInput
from raysep.separators.base import DEFAULT_STEMS
from raysep.separators.openunmix import JointConfig, JointOpenUnmix, OpenUnmix, OpenUnmixConfig, OpenUnmixTarget


def mixtures(batch: int = 3, time: int = 1000) -> torch.Tensor:
    return 0.1 * torch.randn(batch, 2, time, generator=torch.Generator().manual_seed(1))


def test_shapes(network):
    mixture = mixtures()
    magnitude = network.magnitude(mixture)
    assert magnitude.shape == (3, 2, 65, 17)
    assert network(mixture).shape == (3, 4, 2, 65, 17)
    assert network.separate(mixture).shape == (3, 4, 2, 1000)
    assert network.magnitude(torch.zeros(3, 4, 2, 1000)).shape == (3, 4, 2, 65, 17)
    assert (network.stems, network.sample_rate) == (DEFAULT_STEMS, 8000)


def test_estimates_are_magnitudes_and_stems_sum_to_the_mixture(network):
    mixture = mixtures()
    assert network(mixture).min() >= 0
    torch.testing.assert_close(network.separate(mixture).sum(1), mixture, rtol=0, atol=1e-6)


def test_silence_is_separated_into_silence(network):
    separated = network.eval().separate(torch.zeros(1, 2, 500))
    assert torch.equal(separated, torch.zeros(1, 4, 2, 500))


def test_in_eval_mode_an_example_does_not_depend_on_its_batch(network):
    network.eval()
    torch.testing.assert_close(network(mixtures())[1:2], network(mixtures()[1:2]), rtol=1e-5, atol=1e-6)


def test_every_parameter_gets_a_gradient(network):
    network(mixtures()).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_per_sample_gradients_are_a_loop_of_backward_passes(network):
    network.eval()
    mixture = mixtures()
    parameters = {name: p.detach() for name, p in network.named_parameters()}

    def loss(parameters, one):
        return functional_call(network, parameters, (one.unsqueeze(0),)).square().mean()

    per_sample = vmap(grad(loss), (None, 0))(parameters, mixture)
    for i in range(len(mixture)):
        network.zero_grad()
        network(mixture[i : i + 1]).square().mean().backward()
        for name, p in network.named_parameters():
            torch.testing.assert_close(per_sample[name][i], p.grad, rtol=1e-3, atol=1e-6)


def test_input_statistics_standardise_the_input(network):
    mixture = 5.0 * mixtures(8, 4000)
    network.set_input_statistics(mixture)
    part = network if isinstance(network, JointOpenUnmix) else network.targets["drums"]
    bins, count = part.fc1.in_features // 2, part.fc1.out_features // 2
    chosen = torch.randperm(bins, generator=torch.Generator().manual_seed(2))[:count]
    with torch.no_grad():  # each hidden unit sees one bin, the first half of them in the left channel
        part.fc1.weight.copy_(torch.eye(2 * bins)[torch.cat([chosen, bins + chosen])])
    seen = []
    part.bn1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(mixture)
    values = torch.cat(seen[0].chunk(2, dim=1))  # (channel * frame * batch, bin)
    torch.testing.assert_close(values.mean(0), torch.zeros(count), rtol=0, atol=1e-3)
    torch.testing.assert_close(values.std(0), torch.ones(count), rtol=0, atol=1e-2)


class AsWritten(OpenUnmixTarget):
    """The same network, its scales and means where open-unmix has them."""

    def _first_layer(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc1(((x + self.input_mean) * self.input_scale).flatten(1))

    def _last_norm(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn3(x).reshape(len(x), -1, len(self.output_scale))
        return (x * self.output_scale + self.output_mean).flatten(1)


def test_scales_and_means_within_the_layers_are_those_beside_them():
    """Outputs, running statistics, gradients and the derivative along a direction, in float64."""
    config = OpenUnmixConfig(n_fft=128, hop=64, hidden=16, sample_rate=8000, max_bin_hz=3000.0, dropout=0.0)
    generator = torch.Generator().manual_seed(3)
    folded, written = OpenUnmixTarget(config).double(), AsWritten(config).double()
    with torch.no_grad():
        for value in folded.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=generator, dtype=torch.float64))
    written.load_state_dict(folded.state_dict())
    mixture = torch.rand(3, 2, 65, 7, generator=generator, dtype=torch.float64)
    for network in (folded, written):
        network.train()
        network(mixture).square().mean().backward()
    torch.testing.assert_close(folded(mixture), written(mixture), rtol=1e-12, atol=1e-12)
    for (name, value), (_, other) in zip(folded.named_parameters(), written.named_parameters(), strict=True):
        torch.testing.assert_close(value.grad, other.grad, rtol=1e-9, atol=1e-12, msg=name)
    for (name, value), (_, other) in zip(folded.named_buffers(), written.named_buffers(), strict=True):
        torch.testing.assert_close(value, other, rtol=1e-12, atol=1e-12, msg=name)
    direction = {name: torch.randn(p.shape, generator=generator).double() for name, p in folded.named_parameters()}
    slopes = [
        jvp(lambda p, n=network: functional_call(n, p, (mixture,)), (dict(network.named_parameters()),), (direction,))[
            1
        ]
        for network in (folded.eval(), written.eval())
    ]
    torch.testing.assert_close(*slopes, rtol=1e-9, atol=1e-9)


def test_a_target_has_open_unmixs_parameters():
    """Names and shapes of the published umxhq checkpoints (hidden 512, 44.1 kHz, bandwidth 16 kHz)."""
    state = OpenUnmixTarget(OpenUnmixConfig()).state_dict()
    expected = {
        "input_mean": (1487,),
        "input_scale": (1487,),
        "output_scale": (2049,),
        "output_mean": (2049,),
        "fc1.weight": (512, 2974),
        "fc2.weight": (512, 1024),
        "fc3.weight": (4098, 512),
    }
    for norm, size in (("bn1", 512), ("bn2", 512), ("bn3", 4098)):
        expected |= {f"{norm}.{field}": (size,) for field in ("weight", "bias", "running_mean", "running_var")}
        expected[f"{norm}.num_batches_tracked"] = ()
    for layer in range(3):
        for end in ("", "_reverse"):
            expected |= {
                f"lstm.weight_ih_l{layer}{end}": (1024, 512),
                f"lstm.weight_hh_l{layer}{end}": (1024, 256),
                f"lstm.bias_ih_l{layer}{end}": (1024,),
                f"lstm.bias_hh_l{layer}{end}": (1024,),
            }
    assert {name: tuple(value.shape) for name, value in state.items()} == expected
    assert sum(p.numel() for p in OpenUnmixTarget(OpenUnmixConfig()).parameters()) == 8_893_348  # 8.89 M, as published


def test_open_unmix_targets_are_independent():
    torch.manual_seed(0)
    network = OpenUnmix(OpenUnmixConfig(sample_rate=8000, n_fft=128, hop=64, hidden=8, layers=2)).eval()
    before = network(mixtures())
    with torch.no_grad():
        network.targets["bass"].fc3.weight.mul_(2.0)
    changed = (network(mixtures()) != before).flatten(2).any(-1).all(0)
    assert changed.tolist() == [stem == "bass" for stem in network.stems]


def test_joint_shares_the_mixture_out_and_repeats_the_highest_mask_above_the_crop():
    torch.manual_seed(0)
    config = JointConfig(sample_rate=8000, n_fft=128, hop=64, hidden=8, max_bin_hz=2000.0)
    network = JointOpenUnmix(config).eval()
    mixture = mixtures()
    magnitude = network.magnitude(mixture)
    estimate = network(mixture)
    torch.testing.assert_close(estimate.sum(1), magnitude)
    mask = estimate / magnitude.unsqueeze(1)
    assert network.bins == 33
    torch.testing.assert_close(
        mask[..., 33:, :], mask[..., 32:33, :].expand_as(mask[..., 33:, :]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stems": ("a", "a")}, "different labels"),
        ({"stems": ("a", "b.c")}, "dot"),
        ({"stems": ("a", "/etc/b")}, "slash"),
        ({"stems": ()}, "stems"),
        ({"hidden": 7}, "even"),
        ({"n_fft": 63}, "even"),
        ({"hop": 2000}, "half"),
        ({"channels": 0}, "channels"),
    ],
)
@pytest.mark.parametrize("config", [JointConfig(), OpenUnmixConfig()], ids=["joint", "per-target"])
def test_a_configuration_that_cannot_be_built_is_refused(config, changes, message):
    with pytest.raises(BadInput, match=message):
        dataclasses.replace(config, **({"n_fft": 1024, "hop": 512} | changes))


def test_one_stem_is_for_the_per_target_network_only():
    with pytest.raises(BadInput, match="two or more"):
        JointConfig(stems=("vocals",))
    network = OpenUnmix(OpenUnmixConfig(stems=("vocals",), n_fft=128, hop=64, hidden=8))
    assert network.separate(mixtures()).shape == (3, 1, 2, 1000)


def test_in_bfloat16_too_the_shares_of_the_joint_network_make_up_the_whole():
    torch.manual_seed(0)
    network = JointOpenUnmix(JointConfig(sample_rate=8000, n_fft=128, hop=64, hidden=8)).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        estimate = network(mixtures())
    magnitude = network.magnitude(mixtures())
    assert not torch.equal(estimate, network(mixtures())), "autocast did nothing"
    torch.testing.assert_close(estimate.sum(1), magnitude, rtol=1e-5, atol=1e-6)


def test_the_spectrograms_padding_is_an_argument():
    network = OpenUnmix(OpenUnmixConfig(sample_rate=8000, n_fft=128, hop=32, hidden=8, padding="reflect")).eval()
    assert network(mixtures(time=1000)).shape[-1] == 1 + 1000 // 32
    assert OpenUnmix(OpenUnmixConfig(n_fft=128, hop=32, hidden=8)).spectrogram.padding == "zero"
    for time in (1, 40, 999):
        assert network.separate(mixtures(time=time)).shape == (3, 4, 2, time)
        torch.testing.assert_close(network.separate(mixtures(time=time)).sum(1), mixtures(time=time), rtol=0, atol=1e-5)
    with pytest.raises(BadInput, match="zero, reflect"):
        OpenUnmix(OpenUnmixConfig(n_fft=128, hop=32, hidden=8, padding="none"))
