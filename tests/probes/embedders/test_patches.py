"""What both shipped embedders promise: the protocol, for every length and whatever else is in the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.songs.composer import compose
from raysep.corpus.songs.renderer import default_font
from raysep.corpus.songs.synthesis import perform
from raysep.probes.embedders import registry
from raysep.probes.embedders.aisfx import AiSfxEmbedder
from raysep.probes.embedders.base import audible_frames, frame_count
from raysep.probes.embedders.musicnn import MusicnnEmbedder
from raysep.probes.embedders.patches import PatchEmbedder, mel_power

KINDS = (AiSfxEmbedder, MusicnnEmbedder)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def embedder(request):
    return request.param()


def noise(samples: int, stems: int = 1, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(stems, samples, generator=torch.Generator().manual_seed(seed))


def sizes(embedder) -> tuple[int, int]:
    return tuple(round(s * embedder.sample_rate) for s in (embedder.window_seconds, embedder.hop_seconds))


def cheap(kind: type[PatchEmbedder]) -> PatchEmbedder:
    """The embedder's cutting without its network: a spectrum is its first sample, an embedding its patch's first."""

    class Cheap(kind):
        def __init__(self):
            torch.nn.Module.__init__(self)

        def log_mel(self, pieces):
            return pieces[..., :1]

        def embed_patches(self, patches):
            return patches[:, 0]

    return Cheap()


@pytest.mark.parametrize("kind", KINDS)
@given(samples=st.integers(1, 1_200_000), stems=st.integers(1, 2))
def test_frames_of_every_length_are_those_of_the_protocol(kind, samples, stems):
    embedder = cheap(kind)
    window, hop = sizes(embedder)
    frames = embedder.embed(torch.arange(samples).float().expand(stems, -1))[0, :, 0]
    assert len(frames) == frame_count(samples, window, hop)
    assert torch.equal(frames, hop * torch.arange(len(frames)).float())  # frame k begins at k hop


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("off", [-1, 0, 1])
def test_frames_at_the_edge_of_a_window(kind, off):
    embedder = cheap(kind)
    window, hop = sizes(embedder)
    assert embedder.embed(torch.zeros(1, window + 3 * hop + off)).shape[1] == (3 if off < 0 else 4)


def test_a_frame_sees_its_window_and_nothing_else(embedder):
    window, hop = sizes(embedder)
    audio = noise(window + 3 * hop + 100)
    frames = embedder.embed(audio)[0]
    assert frames.shape == (4, embedder.dimension)
    assert frames.dtype == torch.float32
    for k, frame in enumerate(frames):
        torch.testing.assert_close(
            embedder.embed(audio[:, k * hop : k * hop + window])[0, 0], frame, atol=2e-5, rtol=1e-4
        )


def test_a_batch_of_two_is_each_alone(embedder):
    window, hop = sizes(embedder)
    audio = noise(window + 2 * hop, stems=2)
    together = embedder.embed(audio)
    for k in range(2):
        torch.testing.assert_close(together[k], embedder.embed(audio[k : k + 1])[0], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@given(samples=st.integers(1, 1_200_000), data=st.data())
def test_chosen_frames_are_those_of_all(kind, samples, data):
    embedder = cheap(kind)
    audio = torch.arange(samples).float()
    frames = embedder.embed(audio[None])[0]
    chosen = torch.tensor(data.draw(st.lists(st.integers(0, len(frames) - 1), min_size=1)))
    assert torch.equal(embedder.embed_some(audio, chosen), frames[chosen])


@pytest.mark.parametrize("samples", [1, 1000, 50_000])
def test_silence_and_short_stems_are_finite(embedder, samples):
    for audio in (torch.zeros(1, samples), noise(samples), 100.0 * noise(samples)):
        embedded = embedder.embed(audio)
        assert embedded.shape == (1, 1, embedder.dimension)
        assert embedded.isfinite().all()


def test_the_callers_generator_and_gradients_are_left_alone(embedder):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    type(embedder)()
    assert torch.equal(before, torch.get_rng_state())
    assert not any(parameter.requires_grad for parameter in embedder.parameters())
    assert not embedder.training


def test_it_is_registered_and_moves(embedder):
    built = registry.build(embedder.name, 8000)
    assert built.weights_digest == embedder.weights_digest
    assert built.to("cpu") is built
    assert all(hasattr(built, name) for name in ("window_seconds", "hop_seconds", "least_spread", "sample_rate"))


def test_the_power_of_a_band_is_that_of_the_transform():
    pieces, window = noise(64, 3).double(), torch.hann_window(64).double()
    filters = torch.from_numpy(np.random.default_rng(4).random((33, 5)))
    expected = np.abs(np.fft.rfft(pieces.numpy() * window.numpy())) ** 2 @ filters.numpy()
    np.testing.assert_allclose(mel_power(pieces, window, filters).numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def songs():
    """Seven songs of 6 s: label → ``(2, time)`` at 44.1 kHz."""
    generators = [np.random.default_rng([11, k]) for k in range(7)]
    return [perform(compose(rng, 6.0), rng, 44_100, default_font()) for rng in generators]


@pytest.mark.slow
def test_a_stem_lies_nearest_to_its_own_label(embedder, songs):
    """Four songs as reference, three to name: by chance a quarter of 12 stems, and 9 or more once in 2,500 tries."""
    frames = [{label: audible_frames(embedder, stem, 44_100) for label, stem in song.items()} for song in songs]
    reference = {label: np.concatenate([song[label] for song in frames[:4]]) for label in frames[0]}
    spread = np.maximum(np.concatenate(list(reference.values())).std(axis=0), embedder.least_spread)
    right = 0
    for song in frames[4:]:
        for label, found in song.items():
            distance = {n: np.linalg.norm((r.mean(axis=0) - found.mean(axis=0)) / spread) for n, r in reference.items()}
            right += min(distance, key=distance.get) == label
    assert right >= 9
