from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysep.corpus.columns import columns_of_file
from raysep.decision.aggregate import numbers
from raysep.decision.features import peers, standardise
from raysep.report.evidence import standing as module
from raysep.report.evidence.standing import ascending, standing
from raysep.report.evidence.usual import NEWS

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
    rows = [found.row_of[f"s{k}"] for k in range(4, 9)]
    values, z = (np.stack([of(row)[[0, 2]] for row in rows]) for of in (found.values, found.z))
    assert found.z_of(0, [0, 2], values) == pytest.approx(z)
    assert found.z_of(0, [2], np.array([[-0.3]]))[0, 0] == pytest.approx(found.z(found.row_of["s1"])[2])


def test_a_trusted_stem_is_not_compared_with_itself(found):
    row = found.row_of[f"s{COUNT}"]
    assert row not in found.trusted_rows(row)
    assert len(found.trusted_rows(row)) == 9


def test_folds_are_kept_apart(table):
    folds = table.set_column(table.column_names.index("fold"), "fold", pa.array([k % 2 for k in range(len(table))]))
    found = standing(folds, ["loss"], [])
    assert {found.stem_ids[row].as_py() for row in found.trusted_rows(found.row_of["s0"])} == {
        f"s{k}" for k in range(40, 50, 2)
    }


def test_what_is_removed_hides_nothing_of_what_it_shares(table):
    """A third of the stems have the same fault: with them in it the spread is so wide that none stands out."""
    odd = [f"s{k}" for k in range(15)]
    values = [-10.0 if k < 15 else v for k, v in enumerate(table["own-loss"].to_pylist())]
    many = table.set_column(table.column_names.index("own-loss"), "own-loss", pa.array(values))
    without, all_of_them = (standing(many, ["own-loss"], [], removed).loudest("s5")[0].z for removed in (odd, []))
    assert without > 5 > 3 * all_of_them / 2


def test_what_is_told_of_one_stem_is_what_all_of_them_together_give(table):
    """Plainly: every score of every stem turned into z at once, and those of which all usual ones are alike by themselves."""
    names, removed = ["loss", "own-loss", "signal-dropout"], ["s0", "s1", "s9"]
    rows = table.filter(pa.compute.equal(table["outcome"], "scored"))
    values = np.stack([numbers(rows, name) for name in names], axis=1)
    usual = ~np.isin(rows["stem_id"].to_pylist(), removed)
    z = -standardise(values, peers(rows), usual, limit=np.inf)
    below = -values[:, 2]  # nobody else has a gap
    z[:, 2] = NEWS * below / np.median(below[below > 0])
    z[np.isnan(values)] = np.nan
    found = standing(table, names, [], removed)
    assert found.z(found.row_of["s3"]) == pytest.approx(z[2], nan_ok=True)
    assert np.stack([found.z(found.row_of[name]) for name in rows["stem_id"].to_pylist()]) == pytest.approx(
        z, nan_ok=True, abs=0
    )
    ours = ~found.trusted
    of_each = [found.loudest(name, 1, -np.inf) for name in rows["stem_id"].to_pylist()]
    told = [names.index(loud[0].probe) if loud else -1 for loud in of_each]
    assert np.array(told)[ours].tolist() == found.loudest_of_all()[ours].tolist()
    assert set(np.array(told)[ours].tolist()) == {0, 1, 2}
    assert standing(table, names[:2], [], removed).loudest_of_all()[found.row_of["s3"]] == -1


@pytest.mark.parametrize("few", [0, 1 << 12], ids=["those asked for", "all"])
def test_a_file_says_what_the_table_says(table, found, tmp_path, monkeypatch, few):
    monkeypatch.setattr(module, "FEW", few)
    pq.write_table(table, tmp_path / "stems.parquet", row_group_size=7)
    columns = columns_of_file(str(tmp_path / "stems.parquet"))
    read = standing(columns, ["loss", "own-loss", "signal-dropout"], ["loss", "own-loss"], ["s0", "s1"])
    read.prepare(["s5", "s1", "nobody"])
    for name in table["stem_id"].to_pylist():
        assert read.loudest(name) == found.loudest(name)


def test_trusted_scores_are_in_order_without_those_that_are_no_numbers():
    assert ascending(np.array([3.0, np.nan, -np.inf, 1.0, 1e100, 2.0])) == [1.0, 2.0, 3.0]
