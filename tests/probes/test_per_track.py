from __future__ import annotations

import numpy as np
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from raysep.probes.per_track import known_of, mean_rank


@given(st.integers(1, 5), st.integers(1, 30), st.integers(0, 999))
def test_the_rank_is_scipys_share_of_the_sample_below(tracks, sample, seed):
    rng = np.random.default_rng(seed)
    known = np.sort(rng.integers(0, 9, size=(tracks, sample)).astype(float), axis=1)  # with ties
    tau = rng.integers(-1, 10, size=(tracks, 4)).astype(float)
    expected = [
        np.mean([scipy.stats.percentileofscore(known[t], tau[t, k], kind="mean") / 100 for t in range(tracks)])
        for k in range(4)
    ]
    np.testing.assert_allclose(mean_rank(tau, known), expected)


def test_a_loud_reference_track_does_not_outvote_the_others():
    """Joint scores add τ up, and the third track's would decide; ranks give every track one voice."""
    rng = np.random.default_rng(1)
    scale = np.array([1.0, 1.0, 1000.0])[:, None]
    known = np.sort(scale * rng.normal(size=(3, 200)), axis=1)
    tau = scale * np.array([[3.0, -3.0], [3.0, -3.0], [-0.1, 0.1]])
    assert tau.sum(axis=0)[0] < tau.sum(axis=0)[1]
    ranks = mean_rank(tau, known)
    assert ranks[0] > 0.7
    assert ranks[1] < 0.4


def test_what_was_not_heard_has_no_rank():
    assert np.isnan(mean_rank(np.array([[np.nan, 1.0]]), np.array([[0.0, 2.0]]))).tolist() == [True, False]


def test_only_audible_segments_are_the_sample():
    tau = np.arange(12.0).reshape(1, 6, 2)[:, ::-1]
    audible = np.array([[True, False]] * 3 + [[True, True]] * 3)
    known = known_of(tau, audible, ("drums", "bass"))
    assert known["drums"].tolist() == [[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]]
    assert known["bass"].tolist() == [[1.0, 3.0, 5.0]]
