"""Other evidence lifts a row, and nothing else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raysep.decision.beyond_doubt import lifted

ROWS = st.lists(st.tuples(st.floats(-5, 5), st.one_of(st.none(), st.floats(0, 1))), max_size=30)


@given(ROWS)
def test_no_row_falls_and_only_those_with_evidence_rise(rows):
    suspicion = np.array([s for s, _ in rows])
    p = 1 / (1 + np.exp(-suspicion))  # rises with it
    known = np.array([np.nan if k is None else k for _, k in rows])
    raised, sure = lifted(suspicion, p, known)
    assert (raised >= suspicion).all()
    assert np.array_equal(sure, np.fmax(p, known))
    left = ~(known > p)
    assert np.array_equal(raised[left], suspicion[left])
    if len(rows):
        assert raised.max() == suspicion.max()  # nothing is ranked above what was there


def test_a_lifted_row_is_ranked_with_those_as_probably_corrupt_as_it():
    suspicion, p = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.7, 0.9])
    raised, sure = lifted(suspicion, p, np.array([0.6, np.nan, np.nan, np.nan]))
    assert raised.tolist() == [2.0, 1.0, 2.0, 3.0]
    assert sure.tolist() == [0.6, 0.2, 0.7, 0.9]
    assert lifted(suspicion, p, np.array([0.99, np.nan, np.nan, np.nan]))[0][0] == 3.0
