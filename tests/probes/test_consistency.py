import pytest
import torch

from raysep.probes.consistency import agreement, own_excess, self_consistency


class Copies(torch.nn.Module):
    """Gives each stem the input times a fixed gain, as magnitudes of a one-bin 'spectrogram'."""

    stems = ("vocals", "drums")

    def __init__(self, gains):
        super().__init__()
        self.gains = torch.tensor(gains)

    def forward(self, mixture):
        return mixture.abs()[:, None, :, None, :] * self.gains[:, None, None, None]


def test_decibels_by_which_the_own_output_wins():
    stem = torch.randn(3, 2, 100, generator=torch.Generator().manual_seed(0))
    network = Copies([1.0, 0.1])
    assert self_consistency(network, stem, "vocals").tolist() == pytest.approx([20.0] * 3, abs=1e-4)
    assert self_consistency(network, stem, "drums").tolist() == pytest.approx([-20.0] * 3, abs=1e-4)
    with pytest.raises(ValueError, match="guitar"):
        self_consistency(network, stem, "guitar")


def test_the_loudest_other_counts_and_each_item_may_have_its_own_stem():
    power = torch.tensor([[4.0, 1.0, 2.0], [1.0, 1.0, 8.0]]).sqrt()
    estimates = power[:, :, None, None, None].expand(-1, -1, 1, 3, 5)
    expected = [10 * torch.log10(torch.tensor(2.0)).item(), 10 * torch.log10(torch.tensor(1 / 8)).item()]
    assert own_excess(estimates, torch.tensor([0, 1])).tolist() == pytest.approx(expected, abs=1e-5)


def test_agreement_is_the_signal_to_distortion_ratio():
    generator = torch.Generator().manual_seed(1)
    target = torch.randn(4, 2, 1000, generator=generator)
    noise = torch.randn(4, 2, 1000, generator=generator)
    measured = agreement(target + 0.1 * noise, target)
    expected = 10 * torch.log10(target.square().sum((1, 2)) / (0.1 * noise).square().sum((1, 2)))
    torch.testing.assert_close(measured.float(), expected, rtol=1e-4, atol=1e-4)


def test_perfect_and_silent_are_finite():
    target = torch.ones(1, 1, 10)
    assert agreement(target, target).item() == 100.0
    assert agreement(0 * target, 0 * target).item() == pytest.approx(0.0)
    assert own_excess(torch.zeros(1, 2, 1, 1, 1), 0).item() == pytest.approx(0.0)
