"""CLAP against transformers' own feature extractor and model, on a small random network."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.probes.embedders.base import frame_count
from raysep.probes.embedders.clap import ClapEmbedder
from raysep.probes.embedders.pretrained import transformers

pytestmark = pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
RATE = 8000


def save(folder, fusion=False):
    """A whole CLAP of two layers for clips of one second, with the text half that the embedder leaves aside."""
    package = transformers("clap-music")
    torch.manual_seed(0)
    audio = {
        "spec_size": 64,
        "num_mel_bins": 16,
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1],
        "num_attention_heads": [1, 2],
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "enable_fusion": fusion,
        "fusion_type": "channel_map" if fusion else None,
    }
    text = {
        "vocab_size": 20,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
    }
    config = package.ClapConfig(audio_config=audio, text_config=text, projection_dim=12)
    model = package.ClapModel(config).eval()
    model.save_pretrained(folder)
    extractor = package.ClapFeatureExtractor(
        feature_size=16, sampling_rate=RATE, hop_length=80, max_length_s=1, fft_window_size=256,
        frequency_min=50, frequency_max=3500, truncation="rand_trunc",
    )  # fmt: skip
    extractor.save_pretrained(folder)
    return model, extractor


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clap")
    return (folder, *save(folder))


@pytest.fixture(scope="module")
def embedder(published):
    return ClapEmbedder("clap-music", str(published[0]), hop_seconds=0.25)


def sound(samples, batch=1, seed=0):
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


def oracle(published, clip: np.ndarray) -> torch.Tensor:
    """``(dimension,)`` by the package's own way from samples to features."""
    _, model, extractor = published
    inputs = extractor(clip, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        return model.get_audio_features(inputs["input_features"].float(), is_longer=inputs["is_longer"]).pooler_output[
            0
        ]


def test_each_frame_is_what_transformers_gives_for_its_clip(published, embedder):
    audio = sound(2 * RATE)
    frames = embedder.embed(audio)[0]
    assert frames.shape == (5, 12)
    for k, frame in enumerate(frames):
        expected = oracle(published, audio[0, k * RATE // 4 : k * RATE // 4 + RATE].numpy())
        torch.testing.assert_close(frame, expected, rtol=1e-3, atol=1e-4)
    assert (frames[0] - frames[1]).abs().max() > 1e-3  # the comparison above can tell clips apart
    torch.testing.assert_close(frames.norm(dim=-1), torch.ones(5))


@pytest.mark.parametrize("samples", [1500, 3000, 5000, 7999])
def test_a_short_stem_is_repeated_as_the_package_does(published, embedder, samples):
    audio = sound(samples)
    frames = embedder.embed(audio)
    assert frames.shape == (1, 1, 12)
    torch.testing.assert_close(frames[0, 0], oracle(published, audio[0].numpy()), rtol=1e-3, atol=1e-4)


def test_what_the_protocol_asks_for(embedder):
    assert (embedder.name, embedder.sample_rate, embedder.dimension) == ("clap-music", RATE, 12)
    assert (embedder.window_seconds, embedder.hop_seconds) == (1.0, 0.25)
    assert embedder.least_spread > 0
    assert len(embedder.weights_digest) == 64
    assert embedder.to("cpu") is embedder


@settings(max_examples=10, deadline=None)
@given(samples=st.integers(1, 3 * RATE))
def test_the_number_of_frames_is_that_of_the_protocol(embedder, samples):
    frames = embedder.embed(torch.zeros(1, samples))
    assert frames.shape == (1, frame_count(samples, RATE, RATE // 4), 12)
    assert frames.dtype == torch.float32
    assert torch.isfinite(frames).all()


def test_two_stems_give_what_each_gives_alone(embedder):
    audio = sound(2 * RATE, batch=2)
    both = embedder.embed(audio)
    torch.testing.assert_close(both, torch.cat([embedder.embed(one[None]) for one in audio]), rtol=1e-4, atol=1e-6)


def test_a_fused_checkpoint_is_refused(tmp_path):
    save(tmp_path, fusion=True)
    with pytest.raises(BadInput, match="fused checkpoint"):
        ClapEmbedder("clap-audio", str(tmp_path))


def test_a_folder_that_lacks_something_is_named(tmp_path, published):
    with pytest.raises(BadInput, match=r"no ClapAudioModelWithProjection for embedder 'clap-music' here"):
        ClapEmbedder("clap-music", str(tmp_path))
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((published[0] / name).read_bytes())
    with pytest.raises(BadInput, match=r"preprocessor_config\.json"):
        ClapEmbedder("clap-music", str(tmp_path))
