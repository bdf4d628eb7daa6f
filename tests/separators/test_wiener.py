"""The Wiener filter against its definition, written out bin by bin; parity with open-unmix is in test_umx."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raysep.separators.wiener import LOUDEST, NOISE, wiener, with_phase


def spectra(seed: int = 0, shape=(1, 3, 2, 4, 5)) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    stems = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return torch.from_numpy(np.abs(stems) * rng.uniform(0.5, 1.5, shape)), torch.from_numpy(stems.sum(axis=1))


def definition(estimates: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """One step for ``(stem, channel, bin, frame)`` magnitudes and a ``(channel, bin, frame)`` mixture."""
    stems, channels, bins, frames = estimates.shape
    scale = max(1.0, np.abs(mixture).max() / LOUDEST)
    x, y = mixture / scale, estimates * np.exp(1j * np.angle(mixture)) / scale
    power = (np.abs(y) ** 2).mean(axis=1)
    out = np.zeros_like(y)
    for f in range(bins):
        covariance = [
            sum(np.outer(y[j, :, f, t], y[j, :, f, t].conj()) for t in range(frames)) / (NOISE + power[j, f].sum())
            for j in range(stems)
        ]
        for t in range(frames):
            model = sum(power[j, f, t] * covariance[j] for j in range(stems)) + np.sqrt(NOISE) * np.eye(channels)
            for j in range(stems):
                out[j, :, f, t] = power[j, f, t] * covariance[j] @ np.linalg.inv(model) @ x[:, f, t]
    return out * scale


@pytest.mark.parametrize("loudness", [0.01, 1.0, 1000.0])
def test_one_step_is_the_definition(loudness):
    estimates, mixture = (loudness * part for part in spectra())
    result = wiener(estimates, mixture)
    expected = definition(estimates[0].numpy(), mixture[0].numpy())
    np.testing.assert_allclose(result[0].numpy(), expected, rtol=1e-6, atol=1e-8 * loudness)


def test_windows_are_filtered_apart():
    estimates, mixture = spectra(1, (2, 2, 2, 3, 7))
    parts = [wiener(estimates[..., s], mixture[..., s]) for s in (slice(0, 4), slice(4, 7))]
    assert torch.equal(wiener(estimates, mixture, window=4), torch.cat(parts, dim=-1))


def test_filtered_stems_sum_to_the_mixture():
    estimates, mixture = spectra(2)
    torch.testing.assert_close(wiener(estimates, mixture).sum(dim=1), mixture, rtol=1e-3, atol=1e-3)


def test_the_residual_takes_what_is_left():
    estimates, mixture = spectra(3)
    with_rest = wiener(0.1 * estimates, mixture, residual=True)
    assert with_rest.shape == (1, 4, 2, 4, 5)
    assert with_rest[:, 3].abs().square().sum() > 0.5 * mixture.abs().square().sum()


def test_one_stem_keeps_its_estimate():
    estimates, mixture = spectra(4, (1, 1, 2, 3, 4))
    torch.testing.assert_close(wiener(estimates, mixture), with_phase(estimates, mixture))


def test_silence_stays_silent():
    silent = wiener(torch.zeros(1, 2, 2, 3, 4), torch.zeros(1, 2, 3, 4, dtype=torch.complex64))
    assert torch.equal(silent, torch.zeros_like(silent))
    assert silent.dtype == torch.complex64
