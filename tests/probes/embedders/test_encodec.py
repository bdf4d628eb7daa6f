"""EnCodec against transformers' encoder called directly, mono and stereo, on a small random network."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.probes.embedders.base import frame_count
from raysep.probes.embedders.encodec import EncodecEmbedder
from raysep.probes.embedders.pretrained import transformers

pytestmark = pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
RATE = 2000
KINDS = {
    "24 kHz": {"audio_channels": 1},
    "48 kHz": {
        "audio_channels": 2,
        "normalize": True,
        "chunk_length_s": 1.0,
        "overlap": 0.01,
        "norm_type": "time_group_norm",
        "use_causal_conv": False,
    },
}


def save(folder, kind):
    package = transformers("encodec")
    torch.manual_seed(0)
    config = package.EncodecConfig(
        sampling_rate=RATE, num_filters=4, hidden_size=16, codebook_dim=16, codebook_size=8, upsampling_ratios=[4, 2],
        target_bandwidths=[1.0], **KINDS[kind],
    )  # fmt: skip
    model = package.EncodecModel(config).eval()
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="module", params=sorted(KINDS))
def published(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encodec")
    return folder, save(folder, request.param)


@pytest.fixture(scope="module")
def embedder(published):
    return EncodecEmbedder(str(published[0]))


def sound(samples, batch=1, seed=0):
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


def oracle(model, clip):
    """Mean over time of what the codec quantises, caught where it hands it to its quantiser."""
    seen = []
    model.quantizer.encode, encode = lambda x, bandwidth: seen.append(x) or encode(x, bandwidth), model.quantizer.encode
    try:
        with torch.no_grad():
            model.encode(clip.expand(1, model.config.audio_channels, -1), bandwidth=1.0)
    finally:
        model.quantizer.encode = encode
    return seen[0][0].mean(dim=-1)


def test_each_frame_is_the_mean_of_what_is_quantised_of_its_window(published, embedder):
    audio = sound(2 * RATE)
    frames = embedder.embed(audio)[0]
    assert frames.shape == (3, 16)
    for k, frame in enumerate(frames):
        expected = oracle(published[1], audio[:, k * RATE // 2 : k * RATE // 2 + RATE])
        torch.testing.assert_close(frame, expected, rtol=1e-5, atol=1e-6)
    assert (frames[0] - frames[1]).abs().max() > 1e-4


@settings(max_examples=10, deadline=None)
@given(samples=st.integers(1, 4 * RATE))
def test_the_number_of_frames_is_that_of_the_protocol(embedder, samples):
    frames = embedder.embed(torch.zeros(2, samples))
    assert frames.shape == (2, frame_count(samples, RATE, RATE // 2), embedder.dimension)
    assert torch.isfinite(frames).all()


def test_two_stems_give_what_each_gives_alone(embedder):
    audio = sound(2 * RATE, batch=2)
    both = embedder.embed(audio)
    torch.testing.assert_close(both, torch.cat([embedder.embed(one[None]) for one in audio]), rtol=1e-4, atol=1e-6)
    assert embedder.least_spread > 0
    assert (embedder.name, embedder.sample_rate, len(embedder.weights_digest)) == ("encodec", RATE, 64)


def test_loading_turns_off_no_log_of_others(published):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    EncodecEmbedder(str(published[0]))
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_wrong_weights_are_named(tmp_path, published):
    with pytest.raises(BadInput, match="no EncodecModel for embedder 'encodec' here"):
        EncodecEmbedder(str(tmp_path))
    (tmp_path / "config.json").write_bytes((published[0] / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BadInput, match="give a folder with"):
        EncodecEmbedder(str(tmp_path))


def test_without_the_extra_the_error_names_it(monkeypatch, published):
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BadInput, match=r"needs transformers; pip install 'raysep\[embedders\]'"):
        EncodecEmbedder(str(published[0]))
