from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.melroformer import MelRoformerConfig, mel_bands
from raysep.separators.torchaudio_parts import functional
from tests.published_roformer import fills, shapes


def test_the_published_bands():
    """60 bands at 44.1 kHz: 1979 bins in them, 6 to 130 in each, 7 in the first, as those counted who ported them."""
    bands = mel_bands(44100, 2048, 60)
    sizes = [len(bins) for bins in bands]
    assert (len(bands), sum(sizes), min(sizes), max(sizes), sizes[0]) == (60, 1979, 6, 130, 7)
    assert set(Counter(chain(*bands)).values()) == {1, 2}


@pytest.mark.parametrize(("rate", "n_fft", "count"), [(44100, 2048, 60), (16000, 1024, 40), (8000, 512, 20)])
def test_the_bands_are_those_of_another_slaney_filter_bank(rate, n_fft, count):
    triangles = functional().melscale_fbanks(n_fft // 2 + 1, 0.0, rate / 2, count, rate, mel_scale="slaney")
    inside = triangles.T > 1e-6  # its corners are rounded to single precision
    inside[0, 0] = inside[-1, -1] = True
    assert [row.nonzero().flatten().tolist() for row in inside] == mel_bands(rate, n_fft, count)


@given(half=st.integers(8, 3000), rate=st.sampled_from([8000, 16000, 44100, 48000]), count=st.integers(2, 80))
def test_every_bin_is_in_one_band_or_two_neighbours(half, rate, count):
    bands = mel_bands(rate, 2 * half, count)
    held: dict[int, list[int]] = {}
    for band, bins in enumerate(bands):
        for bin in bins:
            held.setdefault(bin, []).append(band)
    assert sorted(held) == list(range(half + 1))
    assert all(len(of) == 1 or (len(of) == 2 and of[1] - of[0] == 1) for of in held.values())


@pytest.mark.parametrize(
    ("depth", "tensors", "file_bytes"),
    [(6, 684, 913_106_900), (12, None, 1_007_816_988)],
    ids=["MelBandRoformer.ckpt", "model_mel_band_roformer_ep_3005_sdr_11.4360.ckpt"],
)
def test_the_published_sizes(depth, tensors, file_bytes):
    """The two best known sets of weights for vocals: 684 tensors, as those count who ported one, and the files' sizes."""
    with torch.device("meta"):
        state = registry.build("mel-band-roformer", dim=384, depth=depth, stems=("vocals",)).state_dict()
    sizes = [len(bins) for bins in mel_bands(44100, 2048, 60)]
    assert {n: tuple(t.shape) for n, t in state.items()} == shapes(sizes, 384, depth, 1, hidden_layers=2, mel=True)
    assert tensors in (len(state), None)
    assert fills(state, file_bytes)


def test_a_published_state_loads_by_name():
    sizes = [len(bins) for bins in mel_bands(8000, 128, 6)]
    torch.manual_seed(0)
    names = shapes(sizes, 12, 2, 2, channels=1, heads=2, dim_head=6, hidden_layers=2, mel=True)
    state = {name: torch.randn(shape) for name, shape in names.items()}
    arguments = {"stems": ("a", "b"), "sample_rate": 8000, "channels": 1, "n_fft": 128, "hop": 32, "num_bands": 6}
    network = registry.build("mel-band-roformer", **arguments, dim=12, heads=2, dim_head=6, depth=2)
    network.load_state_dict(state, strict=True)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in state.items())


def test_more_bands_than_the_bins_below_can_fill_are_refused():
    with pytest.raises(BadInput, match=r"num_bands 100: \d+ of them hold no bin of n_fft 128 at 8000 Hz"):
        MelRoformerConfig(sample_rate=8000, n_fft=128, hop=32, num_bands=100)
