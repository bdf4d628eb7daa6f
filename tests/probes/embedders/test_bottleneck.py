"""A separator's bottleneck as an embedding, for every registered network."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.probes.embedders.base import frame_count
from raysep.probes.embedders.bottleneck import BANDS, SeparatorEmbedder, bottleneck_of, digest_of, pooled
from raysep.separators import registry
from raysep.separators.base import MagnitudeSeparator
from raysep.separators.checkpoint import Checkpoint, to_bytes

RATE = 8000


def make(name, arguments, seed=0):
    torch.manual_seed(seed)
    return registry.build(name, sample_rate=RATE, channels=2, **arguments)


@pytest.fixture(params=sorted(registry.MODELS))
def network(request, small_arguments):
    return make(request.param, small_arguments(request.param)).eval()


def audio(batch=1, seconds=2.3, seed=0):
    return 0.1 * torch.randn(batch, int(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def watched(network, mixture):
    """The bottleneck's outputs, seen while the whole network separates."""
    seen: list[torch.Tensor] = []
    handles = [place.register_forward_hook(lambda _, __, out: seen.append(out)) for place in network.bottleneck]
    with torch.no_grad():
        network.separate(mixture)
    for handle in handles:
        handle.remove()
    return seen


def test_a_frame_is_the_mean_activation_of_its_window(network):
    """Against the same place watched while the whole network runs, one window at a time."""
    embedder, sound = SeparatorEmbedder(network), audio()
    frames = embedder.embed(sound)
    for k in range(3):
        window = sound[:, k * RATE // 2 : k * RATE // 2 + RATE]
        seen = watched(network, window.expand(1, 2, -1))
        expected = torch.cat([pooled(x, network.bottleneck_axes)[:1] for x in seen], dim=-1)  # a lone window
        torch.testing.assert_close(frames[:, k], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("openunmix", [(17, 1, 8)] * 4),  # a frame per 64 of 1024 samples and one more; two directions of four units
        ("openunmix-joint", [(17, 1, 8)]),
        ("convtasnet", [(2, 8, 129)]),  # mono, so a batch of two channels; a hop is half a kernel of 16
        ("hdemucs", [(1, 64, 2)]),  # 4 · 2^4 features, a hop of 256 halved once
    ],
)
def test_what_the_bottleneck_looks_like(name, shape, small_arguments):
    network = make(name, small_arguments(name)).eval()
    with torch.no_grad():
        found = bottleneck_of(network, audio(seconds=1024 / RATE).expand(1, 2, -1))
    assert [tuple(x.shape) for x in found] == shape


def test_the_axes_are_what_they_are_called(network):
    """Twice the audio has more frames, twice the batch twice the examples, and neither has more features."""
    with torch.no_grad():
        short, long, two = (bottleneck_of(network, audio(b, s).unsqueeze(1).expand(-1, 2, -1))[0].shape
                            for b, s in ((1, 1), (1, 2), (2, 1)))  # fmt: skip
    batch, frame = (network.bottleneck_axes.index(name) for name in ("batch", "frame"))
    assert len(network.bottleneck_axes) == len(short)
    assert 1.6 * short[frame] < long[frame] < 2.4 * short[frame]
    assert two[batch] == 2 * short[batch]
    for axis in set(range(len(short))) - {batch, frame}:
        assert short[axis] == long[axis] == two[axis]


def test_pooling_averages_frames_and_bins_in_bands():
    x = torch.randn(2, 3, 8, 5)  # batch, feature, bin, frame
    expected = x.mean(dim=3).reshape(2, 3, BANDS, 2).mean(dim=3).flatten(1)
    torch.testing.assert_close(pooled(x, ("batch", "feature", "bin", "frame")), expected)
    torch.testing.assert_close(pooled(x.permute(3, 2, 0, 1), ("frame", "bin", "batch", "feature")), expected)
    torch.testing.assert_close(pooled(x[:, :, 0], ("batch", "feature", "frame")), x[:, :, 0].mean(dim=2))


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(1, 40000))
def test_the_number_of_frames_is_that_of_the_protocol(samples):
    embedder = SeparatorEmbedder(make("openunmix-joint", {"n_fft": 128, "hop": 64, "hidden": 8}))
    shape = embedder.embed(torch.zeros(2, samples)).shape
    assert shape == (2, frame_count(samples, RATE, RATE // 2), embedder.dimension)


def test_two_stems_give_what_each_gives_alone(network):
    embedder, sound = SeparatorEmbedder(network), audio(batch=2)
    both = embedder.embed(sound)
    torch.testing.assert_close(both, torch.cat([embedder.embed(one[None]) for one in sound]), rtol=1e-5, atol=1e-6)
    assert both.dtype == torch.float32


def test_how_many_windows_go_through_together_changes_nothing(network):
    embedder, sound = SeparatorEmbedder(network), audio(seconds=4)
    expected = embedder.embed(sound)
    embedder.at_once = 2
    torch.testing.assert_close(embedder.embed(sound), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 50, 4000, 16000])
def test_short_and_silent_audio_is_finite(network, samples):
    embedder = SeparatorEmbedder(network)
    for sound in (torch.zeros(1, samples), audio(seconds=samples / RATE + 1e-4)):
        assert torch.isfinite(embedder.embed(sound)).all()


def test_different_sounds_are_further_apart_than_the_least_spread(network):
    embedder = SeparatorEmbedder(network)
    tone = 0.1 * torch.sin(torch.arange(2 * RATE) * 0.3)[None]
    apart = (embedder.embed(tone) - embedder.embed(audio(seconds=2))).abs().mean()
    assert apart > 5 * embedder.least_spread > 0


def test_a_checkpoint_brings_the_same_embedder(network, tmp_path):
    model, arguments = registry.describe(network)
    path = tmp_path / "net.safetensors"
    path.write_bytes(to_bytes(Checkpoint(model, arguments, dict(network.state_dict()))))
    again, embedder = SeparatorEmbedder.from_checkpoint(str(path)), SeparatorEmbedder(network)
    assert torch.equal(again.embed(audio()), embedder.embed(audio()))
    assert again.weights_digest == embedder.weights_digest
    assert (again.dimension, again.sample_rate, again.least_spread) == (
        embedder.dimension,
        RATE,
        embedder.least_spread,
    )


def test_the_digest_tells_networks_apart(small_arguments):
    arguments = small_arguments("openunmix-joint")
    digests = {
        digest_of(make("openunmix-joint", arguments | more, seed)) for more in ({}, {"hop": 32}) for seed in (0, 1)
    }
    assert len(digests) == 4


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(BadInput, match="absent"):
        SeparatorEmbedder.from_checkpoint(str(tmp_path / "absent.safetensors"))
    with pytest.raises(BadInput, match="give the checkpoint"):
        SeparatorEmbedder.from_checkpoint("")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(BadInput, match="not a raysep checkpoint"):
        SeparatorEmbedder.from_checkpoint(str(tmp_path / "text"))


def test_a_network_without_a_bottleneck_is_told_what_it_lacks(network):
    class Plain(MagnitudeSeparator):
        pass

    with pytest.raises(BadInput, match="Plain names no bottleneck"):
        SeparatorEmbedder(Plain(network.config))


def test_watching_leaves_no_hook_behind(network):
    SeparatorEmbedder(network).embed(audio())
    assert not any(place._forward_hooks for place in network.bottleneck)


def test_chosen_frames_are_those_of_all(network):
    embedder, sound = SeparatorEmbedder(network), audio(seconds=4)
    expected = embedder.embed(sound)[0][[5, 0, 2]]
    torch.testing.assert_close(embedder.embed_some(sound[0], torch.tensor([5, 0, 2])), expected, rtol=1e-4, atol=1e-6)
