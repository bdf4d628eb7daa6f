from __future__ import annotations

from itertools import accumulate, groupby

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.bsroformer import BSRoformerConfig, band_sizes
from tests.published_roformer import fills, shapes

RATES = [8000, 16000, 22050, 32000, 44100, 48000, 96000]


def test_the_published_bands():
    """Bins a band below 1, 2, 4, 8 and 16 kHz, and two bands above: section 4.4 of the paper, 62 in all."""
    sizes = band_sizes(2048, 44100)
    assert len(sizes) == 62
    assert sum(sizes) == 1025
    *groups, (_, last) = [(size, len(list(group))) for size, group in groupby(sizes[:-1])]
    assert [size for size, _ in groups] == [2, 4, 12, 24, 48]
    edges = [bins * 44100 / 2048 for bins in accumulate(size * count for size, count in groups)]
    assert edges == pytest.approx([1000, 2000, 4000, 8000, 16000], rel=0.04)
    assert last == 1
    assert abs(sizes[-1] - sizes[-2]) <= 1


@given(half=st.integers(1, 4000), rate=st.sampled_from(RATES))
def test_every_bin_is_in_one_band(half, rate):
    sizes = band_sizes(2 * half, rate)
    assert min(sizes) >= 1
    assert sum(sizes) == half + 1


@pytest.mark.parametrize("rate", [22050, 44100, 88200])
def test_another_transform_or_rate_keeps_the_edges_in_hertz(rate):
    edges = [bins * 44100 / 2048 for bins in accumulate(band_sizes(2048, 44100)[:-1])]
    found = [bins * rate / 16384 for bins in accumulate(band_sizes(16384, rate)[:-1])]
    assert found == pytest.approx([edge for edge in edges if edge < rate / 2], abs=rate / 16384)


@pytest.mark.parametrize(
    ("arguments", "tensors", "numbers"),
    [
        # The MUSDB18-HQ weights of MSST: 1355 tensors and 131,704,612 numbers, as those count who ported them.
        ({"dim": 384, "depth": 8, "mlp_expansion_factor": 2}, 1355, 131_704_612),
        # The paper, section 5: 72.2 M with six blocks. That its heads have no gates takes away 0.04 M.
        ({"dim": 384, "depth": 6, "dim_head": 48, "stems": ("vocals",)}, None, pytest.approx(72.2e6, rel=1e-3)),
    ],
    ids=["MSST, four stems", "paper"],
)
def test_the_published_sizes(arguments, tensors, numbers):
    with torch.device("meta"):
        state = registry.build("bs-roformer", **arguments).state_dict()
    assert tensors in (len(state), None)
    assert sum(tensor.numel() for tensor in state.values()) == numbers


def test_the_best_known_weights_have_its_size():
    """model_bs_roformer_ep_317_sdr_12.9755.ckpt, of vocals: 639,331,213 bytes."""
    with torch.device("meta"):
        assert fills(registry.build("bs-roformer", dim=512, depth=12, stems=("vocals",)).state_dict(), 639_331_213)


@pytest.mark.parametrize(
    "arguments",
    [
        {"dim": 512, "depth": 12, "stems": ("vocals",)},  # the vocals' weights of 2024, best known of all
        {"dim": 384, "depth": 2, "mlp_expansion_factor": 2},
        {"dim": 64, "depth": 1, "channels": 1, "heads": 4, "dim_head": 32, "mask_estimator_depth": 3},
    ],
    ids=["vocals", "four stems", "mono"],
)
def test_names_and_shapes_are_the_published_ones(arguments):
    with torch.device("meta"):
        network = registry.build("bs-roformer", **arguments)
    config = network.config
    expected = shapes(
        list(config.bands), config.dim, config.depth, len(config.stems), config.channels, config.heads,
        config.dim_head, config.mlp_expansion_factor, config.mask_estimator_depth - 1,
    )  # fmt: skip
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == expected


def test_tensors_seen_in_published_checkpoints():
    """A few names and shapes as they stand in the tests of a port to another language."""
    expected = shapes(list(band_sizes(2048, 44100)), 512, 12, 1)
    assert expected["band_split.to_features.0.0.gamma"] == (8,)
    assert expected["layers.0.0.layers.0.0.to_qkv.weight"] == (1536, 512)
    assert expected["layers.11.1.layers.0.0.rotary_embed.freqs"] == (32,)
    assert expected["mask_estimators.0.to_freqs.61.0.2.weight"] == (1032, 2048)
    assert expected["final_norm.gamma"] == (512,)


def test_a_published_state_loads_by_name():
    sizes = (2, 3, 4, 24)
    torch.manual_seed(0)
    state = {name: torch.randn(shape) for name, shape in shapes(list(sizes), 12, 2, 2, heads=2, dim_head=6).items()}
    arguments = {"stems": ("a", "b"), "n_fft": 64, "hop": 16, "dim": 12, "heads": 2, "dim_head": 6, "depth": 2}
    network = registry.build("bs-roformer", **arguments, freqs_per_bands=sizes)
    network.load_state_dict(state, strict=True)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("given_bands", [(1024,), (1000, 24), (1000, 26), (0, 1025), (-1, 1026), ()])
def test_bands_that_do_not_make_up_the_bins_are_refused(given_bands):
    with pytest.raises(BadInput, match=r"freqs_per_bands .*1025 bins of n_fft 2048"):
        BSRoformerConfig(freqs_per_bands=given_bands)
