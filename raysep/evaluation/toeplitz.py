"""Symmetric block Toeplitz systems: what least-squares filters from several signals to another one solve.

The matrix is given by correlations r[p, q, k] = Σ_t x_p(t - k) x_q(t), ``(…, p, p, lag)``; its entry for (channel p,
lag a) and (channel q, lag b) is r[p, q, a - b], which is r[q, p, b - a]. Unknowns and right sides are ``(…, p, side,
lag)``. Leading dimensions are independent systems.
"""

from __future__ import annotations

import numpy as np

RIDGES = (0.0, *(10.0**e for e in range(-13, -5)))  # added to a diagonal of ones, until the factorisation succeeds


def solve(correlation: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Filters h with T h = right, ``(…, p, side, lag)``.

    A channel that is zero has filters of zero. A matrix that is singular to working precision gets the smallest ridge
    with which it can be factored; the refinement is against the matrix without it, so the ridge leaves the filtered
    signals as they are. Raises ``LinAlgError`` when the correlations are no correlations, such as NaN.
    """
    return solve_twice(correlation, right)[0]


def solve_twice(correlation: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The filters of ``solve``, and those of a system that differs from it by no more than rounding.

    The second right side differs by ε (|h| + max |right|) in every entry, up or down by the toss of a seeded coin: what
    depends on which of the two is taken is not determined by the signals.
    """
    if not (np.isfinite(correlation).all() and np.isfinite(right).all()):
        raise np.linalg.LinAlgError("correlations that are not finite: the signals hold values that are no numbers")
    scaled, scale = _normalised(correlation)
    right = right / scale[..., None, None]
    root, ridge = _factor_with_ridge(scaled)
    solution = _substitute(root, right)
    for _ in range(1 if ridge == 0.0 else 2):
        solution += _substitute(root, right - product(scaled, solution))
    axes = (-3, -1)
    size = np.linalg.norm(solution, axis=axes, keepdims=True) + np.abs(right).max(axis=axes, keepdims=True)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], right.shape)
    other = solution + _substitute(root, np.finfo(np.float64).eps * size * signs)
    return solution / scale[..., None, None], other / scale[..., None, None]


def factor(correlation: np.ndarray) -> np.ndarray:
    """Upper R with Rᵀ R = T, ``(…, lag p, lag p)``; unknowns in the order (lag, channel).

    Block Schur algorithm, O(p³ lag²) where Cholesky's is O(p³ lag³): T minus T shifted by a block has rank 2p, with
    generators u and v; each step makes the next p rows of R by the hyperbolic rotation that clears the front of v.
    Mixed form: the new v is made from the new u, which is as stable as Cholesky's method (Bojanczyk, Brent, de Hoog
    and Sweet 1995). Raises ``LinAlgError`` when T is not positive definite to working precision.
    """
    size, lags = correlation.shape[-2:]
    total = size * lags
    one = np.eye(size)
    result = np.zeros((*correlation.shape[:-3], total, total))
    row = np.moveaxis(correlation, -3, -1).reshape(*correlation.shape[:-3], size, total)
    first = _t(np.linalg.cholesky(row[..., :size]))
    result[..., :size, :] = np.linalg.solve(_t(first), row)
    result[..., :size, :size] = first
    v = result[..., :size, :].copy()
    for start in range(size, total, size):
        u = result[..., start - size : start, start - size : total - size]
        v = v[..., size:]
        front = u[..., :size]
        rotation = np.linalg.solve(_t(front), _t(v[..., :size]))  # K with K u = v at the front
        down = np.linalg.cholesky(one - rotation @ _t(rotation))
        across = np.linalg.cholesky(one - _t(rotation) @ rotation)
        inverse = np.linalg.solve(down, np.broadcast_to(one, rotation.shape))
        new = result[..., start : start + size, start:]
        np.matmul(inverse, u, out=new)
        new -= (inverse @ rotation) @ v
        new[..., :size] = _t(down) @ front  # what it is: triangular, and to the last bit
        v = _t(across) @ v - np.linalg.solve(across, _t(rotation) @ down) @ new
    return result


def product(correlation: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """T h, ``(…, p, side, lag)``, by FFTs: the correlations continued to negative lags, convolved with the filters."""
    lags = correlation.shape[-1]
    negative = np.swapaxes(correlation, -3, -2)[..., :0:-1]
    gap = np.zeros((*correlation.shape[:-1], 1))
    circular = np.concatenate([correlation, gap, negative], axis=-1)
    spectra = np.einsum("...pqf,...qsf->...psf", np.fft.rfft(circular), np.fft.rfft(filters, n=2 * lags))
    return np.fft.irfft(spectra, n=2 * lags)[..., :lags]


def _normalised(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of the channels at energy one, and the scales ``(…, p)``; a silent channel becomes one alone."""
    diagonal = np.arange(correlation.shape[-2])
    energy = correlation[..., diagonal, diagonal, 0]
    scale = np.sqrt(np.where(energy > 0.0, energy, 1.0))
    scaled = correlation / scale[..., :, None, None] / scale[..., None, :, None]
    scaled[..., diagonal, diagonal, 0] = 1.0
    return scaled, scale


def _factor_with_ridge(correlation: np.ndarray) -> tuple[np.ndarray, float]:
    diagonal = np.arange(correlation.shape[-2])
    for ridge in RIDGES:
        raised = correlation.copy()
        raised[..., diagonal, diagonal, 0] += ridge
        try:
            return factor(raised), ridge
        except np.linalg.LinAlgError:
            continue
    raise np.linalg.LinAlgError("the correlations are not those of any signals")


def _substitute(root: np.ndarray, right: np.ndarray) -> np.ndarray:
    """T⁻¹ right by the two triangular systems, ``(…, p, side, lag)``."""
    from scipy.linalg.blas import dtrsm

    size, sides, lags = right.shape[-3:]
    columns = np.moveaxis(right, -1, -3).reshape(-1, lags * size, sides)
    result = np.empty_like(columns)
    for index, upper in enumerate(root.reshape(-1, *root.shape[-2:])):
        half = dtrsm(1.0, upper.T, columns[index], lower=1)  # upper.T is lower and in BLAS's order: no copy
        result[index] = dtrsm(1.0, upper.T, half, lower=1, trans_a=1)
    return np.moveaxis(result.reshape(*right.shape[:-3], lags, size, sides), -3, -1)


def _t(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix, -1, -2)
