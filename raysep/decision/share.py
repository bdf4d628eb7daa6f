"""The share π of corrupted stems in the judged corpus, with an interval, and a guard that refuses to guess.

Three estimators; higher score = more suspect everywhere:

- *injection*: maximum likelihood of π in ``(1 - π) f₀ + π f₁`` with f₀ from calibration and f₁ from planted stems
  (Saerens, Latinne & Decaestecker 2002). Faults unlike anything planted pull it down; faults that are
  strong throughout, as wrong labels, push it up, since the weak planted ones then take suspect clean stems for theirs. So f₁
  is also made of as much of the weak and of the strong half as the corpus itself shows, and the smaller π is taken.
- *best bin* (Garg et al. 2021, arXiv 2111.00980, BBE): how many judged stems look no more suspect than calibration does, at
  the cut with the smallest upper confidence bound. It asks nothing of what is wrong; in a clean corpus it finds a few percent.
- *Storey* (2002): the same at the calibration median, which is a single order statistic: noisy, and it takes corrupted stems that
  score like clean ones for clean. It is not part of the estimate, but of the guard.

Where stems were planted the estimate is two thirds injection and one third best bin, whose errors have little in common:
in simulation (``benchmarks/share.py``) it is nearer than either over planted kinds and others, and a clean corpus still looks clean.
The interval asks nothing of what is wrong:
from the lower of their two lower ends to the upper end of best bin's. It holds for kinds that nobody planted, where
injection's own leaves out the truth more often than not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat

import numpy as np

from raysep.decision.conformal import p_values
from raysep.decision.local_fdr import Densities, bandwidth
from raysep.decision.samples import Sample, Squeezed
from raysep.evaluation.bootstrap import drawn_weights, interval_of

DISAGREEMENT = 0.1  # between two estimators, and half as much again beyond what 99 in 100 exchangeable corpora show
PLANTED_COUNTS = (
    2 / 3
)  # of injection in the estimate; from 0.4 to 0.7 the mean error is the same, and less counts clean stems
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

    Groups are the tracks, which the interval draws whole (default: every stem on its own). With planted stems the estimate is
    made of injection's and BBE's. Without them it is the smaller of Storey's and BBE's: to overstate π is to throw clean
    stems away.
    """
    calibration, judged = np.asarray(calibration, dtype=float), np.asarray(judged, dtype=float)
    planted = np.zeros(0) if planted is None else np.asarray(planted, dtype=float)
    if not len(calibration) or not len(judged):
        raise ValueError(f"{len(calibration)} calibration and {len(judged)} judged scores; both are needed")
    names = ("storey", "bbe", "injection") if len(planted) else ("storey", "bbe")
    judged, judged_groups = _ascending(judged, judged_groups)
    squeezed = Squeezed.of(judged, bandwidth(calibration, planted), calibration)
    point = dict(zip(names, _estimates(calibration, squeezed.drawn(), planted), strict=True))
    sampled = [(calibration, calibration_groups), (judged, judged_groups), (planted, planted_groups)]
    table = redrawn_estimates(sampled if len(planted) else sampled[:2], draws, seed)
    if len(planted):
        estimate = PLANTED_COUNTS * point["injection"] + (1 - PLANTED_COUNTS) * point["bbe"]
        by_bin, by_planted = (interval_of(estimate, table[:, column]) for column in (1, 2))
        low, high = min(by_bin.low, by_planted.low), by_bin.high
    else:
        estimate = min(point.values())
        interval = interval_of(estimate, table.min(axis=1))
        low, high = interval.low, interval.high
    strong = injected(calibration, planted, squeezed.drawn())[1] if len(planted) else None
    groups = np.arange(len(calibration)) if calibration_groups is None else np.asarray(calibration_groups)
    warning = _warning(calibration, groups, judged, planted, point, float(estimate), draws, seed)
    return Share(
        estimate=float(estimate),
        low=min(low, estimate) if draws else float("nan"),
        high=max(high, estimate) if draws else float("nan"),
        storey=point["storey"],
        bbe=point["bbe"],
        injection=point.get("injection"),
        strong=strong,
        exchangeable=warning is None,
        warning=warning,
    )


def redrawn_estimates(samples: Sequence[tuple[np.ndarray, np.ndarray | None]], draws: int, seed: int) -> np.ndarray:
    """The estimators ``(draw, estimator)``, as ``_estimates`` orders them, with whole tracks drawn with replacement.

    ``samples`` are scores and their tracks (None = every stem on its own): calibration, judged and, optional, planted.
    """
    samples = [*samples[:1], _ascending(*samples[1]), *samples[2:]]
    calibration, judged, planted = (samples[i][0] if i < len(samples) else np.zeros(0) for i in range(3))
    squeezed = Squeezed.of(judged, bandwidth(calibration, planted), calibration)
    table = np.empty((draws, len(samples)))
    for draw, (clean, ours, corrupted) in enumerate(_drawn(samples, draws, seed)):
        redrawn = Sample.of(calibration, clean), squeezed.drawn(ours), Sample.of(planted, corrupted)
        table[draw] = _estimates(*redrawn)
    return table


def _ascending(scores: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Scores in order, and the tracks of each."""
    order = np.argsort(scores, kind="stable")
    return scores[order], (np.arange(len(scores)) if groups is None else np.asarray(groups))[order]


def _drawn(
    samples: Sequence[tuple[np.ndarray, np.ndarray | None]], draws: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """How often each calibration, judged and planted stem counts, one draw after another."""
    groups = [np.arange(len(scores)) if tracks is None else np.asarray(tracks) for scores, tracks in samples]
    judged = drawn_weights(groups[1], draws, seed + 1)
    given = len(samples) == 3 and samples[0][1] is not None and samples[2][1] is not None
    if given and np.intersect1d(groups[0], groups[2]).size:
        # Tracks that are evidence both clean and corrupted are drawn, or not, as both.
        both = drawn_weights(np.concatenate([groups[0], groups[2]]), draws, seed)
        for ours, weights in zip(judged, both, strict=True):
            yield weights[: len(groups[0])], ours, weights[len(groups[0]) :]
        return
    nothing = repeat(np.zeros(0), draws)
    planted = drawn_weights(groups[2], draws, seed + 2) if len(samples) == 3 else nothing
    yield from zip(drawn_weights(groups[0], draws, seed), judged, planted, strict=True)


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
