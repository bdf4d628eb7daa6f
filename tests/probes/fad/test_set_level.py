import numpy as np
import pytest
import scipy.linalg

from raysep.probes.fad.distance import frechet_distance
from raysep.probes.fad.kernel import KernelReference, kernel_distances
from raysep.probes.fad.reference import LabelReference
from raysep.probes.fad.set_level import DEFINITIONS, LEAST, SMALLEST, set_distances

DIMENSION = 8


def tracks(count, seed, length=60):
    rng = np.random.default_rng(seed)
    spread = np.geomspace(0.2, 5.0, DIMENSION)
    return [(rng.normal(size=(length, DIMENSION)) + rng.normal(size=DIMENSION)) * spread + 3.0 for _ in range(count)]


def by_scipy(one: np.ndarray, two: np.ndarray) -> float:
    """The formula as it is written, with a matrix square root."""
    s, t = np.cov(one.T), np.cov(two.T)
    root = scipy.linalg.sqrtm(s @ t)
    return float(np.square(one.mean(axis=0) - two.mean(axis=0)).sum() + np.trace(s + t - 2 * root.real))


@pytest.fixture(scope="module")
def reference():
    return LabelReference.from_tracks(tracks(12, 0), cuts=10)


def test_the_distances_are_those_of_the_formula(reference):
    ours, clean = np.concatenate(tracks(12, 1)) + 0.5, np.concatenate(tracks(12, 0))
    found = set_distances(ours, reference)
    trace = np.trace(np.cov(clean.T))
    assert found["fad_unscaled"] == pytest.approx(by_scipy(ours, clean), abs=1e-6 * trace)
    here, there = reference.standardise(ours), reference.standardise(clean)
    assert found["fad"] == pytest.approx(by_scipy(here, there), abs=1e-6 * DIMENSION)
    kernel = KernelReference.from_frames(there)
    assert found["kad"] == pytest.approx(kernel_distances([here], kernel)[0], abs=1e-3)


def test_infinity_of_a_set_like_the_reference_is_near_zero_and_reproducible(reference):
    ours = np.concatenate(tracks(12, 0) * 2)
    found = set_distances(ours, reference, seed=3)
    assert found["fad_infinity"] == set_distances(ours, reference, seed=3)["fad_infinity"]
    assert abs(found["fad_infinity"]["value"]) < 0.05
    assert 0 < found["fad_infinity"]["r2"] <= 1
    assert (found["fad_infinity"]["draws"], found["fad_infinity"]["least_frames"]) == (25, SMALLEST)
    assert found["fad_infinity"]["seed"] == 3


@pytest.mark.parametrize("count", [501, 720, LEAST])
def test_sizes_too_alike_to_draw_a_line_give_no_infinity_but_the_reason(reference, count):
    found = set_distances(np.concatenate(tracks(20, 1))[:count], reference)
    expected = (
        f"FAD-∞ needs more than 1000 frames, and these are {count}: draws of 500 to {count} are too alike to draw"
    )
    for name in ("fad_infinity", "fad_infinity_unscaled"):
        assert found[name]["value"] is None
        assert found[name]["reason"].startswith(expected)
    assert found["fad"] > 0


def test_from_where_it_is_given_infinity_is_no_noisier_than_one_draw(reference):
    """The bound itself: one frame more than ``LEAST``, over seeds; at 501 frames it is hundreds of times noisier."""
    ours = np.concatenate(tracks(20, 1))[: LEAST + 1]
    clean, standardised = reference.clean.statistics, reference.standardise(ours)
    infinity = [set_distances(ours, reference, seed)["fad_infinity"]["value"] for seed in range(12)]
    rng = np.random.default_rng(0)
    draws = [frechet_distance(standardised[rng.integers(len(ours), size=SMALLEST)], clean) for _ in range(40)]
    assert np.std(infinity, ddof=1) < 1.5 * np.std(draws, ddof=1)
    assert abs(np.mean(infinity) - frechet_distance(standardised, clean)) < np.std(draws, ddof=1)


def test_too_few_frames_say_so(reference):
    found = set_distances(tracks(1, 1)[0], reference)
    assert found["fad"] > 0
    expected = {"value": None, "reason": "FAD-∞ needs more than 1000 frames, and these are 60"}
    assert found["fad_infinity"] == found["fad_infinity_unscaled"] == expected
    nothing = set_distances(np.zeros((0, DIMENSION)), reference)
    assert nothing["fad"] is nothing["kad"] is None
    assert set(nothing) == set(found) == set(DEFINITIONS)
