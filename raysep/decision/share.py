"""The share π of corrupted stems in the judged corpus, with an interval, and a guard that refuses to guess.

Three estimators; higher score = more suspect everywhere:

- *injection*: maximum likelihood of π in ``(1 - π) f₀ + π f₁`` with f₀ from calibration and f₁ from planted stems
  (Saerens, Latinne & Decaestecker 2002). The default where stems were planted: at a few dozen calibration stems it was
  two to three times as accurate as the others in simulation. Faults unlike anything planted pull it down; faults that are
  strong throughout, as wrong labels, push it up, since the weak planted ones then take suspect clean stems for theirs. So f₁
  is also made of as much of the weak and of the strong half as the corpus itself shows, and the smaller π is taken.
- *Storey* (2002): how many judged stems lie in the upper half of the clean calibration scores. Biased downwards where
  corrupted stems score like clean ones, and noisy: the calibration median is a single order statistic.
- *best bin* (Garg et al. 2021, arXiv 2111.00980, BBE): the same at the cut with the smallest upper confidence bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from raysep.decision.conformal import p_values
from raysep.decision.local_fdr import Densities, bandwidth
from raysep.decision.samples import Sample, Squeezed
from raysep.evaluation.bootstrap import drawn_weights, interval_of

DISAGREEMENT = 0.1  # between two estimators, and half as much again beyond what 99 in 100 exchangeable corpora show
MOST = 0.8  # above this share too few judged stems look clean to tell a spoilt corpus from spoilt calibration
SHAPE_LEVEL = 0.01  # of the Kolmogorov-Smirnov test on the lower halves


@dataclass(frozen=True)
class Share:
    """π̂ with its 95 % interval over tracks, the estimators behind it, and whether to believe any of them."""

    estimate: float
    low: float
    high: float
    storey: float
    bbe: float
    injection: float | None  # None where nothing was planted
    strong: float | None  # how much of f₁ the more suspect half of the planted stems makes up; None = all alike
    exchangeable: bool
    warning: str | None

    def to_dict(self) -> dict:
        return asdict(self)


def estimate_share(
    calibration: np.ndarray,
    judged: np.ndarray,
    planted: np.ndarray | None = None,
    *,
    calibration_groups: np.ndarray | None = None,
    judged_groups: np.ndarray | None = None,
    planted_groups: np.ndarray | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Share:
    """Estimate π from clean calibration scores ``(n,)``, judged scores ``(m,)`` and planted corrupted scores ``(k,)``.

    Groups are the tracks, which the interval draws whole (default: every stem on its own). Without planted stems the
    estimate is the smaller of Storey's and BBE's: to overstate π is to throw clean stems away.
    """
    calibration, judged = np.asarray(calibration, dtype=float), np.asarray(judged, dtype=float)
    planted = np.zeros(0) if planted is None else np.asarray(planted, dtype=float)
    if not len(calibration) or not len(judged):
        raise ValueError(f"{len(calibration)} calibration and {len(judged)} judged scores; both are needed")
    names = ("storey", "bbe", "injection") if len(planted) else ("storey", "bbe")
    squeezed = Squeezed.of(judged, bandwidth(calibration, planted), calibration)
    point = dict(zip(names, _estimates(calibration, squeezed.drawn(), planted), strict=True))
    both = _drawn_together(calibration_groups, planted_groups, len(calibration), len(planted), draws, seed)
    judged_weights = drawn_weights(_each(judged_groups, len(judged)), draws, seed + 1)
    table = np.empty((draws, len(names)))
    for draw, (weights, (of_clean, of_planted)) in enumerate(zip(judged_weights, both, strict=True)):
        clean, corrupted = Sample.of(calibration, of_clean), Sample.of(planted, of_planted)
        table[draw] = _estimates(clean, squeezed.drawn(weights), corrupted)
    if len(planted):
        estimate, spread = point["injection"], table[:, 2]
    else:
        estimate, spread = min(point.values()), table.min(axis=1)
    interval = interval_of(estimate, spread)
    strong = injected(calibration, planted, squeezed.drawn())[1] if len(planted) else None
    groups = np.arange(len(calibration)) if calibration_groups is None else np.asarray(calibration_groups)
    warning = _warning(calibration, groups, judged, planted, point, float(estimate), draws, seed)
    return Share(
        estimate=float(estimate),
        low=min(interval.low, estimate) if draws else float("nan"),
        high=max(interval.high, estimate) if draws else float("nan"),
        storey=point["storey"],
        bbe=point["bbe"],
        injection=point.get("injection"),
        strong=strong,
        exchangeable=warning is None,
        warning=warning,
    )


def _each(groups: np.ndarray | None, rows: int) -> np.ndarray:
    return np.arange(rows) if groups is None else np.asarray(groups)


def _drawn_together(
    calibration_groups: np.ndarray | None,
    planted_groups: np.ndarray | None,
    calibration: int,
    planted: int,
    draws: int,
    seed: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """How often each calibration and each planted stem counts, one draw after another."""
    ours, theirs = _each(calibration_groups, calibration), _each(planted_groups, planted)
    if calibration_groups is not None and planted_groups is not None and np.intersect1d(ours, theirs).size:
        # Tracks that are evidence both clean and corrupted are drawn, or not, as both.
        for weights in drawn_weights(np.concatenate([ours, theirs]), draws, seed):
            yield weights[:calibration], weights[calibration:]
    elif planted:
        yield from zip(drawn_weights(ours, draws, seed), drawn_weights(theirs, draws, seed + 2), strict=True)
    else:
        yield from ((weights, np.zeros(0)) for weights in drawn_weights(ours, draws, seed))


def storey(p: np.ndarray, cut: float = 0.5, counts: np.ndarray | None = None) -> float:
    """``1 - min(1, (1 + #{p > cut}) / (m (1 - cut)))`` from conformal p-values ``(m,)``; ``counts``: how often each counts."""
    p = np.asarray(p)
    counts = np.ones(len(p)) if counts is None else counts
    return 1 - min(1.0, (1 + float(counts[p > cut].sum())) / (float(counts.sum()) * (1 - cut)))


def best_bin(
    calibration: np.ndarray | Sample, judged: np.ndarray | Sample, slack: float = 0.01, failure: float = 0.1
) -> float:
    """BBE: ``1 - q_judged(c) / q_calibration(c)``, q the share at or below c, at the c whose upper bound is smallest."""
    clean, found = Sample.of(calibration), Sample.of(judged)
    cuts = np.unique(np.concatenate([clean.values, found.values]))
    below_clean, below_judged = (each.below(cuts, or_equal=True) / each.size for each in (clean, found))
    cuts_used = below_clean > 0
    below_clean, below_judged = below_clean[cuts_used], below_judged[cuts_used]
    error = sum(np.sqrt(np.log(4 / failure) / (2 * each.size)) for each in (clean, found))
    best = np.argmin((below_judged + (1 + slack) * error) / below_clean)
    return float(1 - min(1.0, below_judged[best] / below_clean[best]))


def injection(ratio: np.ndarray, counts: np.ndarray | None = None) -> float:
    """The π that maximises ``Σ log(1 - π + π r)``: concave in π, so the sign of its slope is bisected.

    ``counts``: how often each of ``ratio`` counts; None = once.
    """
    ratio = np.asarray(ratio, dtype=float)
    excess = np.minimum(ratio, 1e12) - 1
    weighed = excess if counts is None else excess * counts

    def slope(share: float) -> float:
        return float((weighed / (1 + share * excess + 1e-300)).sum())

    if slope(0.0) <= 0:
        return 0.0
    if slope(1.0) >= 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return (low + high) / 2


def lower_halves_differ(calibration: np.ndarray, judged: np.ndarray) -> float:
    """p-value of "below the calibration median the two samples have one shape" (Kolmogorov-Smirnov, two-sided).

    Corrupted stems hardly score below the median of the clean ones; what lies there should be clean, and look it.
    """
    from scipy.stats import ks_2samp

    median = np.median(calibration)
    lower_clean, lower_judged = calibration[calibration <= median], judged[judged <= median]
    if len(lower_clean) < 4 or len(lower_judged) < 4:
        return 1.0
    return float(ks_2samp(lower_clean, lower_judged).pvalue)


def _estimates(
    calibration: np.ndarray | Sample, judged: Sample, planted: np.ndarray | Sample = np.zeros(0)
) -> list[float]:
    """Storey, BBE and, with planted stems, injection."""
    calibration, planted = Sample.of(calibration), Sample.of(planted)
    values = [storey(p_values(calibration, judged.values), counts=judged.counts), best_bin(calibration, judged)]
    if len(planted.values):
        values.append(injected(calibration, planted, judged)[0])
    return values


def injected(
    calibration: np.ndarray | Sample, planted: np.ndarray | Sample, judged: np.ndarray | Sample
) -> tuple[float, float | None]:
    """π by injection, and the part of f₁ that the more suspect half of the planted stems makes up: see ``Share.strong``."""
    judged = Sample.of(judged)
    densities = Densities(Sample.of(calibration), Sample.of(planted), judged.values, judged.counts)
    alike, strong = injection(densities.ratio(), judged.counts), densities.strong_part()
    fitted = injection(densities.ratio(strong), judged.counts)
    return (fitted, strong) if fitted < alike else (alike, None)


def _warning(
    calibration: np.ndarray,
    groups: np.ndarray,
    judged: np.ndarray,
    planted: np.ndarray,
    point: dict[str, float],
    share: float,
    draws: int,
    seed: int,
) -> str | None:
    """Why the estimates are not to be believed, or None."""
    shape = lower_halves_differ(calibration, judged)
    if shape < SHAPE_LEVEL:
        return (
            "calibration not exchangeable: the lower halves of the calibration and the judged scores differ "
            f"(Kolmogorov-Smirnov p = {shape:.2g}); were the calibration stems trained on like the corpus?"
        )
    if share > MOST:
        return (
            f"calibration not exchangeable, or nearly all is corrupted: by calibration {share:.0%} of the stems are "
            "corrupted, which leaves too few clean ones to check the calibration against"
        )
    names = sorted(point, key=lambda name: point[name])
    apart = point[names[-1]] - point[names[0]]
    if apart > DISAGREEMENT and draws:
        usual = float(np.quantile(exchangeable_ranges(calibration, groups, judged, planted, share, draws, seed), 0.99))
        if apart > usual + DISAGREEMENT / 2:
            return (
                f"calibration not exchangeable: the share of corrupted stems is {point[names[0]]:.2f} by {names[0]} and "
                f"{point[names[-1]]:.2f} by {names[-1]}; with exchangeable calibration they would differ by at most {usual:.2f}"
            )
    return None


def exchangeable_ranges(
    calibration: np.ndarray,
    groups: np.ndarray,
    judged: np.ndarray,
    planted: np.ndarray,
    share: float,
    draws: int,
    seed: int,
) -> np.ndarray:
    """How far the estimators lie apart ``(draw,)`` in corpora made of the calibration stems themselves.

    Each draw takes calibration and clean judged stems alike from the calibration tracks, whole, and ``share`` of the
    judged stems from the planted ones (without any, from the most suspect judged ones). With few calibration stems the
    estimators disagree by 0.1 by luck alone (BBE overshoots, Storey hangs on one order statistic), which is no evidence
    of anything.
    """
    corrupted = round(share * len(judged))
    suspects = planted if len(planted) else np.sort(judged)[len(judged) - max(1, corrupted) :]
    _, track = np.unique(groups, return_inverse=True)
    order = np.argsort(track, kind="stable")
    scores, sizes = np.asarray(calibration)[order], np.bincount(track)
    rng = np.random.default_rng([seed, 0x9A3D])

    def clean(count: int) -> np.ndarray:
        """How often each of ``scores`` is among the first ``count`` of tracks that are drawn one after another."""
        drawn = rng.integers(len(sizes), size=2 * len(sizes) + 2 * count * len(sizes) // len(scores))
        filled = np.cumsum(sizes[drawn])
        whole = int(np.searchsorted(filled, count, side="right"))
        counts = np.repeat(np.bincount(drawn[:whole], minlength=len(sizes)), sizes)
        if whole < len(drawn):
            first = sizes[: drawn[whole]].sum()
            counts[first : first + count - (filled[whole - 1] if whole else 0)] += 1
        return counts

    def drawn_from(sample: np.ndarray, count: int) -> np.ndarray:
        return np.bincount(rng.choice(len(sample), size=count), minlength=len(sample))

    ranges = np.empty(draws)
    for draw in range(draws):
        usual, wrong = clean(len(judged) - corrupted), drawn_from(suspects, corrupted)
        simulated = Sample.of(np.concatenate([scores, suspects]), np.concatenate([usual, wrong]))
        redrawn = Sample.of(planted, drawn_from(planted, len(planted)) if len(planted) else None)
        ranges[draw] = np.ptp(_estimates(Sample.of(scores, clean(len(scores))), simulated, redrawn))
    return ranges
