"""Oracles of the Fréchet distance: its definition in fifty digits, and for large sizes in eighty bits."""

import mpmath
import numpy as np

EXTENDED = np.longdouble


def fifty_digits(frames, reference_frames):
    """The definition: Tr of the square root of Σ_r^½ Σ_s Σ_r^½, symmetric throughout."""
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


def eighty_bits(frames, reference_frames):
    """The same by ‖Y Rᵀ‖_* of the centred frames of both sides; good to about 1e-15 of the traces at any size.

    For orthonormal U and V, Tr UᵀAV is at most ‖A‖_* and stationary where it is reached. So the singular vectors of a
    double-precision decomposition, made orthonormal in extended precision, give the norm with the square of their error.
    """
    centred = []
    for rows in (frames, reference_frames):
        rows = rows.astype(EXTENDED)
        centred.append((rows - rows.mean(axis=0), rows.mean(axis=0), len(rows) - 1))
    (y, mean_s, dof_s), (r, mean_r, dof_r) = centred
    cross = product(y, r.T)
    u, _, vt = np.linalg.svd(cross.astype(np.float64), full_matrices=False)
    rank = min(dof_s, dof_r, frames.shape[1])
    u, v = orthonormal(u[:, :rank]), orthonormal(vt[:rank].T)
    root = (u * product(cross, v)).sum() / np.sqrt(EXTENDED(dof_s) * EXTENDED(dof_r))
    trace = np.square(y).sum() / dof_s + np.square(r).sum() / dof_r
    return float(np.square(mean_s - mean_r).sum() + trace - 2 * root)


def orthonormal(columns):
    """A Newton-Schulz step: columns orthonormal to ε become so to ε²."""
    columns = columns.astype(EXTENDED)
    error = product(columns.T, columns) - np.eye(columns.shape[1], dtype=EXTENDED)
    return columns - product(columns, error) / 2


def product(a, b, bits=20, slices=4):
    """Matrix product of extended-precision matrices by exact float64 products of 20-bit slices (Ozaki et al. 2012)."""
    total = np.zeros((a.shape[0], b.shape[1]), dtype=EXTENDED)
    left, right = sliced(a, bits, slices), sliced(b, bits, slices)
    for i in range(slices):
        for j in range(slices - i):
            total += left[i] @ right[j]
    return total


def sliced(matrix, bits, slices):
    rest, parts = matrix.astype(EXTENDED), []
    step = EXTENDED(2.0) ** np.ceil(np.log2(max(np.abs(matrix).max(), EXTENDED(1e-300))))
    for _ in range(slices):
        step = step / 2**bits
        parts.append(np.rint(rest / step) * step)
        rest = rest - parts[-1]
    return [part.astype(np.float64) for part in parts]
