import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.probes.fad import ReferenceStatistics, frechet_distance, frechet_distances
from raysep.probes.fad.distance import helmert, nuclear_norms


def exact_distance(frames, reference_frames):
    """The definition in fifty digits: Tr of the square root of Σ_r^½ Σ_s Σ_r^½, symmetric throughout."""
    import mpmath

    with mpmath.workdps(50):

        def moments(rows):
            matrix = mpmath.matrix(rows.tolist())
            n, d = rows.shape
            mean = [mpmath.fsum(matrix[:, j]) / n for j in range(d)]
            for i in range(n):
                for j in range(d):
                    matrix[i, j] -= mean[j]
            return mpmath.matrix(mean), (matrix.T * matrix) / (n - 1)

        mean_s, cov_s = moments(frames)
        mean_r, cov_r = moments(reference_frames)
        values, vectors = mpmath.eigsy(cov_r)
        half = vectors * mpmath.diag([mpmath.sqrt(max(v, 0)) for v in values]) * vectors.T
        inner = half * cov_s * half
        inner = (inner + inner.T) / 2
        root = mpmath.fsum(mpmath.sqrt(max(v, 0)) for v in mpmath.eigsy(inner, eigvals_only=True))
        shift = mean_s - mean_r
        trace = sum(cov_s[i, i] + cov_r[i, i] for i in range(cov_s.rows))
        return float((shift.T * shift)[0] + trace - 2 * root)


@pytest.mark.parametrize(
    ("n", "dimension", "reference_count", "steep"),
    [(5, 12, 60, 0.0), (30, 12, 60, 0.0), (5, 12, 8, 0.0), (2, 10, 40, 0.0), (7, 12, 60, 2.0), (11, 10, 40, 1.0)],
)
def test_equals_fifty_digits(n, dimension, reference_count, steep):
    rng = np.random.default_rng([n, dimension])
    spectrum = np.arange(1, dimension + 1) ** -steep
    basis = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0] * spectrum
    reference_frames = rng.normal(size=(reference_count, dimension)) @ basis.T
    frames = rng.normal(size=(n, dimension)) @ basis.T + 0.1
    reference = ReferenceStatistics.from_frames(reference_frames)
    error = abs(frechet_distance(frames, reference) - exact_distance(frames, reference_frames))
    assert error <= 1e-10 * np.trace(reference.covariance)


def test_a_stem_that_repeats_itself_is_still_exact():
    rng = np.random.default_rng(5)
    reference_frames, frames = rng.normal(size=(50, 10)), np.repeat(rng.normal(size=(3, 10)), 2, axis=0)
    reference = ReferenceStatistics.from_frames(reference_frames)
    error = abs(frechet_distance(frames, reference) - exact_distance(frames, reference_frames))
    assert error <= 1e-10 * np.trace(reference.covariance)


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


def test_helmert_contrasts_are_orthonormal_and_blind_to_the_mean():
    contrast = helmert(7)
    np.testing.assert_allclose(contrast @ contrast.T, np.eye(6), atol=1e-14)
    np.testing.assert_allclose(contrast @ np.ones(7), 0.0, atol=1e-14)


@pytest.mark.parametrize(("n", "rank"), [(5, 9), (9, 5), (6, 5), (2, 1), (4, 0)])
def test_nuclear_norm_is_the_sum_of_singular_values(n, rank):
    rows = np.random.default_rng(4).normal(size=(3, n, rank))
    centred = rows - rows.mean(1, keepdims=True)
    expected = [np.linalg.svd(c, compute_uv=False).sum() if rank else 0.0 for c in centred]
    np.testing.assert_allclose(nuclear_norms(rows), expected, rtol=1e-11)


@pytest.mark.parametrize("shape", [(1, 4), (5, 3)])
def test_too_few_frames_or_another_dimension_are_refused(shape):
    reference = ReferenceStatistics.from_frames(np.random.default_rng(0).normal(size=(9, 4)))
    with pytest.raises(ValueError, match="frames"):
        frechet_distance(np.zeros(shape), reference)
