"""Each fault against what its own definition says, measured on the samples."""

from __future__ import annotations

import json

import numpy as np
import pytest

from raysep.corpus import faults
from raysep.corpus.faults import FAULTS, KINDS, SEVERITIES

RATE = 16_000
EVERY = [(kind, severity) for kind in KINDS for severity in SEVERITIES]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def hit(track, kind, severity="medium", seed=1, target="vocals", **more):
    return FAULTS[kind](track, target, severity, RATE, rng(seed), **more)


def rms(audio) -> float:
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))


def db(ratio: float) -> float:
    return 20 * np.log10(ratio)


def sdr(reference, estimate) -> float:
    return db(rms(reference) / rms(reference - estimate))


@pytest.mark.parametrize(("kind", "severity"), EVERY)
def test_shape_kind_and_determinism(track, kind, severity):
    before = {label: audio.copy() for label, audio in track.items()}
    first, again, other = (hit(track, kind, severity, seed) for seed in (1, 1, 2))
    assert first.keys() == again.keys()
    for label, (audio, parameters) in first.items():
        assert audio.shape == track[label].shape
        assert audio.dtype == np.float32
        assert np.isfinite(audio).all()
        assert np.array_equal(audio, again[label][0])
        assert parameters == again[label][1]
        assert json.loads(json.dumps(parameters)) == parameters
    assert all(np.array_equal(track[label], before[label]) for label in track)  # inputs are never written to
    changed = [label for label, (audio, _) in first.items() if not np.array_equal(audio, track[label])]
    assert changed
    different_draw = any(
        label not in other or not np.array_equal(other[label][0], audio) for label, (audio, _) in first.items()
    )
    assert different_draw or kind in ("swap", "merge")


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("swap", "merge", "delay")])
def test_a_stronger_fault_does_more_harm(track, kind):
    """Mean over draws of the distance to the clean stem, in dB; the drums have the widest band."""
    harm = [
        np.mean([sdr(track["drums"], hit(track, kind, severity, s, "drums")["drums"][0]) for s in range(6)])
        for severity in SEVERITIES
    ]
    assert harm[0] > harm[1] + 1 > harm[2] + 2


def test_swap_exchanges(track):
    out = hit(track, "swap", partner="bass")
    assert set(out) == {"vocals", "bass"}
    assert np.array_equal(out["vocals"][0], track["bass"])
    assert np.array_equal(out["bass"][0], track["vocals"])
    assert out["vocals"][1] == {"partner": "bass"}


def test_merge_moves_everything_into_the_receiver(track):
    out = hit(track, "merge", partner="drums")
    assert np.array_equal(out["vocals"][0], track["vocals"] + track["drums"])
    assert not out["drums"][0].any()
    assert (out["vocals"][1]["role"], out["drums"][1]["role"]) == ("receiver", "emptied")


def test_an_audible_partner_is_preferred(track):
    track |= {"drums": np.zeros_like(track["drums"]), "bass": np.zeros_like(track["bass"])}
    assert all(set(hit(track, "swap", seed=s)) == {"vocals", "other"} for s in range(8))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_bleed_has_the_level_it_names(track, severity):
    for seed in range(5):
        audio, parameters = hit(track, "bleed-one", severity, seed)["vocals"]
        low, high = faults.BLEED_GAIN_DB[severity]
        assert low <= parameters["bleed_db"] <= high
        measured = db(rms(audio - track["vocals"]) / rms(track["vocals"]))
        assert measured == pytest.approx(parameters["bleed_db"], abs=0.01)


def test_bleed_is_the_source_late_and_dull():
    """A click as the source shows the path: nothing before the delay, and little above the cutoff."""
    click = np.zeros((1, RATE), np.float32)
    click[0, 100] = 0.9
    track = {"vocals": np.full((1, RATE), 0.1, np.float32), "drums": click}
    audio, parameters = hit(track, "bleed-one")["vocals"]
    leak = (audio - track["vocals"])[0]
    path = parameters["sources"]["drums"]
    first = int(np.flatnonzero(np.abs(leak) > 1e-5)[0])
    assert first == pytest.approx(100 + path["delay_s"] * RATE, abs=2)
    spectrum = np.abs(np.fft.rfft(leak))
    frequency = np.fft.rfftfreq(RATE, 1 / RATE)
    at_cutoff = spectrum[np.argmin(np.abs(frequency - path["cutoff_hz"]))]
    assert db(at_cutoff / spectrum[:20].mean()) == pytest.approx(-3.0, abs=0.5)


def test_bleed_all_reaches_every_stem_from_every_other(track):
    out = hit(track, "bleed-all")
    assert set(out) == set(track)
    for label, (_, parameters) in out.items():
        assert set(parameters["sources"]) == set(track) - {label}


def test_bleed_into_a_silent_stem_lies_below_its_source(track):
    track["vocals"] = np.zeros_like(track["vocals"])
    audio, parameters = hit(track, "bleed-one")["vocals"]
    assert 0 < rms(audio) < max(rms(stem) for stem in track.values())
    assert parameters["bleed_db"] < 0


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_has_the_ratio_it_names(track, severity):
    audio, parameters = hit(track, "noise", severity)["vocals"]
    assert parameters["snr_db"] == {"mild": 20.0, "medium": 14.0, "strong": 8.0}[severity]
    assert sdr(track["vocals"], audio) == pytest.approx(parameters["snr_db"], abs=0.01)


def test_noise_has_the_tilt_it_names():
    flat = faults._coloured_noise((1, 1 << 17), 0.0, RATE, rng())
    pink = faults._coloured_noise((1, 1 << 17), 1.0, RATE, rng())

    def per_octave(noise):
        power = np.abs(np.fft.rfft(noise[0])) ** 2
        frequency = np.fft.rfftfreq(noise.shape[1], 1 / RATE)
        bands = [power[(frequency >= f) & (frequency < 2 * f)].mean() for f in (250, 500, 1_000, 2_000)]
        return np.diff(10 * np.log10(bands))

    assert np.abs(per_octave(flat)).max() < 0.4
    assert per_octave(pink) == pytest.approx([-3.01] * 3, abs=0.4)


def test_noise_differs_between_the_channels(track):
    noise = hit(track, "noise")["vocals"][0] - track["vocals"]
    assert abs(np.corrcoef(noise)[0, 1]) < 0.1


@pytest.mark.parametrize("severity", SEVERITIES)
def test_clipping_flattens_the_share_it_names_and_keeps_the_loudness(track, severity):
    audio, parameters = hit(track, "clip", severity)["vocals"]
    assert rms(audio) == pytest.approx(rms(track["vocals"]), rel=1e-4)
    flat = np.isclose(np.abs(audio), np.abs(audio).max(), rtol=1e-5).mean()
    assert flat == pytest.approx(parameters["clipped_share"], rel=0.05)
    assert faults.CLIPPED_SHARE[severity][0] <= parameters["clipped_share"] <= faults.CLIPPED_SHARE[severity][1]


def test_clipping_a_stem_that_is_mostly_silent_counts_the_audible_part(track):
    track["vocals"][:, RATE // 2 :] = 0.0
    audio, parameters = hit(track, "clip", "strong")["vocals"]
    peak = np.isclose(np.abs(audio), np.abs(audio).max(), rtol=1e-5)
    assert peak[:, : RATE // 2].mean() == pytest.approx(parameters["clipped_share"], rel=0.05)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_lowpass_cuts_where_it_says_and_does_not_shift(severity):
    noise = 0.1 * rng().standard_normal((2, 4 * RATE)).astype(np.float32)
    audio, parameters = hit({"vocals": noise}, "lowpass", severity)["vocals"]
    gain = np.abs(np.fft.rfft(audio[0])) / np.abs(np.fft.rfft(noise[0]))
    frequency = np.fft.rfftfreq(noise.shape[1], 1 / RATE)
    cutoff = parameters["cutoff_hz"]
    assert db(np.median(gain[frequency < 0.6 * cutoff])) == pytest.approx(0.0, abs=0.2)
    assert db(np.median(gain[frequency > 1.5 * cutoff])) < -30
    correlation = np.correlate(audio[0, 100:-100], noise[0], mode="valid")
    assert int(np.argmax(correlation)) == 100
    assert faults.LOWPASS_CUTOFF[severity][0] <= cutoff / (RATE / 2) <= faults.LOWPASS_CUTOFF[severity][1] + 1e-4


@pytest.mark.parametrize("severity", SEVERITIES)
def test_dropouts_silence_about_the_share_they_name_and_nothing_else(severity):
    noise = 0.1 * rng().standard_normal((2, 20 * RATE)).astype(np.float32)
    audio, parameters = hit({"vocals": noise}, "dropout", severity)["vocals"]
    gone = ~audio.any(axis=0)
    assert gone.mean() == pytest.approx(parameters["audible_share"], abs=1e-3)
    assert 0 <= gone.mean() - faults.DROPOUT_SHARE[severity] <= 0.05 / 20  # at most the shortest gap too much
    assert np.array_equal(audio[:, ~gone], noise[:, ~gone])
    edges = np.diff(np.concatenate([[0], gone.astype(int), [0]]))
    lengths = np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)
    assert len(lengths) <= parameters["gaps"]


def test_dropouts_begin_where_there_is_something_to_lose(track):
    track["vocals"][:, : RATE // 2] = 0.0
    audio = hit(track, "dropout", "strong")["vocals"][0]
    assert rms(audio[:, RATE // 2 :]) < rms(track["vocals"][:, RATE // 2 :])


@pytest.mark.parametrize("rate", [11_025, 16_000, 22_050, 37_800, 44_100, 48_000])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_codec_keeps_length_and_alignment_at_every_rate(severity, rate):
    time = np.arange(round(0.7 * rate) + 13) / rate
    sweep = np.sin(2 * np.pi * (200 * time + 900 * time**2)) * 0.3
    stereo = np.stack([sweep, 0.5 * sweep]).astype(np.float32)
    seen = set()
    for seed in range(4):
        audio, parameters = FAULTS["codec"]({"vocals": stereo}, "vocals", severity, rate, rng(seed))["vocals"]
        seen.update(parameters["codecs"])
        assert audio.shape == stereo.shape
        # A shift by one sample would cost a sweep more than the codec does.
        shifts = [sdr(stereo[:, 50:-50], np.roll(audio, shift, axis=1)[:, 50:-50]) for shift in (-2, -1, 0, 1, 2)]
        assert int(np.argmax(shifts)) == 2
        assert sdr(stereo, audio) > 3
    assert seen == ({"vorbis"} if rate == 37_800 else {"vorbis", "mpeg_layer_iii"})


def test_codec_of_mono_and_of_many_channels(track):
    for channels in (1, 6):
        stem = np.repeat(track["vocals"][:1], channels, axis=0)
        assert FAULTS["codec"]({"vocals": stem}, "vocals", "mild", RATE, rng())["vocals"][0].shape == stem.shape


def test_delay_shifts_by_the_time_it_names(track):
    for severity in SEVERITIES:
        audio, parameters = hit(track, "delay", severity)["vocals"]
        samples = round(parameters["delay_s"] * RATE)
        best = min((abs(audio[:, s:] - track["vocals"][:, :-s]).max(), s) for s in (samples - 1, samples, samples + 1))
        assert best[0] == 0.0
        assert not audio[:, : best[1]].any()
        assert 0.040 <= parameters["delay_s"] <= 0.150


@pytest.mark.parametrize(("kind", "severity"), EVERY)
@pytest.mark.parametrize("samples", [1, 37, 400])
def test_very_short_stems_do_not_break_a_fault(kind, severity, samples):
    track = {label: 0.1 * rng().standard_normal((2, samples)).astype(np.float32) for label in ("vocals", "drums")}
    for audio, _ in hit(track, kind, severity).values():
        assert audio.shape == (2, samples)
        assert np.isfinite(audio).all()


@pytest.mark.parametrize("kind", KINDS)
def test_silence_stays_finite(kind):
    track = {label: np.zeros((2, RATE), np.float32) for label in ("vocals", "drums", "bass")}
    for audio, _ in hit(track, kind).values():
        assert not audio.any()
