import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.probes.fad import ReferenceStatistics, frechet_distance, frechet_distances
from raysep.probes.fad.distance import nuclear_norms
from tests.probes.fad.exact import eighty_bits, fifty_digits


def made(n, dimension, count, seed, spectrum="flat"):
    """Frames ``(n, dimension)`` and reference frames ``(count, dimension)`` with unlike covariances in one basis."""
    rng = np.random.default_rng([seed, n, dimension, count])
    slope = {"flat": 0.0, "steep": 2.0}.get(spectrum, 0.5) * np.log(np.arange(1, dimension + 1))
    basis = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0] * np.exp(-slope)
    if spectrum == "singular":
        basis[:, dimension // 3 :] *= 1e-7
    reference_frames = rng.normal(size=(count, dimension)) @ basis.T
    frames = rng.normal(size=(n, dimension)) @ basis.T * np.linspace(0.5, 2.0, dimension) + 0.1
    if spectrum == "duplicated":
        frames, reference_frames = frames[np.arange(n) // 2], reference_frames[np.arange(count) // 3]
    return frames, reference_frames


def error(frames, reference_frames, oracle):
    """Of ``frechet_distance``, over the trace of the reference's covariance."""
    reference = ReferenceStatistics.from_frames(reference_frames)
    return abs(frechet_distance(frames, reference) - oracle(frames, reference_frames)) / reference.trace


SPECTRA = ("flat", "steep", "singular", "duplicated")


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize(("n", "count"), [(2, 40), (5, 60), (30, 60), (5, 8), (11, 9)])
def test_equals_fifty_digits(n, count, spectrum):
    assert error(*made(n, 12, count, 0, spectrum), fifty_digits) <= 1e-12


@pytest.mark.parametrize(("n", "count"), [(5, 60), (30, 8)])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_two_oracles_agree(n, count, spectrum):
    frames, reference_frames = made(n, 12, count, 1, spectrum)
    expected = fifty_digits(frames, reference_frames)
    assert eighty_bits(frames, reference_frames) == pytest.approx(
        expected, abs=1e-14 * np.square(reference_frames).sum()
    )


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize(("n", "dimension", "count"), [(2, 64, 40), (90, 64, 200), (40, 128, 200), (150, 128, 60)])
def test_exact_at_the_dimensions_of_embeddings(n, dimension, count, spectrum):
    assert error(*made(n, dimension, count, 2, spectrum), eighty_bits) <= 1e-10


@pytest.mark.slow
@pytest.mark.long
def test_equals_fifty_digits_at_dimension_64():
    assert error(*made(80, 64, 100, 3, "steep"), fifty_digits) <= 1e-10


def large():
    """Frames of a stem, dimension and frames of the reference: few, more than either, and fewer than the reference's."""
    at_every_change = ((2, 1024, 400), (35, 1024, 1500), (600, 512, 300))
    for n in (2, 35, 600, 2000):
        for dimension, count in ((512, 300), (512, 1500), (1024, 400), (1024, 1500)):
            marks = [pytest.mark.slow] + [pytest.mark.long] * ((n, dimension, count) not in at_every_change)
            yield pytest.param(n, dimension, count, marks=marks)


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize(("n", "dimension", "count"), list(large()))
def test_exact_at_large_dimensions(n, dimension, count, spectrum):
    assert error(*made(n, dimension, count, 4, spectrum), eighty_bits) <= 1e-10


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize(("n", "count"), [(20, 400), (300, 400), (20, 90)])
def test_a_projection_in_single_precision_keeps_six_digits(n, count, spectrum):
    frames, reference_frames = made(n, 128, count, 5, spectrum)
    reference = ReferenceStatistics.from_frames(reference_frames)
    bound = 1e-6 * (reference.trace + np.trace(np.cov(frames.T)))
    single = frechet_distance(frames, reference, projection="float32")
    assert abs(single - frechet_distance(frames, reference)) <= bound


def test_a_stem_far_from_the_reference_loses_nothing():
    frames, reference_frames = made(20, 12, 60, 6)
    assert error(frames + 1e4, reference_frames, fifty_digits) <= 1e-16 * 1e8 * 12


@given(st.integers(2, 90), st.integers(2, 50), st.integers(3, 90), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_agrees_with_the_matrix_square_root(n, dimension, count, seed):
    rng = np.random.default_rng([seed, n])
    frames, reference_frames = rng.normal(size=(n, dimension)) + 0.3, rng.normal(size=(count, dimension))
    reference = ReferenceStatistics.from_frames(reference_frames)
    cov_s, cov_r = np.atleast_2d(np.cov(frames.T)), np.atleast_2d(np.cov(reference_frames.T))
    half = scipy.linalg.sqrtm(cov_r + 0j).real if count > dimension else reference.factor
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(half.T @ cov_s @ half), 0)).sum()
    shift = frames.mean(0) - reference_frames.mean(0)
    expected = shift @ shift + np.trace(cov_s) + np.trace(cov_r) - 2 * singular
    # The square root route itself is only good to the root of rounding.
    assert frechet_distance(frames, reference) == pytest.approx(expected, abs=1e-5 * np.trace(cov_r))


def test_batching_over_lengths_is_one_by_one():
    rng = np.random.default_rng(1)
    stems = [rng.normal(size=(n, 16)) for n in (4, 9, 4, 30, 9, 4)]
    reference = ReferenceStatistics.from_frames(rng.normal(size=(100, 16)))
    together = frechet_distances(stems, reference)
    alone = [frechet_distance(stem, reference) for stem in stems]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_the_reference_itself_is_at_zero_and_distance_is_never_negative():
    frames = np.random.default_rng(2).normal(size=(40, 8))
    distance = frechet_distance(frames, ReferenceStatistics.from_frames(frames))
    assert 0.0 <= distance < 1e-12


def test_a_shift_adds_its_square():
    frames = np.random.default_rng(3).normal(size=(40, 8))
    shifted = frechet_distance(frames + 2.0, ReferenceStatistics.from_frames(frames))
    assert shifted == pytest.approx(8 * 4.0, rel=1e-10)


@pytest.mark.parametrize(("n", "rank"), [(5, 9), (9, 5), (6, 5), (2, 1), (4, 0)])
def test_nuclear_norm_is_the_sum_of_singular_values(n, rank):
    rows = np.random.default_rng(4).normal(size=(3, n, rank))
    centred = rows - rows.mean(1, keepdims=True)
    expected = [np.linalg.svd(c, compute_uv=False).sum() if rank else 0.0 for c in centred]
    np.testing.assert_allclose(nuclear_norms(centred, 1e-12), expected, rtol=1e-11)


@pytest.mark.parametrize("n", [2, 5, 60])
@pytest.mark.parametrize("projection", ["float64", "float32"])
def test_a_reference_of_one_frame_repeated_has_no_covariance_to_overlap_with(n, projection):
    frames = np.random.default_rng(5).normal(size=(n, 32))
    distance = frechet_distance(frames, ReferenceStatistics.from_frames(np.ones((5, 32))), projection)
    expected = np.square(frames.mean(axis=0) - 1.0).sum() + np.trace(np.cov(frames.T))
    assert distance == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((1, 4), "at least two frames, and stem 1 has 1"), ((0, 4), "stem 1 has 0"), ((5, 3), r"stem 1 must be \(n, 4\)")],
)
def test_too_few_frames_or_another_dimension_are_refused_and_named(shape, words):
    reference = ReferenceStatistics.from_frames(np.random.default_rng(0).normal(size=(9, 4)))
    with pytest.raises(ValueError, match=words):
        frechet_distances([np.zeros((3, 4)), np.zeros(shape), np.zeros((3, 4))], reference)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [2, 3, 10, 60])
@pytest.mark.parametrize("projection", ["float64", "float32"])
def test_frames_that_are_not_finite_are_refused_and_named(n, bad, projection):
    rng = np.random.default_rng(0)
    reference = ReferenceStatistics.from_frames(rng.normal(size=(90, 24)))
    stems = [rng.normal(size=(n, 24)) for _ in range(3)]
    stems[1][n // 2, 7] = bad
    with pytest.raises(ValueError, match="frames of stem 1 are not finite"):
        frechet_distances(stems, reference, projection)


def test_of_no_stems_there_are_no_distances():
    reference = ReferenceStatistics.from_frames(np.random.default_rng(0).normal(size=(9, 4)))
    assert frechet_distances([], reference).shape == (0,)
