"""How well scores of training data predict what training on parts of it does: the linear datamodelling score (LDS).

    LDS = rank correlation over subsets S of  Σ_{i in S} score_i  and  -loss(trained on S)

Park et al. 2023 (TRAK, arXiv 2303.14186), after Ilyas et al. 2022 (arXiv 2202.00622). A score is higher for what is
better to train on, so **a good attribution has a positive LDS**. The loss of one training is noisy; what the noise
leaves to be explained is the split-half reliability over seeds, and its root is the ceiling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from raysep.evaluation.bootstrap import Interval, cluster_bootstrap, cluster_weights, interval_of
from raysep.evaluation.ranking import CLEAN, weighted_ranking


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rank correlation along the last axis, broadcast over the others; ties share their mean rank.

    NaN where one side is constant or has fewer than two values: no order is nothing to agree with.
    """
    a, b = (rankdata(values, axis=-1) for values in (first, second))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    scale = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    return np.divide((a * b).sum(axis=-1), scale, out=np.full(np.shape(scale), np.nan), where=scale > 0)


# The score --------------------------------------------------------------------------------------------------------


def predictions(scores: np.ndarray, members: np.ndarray) -> np.ndarray:
    """``(…, subset)`` sums of the scores ``(…, item)`` of each subset's members, bool ``(subset, item)``."""
    return scores @ members.T.astype(float)


def filled(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``(…, item)`` scores with the mean of their label where there is none (NaN).

    A silent stem has no score, and training draws another of its label in its place: the average one. NaN stays where
    the whole label has no score.
    """
    whole = np.array(scores, dtype=float)
    for label in np.unique(labels):
        part = whole[..., labels == label]
        known = np.isfinite(part)
        count = known.sum(axis=-1, keepdims=True)
        total = np.where(known, part, 0.0).sum(axis=-1, keepdims=True)
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        whole[..., labels == label] = np.where(known, part, mean)
    return whole


def lds(predicted: np.ndarray, losses: np.ndarray) -> float:
    """LDS of ``predicted (model, subset)`` for ``losses (subset, seed)``, a mean over the models that gave the scores."""
    return float(np.mean(spearman(predicted, -losses.mean(axis=1))))


def random_lds(members: np.ndarray, losses: np.ndarray, draws: int = 2000, seed: int = 0) -> Interval:
    """LDS of scores drawn at random: its mean, and the bounds that scores without any knowledge stay in."""
    scores = np.random.default_rng([seed, 0xA11]).standard_normal((draws, members.shape[1]))
    drawn = spearman(predictions(scores, members), -losses.mean(axis=1))
    return interval_of(float(np.nanmean(drawn)), drawn)


# What noise leaves ------------------------------------------------------------------------------------------------


def reliability(losses: np.ndarray) -> float:
    """Split-half reliability of the seed-averaged ``losses (subset, seed)``: how well another such set of seeds would
    rank the subsets alike.

    The rank correlation of two disjoint halves of the seeds, averaged over all ways to halve them, then lengthened from a
    half to all seeds by the formula of Spearman and Brown (1910). With an odd number of seeds each half leaves one out.
    NaN for one seed. At or below zero there is nothing but noise, and nothing to lengthen.
    """
    seeds = losses.shape[1]
    half = seeds // 2
    if not half:
        return float("nan")
    means = {chosen: losses[:, chosen].mean(axis=1) for chosen in combinations(range(seeds), half)}
    pairs = [(a, b) for a, b in combinations(means, 2) if not set(a) & set(b)]
    agreement = float(np.mean([spearman(means[a], means[b]) for a, b in pairs]))
    if not agreement > 0:
        return agreement
    times = seeds / half
    return times * agreement / (1.0 + (times - 1.0) * agreement)


def ceiling(losses: np.ndarray) -> float:
    """The LDS of whoever knows the expected loss of every subset: the root of the reliability; 0 where that is negative.

    Two sets of seeds agree less than either does with the truth, since both are noisy (correction for attenuation).
    """
    return float(np.sqrt(np.maximum(reliability(losses), 0.0)))


def over_subsets(
    statistic: Callable[[np.ndarray], float], subsets: int, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The interval of ``statistic(rows)`` over subsets drawn anew; the same seed draws the same ones for every method."""
    return cluster_bootstrap(statistic, np.arange(subsets), draws, seed, level)


# Agreement of two attributions ------------------------------------------------------------------------------------


def within_label(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> float:
    """Rank correlation of scores ``(item,)`` within each label, averaged over labels: scores of different labels are
    never compared. Items that either side has no score of (NaN), and labels without an order, are left out.
    """
    known = np.isfinite(first) & np.isfinite(second)
    first, second, labels = first[known], second[known], labels[known]
    found = np.array([spearman(first[labels == label], second[labels == label]) for label in np.unique(labels)])
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def macro_auroc(scores: np.ndarray, labels: np.ndarray, kinds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean AUROC over the kinds of fault, each against all clean items, by scores ``(item,)`` ranked within each label,
    under item weights ``(draw, item)``: ``(draw,)``. Items without a score (NaN) are left out.
    """
    known = np.isfinite(scores)
    scores, labels, kinds, weights = scores[known], labels[known], kinds[known], weights[:, known]
    suspicion = np.empty(len(scores))
    for label in np.unique(labels):
        members = labels == label
        suspicion[members] = rankdata(-scores[members]) / members.sum()
    faults = sorted(set(kinds) - {CLEAN})
    found = [weighted_ranking(suspicion, kinds == kind, kinds == CLEAN, weights)[0] for kind in faults]
    return np.mean(found, axis=0) if found else np.full(len(weights), np.nan)


# One attribution as a whole ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Items:
    """What is known of the items that are attributed to."""

    ids: tuple[str, ...]
    labels: np.ndarray  # (item,): scores are compared within a label
    groups: np.ndarray  # (item,): the track, which is what was drawn at random
    kinds: np.ndarray  # (item,): the fault, or "clean"


@dataclass(frozen=True)
class Trainings:
    """What trainings on subsets gave."""

    members: np.ndarray  # bool (subset, item)
    losses: np.ndarray  # (subset, seed)
    labels: np.ndarray  # (item,): a score that is missing is that of its label


_UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Foretelling:
    """What an attribution foretells of trainings; LDS with intervals over subsets."""

    lds: Interval  # mean over the models that it was taken of
    lds_by_model: tuple[float, ...]
    lds_of_mean: Interval  # of the models' scores put together
    lds_random: Interval  # of random weights

    def to_dict(self) -> dict:
        return asdict(self)


def foretelling(
    trained: np.ndarray, random: np.ndarray, known: Trainings, draws: int = 2000, seed: int = 0
) -> Foretelling:
    """Of scores ``(model, item)``, higher = better to train on, of trained weights and of random ones.

    All NaN where random weights have no scores: then neither has their figure.
    """
    predicted, blind = (predictions(filled(s, known.labels), known.members) for s in (trained, random))

    def foretold(sums: np.ndarray) -> Interval:
        return over_subsets(lambda rows: lds(sums[:, rows], known.losses[rows]), len(known.losses), draws, seed)

    return Foretelling(
        foretold(predicted),
        tuple(lds(each[None], known.losses) for each in predicted),
        foretold(together(predicted)),
        _UNKNOWN if np.isnan(random).all() else foretold(blind),
    )


def together(predicted: np.ndarray) -> np.ndarray:
    """``(1, subset)`` mean of the models' predictions ``(model, subset)``, each brought to the same spread."""
    spread = predicted.std(axis=1, keepdims=True)
    return (predicted / np.where(spread > 0, spread, 1.0)).mean(axis=0, keepdims=True)


def crossed(predicted: np.ndarray, losses: np.ndarray) -> tuple[float, float]:
    """LDS of ``predicted (model, subset)`` for ``losses (subset, model)`` of the models' own trainings with less: of each
    for its own, and of each for the others'; means. NaN for the latter with one model.
    """
    found = spearman(predicted[:, None], -losses.T[None])  # (whose score, whose loss)
    own = np.eye(len(found), dtype=bool)
    return float(found[own].mean()), float(found[~own].mean()) if len(found) > 1 else float("nan")


@dataclass(frozen=True)
class Quality:
    """How good one attribution is by itself; means over the models that it was taken of."""

    agreement: Interval  # rank correlation within label of pairs of models; over tracks
    against_random: Interval  # of each model with its random weights
    auroc: Interval  # macro over kinds
    auroc_random: Interval

    def to_dict(self) -> dict:
        return asdict(self)


def quality(trained: np.ndarray, random: np.ndarray, known: Items, draws: int = 2000, seed: int = 0) -> Quality:
    """Of scores ``(model, item)``, higher = better to train on, of trained weights and of random ones.

    All NaN where random weights have no scores: then neither have the figures of them.
    """
    without = _UNKNOWN if np.isnan(random).all() else None

    def over_tracks(statistic: Callable[[np.ndarray], float]) -> Interval:
        return cluster_bootstrap(statistic, known.groups, draws, seed)

    def agreement(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Interval:
        if not pairs:
            return _UNKNOWN
        return over_tracks(
            lambda rows: float(np.mean([within_label(a[rows], b[rows], known.labels[rows]) for a, b in pairs]))
        )

    def detection(scores: np.ndarray) -> Interval:
        weights = np.vstack([np.ones(len(known.groups)), cluster_weights(known.groups, draws, seed)])
        found = np.mean([macro_auroc(each, known.labels, known.kinds, weights) for each in scores], axis=0)
        return interval_of(found[0], found[1:])

    return Quality(
        agreement(list(combinations(trained, 2))),
        without or agreement(list(zip(trained, random, strict=True))),
        detection(trained),
        without or detection(random),
    )
