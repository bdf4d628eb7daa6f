"""P(corrupt | suspicion): Efron's local false discovery rate, made monotone. Higher suspicion never lowers it.

With planted corrupted stems the two densities are compared directly, ``P = π r / (π r + 1 - π)`` with
``r = f₁(s) / f₀(s)`` from planted and calibration stems. Without them f₁ is unknown, and ``P = 1 - (1 - π) f₀(s) / f(s)``
with f from the judged stems themselves: cautious, since a few dozen clean stems say little about the tail of f₀.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from raysep.decision.kernels import kernel_sum
from raysep.decision.samples import Sample

QUARTILES = np.array([0.25, 0.75])
UNSEEN = 3  # pseudo calibration stems above all scores

Scores = np.ndarray | Sample


@dataclass(frozen=True)
class Densities:
    """The densities of calibration and planted scores at the scores ``at (m,)``, each made once."""

    clean: Sample
    corrupted: Sample
    at: np.ndarray
    counts: np.ndarray | None = None  # how often each of ``at`` counts; None = once

    @cached_property
    def _inside(self) -> np.ndarray:
        lowest, highest = zip(
            *((each.values[0], each.values[-1]) for each in (self.clean, self.corrupted)), strict=True
        )
        return np.clip(self.at, min(lowest), max(highest))

    @cached_property
    def _scale(self) -> tuple[float, float]:
        return _scale(self.clean, self.corrupted)

    @cached_property
    def _of_clean(self) -> np.ndarray:
        return _density(self.clean, self._inside, *self._scale)

    def ratio(self, strong: float | None = None) -> np.ndarray:
        """See ``likelihood_ratio``."""
        of_corrupted = _density(self.corrupted, self._inside, *self._scale, strong)
        return np.exp(monotone(self._inside, np.log(of_corrupted) - np.log(self._of_clean), self.counts))

    def strong_part(self, rounds: int = 200) -> float:
        """How many of the judged stems' faults are like the more suspect half of the planted ones, 0 … 1.

        What is planted is of all strengths in equal parts; what is wrong in a corpus may be strong throughout, as wrong labels
        are. Maximum likelihood of a mixture of three densities, clean, weak and strong, by expectation and maximisation.
        """
        halves = [_density(half, self._inside, *self._scale) for half in self.corrupted.halves()]
        densities = np.stack([self._of_clean, *halves])
        share = np.full(len(self.at), 1 / len(self.at)) if self.counts is None else self.counts / self.counts.sum()
        part = np.full(3, 1 / 3)
        for _ in range(rounds):
            joint = part[:, None] * densities
            before, part = part, (joint / joint.sum(axis=0)) @ share
            if np.abs(part - before).max() < 1e-5:
                break
        return float(part[2] / max(part[1] + part[2], 1e-300))


def likelihood_ratio(
    clean: Scores, corrupted: Scores, at: np.ndarray, strong: float | None = None, counts: np.ndarray | None = None
) -> np.ndarray:
    """``f₁(s) / f₀(s)`` at the scores ``at (m,)``, non-decreasing in s: kernel densities, then pool-adjacent-violators.

    Each density is mixed with one pseudo-stem spread over all scores, so that where neither sample says anything the
    ratio does not run to infinity. Scores beyond both samples count as their outermost: more suspect than anything planted is
    no less suspect than the most suspect planted stem.

    Args:
        clean, corrupted: calibration ``(n,)`` and planted ``(k,)`` scores.
        strong: how much of f₁ the more suspect half of the planted stems makes up; None = as they are, alike.
        counts: how often each of ``at`` counts ``(m,)``; None = once.
    """
    return Densities(Sample.of(clean), Sample.of(corrupted), at, counts).ratio(strong)


def largest_ratio(clean: np.ndarray, corrupted: np.ndarray, strong: float | None = None, places: int = 1001) -> float:
    """The most that ``likelihood_ratio`` can give at any score: the largest ratio of the densities, before they are pooled."""
    known = np.concatenate([clean, corrupted])
    at = np.concatenate([known, np.linspace(known.min(), known.max(), places)])
    ours, theirs = Sample.of(clean), Sample.of(corrupted)
    scale = _scale(ours, theirs)
    return float(np.max(_density(theirs, at, *scale, strong) / _density(ours, at, *scale)))


def bandwidth(clean: Scores, corrupted: Scores | None = None) -> float:
    """The narrowest kernel's that any of the densities above is made with."""
    clean = Sample.of(clean)
    if corrupted is None or not len(Sample.of(corrupted).values):
        return _bandwidth(clean.size, clean.spread, clean.quantiles(QUARTILES), 2 * max(clean.spread, 1e-9))
    corrupted = Sample.of(corrupted)
    _, width = _scale(clean, corrupted)
    each = (clean, corrupted, *corrupted.halves())
    known = [sample for sample in each if len(sample.values)]
    return min(_bandwidth(s.size, s.spread, s.quantiles(QUARTILES), width) for s in known)


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


def monotone(scores: np.ndarray, values: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """The non-decreasing function of the score nearest to ``values (m,)`` in least squares; equal scores, equal value.

    ``counts``: how often each score counts; None = once.
    """
    # scikit-learn's is this one behind checks that take longer than it does.
    from scipy.optimize import isotonic_regression

    counts = np.ones(len(scores)) if counts is None else counts
    unique, inverse = np.unique(scores, return_inverse=True)
    weight = np.bincount(inverse, weights=counts, minlength=len(unique))
    means = np.bincount(inverse, weights=counts * values, minlength=len(unique)) / weight
    return np.asarray(isotonic_regression(means, weights=weight).x)[inverse]


def _scale(clean: Sample, corrupted: Sample) -> tuple[float, float]:
    """Where all scores lie, and twice how far they spread."""
    known, counts = (np.concatenate([getattr(s, name) for s in (clean, corrupted)]) for name in ("values", "counts"))
    centre = float(counts @ known / counts.sum())
    return centre, 2 * max(float(np.sqrt(counts @ np.square(known - centre) / counts.sum())), 1e-9)


def _density(sample: Sample, at: np.ndarray, centre: float, width: float, strong: float | None = None) -> np.ndarray:
    """Gaussian kernel density with Silverman's robust bandwidth (1986, eq. 3.30), and the pseudo-stem.

    ``strong``: how much of it the upper half makes up. With weights that sum to 1 the sample counts as ``1 / Σ weight²``
    stems (Kish).
    """
    values = sample.values
    if strong is None:
        weight, count, spread = sample.counts / sample.size, sample.size, sample.spread
        quartiles = sample.quantiles(QUARTILES)
    else:
        parts = ((1 - strong, sample.weak), (strong, sample.counts - sample.weak))
        weight = np.sum([share * part / max(1.0, part.sum()) for share, part in parts], axis=0)
        count = 1 / float(np.sum([part.sum() * (share / max(1.0, part.sum())) ** 2 for share, part in parts]))
        spread = float(np.sqrt(weight @ np.square(values - weight @ values)))
        passed = np.searchsorted(np.cumsum(weight), QUARTILES)
        quartiles = values[np.minimum(passed, len(values) - 1)]
    kernels = kernel_sum(values, weight, _bandwidth(count, spread, quartiles, width), at)
    return (count * kernels + np.exp(-0.5 * ((at - centre) / width) ** 2) / np.sqrt(2 * np.pi) / width) / (count + 1)


def _bandwidth(count: float, spread: float, quartiles: np.ndarray, width: float) -> float:
    spreads = [each for each in (spread, float(quartiles[1] - quartiles[0]) / 1.349) if each > 0]
    return max(1.06 * min(spreads, default=0.0) * count**-0.2, 1e-3 * width)
