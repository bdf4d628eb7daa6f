import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.probes.signal import (
    CANCELLED_DB,
    NAMES,
    best_margin,
    channel_correlation,
    clipping_share,
    describe,
    dropouts,
    onset_envelope,
    synchrony,
)

RATE = 16000


def music(seconds=6.0, seed=0, channels=2):
    """Decaying notes, panned: round peaks, gaps between notes, energy at all frequencies."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    audio = np.zeros((channels, len(time)))
    onset = 0.0
    while onset < seconds - 0.3:
        pitch, since = 110 * 2 ** (rng.integers(0, 36) / 12), time - onset
        body = sum(np.sin(2 * np.pi * k * pitch * since) / k**1.5 for k in range(1, 40) if k * pitch < RATE / 2)
        strike = rng.normal(size=len(time)) * np.exp(-since * 90)
        note = np.where(since > 0, (body + strike) * np.exp(-np.clip(since, 0, None) * 8), 0.0)
        audio += rng.uniform(0.2, 1.0, size=(channels, 1)) * note
        onset += rng.uniform(0.3, 0.9)
    return (0.5 * audio / np.abs(audio).max()).astype(np.float32)


@pytest.fixture(scope="module")
def clean():
    return music()


@pytest.fixture(scope="module")
def described(clean):
    return describe(clean, RATE)


def test_clipping_is_found_and_measured(clean, described):
    threshold = np.quantile(np.abs(clean), 0.97)
    clipped = np.clip(clean, -threshold, threshold)
    for level in (1.0, 0.3):
        assert clipping_share(level * clipped) == pytest.approx(0.03, rel=0.35)
    assert described["clipping"] < 1e-4
    assert describe(clipped, RATE)["crest"] < described["crest"] - 3
    rounded = np.round(clipped * 32767).astype(np.int16) / np.float32(32768)
    assert clipping_share(rounded) == pytest.approx(0.03, rel=0.35)


def test_a_pure_tone_is_not_clipped():
    tone = np.sin(2 * np.pi * 55 * np.arange(RATE) / RATE)[None]
    assert clipping_share(tone) == 0.0
    assert clipping_share(np.zeros((1, 100))) == 0.0


def test_abrupt_gaps_are_dropouts_and_rests_are_not(clean, described):
    gated = clean.copy()
    gated[:, 4800:8000] = 0
    gated[:, 40000:44800] = 0
    found = dropouts(gated, RATE)
    assert found["dropout"] == pytest.approx(8000 / clean.shape[1], rel=0.05)
    assert found["gaps"] == pytest.approx(2 * 60 / 6.0)
    assert described["dropout"] == 0.0
    rest = clean * np.interp(np.arange(clean.shape[1]), [0, 20000, 30000, 30001], [1, 1, 0, 0]).astype(np.float32)
    assert dropouts(rest, RATE)["dropout"] == 0.0


def test_low_pass_lowers_bandwidth_and_top_band_and_leaves_an_edge(clean, described):
    sections = scipy.signal.butter(6, 2000, fs=RATE, output="sos")
    dull = describe(scipy.signal.sosfiltfilt(sections, clean).astype(np.float32), RATE)
    assert dull["bandwidth"] < described["bandwidth"] - 0.5
    assert dull["top-band"] < described["top-band"] - 30
    assert dull["edge"] > described["edge"] + 5


def test_bandwidth_is_octaves_above_twenty_hertz():
    noise = np.random.default_rng(0).normal(size=(1, 4 * RATE)).astype(np.float32)
    assert describe(noise, RATE)["bandwidth"] == pytest.approx(np.log2(RATE / 2 / 20), abs=0.02)
    assert describe(noise, RATE)["top-band"] == pytest.approx(10 * np.log10(0.4), abs=0.2)
    assert describe(noise, RATE)["flatness"] == pytest.approx(-2.5, abs=0.3)  # Euler's constant: the log of a mean


def test_noise_raises_the_floors(clean, described):
    rng = np.random.default_rng(1)
    noisy = clean + rng.normal(size=clean.shape).astype(np.float32) * 0.1 * clean.std()
    measured = describe(noisy, RATE)
    assert measured["noise-floor"] > described["noise-floor"] + 5
    assert measured["noise-floor-high"] > described["noise-floor-high"] + 10
    assert measured["flatness"] > described["flatness"] + 5


def test_offset_and_channel_correlation(clean, described):
    assert described["dc"] < 0.01
    assert describe(clean + np.float32(0.02), RATE)["dc"] > 0.1
    assert channel_correlation(np.repeat(clean[:1], 2, axis=0)) == pytest.approx(1.0)
    assert channel_correlation(np.stack([clean[0], -clean[0]])) == pytest.approx(-1.0)
    assert channel_correlation(np.stack([clean[0], 0 * clean[0]])) == 0.0
    assert channel_correlation(clean[:1]) == 1.0
    assert -1.0 < described["correlation"] < 1.0


@given(st.floats(0.01, 2.0))
@settings(max_examples=10, deadline=None)
def test_level_changes_nothing(gain):
    audio = music(2.0, seed=3)
    first, second = describe(audio, RATE), describe((gain * audio).astype(np.float32), RATE)
    for name in NAMES:
        assert first[name] == pytest.approx(second[name], rel=1e-3, abs=2e-3), name


@pytest.mark.parametrize("samples", [0, 1, 50, 400])
def test_short_or_silent_audio_gives_no_error(samples):
    assert all(np.isnan(value) for value in describe(np.zeros((2, samples), np.float32), RATE).values())
    if samples:
        short = describe(np.full((2, samples), 0.1, np.float32), RATE)
        assert set(short) == set(NAMES)
        assert np.isfinite(list(short.values())).all()


@pytest.mark.parametrize("milliseconds", [0, 40, 100, 150, -60])
def test_a_late_stem_is_found_with_its_lag(milliseconds):
    beat = music(8.0, seed=5)
    second = (0.5 * np.roll(music(8.0, seed=6), 100) + 0.7 * beat[::-1]).astype(np.float32)  # shares the beat's onsets
    late = np.roll(beat, round(milliseconds / 1000 * RATE), axis=1)
    found = synchrony(onset_envelope(late, RATE), onset_envelope(second, RATE), RATE)
    assert found.lag == pytest.approx(milliseconds / 1000, abs=0.004)
    assert 0.2 < found.height <= 1.0
    assert (found.margin > 0) == (milliseconds == 0)


def test_a_late_stem_has_no_companion_and_its_neighbours_keep_theirs():
    first, second = (onset_envelope(music(8.0, seed=s), RATE) for s in (5, 6))
    shared = first[:1500] + 0.3 * second[:1500]
    late = np.roll(first, 20)
    in_time = best_margin(first, [shared, late], RATE)
    assert in_time > 0
    assert best_margin(late, [shared, first], RATE) < 0
    assert in_time == pytest.approx(synchrony(first, shared, RATE).margin)
    assert np.isnan(best_margin(first, [np.zeros(0)], RATE))
    assert np.isnan(best_margin(first, [], RATE))


def test_synchrony_of_silence_or_a_blip_is_unknown():
    beat = music(2.0)
    onsets, silence, blip = (onset_envelope(audio, RATE) for audio in (beat, 0 * beat, beat[:, :4000]))
    assert len(silence) == 0
    assert np.isnan(synchrony(silence, onsets, RATE).height)
    assert np.isnan(synchrony(blip, blip, RATE).height)


def test_a_channel_of_reversed_polarity_cancels_and_wide_stereo_does_not():
    noise = 0.1 * np.random.default_rng(3).standard_normal((2, RATE)).astype(np.float32)
    wide = np.stack([noise[0], 0.9 * noise[1] - 0.4 * noise[0]])
    for audio, expected in ((noise, 0), (noise[:1], 0), (wide, 0), (np.stack([noise[0]] * 2), 0)):
        assert describe(audio, RATE)["cancel"] == expected
    for second, expected in ((-1.0, -94.0), (-0.9, -19.6)):
        opposite = np.stack([noise[0], np.float32(second) * noise[0]])
        assert describe(opposite, RATE)["cancel"] == pytest.approx(expected, abs=0.1)
        assert describe(0.01 * opposite, RATE)["cancel"] == pytest.approx(expected, abs=0.1)
        assert describe(opposite, RATE)["cancel"] <= CANCELLED_DB
        assert len(onset_envelope(opposite, RATE))
