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

Where stems were planted the estimate is the mean of the first two, whose errors have little in common: in simulation, with
planted kinds and with others, it is off by a fifth less than the better of them. The interval asks nothing of what is wrong:
from the lower of their two lower ends to the upper end of best bin's. It holds for kinds that nobody planted, where
injection's own leaves out the truth more often than not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from raysep.decision.conformal import p_values
from raysep.decision.local_fdr import likelihood_ratio, strong_part
from raysep.evaluation.bootstrap import cluster_weights, interval_of

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

    Groups are the tracks, which the interval draws whole (default: every stem on its own). With planted stems the estimate is the
    mean of injection's and BBE's. Without them it is the smaller of Storey's and BBE's: to overstate π is to throw clean
    stems away.
    """
    calibration, judged = np.asarray(calibration, dtype=float), np.asarray(judged, dtype=float)
    planted = np.zeros(0) if planted is None else np.asarray(planted, dtype=float)
    if not len(calibration) or not len(judged):
        raise ValueError(f"{len(calibration)} calibration and {len(judged)} judged scores; both are needed")
    names = ("storey", "bbe", "injection") if len(planted) else ("storey", "bbe")
    point = dict(zip(names, _estimates(calibration, judged, planted), strict=True))
    sampled = [(calibration, calibration_groups), (judged, judged_groups), (planted, planted_groups)]
    table = redrawn_estimates(sampled if len(planted) else sampled[:2], draws, seed)
    if len(planted):
        estimate = (point["bbe"] + point["injection"]) / 2
        by_bin, by_planted = (interval_of(estimate, table[:, column]) for column in (1, 2))
        low, high = min(by_bin.low, by_planted.low), by_bin.high
    else:
        estimate = min(point.values())
        interval = interval_of(estimate, table.min(axis=1))
        low, high = interval.low, interval.high
    strong = injected(calibration, planted, judged)[1] if len(planted) else None
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
    groups = [np.arange(len(scores)) if tracks is None else tracks for scores, tracks in samples]
    drawn = [cluster_weights(each, draws, seed + offset) for offset, each in enumerate(groups)]
    clean, planted = (samples[place][1] for place in (0, -1))
    if len(samples) == 3 and clean is not None and planted is not None and np.intersect1d(clean, planted).size:
        # Tracks that are evidence both clean and corrupted are drawn, or not, as both.
        both = cluster_weights(np.concatenate([clean, planted]), draws, seed)
        drawn[0], drawn[2] = np.split(both, [len(clean)], axis=1)
    table = np.empty((draws, len(samples)))
    for draw in range(draws):
        table[draw] = _estimates(
            *(np.repeat(scores, counts[draw]) for (scores, _), counts in zip(samples, drawn, strict=True))
        )
    return table


def storey(p: np.ndarray, cut: float = 0.5) -> float:
    """``1 - min(1, (1 + #{p > cut}) / (m (1 - cut)))`` from conformal p-values ``(m,)``."""
    p = np.asarray(p)
    return 1 - min(1.0, (1 + float((p > cut).sum())) / (len(p) * (1 - cut)))


def best_bin(calibration: np.ndarray, judged: np.ndarray, slack: float = 0.01, failure: float = 0.1) -> float:
    """BBE: ``1 - q_judged(c) / q_calibration(c)``, q the share at or below c, at the c whose upper bound is smallest."""
    calibration, judged = np.sort(calibration), np.sort(judged)
    cuts = np.unique(np.concatenate([calibration, judged]))
    below_clean = np.searchsorted(calibration, cuts, side="right") / len(calibration)
    below_judged = np.searchsorted(judged, cuts, side="right") / len(judged)
    cuts_used = below_clean > 0
    below_clean, below_judged = below_clean[cuts_used], below_judged[cuts_used]
    error = sum(np.sqrt(np.log(4 / failure) / (2 * size)) for size in (len(calibration), len(judged)))
    best = np.argmin((below_judged + (1 + slack) * error) / below_clean)
    return float(1 - min(1.0, below_judged[best] / below_clean[best]))


def injection(ratio: np.ndarray) -> float:
    """The π that maximises ``Σ log(1 - π + π r)``: concave in π, so the sign of its slope is bisected."""
    ratio = np.asarray(ratio, dtype=float)
    excess = np.minimum(ratio, 1e12) - 1

    def slope(share: float) -> float:
        return float((excess / (1 + share * excess + 1e-300)).sum())

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


def _estimates(calibration: np.ndarray, judged: np.ndarray, planted: np.ndarray = np.zeros(0)) -> list[float]:
    """Storey, BBE and, with planted stems, injection."""
    values = [storey(p_values(calibration, judged)), best_bin(calibration, judged)]
    if len(planted):
        values.append(injected(calibration, planted, judged)[0])
    return values


def injected(calibration: np.ndarray, planted: np.ndarray, judged: np.ndarray) -> tuple[float, float | None]:
    """π by injection, and the part of f₁ that the more suspect half of the planted stems makes up: see ``Share.strong``."""
    alike = injection(likelihood_ratio(calibration, planted, judged))
    strong = strong_part(calibration, planted, judged)
    fitted = injection(likelihood_ratio(calibration, planted, judged, strong))
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
    members = [calibration[track == index] for index in range(track.max() + 1)]
    rng = np.random.default_rng([seed, 0x9A3D])

    def clean(count: int) -> np.ndarray:
        drawn = rng.integers(len(members), size=2 * len(members) + 2 * count * len(members) // len(calibration))
        return np.concatenate([np.zeros(0), *(members[index] for index in drawn)])[:count]

    ranges = np.empty(draws)
    for draw in range(draws):
        simulated = np.concatenate([clean(len(judged) - corrupted), rng.choice(suspects, size=corrupted)])
        redrawn = rng.choice(planted, size=len(planted)) if len(planted) else planted
        ranges[draw] = np.ptp(_estimates(clean(len(calibration)), simulated, redrawn))
    return ranges
