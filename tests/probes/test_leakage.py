import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from raysep.probes.leakage import leakage

RATE = 16000


def stems(seed=0, seconds=8.0):
    """Three independent stems of coloured noise in bursts."""
    rng = np.random.default_rng(seed)
    frames = int(seconds * RATE)
    made = {}
    for label, cutoff in (("bass", 600), ("drums", 6000), ("vocals", 3000)):
        sound = sosfilt(butter(2, cutoff, fs=RATE, output="sos"), rng.normal(size=(2, frames)))
        bursts = (np.sin(2 * np.pi * rng.uniform(0.5, 2) * np.arange(frames) / RATE) > 0) + 0.05
        made[label] = (0.1 * sound * bursts / sound.std()).astype(np.float32)
    return made


def leaked(made, into, source, gain_db, delay_seconds):
    delay = round(delay_seconds * RATE)
    late = np.pad(made[source], ((0, 0), (delay, 0)))[:, : made[source].shape[1]]
    return made | {into: made[into] + np.float32(10 ** (gain_db / 20)) * late}


@pytest.mark.parametrize("gain_db", [-6, -24])
@pytest.mark.parametrize("delay", [0.004, 0.030])
def test_a_leak_stands_out_in_the_stem_that_holds_it(gain_db, delay):
    clean = leakage(stems(), RATE)
    found = leakage(leaked(stems(), "vocals", "drums", gain_db, delay), RATE)
    assert max(clean.values()) < 0.8
    assert found["vocals"] > max(clean.values()) + 0.3
    assert found["drums"] == pytest.approx(clean["drums"], abs=0.25)
    assert found["bass"] == pytest.approx(clean["bass"], abs=0.1)


def test_a_simultaneous_copy_counts_for_both():
    found = leakage(leaked(stems(), "vocals", "drums", -12, 0.0), RATE)
    assert min(found["vocals"], found["drums"]) > 1.0


def test_level_and_order_do_not_matter():
    made = leaked(stems(), "vocals", "drums", -12, 0.01)
    found = leakage(made, RATE)
    louder = leakage({label: 4 * audio for label, audio in reversed(made.items())}, RATE)
    assert found == pytest.approx(louder, abs=1e-3)


def test_silent_and_lone_stems_are_unknown():
    made = stems()
    made["bass"][:] = 0
    found = leakage(made, RATE)
    assert np.isnan(found["bass"])
    assert np.isfinite([found["vocals"], found["drums"]]).all()
    assert np.isnan(leakage({"vocals": made["vocals"]}, RATE)["vocals"])
    assert set(leakage({}, RATE)) == set()


@pytest.mark.parametrize("frames", [1, 40, 700])
def test_short_stems_give_no_error(frames):
    short = {label: audio[:, :frames] for label, audio in stems().items()}
    assert set(leakage(short, RATE)) == set(short)
