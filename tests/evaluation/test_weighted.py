from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.evaluation.bootstrap import cluster_weights
from raysep.evaluation.ranking import auroc
from raysep.evaluation.weighted import harm_weighted

samples = st.integers(0, 10**6).map(np.random.default_rng)
DB = {("swap", "strong"): 2.0, ("noise", "mild"): 0.0, ("noise", "strong"): 0.5}
CELLS = [("clean", ""), ("clean", ""), *DB, ("hum", "mild")]


def harm(kind, severity):
    return DB.get((kind, severity), math.nan)


def stems(rng, songs=12):
    chosen = [CELLS[i] for i in rng.integers(len(CELLS), size=4 * songs)]
    chosen[: len(CELLS)] = CELLS
    kind, severity = (np.array(part) for part in zip(*chosen, strict=True))
    score = rng.normal(size=len(kind)) + (kind == "swap")
    rows = np.vstack([np.ones((1, len(kind)), int), cluster_weights(np.repeat(np.arange(songs), 4), 100, 0)])
    return score, kind, severity, rows


@given(samples)
def test_the_mean_over_kinds_and_severities_by_their_harm(rng):
    score, kind, severity, rows = stems(rng)
    found = harm_weighted(score, kind, severity, rows, harm)
    clean = kind == "clean"
    areas = {}
    for cell in DB:
        positive = (kind == cell[0]) & (severity == cell[1])
        areas[cell] = auroc(score[positive | clean], positive[positive | clean])
    expected = (2.0 * areas["swap", "strong"] + 0.5 * areas["noise", "strong"]) / 2.5
    assert found.auroc.estimate == pytest.approx(expected)
    assert found.auroc.draws == 100
    assert found.weights == {"noise mild": 0.0, "noise strong": 0.5, "swap strong": 2.0}
    assert found.unknown == {"hum mild": int((kind == "hum").sum())}
    assert found.left_out == f"hum mild ({(kind == 'hum').sum()} stems)"


@given(samples, st.floats(0.1, 10))
def test_only_the_proportions_of_harm_matter(rng, scale):
    parts = stems(rng)
    first = harm_weighted(*parts, harm)
    second = harm_weighted(*parts, lambda kind, severity: scale * harm(kind, severity))
    assert second.auroc.estimate == pytest.approx(first.auroc.estimate)
    assert second.auroc.low == pytest.approx(first.auroc.low)


@given(samples)
def test_harmless_and_unknown_faults_move_nothing(rng):
    score, kind, severity, rows = stems(rng)
    moved = np.where((severity == "mild"), rng.normal(size=len(score)), score)
    first, second = (harm_weighted(s, kind, severity, rows, harm).auroc for s in (score, moved))
    assert (first.estimate, first.low, first.high) == (second.estimate, second.low, second.high)


def test_equal_harm_is_the_plain_mean_and_no_known_harm_is_no_figure():
    score, kind, severity, rows = stems(np.random.default_rng(0))
    found = harm_weighted(score, kind, severity, rows, lambda *cell: 1.0)
    clean, areas = kind == "clean", []
    for cell in CELLS[2:]:
        used = clean | ((kind == cell[0]) & (severity == cell[1]))
        areas.append(auroc(score[used], ~clean[used]))
    assert found.auroc.estimate == pytest.approx(np.mean(areas))
    nothing = harm_weighted(score, kind, severity, rows, lambda *cell: math.nan)
    assert math.isnan(nothing.auroc.estimate)
    assert nothing.weights == {}
    assert len(nothing.unknown) == 4
