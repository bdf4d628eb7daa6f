from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from raysep.report.evidence.standing import standing

COUNT = 40


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Forty corpus and ten trusted stems of one label by two networks and the share of gaps; three of them are odd."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(COUNT + 10):
        trusted = number >= COUNT
        rows.append(
            {
                **{"stem_id": f"s{number}", "track": f"t{number}", "stem": "bass", "outcome": "scored"},
                **{"role": "calibration" if trusted else "corpus", "fold": 0},
                **{"loss": rng.standard_normal(), "own-loss": rng.standard_normal(), "signal-dropout": 0.0},
                **{"loss_worst": -5.0 + rng.standard_normal(), "signal-dropout_worst": 0.0},
            }
        )
    rows[0] |= {"loss": -9.0, "own-loss": -4.0}
    rows[1] |= {"signal-dropout": -0.3, "signal-dropout_worst": -0.3, "loss": -4.0}
    rows[2] |= {"outcome": "silent"}
    rows[3] |= {"loss": None, "own-loss": None, "loss_worst": None}
    return pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def found(table):
    return standing(table, ["loss", "own-loss", "signal-dropout"], ["loss", "own-loss"], ["s0", "s1"])


def test_the_loudest_comes_first_and_one_of_each_family(found):
    assert [loud.probe for loud in found.loudest("s0")] == ["loss"]  # own-loss says the same
    loud = found.loudest("s1")
    assert [each.probe for each in loud] == ["signal-dropout", "loss"]
    assert loud[0].words == "digital silence 30\u202f% of the time; trusted bass: at most 0\u202f%"
    assert loud[0].z > loud[1].z > 2


def test_what_is_not_known_or_not_low_is_not_said(found):
    assert found.loudest("s2") == []  # silent: not among the scored
    assert found.loudest("s3") == []
    assert found.loudest("nobody") == []
    assert all(loud.z >= 1.0 for k in range(4, COUNT) for loud in found.loudest(f"s{k}"))


def test_the_lowest_segment_is_only_of_probes_that_have_segments(found):
    assert found.probes == ("loss", "own-loss", "signal-dropout", "loss_worst")


def test_beyond_every_trusted_stem(found):
    assert found.beyond_trusted("s1", "signal-dropout")
    assert not found.beyond_trusted("s0", "signal-dropout")
    assert found.beyond_trusted("s0", "loss")
    assert not found.beyond_trusted("s0", "none")


def test_other_scores_go_through_the_map_of_the_stems(found):
    values = found.values[4:9][:, [0, 2]]
    z = found.z_of(0, [0, 2], values)
    assert z == pytest.approx(found.z[4:9][:, [0, 2]])
    assert found.z_of(0, [2], np.array([[-0.3]]))[0, 0] == pytest.approx(found.z[1, 2])


def test_a_trusted_stem_is_not_compared_with_itself(found):
    row = found.row_of[f"s{COUNT}"]
    assert row not in found.trusted_rows(row)
    assert len(found.trusted_rows(row)) == 9


def test_folds_are_kept_apart(table):
    folds = table.set_column(table.column_names.index("fold"), "fold", pa.array([k % 2 for k in range(len(table))]))
    found = standing(folds, ["loss"], [])
    assert {found.stem_ids[row] for row in found.trusted_rows(found.row_of["s0"])} == {
        f"s{k}" for k in range(40, 50, 2)
    }


def test_what_is_removed_hides_nothing_of_what_it_shares(table):
    """A third of the stems have the same fault: with them in it the spread is so wide that none stands out."""
    odd = [f"s{k}" for k in range(15)]
    values = [-10.0 if k < 15 else v for k, v in enumerate(table["own-loss"].to_pylist())]
    many = table.set_column(table.column_names.index("own-loss"), "own-loss", pa.array(values))
    without, all_of_them = (standing(many, ["own-loss"], [], removed).loudest("s5")[0].z for removed in (odd, []))
    assert without > 5 > 3 * all_of_them / 2
