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
from raysep.decision.logistic import Odds

REACH = 5.0  # where a feature is cut, in clean stems' deviations: see docs/results/fusion.md
LEARNT = 40_000  # corpus stems, of which nothing is known, that a model learns from at most
AT_ONCE = 1 << 12  # rows: what is made of them stays in a processor's cache
SAMPLE = 8  # of as many unlabelled examples one, from which the search for a model begins
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
        features: ``(row, feature)``, standardised within label, finite (see ``features.standardise``); float32 will do.
        role: ``"calibration"`` (clean), ``"planted"`` (corrupted on purpose) or ``"corpus"`` (judged).
        groups: track each row came from, by name or by a number in the order of the names; copies of one track share it.
        kind: of planted rows, so that every planted kind weighs the same; None or empty = all planted alike.
        seed: of the fold partitions. Equal input gives equal output.
        oriented: bool ``(feature,)``, those that are known to fall where a stem is wrong; None = all.
        said: ``(row,)``, a person's word on corpus rows: 1 = wrong, -1 = right, 0 = nothing; None = nothing of any.

    Raises:
        ValueError: too little calibration (see ``can_fuse``).
    """
    settings = settings or Fusion()
    features, role, groups = (np.asarray(each) for each in (features, role, groups))
    if not can_fuse(role, groups):
        raise ValueError(f"fusion needs {FEWEST_STEMS} calibration stems of {FEWEST_TRACKS} tracks")
    kind = np.full(len(role), "") if kind is None else np.asarray([name or "" for name in kind], dtype=object)
    oriented = np.ones(features.shape[1], dtype=bool) if oriented is None else np.asarray(oriented, dtype=bool)
    said = np.zeros(len(role)) if said is None else np.asarray(said)
    lacking = shortfall(features, oriented)
    total = np.zeros(len(role))
    for repeat in range(settings.repeats):
        fold = assign_folds(groups, role, settings.folds, np.random.default_rng([seed, repeat]))
        for index in np.unique(fold):
            learnt, times = examples(fold != index, role, said, np.random.default_rng([seed, repeat, int(index)]))
            model = _fit(features, lacking, role, kind, said, learnt, times, settings)
            held_out = np.flatnonzero(fold == index)
            for first in range(0, len(held_out), AT_ONCE):
                rows = held_out[first : first + AT_ONCE]
                total[rows] += model(features[rows], lacking[rows])
    return total / settings.repeats


def assign_folds(groups: np.ndarray, role: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """A fold number per row: whole tracks, the tracks of every role dealt out evenly; independent of row order."""
    names, track = np.unique(groups, return_inverse=True)
    folds = max(2, min(folds, len(np.unique(track[role == "calibration"]))))
    fold_of = np.full(len(names), -1)
    for name in ROLES:
        there = np.unique(track[role == name])
        tracks = there[fold_of[there] < 0]
        fold_of[rng.permutation(tracks)] = np.arange(len(tracks)) % folds
    return fold_of[track]


def examples(
    fitted: np.ndarray, role: np.ndarray, said: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that a model learns from, and how many each stands for: of the unlabelled ones at most ``LEARNT``, drawn.

    A model of a hundred numbers knows no more from a million stems of which nothing is known.
    """
    rows = np.flatnonzero(fitted)
    unlabelled = (role[rows] == "corpus") & (said[rows] == 0)
    times = np.ones(len(rows))
    if (count := int(unlabelled.sum())) > LEARNT:
        drawn = rng.choice(np.flatnonzero(unlabelled), size=LEARNT, replace=False)
        kept = ~unlabelled
        kept[drawn] = True
        times[drawn] = count / LEARNT
        rows, times = rows[kept], times[kept]
    return rows, times


@dataclass(frozen=True)
class _Scaled:
    """A model in standard deviations of the clean stems that it was fitted on, so that models can be added."""

    odds: Odds
    centre: float
    spread: float

    @classmethod
    def of(cls, odds: Odds, clean: np.ndarray, prior: np.ndarray | float = 0.0) -> _Scaled:
        values = odds(clean) + prior
        return cls(odds, float(values.mean()), max(float(values.std()), 1e-6))

    def __call__(self, columns: np.ndarray, prior: np.ndarray | float = 0.0) -> np.ndarray:
        return self.scaled(self.odds(columns), prior)

    def scaled(self, odds: np.ndarray, prior: np.ndarray | float = 0.0) -> np.ndarray:
        return (odds + prior - self.centre) / self.spread


@dataclass(frozen=True)
class _Model:
    """What one fold's examples teach."""

    columns: Columns
    prior: tuple[float, float, float]  # what a standard deviation is worth, and the clean stems' centre and spread
    together: _Scaled
    experts: tuple[_Scaled, ...]
    voice: tuple[float, float, float]  # of the experts, likewise

    def __call__(self, features: np.ndarray, lacking: np.ndarray) -> np.ndarray:
        together, *experts = self.columns.odds(features, [each.odds for each in (self.together, *self.experts)])
        suspicion = self.together.scaled(together, _scaled(lacking, self.prior))
        if not self.experts:
            return suspicion
        voices = [expert.scaled(odds) for expert, odds in zip(self.experts, experts, strict=True)]
        return suspicion + _scaled(_loudest(voices), self.voice)


def _fit(
    features: np.ndarray,
    lacking: np.ndarray,
    role: np.ndarray,
    kind: np.ndarray,
    said: np.ndarray,
    learnt: np.ndarray,
    times: np.ndarray,
    settings: Fusion,
) -> _Model:
    role, kind, said, lacking = role[learnt], kind[learnt], said[learnt], lacking[learnt]
    clean = role == "calibration"
    trust = clean.sum() / (clean.sum() + settings.enough)
    weights = example_weights(role, kind, settings, said)
    used = weights > 0
    examples_of = features[learnt].astype(float)
    taken, columns = Columns.learnt(examples_of, clean, times, settings)
    del examples_of  # as large as its columns' half
    prior = (settings.prior, *_in_deviations(lacking[clean]))
    before = _scaled(lacking, prior)
    # The weights sum to the number of stems, so that the penalty means the same for any corpus size.
    weights *= times[used].sum() * trust
    positive = ~clean & (said >= 0)
    rows = slice(None) if used.all() else used  # nothing is copied
    parts = columns[rows], positive[rows], weights[rows], settings.penalty, before[rows]
    odds = Odds.fitted(*parts, start=_near((role[rows] == "corpus") & (said[rows] == 0), *parts))
    together = _Scaled.of(odds, columns[clean], before[clean])
    experts = _experts(columns, clean, role == "planted", kind, settings) if settings.experts else ()
    alone = _in_deviations(loudest(experts, columns[clean])) if experts else (0.0, 1.0)
    return _Model(taken, prior, together, experts, (trust * settings.experts, *alone))


def _near(
    unlabelled: np.ndarray,
    columns: np.ndarray,
    positive: np.ndarray,
    weights: np.ndarray,
    penalty: float,
    before: np.ndarray,
) -> Odds | None:
    """The model of all that is known and of a sample of the unlabelled rows, near that of all of them; None for few of these."""
    if unlabelled.sum() < SAMPLE * AT_ONCE:
        return None
    kept = ~unlabelled | (np.arange(len(unlabelled)) % SAMPLE == 0)
    times = np.where(unlabelled[kept], weights[unlabelled].sum() / weights[unlabelled & kept].sum(), 1.0)
    return Odds.fitted(columns[kept], positive[kept], times * weights[kept], penalty, before[kept])


def _experts(
    columns: np.ndarray, clean: np.ndarray, planted: np.ndarray, kind: np.ndarray, settings: Fusion
) -> tuple[_Scaled, ...]:
    """One model per planted kind, which knows nothing of novelty."""
    voices = []
    for name in np.unique(kind[planted]):
        own = planted & (kind == name)
        if own.sum() >= FEWEST_OF_A_KIND:
            weights = EXPERT_WEIGHT * np.where(clean, 0.5 / clean.sum(), np.where(own, 0.5 / own.sum(), 0.0))
            rows = clean | own
            odds = Odds.fitted(columns[rows, :-1], own[rows], weights[rows], settings.expert_penalty)
            voices.append(_Scaled.of(odds, columns[clean, :-1]))
    return tuple(voices)


def loudest(experts: tuple[_Scaled, ...], columns: np.ndarray) -> np.ndarray:
    """The loudest expert's voice ``(row,)``: what is typical of one fault must not be averaged with the others."""
    return _loudest([expert(columns[:, :-1]) for expert in experts])


def _loudest(voices: list[np.ndarray]) -> np.ndarray:
    """``log Σ exp`` of the experts' voices, ``(row,)`` each."""
    total = voices[0]
    for voice in voices[1:]:
        total = np.logaddexp(total, voice)
    return total


def _in_deviations(clean: np.ndarray) -> tuple[float, float]:
    """Centre and spread of the clean rows."""
    return float(clean.mean()), max(float(clean.std()), 1e-6)


def _scaled(values: np.ndarray, by: tuple[float, float, float]) -> np.ndarray:
    worth, centre, spread = by
    return worth * ((values - centre) / spread)


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


@dataclass(frozen=True)
class Columns:
    """Features to the columns of the logistic model ``(row, 2·feature + 1)``: values, halved squares, novelty."""

    centre: np.ndarray  # (feature,)
    spread: np.ndarray
    shape: tuple[np.ndarray, np.ndarray]  # centre and covariance of the clean values
    usual: float  # distance of a clean stem
    worth: float  # of what is beyond that

    @classmethod
    def learnt(
        cls, features: np.ndarray, clean: np.ndarray, times: np.ndarray, settings: Fusion
    ) -> tuple[Columns, np.ndarray]:
        """From the rows ``(row, feature)`` that are learnt from, each of which stands for ``times (row,)`` stems; and theirs."""
        centre = features[clean].mean(axis=0)
        spread = np.maximum(features[clean].std(axis=0), 0.25)  # a handful of stems may agree by chance
        values = _clipped(features, centre, spread)
        shape = shape_of(values[clean], settings.shrinkage)
        distance = novelty(values, *shape)
        usual = float(np.median(distance[clean]))
        around = distance - times @ distance / times.sum()
        worth = settings.novelty / max(float(np.sqrt(times @ around**2 / times.sum())), 1e-9)
        taken = cls(centre, spread, shape, usual, worth)
        return taken, taken._joined(values, distance)

    def odds(self, features: np.ndarray, models: list[Odds]) -> np.ndarray:
        """What models of these columns, or of all but novelty, give ``features (row, feature)``: ``(model, row)``.

        As each would of the columns by itself, which are not made: one product for the values and one for their squares.
        """
        values, width = _clipped(features, self.centre, self.spread), features.shape[1]
        slopes = np.zeros((2 * width + 1, len(models)))
        for number, model in enumerate(models):
            slopes[: len(model.slope), number] = model.slope
        of_values, of_squares, of_novelty = slopes[:width], slopes[width:-1] / 2, slopes[-1]
        found = values @ of_values
        found += np.outer(self.worth * (novelty(values, *self.shape) - self.usual), of_novelty)
        found += np.square(values, out=values) @ of_squares
        found += [model.level for model in models] - of_squares.sum(axis=0)
        return found.T

    def _joined(self, values: np.ndarray, distance: np.ndarray) -> np.ndarray:
        width = values.shape[1]
        columns = np.empty((len(values), 2 * width + 1))
        columns[:, :width] = values
        np.square(values, out=columns[:, width:-1])
        columns[:, width:-1] -= 1
        columns[:, width:-1] /= 2
        columns[:, -1] = self.worth * (distance - self.usual)
        return columns


def _clipped(features: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    values = features - centre  # double, whatever the features are
    values /= spread
    return np.clip(values, -REACH, REACH, out=values)


def shape_of(clean: np.ndarray, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """Centre ``(feature,)`` and covariance ``(feature, feature)`` of the clean rows ``(row, feature)``.

    The covariance of forty stems in forty dimensions is singular; shrinking it halfway to the identity keeps the
    correlated probes (three losses of one separator) from counting three times, and inverts well.
    """
    centre = clean.mean(axis=0)
    covariance = (clean - centre).T @ (clean - centre) / max(1, len(clean) - 1)
    return centre, (1 - shrinkage) * covariance + shrinkage * np.eye(clean.shape[1])


def novelty(values: np.ndarray, centre: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Log of the mean squared Mahalanobis distance ``(row,)`` of ``values (row, feature)`` to the clean rows."""
    # Shrunk as it is, the covariance has no eigenvalue near 0: its root is inverted once, and not solved for each row.
    root = np.linalg.inv(np.linalg.cholesky(covariance)).T
    whitened = values @ root
    whitened -= centre @ root
    return np.log(np.einsum("rf,rf->r", whitened, whitened) / max(1, values.shape[1]) + 0.1)
