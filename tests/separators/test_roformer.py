"""What holds for both RoFormers: bands that overlap, and bands that do not."""

from __future__ import annotations

import pytest
import torch

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.inference import separate

NAMES = ["bs-roformer", "mel-band-roformer"]


@pytest.fixture(params=NAMES)
def make(request, small_arguments):
    """``make(…)``: a small network in eval mode, 8 kHz, two stems."""

    def build(**arguments):
        torch.manual_seed(0)
        common = {"sample_rate": 8000, "stems": ("low", "high")} | small_arguments(request.param)
        return registry.build(request.param, **common | arguments).eval()

    return build


def mixtures(channels: int, time: int = 1500) -> torch.Tensor:
    return 0.1 * torch.randn(2, channels, time, generator=torch.Generator().manual_seed(1))


def say(network, stem: int, masks) -> None:
    """Make a stem's estimators say ``masks(band) -> (value,)`` whatever they hear."""
    for band, estimator in enumerate(network.mask_estimators[stem].to_freqs):
        last = estimator[0][-1]
        wanted = masks(band)
        torch.nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.cat([wanted, torch.full_like(wanted, 40.0)]))  # the gate open: sigmoid(40) is 1


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("time", [50, 1500, 1536])
def test_a_mask_of_one_gives_the_mixture_back(make, channels, time):
    network, mixture = make(channels=channels), mixtures(channels, time)
    width = [2 * len(bins) * channels for bins in bands_of(network)]
    say(network, 0, lambda band: torch.tensor([1.0, 0.0]).repeat(width[band] // 2))
    say(network, 1, lambda band: torch.tensor([0.0, 0.0]).repeat(width[band] // 2))
    with torch.no_grad():
        stems = network(mixture, "waveform")
    torch.testing.assert_close(stems[:, 0], mixture, rtol=0, atol=1e-6)
    assert not stems[:, 1].any()


def bands_of(network) -> list[list[int]]:
    """The bins of each band, out of what the network gathers."""
    sizes = [layer[1].in_features // (2 * network.channels) for layer in network.band_split.to_features]
    return [part.tolist() for part in network.index.split(sizes)]


def test_values_lie_as_published_and_bins_of_several_bands_get_the_mean(make):
    """Of each band its bins, of each bin its channels, of each channel the real and the imaginary part."""
    network = make()
    said = [100.0 * band + torch.arange(4.0 * len(bins)) for band, bins in enumerate(bands_of(network))]
    say(network, 1, lambda band: said[band])
    with torch.no_grad():
        masks = network.masks(torch.randn(1, 3, 65, 2, 2))[0, 1]  # (frame, bin, channel, 2)
    expected = torch.zeros(65, 2, 2)
    for bin in range(65):
        of_bin = [said[band][4 * bins.index(bin) :][:4] for band, bins in enumerate(bands_of(network)) if bin in bins]
        expected[bin] = torch.stack(of_bin).mean(dim=0).reshape(2, 2)
    torch.testing.assert_close(masks, expected.expand(3, -1, -1, -1))


def test_a_mask_is_complex(make):
    """A quarter of a turn in the left channel only: what comes out is its Hilbert transform there."""
    network, mixture = make(stems=("one",)), mixtures(2)
    counts = [len(bins) for bins in bands_of(network)]
    say(network, 0, lambda band: torch.tensor([0.0, 1.0, 1.0, 0.0]).repeat(counts[band]))
    with torch.no_grad():
        stem = network(mixture, "waveform")[:, 0]
    spectrum = network.transform(mixture)
    turned = network.transform.inverse(spectrum[:, 0] * 1j, mixture.shape[-1])
    torch.testing.assert_close(stem[:, 0], turned, rtol=0, atol=1e-6)
    torch.testing.assert_close(stem[:, 1], mixture[:, 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("silenced", [0, 1], ids=["bands alone", "time alone"])
def test_one_transformer_looks_along_time_the_other_along_bands(make, silenced):
    network = make()
    for name, parameter in network.layers[0][silenced].named_parameters():
        if "to_out" in name or "net.4" in name:
            torch.nn.init.zeros_(parameter)
    values = torch.randn(1, 6, 65, 2, 2)
    other = values.clone()
    other[:, 2, 0] += 1.0  # of the first band alone
    seen: list[torch.Tensor] = []
    network.final_norm.register_forward_hook(lambda *outcome: seen.append(outcome[-1]))
    with torch.no_grad():
        network.masks(values), network.masks(other)
    moved = (seen[0] - seen[1]).abs().amax(dim=(0, 3)) > 1e-6  # (frame, band)
    assert moved[2, 0]
    assert moved.any(dim=0).tolist() == [silenced == 0 or band == 0 for band in range(moved.shape[1])]
    assert moved.any(dim=1).tolist() == [silenced == 1 or frame == 2 for frame in range(6)]


def test_how_many_chunks_go_through_together_changes_nothing(make):
    network, mixture = make(), mixtures(2, 9000)[0]
    one, four = (separate(network, mixture, chunk_seconds=0.25, batch=batch) for batch in (1, 4))
    torch.testing.assert_close(one, four, rtol=0, atol=1e-6)


def test_louder_in_louder_out(make):
    """Each band is brought to one level: the masks do not depend on the mixture's."""
    network, mixture = make(), mixtures(2)
    with torch.no_grad():
        torch.testing.assert_close(network(1e-3 * mixture, "waveform"), 1e-3 * network(mixture, "waveform"))


@pytest.mark.parametrize(
    "change",
    [
        {"dim_head": 3},
        {"attn_dropout": 1.0},
        {"ff_dropout": -0.1},
        {"hop": 64},
        {"dim": 0},
        {"mask_estimator_depth": 0},
    ],
)
def test_what_cannot_be_built_is_refused(make, change):
    with pytest.raises(BadInput, match=next(iter(change))):
        make(**change)
