"""Many probes to one suspicion (higher = more suspect), cross-fitted, blind to the kind of fault that was not planted.

Three ideas in one regularised logistic model (planted corrupted and corpus stems against clean calibration stems):

- *squares* beside the values, since a fault may move a probe either way (a low-pass makes a stem easier to separate);
- *novelty*, the shrunk Mahalanobis distance to the calibration stems, entered with a weak penalty, so that a stem that is
  unusual in a way nobody planted still rises;
- a *positive-unlabelled* share: corpus stems count as positives with a small weight (AdaDetect, Marandon, Lei, Mary &
  Roquain 2024, arXiv 2208.06685), so that a fault common in the corpus is learnt without having been planted.

Beside the common model, one *expert* per planted kind, of which the loudest counts: a fault that a single probe tells
for certain (a gap, a clipped peak) would otherwise be outvoted by the sixty that do not see it.

What is learnt is trusted by how much clean evidence there is: with n calibration stems as n / (n + 40). Four clean songs that
happen to be harder than most teach a model the wrong way round. So the common model begins from a *prior*, what is known before
any evidence: low scores of the probes that have a direction are suspect. It learns only where the evidence says otherwise.

A row is never scored by a model that was fitted on its own track, whether calibration, planted or corpus: that is what
keeps clean corpus stems and calibration stems exchangeable, and thereby the p-values valid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raysep.decision.features import shortfall

NEWTON_STEPS, TOLERANCE = 50, 1e-8
ROLES = ("calibration", "planted", "corpus")
FEWEST_TRACKS = 3  # calibration tracks, and
FEWEST_OF_A_KIND = 2  # planted stems from which an expert of that kind is made
EXPERT_WEIGHT = 100.0  # stems that an expert's examples count as, however few they are
FEWEST_STEMS = 8  # calibration stems, below which there is no fusion but only a ranking


@dataclass(frozen=True)
class Fusion:
    """Settings, chosen by simulation over seen and left-out kinds (tests/decision/conftest.py has the simulator)."""

    penalty: float = 300.0  # ridge penalty on standardised features: 1 / C of scikit-learn
    shrinkage: float = 0.5  # of the calibration correlation towards the identity
    novelty: float = 3.0  # scale of the novelty column: its penalty is novelty² times weaker
    unlabelled: float = 0.2  # weight of the corpus among the positives; 1 = no planted stems used
    experts: float = 0.5  # weight of the experts' voice against the common model's; 0 = none
    expert_penalty: float = 30.0
    prior: float = (
        0.5  # log-odds that a standard deviation of the oriented probes' own suspicion is worth; 0 = no prior
    )
    enough: float = 40.0  # calibration stems at which what is learnt from them is half trusted; 0 = fully, however few
    right: float = 3.0  # calibration stems that one weighs as which a person called right: it is a hard one
    enough_wrong: float = 20.0  # stems that a person called wrong at which they weigh as much as what was planted
    folds: int = 5
    repeats: int = 3  # fold partitions averaged


def can_fuse(role: np.ndarray, groups: np.ndarray) -> bool:
    """Whether there is enough clean calibration to learn from at all."""
    calibration = np.asarray(role) == "calibration"
    return int(calibration.sum()) >= FEWEST_STEMS and len(np.unique(np.asarray(groups)[calibration])) >= FEWEST_TRACKS


def fuse(
    features: np.ndarray,
    role: np.ndarray,
    groups: np.ndarray,
    kind: np.ndarray | None = None,
    seed: int = 0,
    settings: Fusion | None = None,
    oriented: np.ndarray | None = None,
    said: np.ndarray | None = None,
) -> np.ndarray:
    """Suspicion ``(row,)``: how far from the clean calibration stems, in units of their own spread; higher = more suspect.

    Args:
        features: ``(row, feature)``, standardised within label, finite (see ``features.standardise``).
        role: ``"calibration"`` (clean), ``"planted"`` (corrupted on purpose) or ``"corpus"`` (judged).
        groups: track each row came from; copies of one track share its name.
        kind: of planted rows, so that every planted kind weighs the same; None or empty = all planted alike.
        seed: of the fold partitions. Equal input gives equal output.
        oriented: bool ``(feature,)``, those that are known to fall where a stem is wrong; None = all.
        said: ``(row,)``, a person's word on corpus rows: 1 = wrong, -1 = right, 0 = nothing; None = nothing of any.

    Raises:
        ValueError: too little calibration (see ``can_fuse``).
    """
    settings = settings or Fusion()
    features, role, groups = np.asarray(features, dtype=float), np.asarray(role), np.asarray(groups).astype(str)
    if not can_fuse(role, groups):
        raise ValueError(f"fusion needs {FEWEST_STEMS} calibration stems of {FEWEST_TRACKS} tracks")
    kind = np.full(len(role), "") if kind is None else np.asarray([name or "" for name in kind])
    oriented = np.ones(features.shape[1], dtype=bool) if oriented is None else np.asarray(oriented, dtype=bool)
    said = np.zeros(len(role)) if said is None else np.asarray(said)
    lacking = shortfall(features, oriented)
    total = np.zeros(len(role))
    for repeat in range(settings.repeats):
        fold = assign_folds(groups, role, settings.folds, np.random.default_rng([seed, repeat]))
        for index in np.unique(fold):
            held_out = fold == index
            total[held_out] += _fit_and_score(features, lacking, role, kind, said, ~held_out, held_out, settings)
    return total / settings.repeats


def assign_folds(groups: np.ndarray, role: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """A fold number per row: whole tracks, the tracks of every role dealt out evenly; independent of row order."""
    calibration_tracks = len(np.unique(groups[role == "calibration"]))
    folds = max(2, min(folds, calibration_tracks))
    fold_of: dict[str, int] = {}
    for name in ROLES:
        tracks = [track for track in np.unique(groups[role == name]) if track not in fold_of]
        for position, track in enumerate(rng.permutation(tracks) if tracks else []):
            fold_of[str(track)] = position % folds
    return np.array([fold_of[track] for track in groups])


def _fit_and_score(
    features: np.ndarray,
    lacking: np.ndarray,
    role: np.ndarray,
    kind: np.ndarray,
    said: np.ndarray,
    fitted: np.ndarray,
    scored: np.ndarray,
    settings: Fusion,
) -> np.ndarray:
    clean = fitted & (role == "calibration")
    trust = clean.sum() / (clean.sum() + settings.enough)
    weights = example_weights(np.where(fitted, role, ""), kind, settings, said)
    used = weights > 0
    columns = expand(features, clean, fitted, settings)
    prior = settings.prior * _in_deviations(lacking, clean)
    # The weights sum to the number of stems, so that the penalty means the same for any corpus size.
    together = logistic(columns, used, ~clean & (said >= 0), weights * used.sum() * trust, settings.penalty, prior)
    suspicion = _in_deviations(together, clean)
    if settings.experts:
        alone = _experts(columns[:, :-1], clean, fitted & (role == "planted"), kind, settings)
        suspicion = suspicion if alone is None else suspicion + trust * settings.experts * _in_deviations(alone, clean)
    return suspicion[scored]


def _experts(
    columns: np.ndarray, clean: np.ndarray, planted: np.ndarray, kind: np.ndarray, settings: Fusion
) -> np.ndarray | None:
    """The loudest of one model per planted kind: what is typical of one fault must not be averaged with the others."""
    from scipy.special import logsumexp

    voices = []
    for name in np.unique(kind[planted]):
        own = planted & (kind == name)
        if own.sum() >= FEWEST_OF_A_KIND:
            weights = EXPERT_WEIGHT * np.where(clean, 0.5 / clean.sum(), np.where(own, 0.5 / own.sum(), 0.0))
            voices.append(_in_deviations(logistic(columns, clean | own, own, weights, settings.expert_penalty), clean))
    return logsumexp(voices, axis=0) if voices else None


def logistic(
    columns: np.ndarray,
    used: np.ndarray,
    positive: np.ndarray,
    weights: np.ndarray,
    penalty: float,
    prior: np.ndarray | None = None,
) -> np.ndarray:
    """Log-odds of being positive ``(row,)``, for all rows, of a ridge logistic model fitted on the used ones.

    ``prior (row,)``: log-odds that are there before anything is learnt; the model learns what to add. By Newton's method:
    the problem is strictly convex, a hundred columns wide at most, and scikit-learn's own takes no such offset.
    """
    prior = np.zeros(len(columns)) if prior is None else prior
    x = np.column_stack([columns, np.ones(len(columns))])
    fitted, target, weight = x[used], positive[used].astype(float), weights[used]
    ridge = np.append(np.full(columns.shape[1], penalty), 0.0)  # the intercept is free
    slope = np.zeros(x.shape[1])

    def loss(slope: np.ndarray) -> float:
        odds = fitted @ slope + prior[used]
        return float(weight @ (np.logaddexp(0, odds) - target * odds) + 0.5 * ridge @ slope**2)

    reached = loss(slope)
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(fitted @ slope + prior[used], -35, 35)))
        gradient = fitted.T @ (weight * (p - target)) + ridge * slope
        curvature = (fitted.T * np.maximum(weight * p * (1 - p), 1e-12)) @ fitted + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        while (found := loss(slope - step)) > reached and np.abs(step).max() > TOLERANCE:
            step /= 2
        slope, reached = slope - step, found
        if np.abs(step).max() <= TOLERANCE:
            break
    return x @ slope + prior


def _in_deviations(values: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """In standard deviations of the clean rows the models were fitted on, so that models can be added."""
    return (values - values[clean].mean()) / max(float(values[clean].std()), 1e-6)


def example_weights(role: np.ndarray, kind: np.ndarray, settings: Fusion, said: np.ndarray | None = None) -> np.ndarray:
    """Half of the weight on what is clean, half on the positives: planted (each kind alike) and corpus.

    Stems that a person called right are among the clean. The n that were called wrong take n / (n + ``enough_wrong``) of what is
    planted. Neither is among the unlabelled.
    """
    said = np.zeros(len(role)) if said is None else said
    weights = np.zeros(len(role))
    calibration, planted, corpus = (role == name for name in ROLES)
    right, wrong, corpus = corpus & (said < 0), corpus & (said > 0), corpus & (said == 0)
    clean = calibration + settings.right * right
    weights += 0.5 * clean / max(1.0, clean.sum())
    by_hand = wrong.sum() / (wrong.sum() + settings.enough_wrong) if wrong.any() else 0.0
    unlabelled = settings.unlabelled
    if not planted.any():
        unlabelled, by_hand = 1.0 - by_hand, float(wrong.any())
    if not corpus.any():
        unlabelled = 0.0
    known = 0.5 * (1 - unlabelled)
    weights[wrong] = known * by_hand / max(1, wrong.sum())
    names = np.unique(kind[planted])
    for name in names:
        same = planted & (kind == name)
        weights[same] = known * (1 - by_hand) / len(names) / same.sum()
    weights[corpus] = 0.5 * unlabelled / max(1, corpus.sum())
    return weights


def expand(features: np.ndarray, clean: np.ndarray, fitted: np.ndarray, settings: Fusion) -> np.ndarray:
    """Columns of the logistic model ``(row, 2·feature + 1)``: values, halved squares, novelty."""
    centre = features[clean].mean(axis=0)
    spread = np.maximum(features[clean].std(axis=0), 0.25)  # a handful of stems may agree by chance
    values = np.clip((features - centre) / spread, -4.0, 4.0)
    distance = novelty(values, clean, settings.shrinkage)
    distance -= np.median(distance[clean])
    distance /= max(distance[fitted].std(), 1e-9)
    return np.column_stack([values, (values**2 - 1) / 2, settings.novelty * distance])


def novelty(values: np.ndarray, clean: np.ndarray, shrinkage: float) -> np.ndarray:
    """Log of the mean squared Mahalanobis distance ``(row,)`` to the clean rows of ``values (row, feature)``.

    The covariance of forty stems in forty dimensions is singular; shrinking it halfway to the identity keeps the
    correlated probes (three losses of one separator) from counting three times, and inverts well.
    """
    centred = values - values[clean].mean(axis=0)
    covariance = centred[clean].T @ centred[clean] / max(1, clean.sum() - 1)
    covariance = (1 - shrinkage) * covariance + shrinkage * np.eye(values.shape[1])
    whitened = np.linalg.solve(covariance, centred.T)
    return np.log((centred * whitened.T).sum(axis=1) / max(1, values.shape[1]) + 0.1)
