"""A simulated scoring pass: probes with structure, faults that move them, and what real tables have besides.

Per label other offsets and spreads; songs, families of probes and a few common factors correlate; tails are heavy; two
specialists are exactly zero for most stems; values are missing; outliers have no reason. Kinds move different probes,
some upwards, some either way, with a severity each. Effects are in standard deviations of the clean stems.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from raysep.decision.share import estimate_share

LABELS = ("vocals", "drums", "bass", "other")
SEVERITIES = {"mild": 0.5, "medium": 1.0, "strong": 1.6}
FAMILIES = {
    "loss": ("loss", "loss_worst", "loss-early", "loss-early_worst", "reference-loss", "reference-loss_worst"),
    "consistency": ("self-consistency", "self-consistency_worst"),
    "agreement": ("agreement", "agreement_worst"),
    "excess": ("excess", "excess_worst"),
    "unlearning": ("unlearning", "unlearning_worst"),
    "influence": ("influence", "influence_worst"),
    "distance": ("fad-z", "fad", "mahalanobis", "neighbours"),
}
SINGLE = ("curvature", "bandwidth", "rolloff", "floor", "flatness", "dc", "correlation", "crest", "lag", "synchrony")
SPARSE = {"clipping": ("clip", 0.08), "gaps": ("dropout", 0.1)}  # the kind it finds, share of clean stems above zero
PROBES = (*(name for family in FAMILIES.values() for name in family), *SINGLE, *SPARSE)
EITHER = None  # moves the probe up or down
KINDS = {
    "swap": {"loss": -2, "consistency": -3, "agreement": -1.8, "distance": -2, "unlearning": -1, "influence": -1}
    | {"bandwidth": EITHER, "flatness": EITHER},
    "merge": {"loss": -1.5, "consistency": -2, "agreement": -1, "distance": -1.2, "influence": -0.6, "excess": -1},
    "bleed-one": {
        "loss": -1,
        "consistency": -1.3,
        "agreement": -0.8,
        "excess": -1.2,
        "influence": -0.7,
        "distance": -0.4,
    },
    "bleed-all": {"loss": -0.7, "consistency": -1.2, "agreement": -0.5, "excess": -1.2, "floor": 1, "influence": -0.5},
    "clip": {"crest": -2, "loss": -0.5, "distance": -0.4},
    "noise": {"floor": 2.5, "flatness": 2, "loss": -1.2, "distance": -1.5, "influence": -0.6},
    "lowpass": {"bandwidth": -3, "rolloff": -2, "loss": 0.6, "distance": -1, "unlearning": 0.5},
    "dropout": {"loss": 0.3, "crest": 0.8, "distance": -0.3},
    "codec": {"bandwidth": -1.3, "flatness": -0.7, "distance": -0.7, "rolloff": -0.6},
    "delay": {"lag": EITHER, "synchrony": -1.3, "agreement": -0.2, "loss": -0.3},
}


@dataclass(frozen=True)
class World:
    stems: pa.Table  # what ``decide`` is given
    truth: list[dict]  # of the corpus stems


class Simulator:
    """One world's probes: what differs between labels and how probes hang together is drawn once."""

    def __init__(self, rng: np.random.Generator, strength: float) -> None:
        self.rng, self.strength = rng, strength
        self.loadings = 0.5 * rng.standard_normal((3, len(PROBES)))
        self.offset = 3 * rng.standard_normal((len(LABELS), len(PROBES)))
        self.spread = np.exp(0.4 * rng.standard_normal((len(LABELS), len(PROBES))) + rng.standard_normal(len(PROBES)))

    def probes(self, tracks: list[str], labels: list[str], kinds: list[str]) -> tuple[np.ndarray, list[str]]:
        """Probe values ``(stem, probe)`` and the severity of each stem."""
        rng, n, d = self.rng, len(kinds), len(PROBES)
        index = {name: i for i, name in enumerate(PROBES)}
        label = np.array([LABELS.index(name) for name in labels])
        names, track = np.unique(tracks, return_inverse=True)
        song = 0.45 * rng.standard_normal((len(names), d)) + 0.35 * rng.standard_normal((len(names), 3)) @ self.loadings
        x = song[track] + 0.6 * rng.standard_normal((n, 3)) @ self.loadings + 0.42 * rng.standard_t(4, (n, d))
        for family in FAMILIES.values():
            columns = [index[name] for name in family]
            x[:, columns] = 0.8 * rng.standard_normal((n, 1)) + 0.5 * x[:, columns]
        severities = ["" if kind == "clean" else str(rng.choice(list(SEVERITIES))) for kind in kinds]
        for i, kind in enumerate(kinds):
            if kind == "clean":
                continue
            size = self.strength * SEVERITIES[severities[i]] * np.exp(0.25 * rng.standard_normal())
            for name, effect in KINDS[kind].items():
                shift = rng.choice([-1, 1]) * rng.uniform(0.8, 2.2) if effect is EITHER else effect
                for probe in FAMILIES.get(name, (name,)):
                    x[i, index[probe]] += shift * size * np.exp(0.2 * rng.standard_normal())
        outlier = rng.random((n, d)) < 0.006
        x = self.offset[label] + self.spread[label] * (x + 15 * outlier * rng.standard_normal((n, d)))
        for probe, (found, usual) in SPARSE.items():
            value = np.where(rng.random(n) < usual, rng.exponential(0.002, n), 0.0)
            hit = (np.array(kinds) == found) & (rng.random(n) < 0.85)
            x[:, index[probe]] = -(value + hit * rng.exponential(0.02, n))
        x[rng.random((n, d)) < 0.01] = np.nan
        return x, severities


def make_world(
    seed: int = 0,
    share: float = 0.4,
    tracks: int = 60,
    calibration: int = 10,
    planted: int = 7,
    copies: int = 3,
    planted_kinds: tuple[str, ...] = tuple(KINDS),
    corpus_kinds: tuple[str, ...] = tuple(KINDS),
    strength: float = 1.5,
    silent: int = 0,
    failed: int = 0,
    folds: int = 1,
) -> World:
    """``tracks`` × 4 corpus stems of which ``share`` are corrupted, calibration and planted ones; some without a score.

    With several ``folds`` the planted tracks are calibration tracks too, and every fold has other levels of all probes.
    """
    rng = np.random.default_rng([seed, 11])
    simulator = Simulator(rng, strength)
    rows: list[tuple[str, str, str, str]] = []  # track, label, role, origin
    rows += [(f"song-{t:03}", label, "corpus", f"song-{t:03}") for t in range(tracks) for label in LABELS]
    kinds = ["clean"] * len(rows)
    for order, i in enumerate(rng.permutation(len(rows))[: round(share * len(rows))]):
        kinds[i] = corpus_kinds[order % len(corpus_kinds)]
    rows += [(f"ref-{t:02}", label, "calibration", f"ref-{t:02}") for t in range(calibration) for label in LABELS]
    kinds += ["clean"] * (len(rows) - len(kinds))
    copied = [
        (f"planted-{c}-{t}", label, "planted", f"in-{t}" if folds == 1 else f"ref-{t:02}")
        for t in range(planted)
        for c in range(copies)
        for label in LABELS
    ]
    kinds += rng.permutation([planted_kinds[i % len(planted_kinds)] for i in range(len(copied))]).tolist()
    rows += copied

    values, severities = simulator.probes([row[3] for row in rows], [row[1] for row in rows], kinds)
    songs = sorted({row[3] for row in rows})
    fold = np.array([songs.index(row[3]) % folds for row in rows])
    levels = np.random.default_rng([seed, 12]).standard_normal((folds, len(PROBES)))
    levels[:, [PROBES.index(name) for name in SPARSE]] = 0.0
    values += (levels - levels[0])[fold] * simulator.spread.mean(axis=0)
    outcome = np.array(["scored"] * len(rows), dtype=object)
    unscored = rng.permutation(tracks * len(LABELS))[: silent + failed]
    outcome[unscored[:silent]], outcome[unscored[silent:]] = "silent", "failed"
    values[outcome != "scored"] = np.nan
    stem_id = [f"{track}/{label}" for track, label, _, _ in rows]
    table = pa.table(
        {
            "stem_id": stem_id,
            "track": [row[0] for row in rows],
            "stem": [row[1] for row in rows],
            "outcome": outcome.tolist(),
            "role": [row[2] for row in rows],
            "kind": [kind if row[2] == "planted" else None for kind, row in zip(kinds, rows, strict=True)],
            "group": [row[3] for row in rows],
            "fold": fold,
            **{name: pa.array(values[:, i], mask=~np.isfinite(values[:, i])) for i, name in enumerate(PROBES)},
        }
    )
    truth = [
        {"stem_id": stem_id[i], "track": rows[i][0], "stem": rows[i][1], "kind": kinds[i], "severity": severities[i]}
        for i in range(tracks * len(LABELS))
    ]
    return World(table, truth)


@pytest.fixture(scope="module", autouse=True)
def few_draws():
    """Of the interval of the share that a decision estimates: of ten times as many, they take two thirds of its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("raysep.decision.verdicts.estimate_share", partial(estimate_share, draws=20))
        yield


@pytest.fixture(scope="session")
def simulate():
    return make_world


@pytest.fixture
def kinds() -> tuple[str, ...]:
    return tuple(KINDS)
