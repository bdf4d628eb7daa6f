import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raysep.probes.embedders.base import audible_frames, frame_levels
from raysep.probes.embedders.logmel import LogMelEmbedder, mel_filters

RATE = 16000


def tone(hz, seconds, level=0.3):
    return level * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)


@pytest.mark.parametrize(("seconds", "frames"), [(0.3, 1), (1.0, 1), (1.5, 2), (3.0, 5), (40.0, 79)])
def test_shapes(seconds, frames):
    embedder = LogMelEmbedder(RATE)
    assert embedder.embed(torch.zeros(2, int(seconds * RATE))).shape == (2, frames, embedder.dimension)


@pytest.mark.parametrize("hz", [100.0, 440.0, 3000.0])
def test_a_tone_lights_its_own_band(hz):
    embedder = LogMelEmbedder(RATE)
    frames = embedder.embed(torch.from_numpy(tone(hz, 2.0)).float()[None])[0]
    mel = 2595 * np.log10(1 + np.array([30.0, hz, RATE / 2]) / 700)
    expected = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 65 - 1
    assert abs(int(frames[0, :64].argmax()) - expected) <= 1.5


def test_a_steady_tone_has_no_spread_and_a_gated_one_has():
    embedder = LogMelEmbedder(RATE)
    steady = tone(440, 2.0)
    gated = steady * (np.arange(len(steady)) % 4000 < 2000)
    spread = [embedder.embed(torch.from_numpy(a).float()[None])[0, :, 64:].mean() for a in (steady, gated)]
    assert spread[1] > 10 * spread[0]


def test_every_filter_catches_something_and_peaks_at_most_at_one():
    filters = mel_filters(22050, 512, 64)
    assert (filters.sum(1) > 0).all()
    assert filters.max() <= 1.0


def test_loudness_of_the_stem_does_not_matter_but_silence_is_dropped():
    audio = np.stack([np.concatenate([tone(440, 3.0), np.zeros(3 * RATE)])] * 2).astype(np.float32)
    embedder = LogMelEmbedder(RATE)
    frames = audible_frames(embedder, audio, RATE)
    assert 5 <= len(frames) <= 6
    np.testing.assert_allclose(audible_frames(embedder, 0.25 * audio, RATE), frames, atol=1e-3)
    assert audible_frames(embedder, 0.0 * audio, RATE).shape == (0, 128)


def test_another_sample_rate_is_resampled():
    audio = np.random.default_rng(0).normal(size=(2, 2 * 2 * RATE)).astype(np.float32) * 0.1
    assert len(audible_frames(LogMelEmbedder(RATE), audio, 2 * RATE)) == 3


def test_frame_levels_are_rms():
    audio = np.random.default_rng(1).normal(size=1000)
    levels = frame_levels(audio, window=100, hop=50)
    expected = [10 * np.log10(np.mean(audio[k : k + 100] ** 2)) for k in range(0, 901, 50)]
    np.testing.assert_allclose(levels, expected, rtol=1e-9)


def test_frames_are_those_of_the_transform_written_out():
    embedder = LogMelEmbedder(RATE)
    audio = 0.1 * np.random.default_rng(2).normal(size=2 * RATE)
    fft, shape = embedder.n_fft, np.hanning(embedder.n_fft + 1)[:-1]
    for frame, found in enumerate(embedder.embed(torch.from_numpy(audio).float()[None])[0].numpy()):
        window = audio[frame * RATE // 2 :][:RATE]
        spectra = [np.fft.rfft(shape * window[k : k + fft]) for k in range(0, RATE - fft + 1, fft // 2)]
        power = np.abs(spectra) ** 2 / (np.sum(shape**2) * fft)
        decibels = 10 * np.log10(np.maximum(power @ mel_filters(RATE, fft, 64).T, 1e-8))
        np.testing.assert_allclose(found[:64], decibels.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(found[64:], decibels.std(axis=0), rtol=1e-4)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=30))
def test_chosen_frames_are_those_of_all(chosen):
    embedder = LogMelEmbedder(RATE)
    audio = 0.1 * torch.randn(5 * RATE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        embedder.embed_some(audio, torch.tensor(chosen)), embedder.embed(audio[None])[0][chosen], rtol=1e-5, atol=1e-4
    )
