from __future__ import annotations

import numpy as np
import pytest

from raysep.probes.against_mixture import SUM_DB, fit, lag_of, lags

RATE = 8000


def stems(seconds: float = 4.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {label: 0.1 * rng.standard_normal((2, round(seconds * RATE))).astype("f4") for label in ("a", "b", "c")}


def late(audio: np.ndarray, samples: int) -> np.ndarray:
    return np.roll(audio, samples, axis=1)


def test_the_sum_is_explained_at_its_gain():
    total = sum(stems().values())
    gain, left = fit(total, total)
    assert gain == pytest.approx(0.0, abs=1e-5)
    assert left == -120.0
    assert fit(0.5 * total, total).gain_db == pytest.approx(-6.02, abs=0.01)
    assert fit(0.5 * total, total).residual_db < -100


def test_what_is_not_in_the_stems_is_left():
    parts = stems()
    total = sum(parts.values())
    assert fit(total, total - parts["a"]).residual_db == pytest.approx(-4.77, abs=0.1)  # a third of the energy
    assert fit(total, late(total, 5)).residual_db > -1


def test_silence_is_the_sum_of_silence_and_of_nothing_else():
    nothing, total = np.zeros((2, 100), np.float32), stems()["a"][:, :100]
    assert fit(nothing, nothing).residual_db < SUM_DB
    assert fit(total, nothing).residual_db == fit(nothing, total).residual_db == 0.0


@pytest.mark.parametrize("samples", [-400, -3, 1, 17, 1600])
def test_a_late_stem_is_found_to_the_sample(samples):
    parts = stems()
    mixture = sum(parts.values())
    found = lags(mixture, parts | {"b": late(parts["b"], samples)}, RATE)
    assert found == {"b": samples / RATE}


def test_stems_in_time_and_a_stem_that_is_not_in_the_mixture_have_no_lag():
    parts = stems()
    mixture = sum(parts.values())
    assert lags(mixture, parts, RATE) == {}
    other = 0.1 * np.random.default_rng(9).standard_normal(parts["a"].shape).astype("f4")
    assert "a" not in lags(mixture, parts | {"a": other}, RATE)


def test_the_lag_is_that_of_the_definition():
    rng = np.random.default_rng(3)
    part = rng.standard_normal(400)
    stem = np.concatenate([np.zeros(7), part[:-7]]) + 0.1 * rng.standard_normal(400)
    curve = {lag: sum(stem[t] * part[t - lag] for t in range(400) if 0 <= t - lag < 400) for lag in range(-20, 21)}
    assert lag_of(stem, part, 20) == max(curve, key=curve.__getitem__) == 7
