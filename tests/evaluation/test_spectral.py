"""Bleedless and fullness against torch's transform and torchaudio's mel bank, and cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raysep.evaluation import bleedless_fullness
from raysep.separators import torchaudio_parts

RATE = 44100


def stems(seed: int = 0, seconds: float = 1.0, channels: int = 2) -> np.ndarray:
    """``(2, sample, channels)``: a plucked tone that decays and noise with a gap."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * 440 * time) * np.exp(-4 * time)
    noise = 0.1 * rng.standard_normal(len(time)) * (time < 0.6 * seconds)
    gains = rng.uniform(0.5, 1.0, (2, 1, channels))
    return np.stack([tone, noise])[:, :, None] * gains


def by_definition(reference: np.ndarray, estimate: np.ndarray, rate: int) -> tuple[float, float]:
    """``(channel, sample)`` each, step by step with other people's transforms."""
    bank = torchaudio_parts.functional().melscale_fbanks(
        2049, 0.0, rate / 2, 512, rate, norm="slaney", mel_scale="slaney"
    )

    def levels(audio: np.ndarray) -> torch.Tensor:
        spectrum = torch.stft(
            torch.from_numpy(audio), 4096, 1024, window=torch.hann_window(4096, dtype=torch.float64),
            return_complex=True, pad_mode="constant",
        )  # fmt: skip
        mel = spectrum.abs().transpose(1, 2) @ bank.double()
        decibels = 20 * torch.log10(mel.clamp(min=1e-10))
        return decibels.clamp(min=float(decibels.max()) - 80)

    difference = levels(estimate) - levels(reference)
    more, less = difference[difference > 0], difference[difference < 0]
    return 100 / (1 + float(more.mean())), 100 / (1 - float(less.mean()))


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (44100, 1), (16000, 2)])
def test_the_scores_are_those_of_the_definition(rate, channels):
    references = stems(1, channels=channels)
    estimates = 0.9 * references + 0.05 * references[::-1]
    bleedless, fullness = bleedless_fullness(references, estimates, rate)
    expected = [by_definition(r.T.copy(), e.T.copy(), rate) for r, e in zip(references, estimates, strict=True)]
    np.testing.assert_allclose(np.stack([bleedless, fullness], axis=1), expected, rtol=2e-4)


def test_a_perfect_estimate_has_a_hundred_of_both():
    references = stems(2)
    assert [score.tolist() for score in bleedless_fullness(references, references, RATE)] == [[100, 100], [100, 100]]


def test_a_gain_is_that_many_decibels_on_one_side_only():
    references = np.random.default_rng(3).standard_normal((1, RATE, 1))  # nowhere near the floor
    for gain, side in ((2.0, 0), (0.5, 1)):
        scores = bleedless_fullness(references, gain * references, RATE)
        assert float(scores[side][0]) == pytest.approx(100 / (1 + 20 * np.log10(2)), rel=1e-5)
        assert scores[1 - side][0] == 100


def test_a_leak_costs_bleedless_and_a_hole_costs_fullness():
    references = stems(4)
    leak, hole = references.copy(), references.copy()
    leak[1] += 0.1 * references[0]
    hole[0, RATE // 2 :] = 0
    leaked, holed = bleedless_fullness(references, leak, RATE), bleedless_fullness(references, hole, RATE)
    assert leaked[0][1] < 50 < leaked[1][1]
    assert leaked[0][0] == 100
    assert holed[1][0] < 50
    assert holed[1][1] == 100


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 44100, 2\)"):
        bleedless_fullness(stems(), stems()[:1], RATE)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [0, 1], ids=["reference", "estimate"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_no_score_and_not_the_best_one(value, side):
    both = [stems(5), 0.9 * stems(5)]
    whole = bleedless_fullness(*both, RATE)
    both[side][1, -1, 0] = value
    for score, before in zip(bleedless_fullness(*both, RATE), whole, strict=True):
        assert np.isnan(score[1])
        assert score[0] == before[0]


def test_lists_and_tensors_are_signals_too():
    references = stems(6, seconds=0.2)
    estimates = 0.9 * references
    expected = bleedless_fullness(references, estimates, RATE)
    for convert in (np.ndarray.tolist, torch.from_numpy):
        np.testing.assert_array_equal(
            bleedless_fullness(convert(references), convert(estimates), float(RATE)), expected
        )
    with pytest.raises(ValueError, match="sample rate 0: must be a positive integer"):
        bleedless_fullness(references, estimates, 0)
