"""VGGish against the published description, written out a second time with plain functions and numpy loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from raysep.errors import BadInput
from raysep.probes.embedders import vggish
from raysep.probes.embedders.base import frame_count
from raysep.probes.embedders.vggish import VggishEmbedder, log_mel, mel_filters

SHAPES = {
    "features.0": (64, 1, 3, 3),
    "features.3": (128, 64, 3, 3),
    "features.6": (256, 128, 3, 3),
    "features.8": (256, 256, 3, 3),
    "features.11": (512, 256, 3, 3),
    "features.13": (512, 512, 3, 3),
    "embeddings.0": (4096, 12288),
    "embeddings.2": (4096, 4096),
    "embeddings.4": (128, 4096),
}


@pytest.fixture(scope="module")
def state():
    """Weights of the published shapes that keep the signal's size from layer to layer."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in SHAPES.items():
        scale = (2.0 / np.prod(shape[1:])) ** 0.5
        state[f"{name}.weight"] = scale * torch.randn(shape, generator=generator)
        state[f"{name}.bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    return state


@pytest.fixture(scope="module")
def path(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("vggish") / "vggish.pth"
    torch.save(state | {"pproc.pca_means": torch.zeros(128, 1)}, path)  # the post-processing is left alone
    return str(path)


@pytest.fixture(scope="module")
def embedder(path):
    return VggishEmbedder(path)


def sound(samples, batch=1, seed=0):
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


def published_log_mel(audio: np.ndarray) -> np.ndarray:
    """``(frame, mel)``, a triangle and a frame at a time, as the AudioSet release describes it."""
    mel = lambda hertz: 1127.0 * np.log(1.0 + hertz / 700.0)  # noqa: E731
    edges = np.linspace(mel(125.0), mel(7500.0), 66)
    matrix = np.zeros((257, 64))
    for band in range(64):
        low, centre, high = edges[band : band + 3]
        for k in range(1, 257):  # the constant part is left out
            position = mel(k * 16000 / 512)
            slopes = (position - low) / (centre - low), (high - position) / (high - centre)
            matrix[k, band] = max(0.0, min(slopes))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    rows = [np.abs(np.fft.rfft(audio[s : s + 400] * window, 512)) @ matrix for s in range(0, len(audio) - 399, 160)]
    return np.log(np.stack(rows) + 0.01)


def oracle(state, log_mel: np.ndarray) -> torch.Tensor:
    """``(96, 64)`` through the layers one by one."""
    x = torch.from_numpy(log_mel).float()[None, None]
    for name, pooled in ((0, True), (3, True), (6, False), (8, True), (11, False), (13, True)):
        x = F.conv2d(x, state[f"features.{name}.weight"], state[f"features.{name}.bias"], padding=1).relu()
        x = F.max_pool2d(x, 2) if pooled else x
    assert x.shape == (1, 512, 6, 4)
    x = torch.stack([x[0, :, i, j] for i in range(6) for j in range(4)]).reshape(1, -1)  # time, mel, width
    x = F.linear(x, state["embeddings.0.weight"], state["embeddings.0.bias"]).relu()
    x = F.linear(x, state["embeddings.2.weight"], state["embeddings.2.bias"]).relu()
    return F.linear(x, state["embeddings.4.weight"], state["embeddings.4.bias"])[0]


def test_the_front_end_is_the_published_one():
    audio = sound(15600)
    found = log_mel(audio, torch.from_numpy(mel_filters()))
    assert found.shape == (1, 96, 64)
    np.testing.assert_allclose(found[0].numpy(), published_log_mel(audio[0].double().numpy()), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_frame_is_the_published_network_on_its_example(state, embedder):
    audio = sound(15600 + 7680 + 100)
    frames = embedder.embed(audio)[0]
    assert frames.shape == (2, 128)
    for k, frame in enumerate(frames):
        expected = oracle(state, published_log_mel(audio[0, 7680 * k : 7680 * k + 15600].double().numpy()))
        torch.testing.assert_close(frame, expected, rtol=1e-3, atol=1e-3)
    assert (frames < 0).any()  # the last layer has no ReLU
    assert (frames[0] - frames[1]).abs().max() > 0.05


@settings(max_examples=8, deadline=None)
@given(samples=st.integers(1, 60000))
def test_the_number_of_frames_is_that_of_the_protocol(cheap, samples):
    frames = cheap.embed(torch.zeros(2, samples))
    window, hop = (round(s * 16000) for s in (cheap.window_seconds, cheap.hop_seconds))
    assert (window, hop) == (15600, 7680)
    assert frames.shape == (2, frame_count(samples, window, hop), 128)


@pytest.fixture(scope="module")
def cheap(path):
    """The embedder with a network that costs nothing: what is asked above is asked of the windows."""
    embedder = VggishEmbedder(path)
    embedder.network = lambda x: x.flatten(1)[:, :128]
    return embedder


@pytest.mark.parametrize("samples", [1, 399, 8000])
def test_short_and_silent_audio_is_finite(embedder, samples):
    for audio in (torch.zeros(1, samples), sound(samples)):
        frames = embedder.embed(audio)
        assert frames.shape == (1, 1, 128)
        assert torch.isfinite(frames).all()


def test_two_stems_give_what_each_gives_alone(embedder):
    audio = sound(20000, batch=2)
    both = embedder.embed(audio)
    torch.testing.assert_close(both, torch.cat([embedder.embed(one[None]) for one in audio]), rtol=1e-4, atol=1e-5)
    assert (embedder.name, embedder.sample_rate, embedder.dimension) == ("vggish", 16000, 128)
    assert embedder.least_spread > 0
    assert len(embedder.weights_digest) == 64


def test_a_folder_with_one_file_is_as_good_as_the_file(path, embedder):
    folder = path.rpartition("/")[0]
    assert VggishEmbedder(folder).weights_digest == embedder.weights_digest


def test_wrong_weights_are_named(tmp_path, state):
    with pytest.raises(BadInput, match="embedder 'vggish' ships no weights"):
        VggishEmbedder("")
    with pytest.raises(BadInput, match="0 files of weights"):
        VggishEmbedder(str(tmp_path))
    file = tmp_path / "net.pt"
    torch.save({"a": torch.zeros(3)}, file)
    with pytest.raises(BadInput, match=r"net\.pt: not VGGish's weights; features\.0\.weight is absent"):
        VggishEmbedder(str(file))
    torch.save([1, 2], file)
    with pytest.raises(BadInput, match="finds a list here"):
        VggishEmbedder(str(file))


def test_the_window_is_the_published_number_of_frames():
    assert 1 + (vggish.WINDOW - vggish.FRAME) // vggish.HOP == 96
