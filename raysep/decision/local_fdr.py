"""P(corrupt | suspicion): Efron's local false discovery rate, made monotone. Higher suspicion never lowers it.

With planted corrupted stems the two densities are compared directly, ``P = π r / (π r + 1 - π)`` with
``r = f₁(s) / f₀(s)`` from planted and calibration stems. Without them f₁ is unknown, and ``P = 1 - (1 - π) f₀(s) / f(s)``
with f from the judged stems themselves: cautious, since a few dozen clean stems say little about the tail of f₀.
"""

from __future__ import annotations

import numpy as np

UNSEEN = 3  # pseudo calibration stems above all scores


def likelihood_ratio(
    clean: np.ndarray, corrupted: np.ndarray, at: np.ndarray, strong: float | None = None
) -> np.ndarray:
    """``f₁(s) / f₀(s)`` at the scores ``at (m,)``, non-decreasing in s: kernel densities, then pool-adjacent-violators.

    Each density is mixed with one pseudo-stem spread over all scores, so that where neither sample says anything the
    ratio does not run to infinity. Scores beyond both samples count as their outermost: more suspect than anything planted is
    no less suspect than the most suspect planted stem.

    Args:
        clean, corrupted: calibration ``(n,)`` and planted ``(k,)`` scores.
        strong: how much of f₁ the more suspect half of the planted stems makes up; None = as they are, alike.
    """
    inside = _inside(clean, corrupted, at)
    return np.exp(monotone(inside, _log_ratio(clean, corrupted, inside, strong)))


def largest_ratio(clean: np.ndarray, corrupted: np.ndarray, strong: float | None = None, places: int = 1001) -> float:
    """The most that ``likelihood_ratio`` can give at any score: the largest ratio of the densities, before they are pooled."""
    known = np.concatenate([clean, corrupted])
    at = np.concatenate([known, np.linspace(known.min(), known.max(), places)])
    return float(np.exp(_log_ratio(clean, corrupted, at, strong).max()))


def strong_part(clean: np.ndarray, corrupted: np.ndarray, judged: np.ndarray, rounds: int = 200) -> float:
    """How many of the judged stems' faults are like the more suspect half of the planted ones, 0 … 1.

    What is planted is of all strengths in equal parts; what is wrong in a corpus may be strong throughout, as wrong labels
    are. Maximum likelihood of a mixture of three densities, clean, weak and strong, by expectation and maximisation.
    """
    inside = _inside(clean, corrupted, judged)
    scale = _scale(clean, corrupted)
    halves = [corrupted[strong] for strong in (~_is_strong(corrupted), _is_strong(corrupted))]
    densities = np.stack([_density(sample, inside, *scale) for sample in (clean, *halves)])
    part = np.full(3, 1 / 3)
    for _ in range(rounds):
        joint = part[:, None] * densities
        before, part = part, (joint / joint.sum(axis=0)).mean(axis=1)
        if np.abs(part - before).max() < 1e-5:
            break
    return float(part[2] / max(part[1] + part[2], 1e-300))


def posterior(ratio: np.ndarray, share: float) -> np.ndarray:
    """P(corrupt) ``(m,)`` from likelihood ratios and the share π of corrupted stems."""
    # At most 1: next to a share of 1 the sum is rounded below its first part.
    return np.minimum(share * ratio / (share * ratio + 1 - share), 1.0) if share < 1 else np.ones_like(ratio)


def posterior_without_planted(calibration: np.ndarray, judged: np.ndarray, share: float) -> np.ndarray:
    """P(corrupt) ``(m,)`` of the judged scores from clean calibration scores alone.

    Isotonic regression of "is it a judged stem?" on the score gives f₀/f in steps. Pseudo calibration stems above all
    scores keep the top step, beyond every calibration stem, from certainty: three of them, as none seen among n clean
    stems leaves a rate of up to 3/n (the rule of three). At 40 calibration stems that takes the clean stems lost in a
    clean corpus from 5 % to none; at a thousand it changes nothing.
    """
    n, m = len(calibration), len(judged)
    scores = np.concatenate([calibration, judged, np.full(UNSEEN, max(np.max(calibration), np.max(judged)))])
    is_judged = np.concatenate([np.zeros(n), np.ones(m), np.zeros(UNSEEN)])
    fraction = np.maximum(monotone(scores, is_judged)[n : n + m], 1e-9)
    return np.clip(1 - (1 - share) * (1 - fraction) / fraction * m / (n + 1), 0.0, 1.0)


def monotone(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The non-decreasing function of the score nearest to ``values (m,)`` in least squares; equal scores, equal value."""
    from sklearn.isotonic import isotonic_regression

    unique, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, weights=values, minlength=len(unique)) / counts
    return np.asarray(isotonic_regression(means, sample_weight=counts.astype(float)))[inverse]


def _inside(clean: np.ndarray, corrupted: np.ndarray, at: np.ndarray) -> np.ndarray:
    known = np.concatenate([clean, corrupted])
    return np.clip(at, known.min(), known.max())


def _scale(clean: np.ndarray, corrupted: np.ndarray) -> tuple[float, float]:
    """Where all scores lie, and twice how far they spread."""
    known = np.concatenate([clean, corrupted])
    return float(known.mean()), 2 * max(float(known.std()), 1e-9)


def _is_strong(corrupted: np.ndarray) -> np.ndarray:
    """``(k,)``: whether a planted stem is of the more suspect half, by its rank; the middle one of an odd number is."""
    return np.argsort(np.argsort(corrupted, kind="stable")) >= len(corrupted) // 2


def _log_ratio(clean: np.ndarray, corrupted: np.ndarray, at: np.ndarray, strong: float | None) -> np.ndarray:
    scale, weight = _scale(clean, corrupted), None
    if strong is not None:
        is_strong = _is_strong(corrupted)
        weight = np.where(is_strong, strong / is_strong.sum(), (1 - strong) / max(1, (~is_strong).sum()))
    return np.log(_density(corrupted, at, *scale, weight)) - np.log(_density(clean, at, *scale))


def _density(
    sample: np.ndarray, at: np.ndarray, centre: float, width: float, weight: np.ndarray | None = None
) -> np.ndarray:
    """Gaussian kernel density with Silverman's robust bandwidth (1986, eq. 3.30), and the pseudo-stem.

    With weights that sum to 1 the sample counts as ``1 / Σ weight²`` stems (Kish).
    """
    if weight is None:
        count, spread, (low, high) = float(len(sample)), float(sample.std()), np.quantile(sample, [0.25, 0.75])
        weight = np.full(len(sample), 1 / len(sample))
    else:
        count, order = 1 / float(np.square(weight).sum()), np.argsort(sample)
        spread = float(np.sqrt(weight @ np.square(sample - weight @ sample)))
        passed = np.searchsorted(np.cumsum(weight[order]), [0.25, 0.75])
        low, high = sample[order][np.minimum(passed, len(sample) - 1)]
    spreads = [each for each in (spread, float(high - low) / 1.349) if each > 0]
    bandwidth = max(1.06 * min(spreads, default=0.0) * count**-0.2, 1e-3 * width)
    kernels = _normal((at[:, None] - sample) / bandwidth) @ weight / bandwidth
    return (count * kernels + _normal((at - centre) / width) / width) / (count + 1)


def _normal(z: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
